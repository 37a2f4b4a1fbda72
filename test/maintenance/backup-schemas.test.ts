import { afterAll, expect, test } from 'bun:test'
import { mkdirSync } from 'node:fs'
import { readConfig } from '../../src/config.ts'
import { makeBackup } from '../../src/maintenance/backup.ts'
import { openBackup } from '../../src/maintenance/backup-source.ts'
import { BackupTar } from '../../src/maintenance/backup-tar.ts'
import { holdHere } from '../../src/maintenance/database-hold.ts'
import { restoreBackup } from '../../src/maintenance/restore.ts'
import { verify } from '../../src/maintenance/verify.ts'
import { connect } from '../../src/store/database.ts'
import { DatabaseCopy } from '../../src/store/database-copy.ts'
import { migrate } from '../../src/store/migrate.ts'
import { failureOf, temporaryDirectory } from '../store/support.ts'
import { contentOf, PREFIXES, released } from '../support/released-schema.ts'

const directory = temporaryDirectory()
afterAll(() => directory.remove())

const configOf = (name: string) => readConfig({ DATA_DIR: `${directory.path}/${name}` })

/** Backs up the data of an installation into a tar file. */
async function backUp(name: string): Promise<string> {
  const [config, place] = [configOf(name), `${directory.path}/${name}.tar`]
  const [hold, target] = [await holdHere(config, 'a test'), await BackupTar.create(place, 1_700_000_000)]
  try {
    const order = { target, place, program: '0.0.0', now: 1_700_000_000, withKey: false, prune: false }
    await makeBackup(config, hold, order)
    return place
  } finally {
    await target.close()
    await hold.end()
  }
}

/** A database of an installation as the program with this many migrations left it. */
async function installation(name: string, count: number) {
  mkdirSync(`${directory.path}/${name}`)
  const url = `file:${directory.path}/${name}/package-broker.db`
  return { url, content: await released(url, count) }
}

test.each(PREFIXES)('a backup of the schema after %d migrations is restored, and upgraded then', async (count) => {
  const { content } = await installation(`from-${count}`, count)
  const source = await openBackup(await backUp(`from-${count}`))
  expect(source.manifest.schema.applied).toBe(count)
  const config = configOf(`to-${count}`)
  expect(await restoreBackup(config, source, false)).toMatchObject({ key: 'fits' })
  expect(await contentOf(config.databaseUrl)).toEqual(content)
  const copy = await DatabaseCopy.open(`${config.dataDir}/package-broker.db`)
  const checks = await verify({ config, copy, now: 1_700_000_000 })
  const wrong = checks.filter(({ findings }) => findings.some((found) => found.wrong)).map(({ name }) => name)
  // The hashes of the record of changes are made up, once there are any.
  expect(wrong.filter((name) => name !== 'audit')).toEqual([])
  copy.close()
  expect(await migrate({ url: config.databaseUrl, authToken: null })).toBeGreaterThan(0)
})

test('a damaged database is told, and no backup is made of it', async () => {
  const { url } = await installation('broken', PREFIXES.length)
  const client = await connect({ url, authToken: null })
  await client.execute('PRAGMA foreign_keys = OFF')
  await client.execute("INSERT INTO refs (repository_id, name, commit_id) VALUES ('none', 'n', 'c')")
  await client.execute("UPDATE archives SET sha256 = '../../x'")
  client.close()
  const failure = await failureOf(backUp('broken'))
  expect(failure).toEqual({ kind: 'unavailable', message: expect.stringContaining('The database is damaged') })
  expect(await Bun.file(`${directory.path}/broken.tar`).exists()).toBe(false)
  const copy = await DatabaseCopy.open(`${directory.path}/broken/package-broker.db`)
  const [database] = await verify({ config: configOf('broken'), copy, now: 1 })
  expect(database?.findings).toMatchObject([
    { what: 'A row of refs names one of repositories that is not there. Restore a backup.' },
    { what: '1 records of archives have no digest. Restore a backup.' },
  ])
  copy.close()
})

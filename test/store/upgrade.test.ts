import { afterAll, describe, expect, test } from 'bun:test'
import { copyFileSync, existsSync, readdirSync, statSync } from 'node:fs'
import { DatabaseCopy } from '../../src/store/database-copy.ts'
import { migrate } from '../../src/store/migrate.ts'
import { contentOf, MIGRATIONS, PREFIXES, type Rows, released } from '../support/released-schema.ts'
import { startChild, temporaryDirectory } from './support.ts'

const directory = temporaryDirectory()
afterAll(() => directory.remove())

/** What is left of rows in columns that there still are. */
function kept(before: Rows, after: Rows): Rows {
  const tables = Object.entries(before).map(([table, rows]) => {
    const columns = Object.keys(after[table]?.[0] ?? {})
    const left = (row: Record<string, unknown>) =>
      columns.filter((name) => name in row).map((name) => [name, row[name]])
    return [table, rows.map((row) => Object.fromEntries(left(row)))]
  })
  return Object.fromEntries(tables)
}

describe('an upgrade', () => {
  test.each(PREFIXES)('from the schema after %d migrations keeps every row, and a copy from before', async (count) => {
    const file = `${directory.path}/from-${count}.db`
    const before = await released(`file:${file}`, count)
    expect(await migrate({ url: `file:${file}`, authToken: null })).toBe(MIGRATIONS.length - count)
    const after = await contentOf(`file:${file}`)
    for (const [table, rows] of Object.entries(kept(before, after))) {
      // A migration may add rows, as that of the log of changes does.
      const all = expect.arrayContaining(rows.map((row) => expect.objectContaining(row)))
      expect({ table, rows: after[table] }).toEqual({ table, rows: all })
    }
    const copy = await DatabaseCopy.open(file)
    expect(await copy.problems()).toEqual([])
    copy.close()
    expect(statSync(`${file}.before-${count}`).mode & 0o077).toBe(0)
    expect(await contentOf(`file:${file}.before-${count}`)).toEqual(before)
  })

  test('that is killed at any moment is made by the next start', async () => {
    const old = `${directory.path}/old.db`
    const count = 1
    const before = await released(`file:${old}`, count)
    const whole = await elapsed(old)
    for (let round = 0; round < 20; round++) {
      const file = `${directory.path}/killed-${round}.db`
      copyWhole(old, file)
      const child = startChild('migrate', `file:${file}`)
      await child.line()
      await child.say('go')
      await Bun.sleep((whole * 1.2 * round) / 20)
      child.kill()
      await child.exited
      // Whatever copy is there is complete.
      if (existsSync(`${file}.before-${count}`)) {
        expect(await contentOf(`file:${file}.before-${count}`)).toEqual(before)
      }
      const applied = await migrate({ url: `file:${file}`, authToken: null })
      expect([0, MIGRATIONS.length - count]).toContain(applied)
      const after = await contentOf(`file:${file}`)
      expect(kept(before, after)).toMatchObject({ repositories: [{ id: 'x' }], tokens: [{ id: 'x' }] })
      expect(existsSync(`${file}.before-${count}`)).toBe(true)
      expect(readdirSync(directory.path).filter((name) => name.endsWith('.tmp'))).toEqual([])
    }
  })

  test('keeps the last two copies', async () => {
    const file = `${directory.path}/copies.db`
    for (const count of [1, 2, 3]) {
      for (const ending of ['', '-wal', '-shm']) Bun.spawnSync(['rm', '-f', file + ending])
      await released(`file:${file}`, count)
      await migrate({ url: `file:${file}`, authToken: null })
    }
    const copies = readdirSync(directory.path).filter((name) => /^copies\.db\.before-\d+$/.test(name))
    expect(copies.sort()).toEqual(['copies.db.before-2', 'copies.db.before-3'])
  })

  test('a new database and one that is up to date have nothing to keep', async () => {
    const file = `${directory.path}/new.db`
    await migrate({ url: `file:${file}`, authToken: null })
    await migrate({ url: `file:${file}`, authToken: null })
    expect(readdirSync(directory.path).filter((name) => name.startsWith('new.db.before'))).toEqual([])
  })
})

/** Copies a database with its log. */
function copyWhole(from: string, to: string): void {
  for (const ending of ['', '-wal']) if (existsSync(from + ending)) copyFileSync(from + ending, to + ending)
}

/** How long a whole upgrade of a copy takes in a process of its own, in milliseconds. */
async function elapsed(old: string): Promise<number> {
  const file = `${directory.path}/whole.db`
  copyWhole(old, file)
  const child = startChild('migrate', `file:${file}`)
  await child.line()
  const began = performance.now()
  await child.say('go')
  await child.line()
  child.kill()
  await child.exited
  return performance.now() - began
}

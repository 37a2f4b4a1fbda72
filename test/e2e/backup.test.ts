import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { createHash } from 'node:crypto'
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Installation, type RunningServer } from '../support/binary.ts'
import { ComposerProject, composerAvailable } from '../support/composer-project.ts'
import { filesUnder, flipBit } from '../support/damage.ts'
import { type GitServer, startGitServer } from '../support/git-http-server.ts'
import { createGitRepository } from '../support/git-repository.ts'
import { library } from '../support/packages.ts'
import { WriteLoad } from '../support/write-load.ts'

setDefaultTimeout(120_000)

const KEY = 'an-administrator-token-for-the-tests-of-backups'

interface Document {
  packages: Record<string, Record<string, { dist: { url: string; shasum: string } }>>
}

describe('backup and restore with the executable', () => {
  let root: string
  let git: GitServer
  let source: Installation
  let server: RunningServer
  let load: WriteLoad
  /** What had been acknowledged when the last backup began. */
  let known: ReturnType<WriteLoad['snapshot']>
  const installations: Installation[] = []
  const backup = () => join(root, 'backup')
  const tar = () => join(root, 'backup.tar')

  beforeAll(async () => {
    root = mkdtempSync(join(tmpdir(), 'package-broker-backup-'))
    const repository = createGitRepository(join(root, 'lib.git'), {
      commits: [library('acme/lib', 'one', { tags: ['1.0.0'] })],
    })
    git = await startGitServer({ root })
    source = await install()
    server = await source.serve()
    load = await WriteLoad.start(server, KEY, repository, `${git.url}/lib.git`)
  })

  afterAll(async () => {
    await load?.stop().catch(() => {})
    for (const installation of installations) await installation.remove()
    await git?.stop()
    rmSync(root, { recursive: true, force: true })
  })

  async function install(): Promise<Installation> {
    const installation = await Installation.create({ ADMIN_TOKEN: KEY })
    installations.push(installation)
    return installation
  }

  async function json(installation: Installation, ...args: string[]): Promise<Record<string, unknown>> {
    const { code, stdout, stderr } = await installation.run([...args, '--json'])
    expect({ args, code, stderr }).toMatchObject({ code: 0, stderr: '' })
    return JSON.parse(stdout)
  }

  const archivesOf = (directory: string) => filesUnder(join(directory, 'archives'))

  const inodes = (paths: readonly string[]) => new Map(paths.map((path) => [path, statSync(path).ino]))

  async function assertServes(restored: RunningServer, name: string, versions: readonly string[]): Promise<void> {
    const headers = { Authorization: `Bearer ${KEY}` }
    const { packages } = (await (await fetch(`${restored.url}/p2/${name}.json`, { headers })).json()) as Document
    expect(Object.keys(packages[name] ?? {})).toEqual(expect.arrayContaining([...versions]))
    for (const [version, { dist }] of Object.entries(packages[name] ?? {})) {
      const response = await fetch(dist.url, { headers })
      expect({ version, status: response.status }).toEqual({ version, status: 200 })
      const sha1 = createHash('sha1')
        .update(new Uint8Array(await response.arrayBuffer()))
        .digest('hex')
      expect({ version, sha1 }).toEqual({ version, sha1: dist.shasum })
    }
  }

  test('a second backup under load writes only what is new', async () => {
    await load.progress(3)
    const first = await json(source, 'backup', backup())
    const before = inodes(archivesOf(backup()))
    expect(before.size).toBeGreaterThan(5)
    await load.progress(2)
    known = load.snapshot()
    const second = (await json(source, 'backup', backup())) as { archives: { copied: number; total: number } }
    const after = inodes(archivesOf(backup()))
    expect(first).toMatchObject({ key: false, lost: [] })
    expect(second.archives.copied).toBe(after.size - before.size)
    for (const [path, inode] of before) expect(after.get(path)).toBe(inode)
    await json(source, 'backup', tar(), '--with-key')
  })

  test('nothing of it is for others, and without --with-key it has no key', async () => {
    await load.stop()
    const key = readFileSync(join(source.directory, 'data/encryption.key'), 'utf8').trim()
    const files = readdirSync(backup(), { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
    for (const entry of files) {
      const path = join(entry.parentPath, entry.name)
      if (entry.name.startsWith('instance.')) continue
      expect({ path, mode: statSync(path).mode & 0o077 }).toEqual({ path, mode: 0 })
      expect(readFileSync(path, 'latin1')).not.toContain(key)
    }
    expect(readFileSync(tar(), 'latin1')).toContain(key)
    expect(Bun.spawnSync(['tar', 'tf', tar()]).stdout.toString()).toContain('manifest.json\n')
  })

  test('what was restored has everything that had been acknowledged, without the sources', async () => {
    await git.stop()
    const restored = await install()
    const told = await restored.run(['restore', backup()])
    expect(told).toMatchObject({ code: 0 })
    expect(told.stdout).toContain('The key of stored credentials is missing')
    cpSync(join(source.directory, 'data/encryption.key'), join(restored.directory, 'data/encryption.key'))
    const checks = (await json(restored, 'verify')) as unknown as { findings: unknown[] }[]
    expect(checks.flatMap(({ findings }) => findings)).toEqual([])
    const again = await restored.serve()
    await assertServes(again, 'acme/built', known.uploads)
    await assertServes(again, 'acme/lib', ['1.0.0', ...known.tags])
    for (const token of known.tokens) {
      const response = await fetch(`${again.url}/packages.json`, { headers: { Authorization: `Bearer ${token}` } })
      expect(response.status).toBe(200)
    }
    await again.stop()
  })

  test.skipIf(!composerAvailable)('composer installs from one that was restored with its key', async () => {
    const restored = await install()
    expect(await json(restored, 'restore', tar())).toMatchObject({ key: 'fits' })
    const again = await restored.serve()
    const project = ComposerProject.create({
      repositories: [again.url],
      tokens: { [again.url]: known.tokens[0] ?? '' },
      require: { 'acme/lib': '*', 'acme/built': '*' },
    })
    const { code, output } = await project.run('install')
    expect({ code, output }).toMatchObject({ code: 0 })
    expect(project.read('vendor/acme/lib/src/Lib.php')).toContain('<?php')
    project.remove()
    await again.stop()
  })

  test('an interrupted backup leaves the earlier one as it was', async () => {
    const manifest = readFileSync(join(backup(), 'manifest.json'), 'utf8')
    // Everything is to be copied again, so that there is time to be killed in.
    const { archives } = JSON.parse(manifest) as { archives: { path: string }[] }
    for (let round = 0; round < 12; round++) {
      for (const { path } of archives.slice(0, 5 * round)) rmSync(join(backup(), path), { force: true })
      const running = source.begin(['backup', backup()])
      await Bun.sleep(100 + round * 25)
      running.kill('SIGKILL')
      await running.exited
      const { database, archives: named } = JSON.parse(readFileSync(join(backup(), 'manifest.json'), 'utf8')) as {
        database: { path: string; sha256: string }
        archives: unknown[]
      }
      const bytes = readFileSync(join(backup(), database.path))
      expect(createHash('sha256').update(bytes).digest('hex')).toBe(database.sha256)
      expect(named.length).toBeGreaterThanOrEqual(archives.length)
    }
    await json(source, 'backup', backup())
    expect(await json(source, 'restore', backup(), '--check')).toMatchObject({ key: null })
    expect(readdirSync(backup()).filter((name) => name.startsWith('.draft-'))).toEqual([])
    expect(readdirSync(join(source.directory, 'data')).filter((name) => name.startsWith('copy-'))).toEqual([])
    // The server was let go of each time: it writes.
    expect((await source.run(['token', 'create'])).code).toBe(0)
  })

  test('a backup that was changed or cut off is refused, and nothing is put in place', async () => {
    const damages: Record<string, (directory: string, file: string) => void> = {
      'an archive with a flipped bit': (directory) => flipBit(archivesOf(directory)[0] ?? ''),
      'an archive that was cut': (directory) => truncateSync(archivesOf(directory)[0] ?? '', 20),
      'an archive that is gone': (directory) => rmSync(archivesOf(directory)[0] ?? ''),
      'a changed database': (directory) => flipBit(databaseOf(directory)),
      'no manifest': (directory) => rmSync(join(directory, 'manifest.json')),
      'a cut tar': (_, file) => truncateSync(file, statSync(file).size >> 1),
      'a tar without its end': (_, file) => truncateSync(file, statSync(file).size - 3_000),
      'a changed tar': (_, file) => flipBit(file),
    }
    for (const [name, damage] of Object.entries(damages)) {
      const [directory, file] = [join(root, 'damaged'), join(root, 'damaged.tar')]
      cpSync(backup(), directory, { recursive: true })
      cpSync(tar(), file)
      damage(directory, file)
      const place = name.includes('tar') ? file : directory
      const target = await install()
      for (const args of [
        ['restore', place],
        ['restore', place, '--check'],
      ]) {
        const { code, stderr } = await target.run(args)
        expect({ name, code, said: /backup/.test(stderr) }).toEqual({ name, code: 1, said: true })
      }
      const left = readdirSync(target.directory, { recursive: true }).map(String)
      expect(left.filter((entry) => entry.includes('package-broker.db'))).toEqual([])
      rmSync(directory, { recursive: true })
      rmSync(file)
    }
  })

  test('--recheck replaces what was damaged in an earlier backup, and --prune removes what nothing names', async () => {
    const [damaged = ''] = archivesOf(backup())
    flipBit(damaged)
    const stray = join(backup(), 'archives/git/ff', `${'f'.repeat(64)}.zip`)
    mkdirSync(join(stray, '..'), { recursive: true })
    writeFileSync(stray, 'x')
    const quick = (await json(source, 'backup', backup())) as { archives: { copied: number; pruned: number } }
    expect(quick.archives).toMatchObject({ copied: 0, pruned: 0 })
    expect((await source.run(['restore', backup(), '--check'])).code).toBe(1)
    const thorough = await json(source, 'backup', backup(), '--recheck', '--prune')
    expect(thorough).toMatchObject({ archives: { copied: 1, pruned: 1 } })
    expect(archivesOf(backup())).not.toContain(stray)
    await json(source, 'restore', backup(), '--check')
  })

  test('restore refuses data that is there, a running server and a newer schema', async () => {
    const running = await source.run(['restore', backup(), '--force'])
    expect(running.stderr).toContain('is in use by another package-broker')
    const target = await install()
    await json(target, 'restore', tar())
    const refused = await target.run(['restore', tar()])
    expect({ code: refused.code, said: refused.stderr.includes('--force') }).toEqual({ code: 1, said: true })
    const created = await target.run(['token', 'create'])
    await json(target, 'restore', tar(), '--force')
    expect(readdirSync(join(target.directory, 'data'))).toContain('package-broker.db.before-restore')
    const restored = await target.serve()
    const lost = await fetch(`${restored.url}/packages.json`, {
      headers: { Authorization: `Bearer ${created.stdout.trim()}` },
    })
    expect(lost.status).toBe(401)
    await restored.stop()
    const manifest = JSON.parse(readFileSync(join(backup(), 'manifest.json'), 'utf8'))
    manifest.schema.last += 10_000_000_000
    writeFileSync(join(backup(), 'manifest.json'), JSON.stringify(manifest))
    const newer = await (await install()).run(['restore', backup()])
    expect({ code: newer.code, said: newer.stderr.includes('newer package-broker') }).toEqual({ code: 78, said: true })
  })

  test('a key that does not fit is told, and one that came with the backup takes its place', async () => {
    const target = await install()
    const place = join(target.directory, 'data/encryption.key')
    const other = `${Buffer.alloc(32, 1).toString('base64')}\n`
    mkdirSync(join(place, '..'))
    writeFileSync(place, other)
    await json(source, 'backup', join(root, 'keyless.tar'))
    expect(await json(target, 'restore', join(root, 'keyless.tar'))).toMatchObject({ key: 'other' })
    expect(await json(target, 'restore', tar(), '--force')).toMatchObject({ key: 'fits' })
    expect(readFileSync(`${place}.before-restore`, 'utf8')).toBe(other)
    const restored = await target.serve()
    await restored.stop()
  })

  test('a database on a server and a directory of something else are refused', async () => {
    const remote = await source.run(['backup', backup()], { env: { DATABASE_URL: 'https://db.example.org' } })
    expect(remote.stderr).toContain('names a database on a server')
    const elsewhere = await source.run(['backup', source.directory])
    expect(elsewhere.stderr).toContain('which no backup wrote')
  })
})

function databaseOf(directory: string): string {
  return join(directory, readdirSync(directory).find((name) => name.startsWith('database-')) ?? '')
}

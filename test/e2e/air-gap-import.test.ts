import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { cpSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Installation, type RunningServer } from '../support/binary.ts'
import { ComposerProject, composerAvailable } from '../support/composer-project.ts'
import { Management } from '../support/management.ts'
import { type Packagist, startPackagist } from '../support/upstream/packagist.ts'
import { libraryZip } from '../support/zip-builder.ts'

setDefaultTimeout(120_000)

interface Entry {
  path: string
  size: number
  sha256: string
  archive?: object
}

describe.skipIf(!composerAvailable)('an export on the other side of the gap', () => {
  let origin: Installation
  let upstream: Packagist
  let project: ComposerProject
  let lock: string
  let out: string
  let sha256: string

  beforeAll(async () => {
    origin = await Installation.create({ BASE_URL: 'http://packages.origin.example/team' })
    upstream = await startPackagist({
      packages: [
        { name: 'other/base', versions: ['1.0.0', '1.1.0', 'dev-main'] },
        { name: 'other/app', versions: [{ version: '2.0.0', manifest: { require: { 'other/base': '^1.0' } } }] },
        {
          name: 'other/all',
          type: 'metapackage',
          versions: [{ version: '1.0', manifest: { require: { 'other/app': '*' } } }],
        },
      ],
    })
    const server = await origin.serve()
    const key = server.adminToken ?? ''
    const api = new Management(server.url, key)
    await api.addRepository(upstream.url, { vcs_type: 'composer' })
    const { id } = (await api.call('POST', '/api/repositories', { vcs_type: 'artifact' })) as { id: string }
    const put = (body: Uint8Array<ArrayBuffer>) =>
      fetch(`${server.url}/api/repositories/${id}/artifacts`, {
        ...{ method: 'PUT', body },
        headers: { Authorization: `Bearer ${key}` },
      })
    expect((await put(libraryZip({ name: 'acme/built', version: '2.0.0' }))).status).toBe(201)
    // Made directly against the upstream and without this server.
    project = ComposerProject.create({
      repositories: [upstream.url],
      require: { 'other/all': '*', 'other/base': '1.0.0' },
    })
    expect(await project.run('update')).toMatchObject({ code: 0 })
    lock = project.path('composer.lock')
    out = join(origin.directory, 'bundle')
    upstream.log.clear()
    const made = await origin.run(['export', '--lock', lock, '--packages', 'acme/built', '--out', out, '--json'])
    expect({ code: made.code, stderr: made.stderr }).toEqual({ code: 0, stderr: '' })
    sha256 = JSON.parse(made.stdout).manifest_sha256
    expect(JSON.parse(made.stdout)).toMatchObject({ versions: 4, failures: [] })
  })

  afterAll(async () => {
    project?.remove()
    await upstream?.stop()
    await origin?.remove()
  })

  const archiveRequests = () => upstream.log.requests.filter(({ path }) => /zip/.test(path)).map(({ path }) => path)

  test('archives are fetched once: neither mirror nor a second export asks for them again', async () => {
    expect(archiveRequests()).toHaveLength(2)
    upstream.log.clear()
    expect(await origin.run(['mirror', '--lock', lock])).toMatchObject({ code: 0 })
    const again = await origin.run(['export', '--lock', lock, '--packages', 'acme/built', '--out', out, '--json'])
    expect(JSON.parse(again.stdout)).toMatchObject({ reused: 3, failures: [] })
    sha256 = JSON.parse(again.stdout).manifest_sha256
    expect(archiveRequests()).toEqual([])
  })

  test('with another shasum in the lock file nothing is written', async () => {
    const wrong = join(origin.directory, 'wrong.lock')
    const text = readFileSync(lock, 'utf8')
    const changed = JSON.parse(text)
    changed.packages[1].dist.shasum = 'f'.repeat(40)
    writeFileSync(wrong, JSON.stringify(changed))
    const made = await origin.run(['mirror', '--lock', wrong, '--json'])
    expect(made.code).toBe(1)
    expect(JSON.parse(made.stdout).failures).toEqual([
      {
        package: changed.packages[1].name,
        version: changed.packages[1].version,
        reason: expect.stringContaining('SHA-1'),
      },
    ])
  })

  describe('imported', () => {
    let inside: Installation
    let server: RunningServer
    let key: string

    beforeAll(async () => {
      inside = await Installation.create()
      server = await inside.serve()
      key = server.adminToken ?? ''
    })

    afterAll(() => inside?.remove())

    /** A copy of the export with something done to it; the sentence by which it is refused. */
    async function refusal(change: (directory: string, files: Entry[]) => void): Promise<string> {
      const copy = join(inside.directory, 'copy')
      rmSync(copy, { recursive: true, force: true })
      cpSync(out, copy, { recursive: true })
      const before = readFileSync(join(copy, 'manifest.json'), 'utf8')
      const manifest = JSON.parse(before)
      change(copy, manifest.files)
      const text = `${JSON.stringify(manifest, null, 2)}\n`
      if (text !== before) writeFileSync(join(copy, 'manifest.json'), text)
      const { code, stderr } = await inside.run(['import', copy, '--manifest-sha256', sha256])
      const unchecked = await inside.run(['import', copy])
      expect([code, unchecked.code]).toEqual([1, 1])
      expect(await new Management(server.url, key).call('GET', '/api/repositories')).toEqual([])
      return stderr + unchecked.stderr
    }

    const archiveIn = (files: Entry[]) => files.find(({ archive }) => archive) as Entry

    test('nothing of an export in which anything is wrong', async () => {
      expect(
        await refusal((copy, files) => {
          const { path } = archiveIn(files)
          const bytes = readFileSync(join(copy, path))
          bytes[30] = (bytes[30] ?? 0) ^ 1
          writeFileSync(join(copy, path), bytes)
        }),
      ).toContain('has another SHA-256 than the manifest says')
      expect(await refusal((copy, files) => rmSync(join(copy, archiveIn(files).path)))).toContain('is missing')
      expect(await refusal((copy) => writeFileSync(join(copy, 'p2/extra.json'), '{}'))).toContain('not in the manifest')
      expect(await refusal((copy) => writeFileSync(join(copy, 'packages.json'), '{}'))).toMatch(/has 2 bytes instead/)
      expect(
        await refusal((_, files) => {
          archiveIn(files).sha256 = 'a'.repeat(64)
        }),
      ).toMatch(/manifest.json has the SHA-256 [0-9a-f]{64} instead of [\s\S]*has another SHA-256/)
      expect(await refusal((_, files) => void files.push({ path: '../up', size: 1, sha256: sha256 }))).toContain(
        'no path',
      )
      expect(await refusal((_, files) => void files.push({ path: '/etc/passwd', size: 1, sha256 }))).toContain(
        'no path',
      )
      expect(
        await refusal((copy, files) => {
          const { path } = archiveIn(files)
          renameSync(join(copy, path), join(inside.directory, 'moved'))
          symlinkSync(join(inside.directory, 'moved'), join(copy, path))
        }),
      ).toContain('is no file')
      expect(
        await refusal((copy) => {
          rmSync(join(inside.directory, 'elsewhere'), { recursive: true, force: true })
          renameSync(join(copy, 'dist'), join(inside.directory, 'elsewhere'))
          symlinkSync(join(inside.directory, 'elsewhere'), join(copy, 'dist'))
        }),
      ).toContain('is behind a link')
      expect(await refusal((copy) => rmSync(join(copy, 'manifest.json')))).toContain('manifest.json')
    })

    test('composer updates and installs, with nothing outside to be reached', async () => {
      await upstream.stop()
      mkdirSync(join(inside.directory, 'disk'))
      const disk = join(inside.directory, 'disk', 'bundle')
      cpSync(out, disk, { recursive: true })
      const done = await inside.run(['import', disk, '--manifest-sha256', sha256, '--json'])
      expect({ code: done.code, stderr: done.stderr }).toEqual({ code: 0, stderr: '' })
      expect(JSON.parse(done.stdout)).toMatchObject({
        ...{ url: 'http://packages.origin.example/team', packages: 4, versions: 4, archives: 3 },
      })
      rmSync(disk, { recursive: true })
      // Also after a restart: nothing of it is in memory only.
      await server.stop()
      server = await inside.serve({ ADMIN_TOKEN: key })

      const copy = ComposerProject.create({
        repositories: [server.url],
        tokens: { [server.url]: key },
        require: { 'other/all': '*', 'other/base': '1.0.0', 'acme/built': '*' },
      })
      try {
        const updated = await copy.run('update')
        expect(updated).toMatchObject({ code: 0 })
        expect(copy.locked().map(({ name, version }) => `${name} ${version}`)).toEqual([
          'acme/built 2.0.0',
          'other/all 1.0',
          'other/app 2.0.0',
          'other/base 1.0.0',
        ])
        copy.forget()
        expect(await copy.run('install')).toMatchObject({ code: 0 })
        expect(copy.has('vendor/other/base/composer.json')).toBe(true)
        const missing = await copy.run('require', 'other/unheard')
        expect(missing.code).not.toBe(0)
        expect(missing.output).toContain('Could not find a matching version of package other/unheard')
      } finally {
        copy.remove()
      }
    })

    test('again changes nothing; the record and the repository tell of it', async () => {
      const api = new Management(server.url, key)
      const done = await inside.run(['import', out, '--json'])
      expect(JSON.parse(done.stdout)).toMatchObject({ packages: 4, versions: 4, archives: 0 })
      const [repository, ...others] = (await api.call('GET', '/api/repositories')) as Record<string, unknown>[]
      expect(others).toEqual([])
      expect(repository).toMatchObject({ vcs_type: 'composer', fresh_for: 31_536_000, packages: 4, versions: 4 })
      const { issues } = (await api.call('GET', `/api/repositories/${repository?.id}`)) as { issues: object[] }
      expect(issues).toContainEqual({ ref: 'import', reason: expect.stringContaining('imported from an export') })
      const audit = (await api.call('GET', '/api/audit')) as { action: string; subject: string; after: unknown }[]
      const entries = audit.filter(({ action }) => action === 'repository.import')
      expect(entries.map(({ subject, after }) => ({ subject, after }))).toEqual(
        Array(2).fill({
          subject: repository?.id,
          after: { packages: ['acme/built', 'other/all', 'other/app', 'other/base'] },
        }),
      )
    })
  })
})

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Installation, type RunningServer } from '../support/binary.ts'
import { ComposerProject, composerAvailable } from '../support/composer-project.ts'
import { type GitServer, startGitServer } from '../support/git-http-server.ts'
import { createGitRepository, type TestGitRepository } from '../support/git-repository.ts'
import { Management } from '../support/management.ts'
import { library } from '../support/packages.ts'
import { libraryZip } from '../support/zip-builder.ts'

setDefaultTimeout(120_000)

interface Listed {
  path: string
  size: number
  sha256: string
  archive?: { package: string; version: string; address: string; reference: string; sha1: string }
}

describe.skipIf(!composerAvailable)('export of owned packages', () => {
  let installation: Installation
  let server: RunningServer
  let source: GitServer
  let project: ComposerProject
  let tools: TestGitRepository
  let toolsId: string
  let lock: string
  let out: string
  let key: string

  beforeAll(async () => {
    installation = await Installation.create()
    server = await installation.serve()
    const roots = join(installation.directory, 'sources')
    mkdirSync(roots)
    createGitRepository(join(roots, 'lib.git'), {
      commits: [library('acme/lib', 'one', { tags: ['1.0.0'] }), library('acme/lib', 'two', { tags: ['1.1.0'] })],
    })
    tools = createGitRepository(join(roots, 'dev.git'), { commits: [library('acme/tools', 'branch')] })
    source = await startGitServer({ root: roots })
    key = server.adminToken ?? ''
    const api = new Management(server.url, key)
    await api.addRepository(`${source.url}/lib.git`)
    toolsId = (await api.addRepository(`${source.url}/dev.git`)).id
    const { id } = (await api.call('POST', '/api/repositories', { vcs_type: 'artifact' })) as { id: string }
    const pushed = await fetch(`${server.url}/api/repositories/${id}/artifacts`, {
      method: 'PUT',
      body: libraryZip({ name: 'acme/built', version: '2.0.0' }),
      headers: { Authorization: `Bearer ${key}` },
    })
    expect(pushed.status).toBe(201)
    project = ComposerProject.create({
      repositories: [server.url],
      tokens: { [server.url]: key },
      require: { 'acme/lib': '1.0.*', 'acme/built': '*' },
      extra: { 'require-dev': { 'acme/tools': 'dev-main' } },
    })
    expect(await project.run('update')).toMatchObject({ code: 0 })
    lock = project.path('composer.lock')
    out = join(installation.directory, 'bundle')
  })

  afterAll(async () => {
    project?.remove()
    await source?.stop()
    await installation?.remove()
  })

  const manifestOf = (directory: string) =>
    JSON.parse(readFileSync(join(directory, 'manifest.json'), 'utf8')) as { origin: string; files: Listed[] }

  /** The project as somebody else has it, with the lock file of an export. */
  function copyOf(directory: string): ComposerProject {
    const copy = ComposerProject.create({ repositories: [] })
    copy.writeManifest(JSON.parse(project.read('composer.json')))
    writeFileSync(copy.path('composer.lock'), readFileSync(join(directory, 'composer.lock')))
    return copy
  }

  test('mirror has the server fetch each archive, and says what could not be had', async () => {
    const { code, stdout } = await installation.run(['mirror', '--lock', lock, '--json'])
    expect({ code, ...JSON.parse(stdout) }).toMatchObject({ code: 0, packages: 3, archives: 3, failures: [] })

    const wrong = join(installation.directory, 'wrong.lock')
    const named = (name: string, version: string, shasum = '') => ({
      ...{ name, version, dist: { type: 'zip', url: 'https://api.example/zip', reference: '', shasum } },
    })
    const packages = [
      named('acme/unheard', '1.0.0'),
      named('acme/lib', '7.0.0'),
      named('acme/built', '2.0.0', 'f'.repeat(40)),
      { name: 'acme/meta', version: '1.0.0', type: 'metapackage' },
      named('acme/lib', '1.1.0'),
    ]
    writeFileSync(wrong, JSON.stringify({ packages, 'packages-dev': [named('acme/none', '1')] }))
    const failed = await installation.run(['mirror', '--lock', wrong, '--no-dev', '--json'])
    expect(failed.code).toBe(1)
    const { failures, archives } = JSON.parse(failed.stdout) as { failures: Record<string, string>[]; archives: number }
    expect(archives).toBe(1)
    expect(failures.map((one) => `${one.package} ${one.version} ${one.reason}`).sort()).toEqual([
      expect.stringMatching(/^acme\/built 2\.0\.0 its archive has the SHA-1 [0-9a-f]{40} here, and f{40} in the lock/),
      'acme/lib 7.0.0 the version is not offered here: it does not exist, is withdrawn, withheld for its age, or filtered',
      expect.stringContaining('acme/meta 1.0.0'),
      expect.stringContaining('acme/unheard 1.0.0'),
    ])
  })

  test('composer installs from file:// and from a plain web server, with this server stopped', async () => {
    const made = await installation.run(['export', '--lock', lock, '--out', out, '--json'])
    expect({ code: made.code, stderr: made.stderr }).toEqual({ code: 0, stderr: '' })
    expect(JSON.parse(made.stdout)).toMatchObject({ versions: 3, reused: 0, failures: [] })

    const web = Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      fetch: (request) => new Response(Bun.file(join(`${out}-web`, decodeURIComponent(new URL(request.url).pathname)))),
    })
    const address = `http://127.0.0.1:${web.port}`
    const webArguments = ['export', '--lock', lock, '--out', `${out}-web`, '--base-url', address]
    expect(await installation.run(webArguments)).toMatchObject({ code: 0 })
    await server.stop()
    try {
      for (const [directory, url] of [
        [out, `file://${out}`],
        [`${out}-web`, address],
      ] as const) {
        const copy = copyOf(directory)
        try {
          // The project as it is: its repository cannot be reached, and its lock file belongs to its composer.json.
          const { code, output } = await copy.run('install')
          expect({ code, output }).toMatchObject({ code: 0, output: expect.not.stringContaining('not up to date') })
          expect(copy.read('vendor/acme/lib/src/Lib.php')).toContain('one')
          expect(copy.has('vendor/acme/tools/composer.json')).toBe(true)
          copy.forget()
          const repositories = [{ type: 'composer', url }, { 'packagist.org': false }]
          copy.writeManifest({ ...JSON.parse(copy.read('composer.json')), repositories })
          expect(await copy.run('update')).toMatchObject({ code: 0 })
          expect(copy.locked().map(({ name, dist }) => [name, dist.url.startsWith(`${url}/dist/`)])).toEqual([
            ['acme/built', true],
            ['acme/lib', true],
          ])
        } finally {
          copy.remove()
        }
      }
    } finally {
      await web.stop(true)
      server = await installation.serve({ PORT: new URL(server.url).port })
    }
  })

  test('the lock file differs from the first in the addresses of archives only', () => {
    const archives = manifestOf(out).files.flatMap((file) =>
      file.archive ? [{ ...file.archive, path: file.path }] : [],
    )
    let restored = readFileSync(join(out, 'composer.lock'), 'utf8')
    for (const { path, address } of archives)
      restored = restored.replace(`file://${out}/${path}`, `${server.url}${address}`)
    expect(restored).toBe(project.read('composer.lock'))
  })

  test('every file is in the manifest with its digest, and no secret is in any', () => {
    const listed = manifestOf(out).files
    const there = readdirSync(out, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(out.length + 1))
    expect(there.sort()).toEqual([...listed.map(({ path }) => path), 'manifest.json'].sort())
    for (const { path, size, sha256 } of listed) {
      const bytes = readFileSync(join(out, path))
      expect([bytes.length, new Bun.CryptoHasher('sha256').update(bytes).digest('hex')]).toEqual([size, sha256])
      expect(bytes.includes(key) || bytes.includes(`${source.url}/lib.git`)).toBe(false)
    }
  })

  test('a second run takes over what is there, and drops what is no longer named', async () => {
    const before = manifestOf(out).files.filter(({ archive }) => archive)
    const kept = before.find(({ archive }) => archive?.package === 'acme/built')
    const inode = statSync(join(out, kept?.path ?? '')).ino
    project.requires({ 'acme/lib': '1.1.*', 'acme/built': '*' })
    expect(await project.run('update')).toMatchObject({ code: 0 })
    const made = await installation.run(['export', '--lock', lock, '--no-dev', '--out', out, '--json'])
    expect(JSON.parse(made.stdout)).toMatchObject({ versions: 2, reused: 1, failures: [] })
    const after = manifestOf(out).files.flatMap(({ archive }) =>
      archive ? [`${archive.package} ${archive.version}`] : [],
    )
    expect(after.sort()).toEqual(['acme/built 2.0.0', 'acme/lib 1.1.0'])
    expect(existsSync(join(out, 'p2/acme/tools.json'))).toBe(false)
    // The same bytes under another name: nothing was written again.
    expect(statSync(join(out, kept?.path ?? '')).ino).toBe(inode)

    // One that was damaged is not taken over.
    writeFileSync(join(out, kept?.path ?? ''), 'damaged')
    const again = await installation.run(['export', '--lock', lock, '--no-dev', '--out', out, '--json'])
    expect(JSON.parse(again.stdout)).toMatchObject({ reused: 1, failures: [] })
    expect(readFileSync(join(out, kept?.path ?? ''))).toHaveLength(kept?.size ?? 0)
  })

  test('a locked commit that its branch has left is exported as the lock file describes it', async () => {
    const { 'packages-dev': locked } = JSON.parse(readFileSync(lock, 'utf8'))
    const before = locked[0].dist.reference
    tools.commit(library('acme/tools', 'moved'))
    const view = await new Management(server.url, key).sync(toolsId)
    expect(view.status).toBe('active')
    expect(tools.resolve('main')).not.toBe(before)
    const target = `${out}-earlier`
    const made = await installation.run(['export', '--lock', lock, '--out', target, '--json'])
    expect(JSON.parse(made.stdout)).toMatchObject({ failures: [] })
    const references = manifestOf(target).files.map(({ archive }) => archive?.reference)
    expect(references).toContain(before)
  })

  test('--packages adds what no lock file names', async () => {
    const target = `${out}-packages`
    const made = await installation.run(['export', '--packages', 'acme/lib:>=1.0,<1.1,acme/built', '--out', target])
    expect(made).toMatchObject({ code: 0 })
    const names = manifestOf(target).files.flatMap(({ archive }) =>
      archive ? [`${archive.package} ${archive.version}`] : [],
    )
    expect(names.sort()).toEqual(['acme/built 2.0.0', 'acme/lib 1.0.0'])
  })

  test('nothing is written when anything is missing, or where something else is', async () => {
    const missing = join(installation.directory, 'missing.lock')
    writeFileSync(missing, JSON.stringify({ packages: [{ name: 'acme/unheard', version: '1.0.0' }] }))
    const before = readFileSync(join(out, 'manifest.json'), 'utf8')
    const failed = await installation.run(['export', '--lock', missing, '--out', out])
    expect({ code: failed.code, stdout: failed.stdout }).toMatchObject({
      code: 1,
      stdout: expect.stringContaining('acme/unheard 1.0.0: '),
    })
    expect(readFileSync(join(out, 'manifest.json'), 'utf8')).toBe(before)

    const other = join(installation.directory, 'other')
    mkdirSync(other)
    writeFileSync(join(other, 'thesis.txt'), 'the only copy')
    const refused = await installation.run(['export', '--lock', lock, '--out', other])
    expect({ code: refused.code, stderr: refused.stderr }).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('is not empty, and holds no earlier export'),
    })
    writeFileSync(join(out, 'notes.txt'), 'mine')
    const strange = await installation.run(['export', '--lock', lock, '--out', out])
    expect({ code: strange.code, stderr: strange.stderr }).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('holds notes.txt, which no export wrote'),
    })
    rmSync(join(out, 'notes.txt'))
    expect(readFileSync(join(other, 'thesis.txt'), 'utf8')).toBe('the only copy')
    expect(readdirSync(installation.directory).filter((name) => name.includes('.export-'))).toEqual([])
  })
})

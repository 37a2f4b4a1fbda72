import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Installation, type RunningServer } from '../support/binary.ts'
import { ComposerProject, composerAvailable } from '../support/composer-project.ts'
import { type GitServer, startGitServer } from '../support/git-http-server.ts'
import { createGitRepository, type TestGitRepository } from '../support/git-repository.ts'
import { Management } from '../support/management.ts'
import { library } from '../support/packages.ts'

setDefaultTimeout(90_000)

/** The same walk against a server with GitHub's filters and one that knows no filters at all. */
describe.skipIf(!composerAvailable).each(['github', 'none'] as const)('composer, source with filters %s', (filters) => {
  let root: string
  let source: GitServer
  let repository: TestGitRepository
  let installation: Installation
  let server: RunningServer
  let api: Management
  let repositoryId: string
  let token: string
  let project: ComposerProject

  beforeAll(async () => {
    root = mkdtempSync(join(tmpdir(), 'package-broker-sources-'))
    repository = createGitRepository(join(root, 'lib.git'), {
      commits: [
        library('acme/lib', 'v1.0.0', { tags: ['v1.0.0'] }),
        library('acme/lib', 'v1.1.0', { annotatedTags: ['v1.1.0'] }),
        library('acme/lib', 'first main'),
        library('acme/lib', 'a feature', { branch: 'feature/login', from: 'main' }),
      ],
    })
    source = await startGitServer({ root, filters })
    installation = await Installation.create({ LOG_LEVEL: 'debug' })
    server = await installation.serve()
    api = new Management(server.url, server.adminToken)
    repositoryId = (await api.addRepository(`${source.url}/lib.git`)).id
    token = await api.token({ allowed_package_prefixes: ['acme/'] })
    project = ComposerProject.create({ repositories: [server.url], tokens: { [server.url]: token } })
  })

  afterAll(async () => {
    project?.remove()
    await installation?.remove()
    await source?.stop()
    rmSync(root, { recursive: true, force: true })
  })

  /** Method, path and status of every request that one composer run made. */
  async function requestsOf(...args: string[]): Promise<string[]> {
    const before = server.stdout.length
    const { code, output } = await project.run(...args)
    expect({ code, output }).toMatchObject({ code: 0 })
    await Bun.sleep(50)
    return [...server.stdout.slice(before).matchAll(/"method":"(\w+)","path":"([^"]+)","status":(\d+)/g)].map(
      ([, method, path, status]) => `${method} ${path} ${status}`,
    )
  }

  test('require installs the newest release', async () => {
    const requests = await requestsOf('require', 'acme/lib:^1.0')
    expect(project.read('vendor/acme/lib/src/Lib.php')).toContain('v1.1.0')
    const [locked] = project.locked()
    expect(locked).toMatchObject({
      name: 'acme/lib',
      version: 'v1.1.0',
      dist: {
        type: 'zip',
        url: `${server.url}/dist/acme/lib/v1.1.0.zip`,
        reference: repository.resolve('v1.1.0^{commit}'),
      },
    })
    expect(requests).toContain('GET /dist/acme/lib/v1.1.0.zip 200')
  })

  test('a second update costs only answers without a body', async () => {
    const requests = await requestsOf('update')
    expect(requests).toEqual(['GET /packages.json 304', 'GET /p2/acme/lib.json 304'])
  })

  test('no secret is in the lock file', () => {
    expect(project.read('composer.lock')).not.toContain(token)
    expect(project.read('composer.lock')).not.toContain('"source"')
  })

  test('install from the lock file with nothing cached', async () => {
    project.forget()
    const requests = await requestsOf('install')
    expect(requests).toContain('GET /dist/acme/lib/v1.1.0.zip 200')
    expect(project.read('vendor/acme/lib/src/Lib.php')).toContain('v1.1.0')
  })

  test('a new release is seen by the next update', async () => {
    repository.commit(library('acme/lib', 'v1.2.0', { tags: ['v1.2.0'] }))
    await api.sync(repositoryId)
    const requests = await requestsOf('update')
    expect(requests.slice(0, 3)).toEqual([
      'GET /packages.json 200',
      'GET /p2/acme/lib.json 200',
      'GET /dist/acme/lib/v1.2.0.zip 200',
    ])
    expect(project.locked()[0]?.version).toBe('v1.2.0')
  })

  test('a branch, and a lock file that names its old commit after it moved on', async () => {
    project.requires({ 'acme/lib': 'dev-main' })
    // Not downloaded yet: the archive of the old commit is built only after the branch has moved.
    await requestsOf('update', '--no-install')
    const pinned = repository.resolve('main')
    const [locked] = project.locked()
    expect(locked).toMatchObject({ version: 'dev-main', dist: { reference: pinned } })
    expect(locked?.dist.url).toBe(`${server.url}/dist/acme/lib/dev-main.zip?reference=${pinned}`)

    repository.commit(library('acme/lib', 'main moved on'))
    await api.sync(repositoryId)
    project.forget()
    await requestsOf('install')
    expect(project.read('vendor/acme/lib/src/Lib.php')).toContain('v1.2.0')
    await requestsOf('update')
    expect(project.locked()[0]?.dist.reference).toBe(repository.resolve('main'))
    expect(project.read('vendor/acme/lib/src/Lib.php')).toContain('main moved on')
  })

  test('an old commit that the source forgot, for as long as its archive is kept', async () => {
    const before = project.read('composer.lock')
    repository.commit(library('acme/lib', 'rewritten', { branch: 'rewrite', from: 'v1.0.0' }))
    repository.branch('main', 'rewrite')
    repository.git(['reflog', 'expire', '--expire=now', '--all'])
    repository.git(['gc', '--quiet', '--prune=now'])
    await api.sync(repositoryId)
    project.forget()
    await requestsOf('install')
    expect(project.read('composer.lock')).toBe(before)
    expect(project.read('vendor/acme/lib/src/Lib.php')).toContain('main moved on')
  })

  test('a branch with a slash in its name', async () => {
    project.requires({ 'acme/lib': 'dev-feature/login' })
    const requests = await requestsOf('update')
    expect(requests).toContain('GET /dist/acme/lib/dev-feature/login.zip 200')
    expect(project.read('vendor/acme/lib/src/Lib.php')).toContain('a feature')
  })

  test('show -a lists every version', async () => {
    const { code, output } = await project.run('show', '-a', 'acme/lib')
    expect(code).toBe(0)
    const versions = (/^versions : (.*)$/m.exec(output)?.[1] ?? '').split(', ').map((text) => text.replace('* ', ''))
    expect(versions).toEqual(expect.arrayContaining(['dev-main', 'dev-feature/login', 'v1.2.0', 'v1.1.0', 'v1.0.0']))
  })

  test('a moved tag keeps the bytes that were published', async () => {
    const published = repository.resolve('v1.2.0')
    repository.tag('v1.2.0', 'v1.0.0')
    const view = await api.sync(repositoryId)
    expect(view.issues).toContainEqual({ ref: 'refs/tags/v1.2.0', reason: expect.stringContaining('never changes') })
    project.requires({ 'acme/lib': '1.2.0' })
    await requestsOf('update')
    expect(project.locked()[0]?.dist.reference).toBe(published)
    expect(project.read('vendor/acme/lib/src/Lib.php')).toContain('v1.2.0')
  })
})

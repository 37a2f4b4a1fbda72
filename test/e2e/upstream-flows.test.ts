import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Installation, type RunningServer } from '../support/binary.ts'
import { ComposerProject, composerAvailable } from '../support/composer-project.ts'
import { createGitRepository } from '../support/git-repository.ts'
import { Management } from '../support/management.ts'
import { library } from '../support/packages.ts'
import { startMagento } from '../support/upstream/magento.ts'
import { type Packagist, startPackagist } from '../support/upstream/packagist.ts'
import { startSatis } from '../support/upstream/satis.ts'
import type { UpstreamServer } from '../support/upstream/upstream-server.ts'

setDefaultTimeout(90_000)

/** What composer asked, in the order it did, with the statuses it got. */
const REQUEST = /"method":"(\w+)","path":"([^"]+)","status":(\d+)/g

describe.skipIf(!composerAvailable)('composer, with packages of an upstream', () => {
  let root: string
  let upstream: Packagist
  let installation: Installation
  let server: RunningServer
  let api: Management
  let repositoryId: string
  let token: string
  let project: ComposerProject
  const projects: ComposerProject[] = []

  beforeAll(async () => {
    root = mkdtempSync(join(tmpdir(), 'package-broker-sources-'))
    createGitRepository(join(root, 'app.git'), { commits: [library('acme/app', 'branch only')] })
    upstream = await startPackagist({
      packages: [
        { name: 'up/lib', versions: ['1.0.0', '1.1.0', { version: 'dev-main', defaultBranch: true }] },
        { name: 'up/needs', versions: [{ version: '1.0.0', manifest: { require: { 'up/lib': '^1.0' } } }] },
        { name: 'acme/app', versions: ['9.9.9'] },
        { name: 'acme/other', versions: ['9.9.9'] },
      ],
      archives: 'redirect',
    })
    installation = await Installation.create({ LOG_LEVEL: 'debug', LOCAL_REPOSITORY_ROOTS: root })
    server = await installation.serve()
    api = new Management(server.url, server.adminToken)
    await api.addRepository(join(root, 'app.git'))
    repositoryId = (await api.addRepository(upstream.url, { vcs_type: 'composer', fresh_for: 1 })).id
    token = await api.token()
    project = newProject({ 'up/needs': '^1.0' })
  })

  afterAll(async () => {
    for (const made of projects) made.remove()
    await installation?.remove()
    await upstream?.stop()
    rmSync(root, { recursive: true, force: true })
  })

  function newProject(require: Record<string, string>, key = token): ComposerProject {
    const made = ComposerProject.create({ repositories: [server.url], tokens: { [server.url]: key }, require })
    projects.push(made)
    return made
  }

  /** One run of composer: how it ended, and the requests that it made of us. */
  async function run(where: ComposerProject, ...args: string[]) {
    const before = server.stdout.length
    const { code, output } = await where.run(...args)
    await Bun.sleep(50)
    const requests = [...server.stdout.slice(before).matchAll(REQUEST)].map(
      ([, method, path, status]) => `${method} ${path} ${status}`,
    )
    return { code, output, requests }
  }

  const versionOf = (where: ComposerProject, name: string) =>
    where.locked().find((locked) => locked.name === name)?.version

  test('a first update asks us, and we ask the upstream once for each thing', async () => {
    upstream.log.clear()
    const { code, output, requests } = await run(project, 'update')
    expect({ code, output }).toMatchObject({ code: 0 })
    expect(requests[0]).toBe('GET /packages.json 200')
    expect(requests.filter((line) => line.includes('/p2/')).sort()).toEqual([
      'GET /p2/up/lib.json 200',
      'GET /p2/up/needs.json 200',
    ])
    expect(requests.filter((line) => line.includes('/dist/'))).toHaveLength(2)
    expect(project.locked().map(({ name, version }) => `${name} ${version}`)).toEqual([
      'up/lib 1.1.0',
      'up/needs 1.0.0',
    ])
    expect(project.read('composer.lock')).not.toContain(upstream.url)
    for (const { dist } of project.locked()) expect(dist.url).toStartWith(`${server.url}/dist/up/`)
    expect(project.has('vendor/up/lib/composer.json')).toBe(true)
    for (const path of ['/p2/up/lib.json', '/p2/up/needs.json']) expect(upstream.log.matching(path)).toHaveLength(1)
  })

  test('a second update gets 304 for everything and fetches nothing', async () => {
    const { code, requests } = await run(project, 'update')
    expect(code).toBe(0)
    expect(requests.filter((line) => !line.endsWith(' 304'))).toEqual([])
    expect(requests).toContain('GET /p2/up/lib.json 304')
  })

  test('each release is there once its log of changes was read', async () => {
    for (const version of ['1.2.0', '1.3.0']) {
      // Times of logs and documents are whole seconds.
      await Bun.sleep(1_100)
      upstream.publish('up/lib', version)
      await api.sync(repositoryId)
      const { code, output } = await run(project, 'update')
      expect({ code, output }).toMatchObject({ code: 0 })
      expect(versionOf(project, 'up/lib')).toBe(version)
    }
  })

  test('a branch is installed by its commit', async () => {
    const branch = newProject({ 'up/lib': 'dev-main' })
    const { code, output, requests } = await run(branch, 'update')
    expect({ code, output }).toMatchObject({ code: 0 })
    expect(requests).toContain('GET /p2/up/lib~dev.json 200')
    expect(branch.locked()[0]?.dist.reference).toMatch(/^[0-9a-f]{40}$/)
  })

  test('a name of ours is never taken from the upstream, nor another one of its vendor', async () => {
    upstream.log.clear()
    for (const name of ['acme/app', 'acme/other']) {
      const { code, output } = await run(newProject({ [name]: '*' }), 'update')
      expect({ name, code }).toEqual({ name, code: 2 })
      expect(output).not.toContain('9.9.9')
    }
    expect(upstream.log.matching('acme')).toEqual([])
  })

  test('a name that nobody has ends the update at once', async () => {
    const { code, output, requests } = await run(newProject({ 'up/unknown': '*' }), 'update')
    expect(code).toBe(2)
    expect(output).toContain('up/unknown')
    expect(requests).toContain('GET /p2/up/unknown.json 404')
  })

  test('a token that covers one of them gets that one', async () => {
    const key = await api.token({ allowed_package_prefixes: ['up/lib'] })
    expect((await run(newProject({ 'up/lib': '^1.0' }, key), 'update')).code).toBe(0)
    const other = await run(newProject({ 'up/needs': '^1.0' }, key), 'update')
    expect(other.code).toBe(2)
    expect(other.requests.filter((line) => line.includes('/p2/'))).toEqual([])
  })

  test('show and create-project go the same way', async () => {
    const shown = await run(project, 'show', '--all', 'up/lib')
    expect(shown.output).toContain('1.3.0')
    const made = await run(
      project,
      'create-project',
      '--no-secure-http',
      `--repository=${JSON.stringify({ type: 'composer', url: server.url })}`,
      '--no-install',
      'up/lib',
      'made',
      '1.0.0',
    )
    expect({ code: made.code, output: made.output }).toMatchObject({ code: 0 })
    expect(project.has('made/composer.json')).toBe(true)
  })

  test('releases that are too young are passed over', async () => {
    upstream.publish('up/lib', { version: '2.0.0', publishedAt: Math.floor(Date.now() / 1_000) })
    await Bun.sleep(1_100)
    await api.sync(repositoryId)
    await api.call('PATCH', `/api/repositories/${repositoryId}`, { minimum_release_age: 86_400 })
    const young = newProject({ 'up/lib': '*' })
    expect((await run(young, 'update')).code).toBe(0)
    expect(versionOf(young, 'up/lib')).toBe('1.3.0')
    await api.call('PATCH', `/api/repositories/${repositoryId}`, { minimum_release_age: 0 })
    expect((await run(young, 'update')).code).toBe(0)
    expect(versionOf(young, 'up/lib')).toBe('2.0.0')
  })

  test('with the upstream unplugged a lock file installs on a fresh machine, also after a restart', async () => {
    await upstream.stop()
    for (const again of [false, true]) {
      if (again) {
        expect(await server.stop()).toBe(0)
        server = await installation.serve({ PORT: new URL(server.url).port })
      }
      project.forget()
      const { code, output } = await run(project, 'install')
      expect({ code, output }).toMatchObject({ code: 0 })
      expect(project.has('vendor/up/lib/composer.json')).toBe(true)
    }
  })

  test('and an update finds what is known, while a name that is not known is an error that says why', async () => {
    expect((await run(newProject({ 'up/needs': '^1.0' }), 'update')).code).toBe(0)
    const { code, output } = await run(newProject({ 'up/never-asked': '*' }), 'update')
    expect([100, 255]).toContain(code)
    expect(output).toContain(new URL(upstream.url).host)
    expect(output).not.toContain('could not be found')
    await upstream.start()
  })
})

describe.skipIf(!composerAvailable)('composer, with an upstream that is', () => {
  const packages = [
    { name: 'up/lib', versions: ['1.0.0', '1.1.0', { version: 'dev-main', defaultBranch: true }] },
    { name: 'up/needs', versions: [{ version: '1.0.0', manifest: { require: { 'up/lib': '^1.0' } } }] },
  ]
  const basic = { kind: 'http_basic', username: 'key', password: 's3cret' } as const
  const kinds: [string, () => Promise<UpstreamServer & { repositoryUrl?: string }>][] = [
    ...(['inline', 'includes', 'providers', 'metadata'] as const).map(
      (form): [string, () => Promise<UpstreamServer>] => [
        `a Satis with ${form}`,
        () => startSatis({ packages, form, basePath: '/team', credentials: basic }),
      ],
    ),
    ['a Magento', () => startMagento({ packages, credentials: basic })],
    ['a Packagist', () => startPackagist({ packages, credentials: basic })],
  ]

  test.each(kinds)('%s: update, wrong archive, install with it unplugged', async (_, start) => {
    const upstream = await start()
    const installation = await Installation.create({ LOG_LEVEL: 'debug' })
    const server = await installation.serve()
    const api = new Management(server.url, server.adminToken)
    const repository = await api.addRepository(upstream.repositoryUrl ?? upstream.url, {
      vcs_type: 'composer',
      credential_type: 'http_basic',
      auth_credentials: 'key:s3cret',
    })
    const project = ComposerProject.create({
      repositories: [server.url],
      tokens: { [server.url]: await api.token() },
      require: { 'up/needs': '^1.0' },
    })
    const checked = !upstream.constructor.name.includes('Packagist')
    const remove = checked ? upstream.faults.add({ kind: 'wrong-bytes', path: /\.zip|archives/ }) : () => {}
    const first = await project.run('update')
    expect({ checked, code: first.code === 0 }).toEqual({ checked, code: !checked })
    const { issues } = (await api.call('GET', `/api/repositories/${repository.id}`)) as { issues: unknown[] }
    expect(issues.length > 0).toBe(checked)
    remove()
    const second = await project.run('update')
    expect({ code: second.code, output: second.output }).toMatchObject({ code: 0 })
    expect(project.read('composer.lock')).not.toContain('s3cret')
    expect(project.read('composer.lock')).not.toContain(upstream.url)
    await upstream.stop()
    project.forget()
    const third = await project.run('install')
    expect({ code: third.code, output: third.output }).toMatchObject({ code: 0 })
    expect(project.has('vendor/up/lib/composer.json')).toBe(true)
    expect(server.stdout).not.toContain('s3cret')
    project.remove()
    await installation.remove()
  })
})

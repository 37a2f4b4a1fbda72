import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Installation, type RunningServer } from '../support/binary.ts'
import { ComposerProject, composerAvailable } from '../support/composer-project.ts'
import { type GitServer, startGitServer } from '../support/git-http-server.ts'
import { createGitRepository } from '../support/git-repository.ts'
import { Management } from '../support/management.ts'
import { libraryFiles } from '../support/packages.ts'

setDefaultTimeout(90_000)

interface Shown {
  id: string
  downloads: number
  latest_version: string
  versions: { version: string; downloads: number }[]
}

let root: string
let source: GitServer
let installation: Installation
let server: RunningServer
let api: Management
let adminToken: string
let id: string

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'package-broker-sources-'))
  const files = (mark: string) => ({ ...libraryFiles('acme/lib', mark), 'readme.MD': `# ${mark}\n` })
  createGitRepository(join(root, 'lib.git'), {
    commits: [
      { files: files('one'), tags: ['1.0.0'] },
      { files: files('two'), tags: ['1.1.0'] },
      { files: files('feature'), branch: 'feature/x', from: 'main' },
    ],
  })
  source = await startGitServer({ root })
  installation = await Installation.create({ LOG_LEVEL: 'debug' })
  server = await installation.serve()
  adminToken = server.adminToken ?? ''
  api = new Management(server.url, adminToken)
  await api.addRepository(`${source.url}/lib.git`)
  id = ((await api.call('GET', '/api/packages')) as Shown[])[0]?.id ?? ''
})

afterAll(async () => {
  await installation?.remove()
  await source?.stop()
  rmSync(root, { recursive: true, force: true })
})

const shown = async () => (await api.call('GET', `/api/packages/${id}`)) as Shown

test('the README of a cold version over the network', async () => {
  const response = await fetch(`${server.url}/api/packages/${id}/versions/dev-feature%2Fx/readme`, {
    headers: { Authorization: `Bearer ${adminToken}` },
  })
  expect(response.headers.get('content-type')).toBe('text/markdown; charset=utf-8')
  expect(await response.text()).toBe('# feature\n')
})

describe.skipIf(!composerAvailable)('composer', () => {
  let project: ComposerProject
  beforeAll(async () => {
    const token = await api.token({ allowed_package_prefixes: ['acme/'] })
    project = ComposerProject.create({
      repositories: [server.url],
      tokens: { [server.url]: token },
      require: { 'acme/lib': '^1.0' },
    })
  })
  afterAll(() => project?.remove())

  async function composer(...args: string[]): Promise<string> {
    const { code, output } = await project.run(...args)
    expect({ code, output }).toMatchObject({ code: 0 })
    return output
  }

  test('tells of what it installed, also from its cache; each install counts once', async () => {
    await composer('update')
    expect(project.read('composer.lock')).toContain(`"notification-url": "${server.url}/downloads"`)
    expect(await shown()).toMatchObject({ downloads: 1 })
    rmSync(project.path('vendor'), { recursive: true })
    await composer('install')
    const found = await shown()
    expect(found.downloads).toBe(2)
    expect(found.versions.find(({ version }) => version === '1.1.0')?.downloads).toBe(2)
    const days = (await api.call('GET', `/api/packages/${id}/downloads`)) as { total: number }
    expect(days.total).toBe(2)
  })

  test('a withdrawn version installs from a lock file on a fresh machine and is chosen by nobody', async () => {
    await api.call('DELETE', `/api/packages/${id}/versions/1.1.0`)
    project.forget()
    await composer('install')
    expect(project.read('vendor/acme/lib/src/Lib.php')).toContain('two')
    expect((await shown()).downloads).toBe(3)
    await composer('update')
    expect(project.locked().map(({ version }) => version)).toEqual(['1.0.0'])
    await api.call('POST', `/api/packages/${id}/versions/1.1.0/restore`)
    await composer('update')
    expect(project.locked().map(({ version }) => version)).toEqual(['1.1.0'])
  })
})

test('counts are kept when the server stops, and after it was stopped and started', async () => {
  const before = (await shown()).downloads
  const told = await fetch(`${server.url}/downloads`, {
    method: 'POST',
    body: JSON.stringify({ downloads: [{ name: 'acme/lib', version: '1.0.0.0' }] }),
  })
  expect(told.status).toBe(200)
  expect(await server.stop()).toBe(0)
  server = await installation.serve()
  api = new Management(server.url, adminToken)
  expect((await shown()).downloads).toBe(before + 1)
})

describe.each(['through the running server', 'without a server'])('commands %s', (how) => {
  beforeAll(async () => {
    if (how.startsWith('without')) await server.stop()
  })

  const run = (...args: string[]) => installation.run(['package', ...args])

  test('list and show', async () => {
    const { code, stdout } = await run('list')
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout: expect.stringMatching(/^NAME +LATEST.*\nacme\/lib +1\.1\.0 +library +\d+ +Library acme\/lib\n$/),
    })
    const list = JSON.parse((await run('list', '--json')).stdout) as Shown[]
    expect(list.map((row) => row.id)).toEqual([id])
    const view = await run('show', 'Acme/Lib')
    expect(view.stdout).toMatch(/^1\.1\.0 +20\d\d-\d\d-\d\d +\d+ +[0-9a-f]{40}$/m)
    expect(JSON.parse((await run('show', 'acme/lib', '--json')).stdout)).toMatchObject({ id, latest_version: '1.1.0' })
  })

  test('withdraw and restore', async () => {
    expect(await run('withdraw', 'acme/lib', 'dev-feature/x')).toMatchObject({
      code: 0,
      stdout: 'Withdrew acme/lib dev-feature/x.\n',
    })
    expect((await run('show', 'acme/lib')).stdout).toMatch(/^withdrawn dev-feature\/x on 20/m)
    expect(await run('withdraw', 'acme/lib', 'dev-feature/x')).toMatchObject({
      code: 1,
      stderr: 'This package has no version dev-feature/x.\n',
    })
    expect(await run('restore', 'acme/lib', 'dev-feature/x')).toMatchObject({
      code: 0,
      stdout: 'Restored acme/lib dev-feature/x.\n',
    })
    expect((await run('show', 'acme/lib')).stdout).not.toContain('withdrawn')
  })

  test.each([
    [['show', 'acme/none'], 1],
    [['show'], 2],
    [['withdraw', 'acme/lib'], 2],
    [['remove'], 2],
    [[], 2],
  ] as const)('%p ends with %p', async (args, code) => {
    const run = await installation.run(['package', ...args])
    expect(run).toMatchObject({ code, stdout: '' })
    expect(run.stderr).not.toBe('')
  })
})

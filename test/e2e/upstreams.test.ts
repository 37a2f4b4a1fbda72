import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Installation, type RunningServer } from '../support/binary.ts'
import { ComposerProject, composerAvailable } from '../support/composer-project.ts'
import { createGitRepository } from '../support/git-repository.ts'
import { Management } from '../support/management.ts'
import { library } from '../support/packages.ts'
import { type Packagist, startPackagist } from '../support/upstream/packagist.ts'

setDefaultTimeout(90_000)

const SECRET = 'canary-credential-3e9c51'

describe.skipIf(!composerAvailable)('one address for private packages and those of upstreams', () => {
  let root: string
  let installation: Installation
  let server: RunningServer
  let api: Management
  let packagist: Packagist
  let partner: Packagist
  const projects: ComposerProject[] = []

  beforeAll(async () => {
    root = mkdtempSync(join(tmpdir(), 'package-broker-sources-'))
    createGitRepository(join(root, 'lib.git'), { commits: [library('acme/lib', 'ours', { tags: ['1.0.0'] })] })
    packagist = await startPackagist({
      packages: [
        { name: 'psr/log', versions: ['1.0.0', '2.0.0'] },
        { name: 'partner/tool', versions: ['9.0.0'] },
        { name: 'acme/lib', versions: ['99.0.0'] },
        { name: 'initech/tool', versions: ['1.0.0'] },
        { name: 'evil/tool', versions: ['1.0.0'] },
      ],
    })
    partner = await startPackagist({
      packages: [
        { name: 'partner/tool', versions: ['1.0.0'] },
        { name: 'psr/log', versions: ['7.0.0'] },
      ],
      credentials: { kind: 'bearer', token: SECRET },
    })
    installation = await Installation.create({ LOCAL_REPOSITORY_ROOTS: root, RESERVED_VENDORS: 'initech' })
    server = await installation.serve()
    api = new Management(server.url, server.adminToken)
    await api.addRepository(join(root, 'lib.git'))
    await api.addRepository(packagist.url, { vcs_type: 'composer', package_deny: 'evil/*' })
    writeFileSync(join(root, 'token'), SECRET)
    const credential = ['--credential-type', 'bearer', '--credential-file', join(root, 'token')]
    const settings = ['--priority', '1', '--package-filter', 'partner/*']
    const added = ['repository', 'add', partner.url, '--type', 'composer', ...settings, ...credential]
    expect(await installation.run(added)).toMatchObject({ code: 0, stderr: '' })
  })

  afterAll(async () => {
    for (const project of projects) project.remove()
    await installation?.remove()
    await Promise.all([packagist?.stop(), partner?.stop()])
    rmSync(root, { recursive: true, force: true })
  })

  async function projectWith(require: Record<string, string>, token: Record<string, unknown> = {}) {
    const tokens = { [server.url]: await api.token(token) }
    const project = ComposerProject.create({ repositories: [server.url], require, tokens })
    projects.push(project)
    return project
  }

  const lock = (project: ComposerProject) => project.run('update', '--no-install')
  const locked = (project: ComposerProject) => project.locked().map(({ name, version }) => `${name} ${version}`)
  const named = (text: RegExp) =>
    [...packagist.log.matching(text), ...partner.log.matching(text)].map(({ path }) => path)

  test('each name comes from where it belongs, and archives from here', async () => {
    const project = await projectWith({ 'acme/lib': '*', 'psr/log': '*', 'partner/tool': '*' })
    const { code, output } = await project.run('update')
    expect({ code, output }).toMatchObject({ code: 0 })
    expect(locked(project).sort()).toEqual(['acme/lib 1.0.0', 'partner/tool 1.0.0', 'psr/log 2.0.0'])
    expect(project.locked().every(({ dist }) => dist.url.startsWith(`${server.url}/dist/`))).toBe(true)
    expect(named(/acme/)).toEqual([])
    expect(partner.log.matching('/p2/').map(({ path }) => path)).toEqual(['/p2/partner/tool.json'])
    for (const name of ['acme/lib', 'psr/log', 'partner/tool']) expect(project.has(`vendor/${name}`)).toBe(true)
    expect(packagist.log.requests.every(({ authorization }) => authorization === undefined)).toBe(true)
  })

  test.each(['initech/tool', 'evil/tool', 'acme/unknown'])('%s is asked nowhere', async (name) => {
    const project = await projectWith({ [name]: '*' })
    expect((await lock(project)).code).not.toBe(0)
    expect(named(new RegExp(name))).toEqual([])
  })

  test('a token sees of upstreams what its scope covers', async () => {
    const scope = { allowed_package_prefixes: ['acme/'] }
    expect((await lock(await projectWith({ 'acme/lib': '*' }, scope))).code).toBe(0)
    packagist.log.clear()
    const outside = await projectWith({ 'acme/lib': '*', 'psr/log': '*' }, scope)
    expect((await lock(outside)).code).not.toBe(0)
    expect(named(/psr/)).toEqual([])
  })

  test('what exists on both sides is reported', async () => {
    expect(await api.call('GET', '/api/conflicts')).toMatchObject([
      { name: 'acme/lib', upstreams: [{ url: packagist.url }] },
    ])
  })

  test('a new version is there after the next look', async () => {
    packagist.publish('psr/log', '2.1.0')
    const [upstream] = ((await api.call('GET', '/api/repositories')) as { id: string; url: string }[]).filter(
      ({ url }) => url === packagist.url,
    )
    await api.sync(upstream?.id ?? '')
    const project = await projectWith({ 'psr/log': '*' })
    expect((await lock(project)).code).toBe(0)
    expect(locked(project)).toEqual(['psr/log 2.1.0'])
  })
})

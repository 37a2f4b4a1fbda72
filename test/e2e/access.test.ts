import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Installation, type RunningServer } from '../support/binary.ts'
import { ComposerProject, composerAvailable, type ProjectSpec } from '../support/composer-project.ts'
import { type GitServer, startGitServer } from '../support/git-http-server.ts'
import { createGitRepository } from '../support/git-repository.ts'
import { Management } from '../support/management.ts'
import { library } from '../support/packages.ts'

setDefaultTimeout(90_000)

describe.skipIf(!composerAvailable)('who gets what', () => {
  let root: string
  let source: GitServer
  let installation: Installation
  let server: RunningServer
  let other: Installation
  let stranger: RunningServer
  let strangerToken: string
  let api: Management
  const projects: ComposerProject[] = []

  beforeAll(async () => {
    root = mkdtempSync(join(tmpdir(), 'package-broker-sources-'))
    const make = (directory: string, name: string, released: boolean) =>
      createGitRepository(join(root, directory), {
        commits: [library(name, `${directory} of ${name}`, released ? { tags: ['9.0.0'] } : {})],
      })
    make('lib.git', 'acme/lib', true)
    make('branch-only.git', 'acme/branch-only', false)
    make('evil.git', 'acme-evil/x', true)
    make('other.git', 'globex/tool', true)
    make('strange-branch-only.git', 'acme/branch-only', true)
    make('strange-unknown.git', 'acme/unknown', true)
    make('strange-public.git', 'public/thing', true)
    source = await startGitServer({ root })
    installation = await Installation.create({ LOG_LEVEL: 'debug' })
    server = await installation.serve()
    api = new Management(server.url, server.adminToken)
    for (const name of ['lib', 'branch-only', 'evil', 'other']) await api.addRepository(`${source.url}/${name}.git`)
    other = await Installation.create({ LOG_LEVEL: 'debug' })
    stranger = await other.serve()
    strangerToken = stranger.adminToken ?? ''
    const strange = new Management(stranger.url, strangerToken)
    for (const name of ['branch-only', 'unknown', 'public']) {
      await strange.addRepository(`${source.url}/strange-${name}.git`)
    }
  })

  afterAll(async () => {
    for (const project of projects) project.remove()
    await installation?.remove()
    await other?.remove()
    await source?.stop()
    rmSync(root, { recursive: true, force: true })
  })

  function projectOf(spec: Partial<ProjectSpec> & { token?: string | null }): ComposerProject {
    const { token, ...rest } = spec
    const tokens = typeof token === 'string' ? { [server.url]: token } : {}
    const project = ComposerProject.create({ repositories: [server.url], tokens, ...rest })
    projects.push(project)
    return project
  }

  /** Ours first, then a repository of strangers with packages of the same names. */
  function confusable(token: string, name: string, extra: Record<string, unknown> = {}): ComposerProject {
    return projectOf({
      repositories: [server.url, stranger.url],
      tokens: { [server.url]: token, [stranger.url]: strangerToken },
      require: { [name]: '*' },
      extra,
    })
  }

  async function status(path: string, token: string): Promise<number> {
    return (await fetch(`${server.url}${path}`, { headers: { Authorization: `Bearer ${token}` } })).status
  }

  test.each(['basic password', 'basic user', 'bearer'])('a token sent as %s', async (way) => {
    const token = await api.token()
    const host = new URL(server.url).host
    const auth: Record<string, ProjectSpec['auth']> = {
      'basic password': { 'http-basic': { [host]: { username: 'anything', password: token } } },
      'basic user': { 'http-basic': { [host]: { username: token, password: '' } } },
      bearer: { bearer: { [host]: token } },
    }
    const project = projectOf({ auth: auth[way] ?? {}, require: { 'acme/lib': '*' } })
    const { code, output } = await project.run('update')
    expect({ code, output }).toMatchObject({ code: 0 })
    expect(project.has('vendor/acme/lib/src/Lib.php')).toBe(true)
    expect(project.read('composer.lock')).not.toContain(token)
  })

  test('no token: Composer prints our sentence', async () => {
    const { code, output } = await projectOf({ token: null, require: { 'acme/lib': '*' } }).run('update')
    expect(code).not.toBe(0)
    expect(output).toContain('No token was sent. Give Composer one with: composer config --auth http-basic.')
  })

  test('a wrong token', async () => {
    const wrong = `pb_${'A'.repeat(43)}`
    const { code, output } = await projectOf({ token: wrong, require: { 'acme/lib': '*' } }).run('update')
    expect(code).not.toBe(0)
    expect(output).toContain('The token is unknown or was revoked.')
    expect(server.stdout + server.stderr).not.toContain(wrong)
  })

  test('an expired token', async () => {
    const expiresAt = Math.floor(Date.now() / 1000) + 1
    const token = await api.token({ expires_at: expiresAt })
    await Bun.sleep(expiresAt * 1000 - Date.now() + 20)
    const { code, output } = await projectOf({ token, require: { 'acme/lib': '*' } }).run('update')
    expect(code).not.toBe(0)
    expect(output).toContain('The token expired at ')
  })

  test('a package outside the prefix', async () => {
    const token = await api.token({ allowed_package_prefixes: ['acme/'] })
    expect(await status('/p2/globex/tool.json', token)).toBe(404)
    expect(await status('/p2/nobody/nothing.json', token)).toBe(404)
    expect(await status('/dist/globex/tool/9.0.0.zip', token)).toBe(403)
    expect(await status('/dist/globex/nothing/9.0.0.zip', token)).toBe(403)
    expect(await status('/p2/acme-evil/x.json', token)).toBe(404)
    expect(await status('/dist/acme-evil/x/9.0.0.zip', token)).toBe(403)
    const { code, output } = await projectOf({ token, require: { 'globex/tool': '*' } }).run('update')
    expect(code).toBe(2)
    expect(output).toContain('globex/tool')
  })

  test('a lock file of somebody who may see more: the archive is refused in words', async () => {
    const all = projectOf({ token: await api.token(), require: { 'globex/tool': '*' } })
    expect((await all.run('update')).code).toBe(0)
    const fewer = projectOf({
      token: await api.token({ allowed_package_prefixes: ['acme/'] }),
      require: { 'globex/tool': '*' },
    })
    await Bun.write(fewer.path('composer.lock'), all.read('composer.lock'))
    const { code, output } = await fewer.run('install')
    expect(code).not.toBe(0)
    expect(output).toContain('This token does not cover the package globex/tool.')
    expect(fewer.has('vendor/globex/tool')).toBe(false)
  })

  test('a package of ours without a release is not taken from the next repository', async () => {
    const project = confusable(await api.token(), 'acme/branch-only')
    const before = stranger.stdout.length
    const { code, output } = await project.run('update')
    expect(code).toBe(2)
    expect(output).toContain('higher repository priority')
    expect(stranger.stdout.slice(before)).not.toContain('/dist/')
  })

  test('with branches allowed it comes from us', async () => {
    const project = confusable(await api.token(), 'acme/branch-only', { 'minimum-stability': 'dev' })
    expect((await project.run('update')).code).toBe(0)
    expect(project.read('vendor/acme/branch-only/src/Lib.php')).toContain('branch-only.git of acme/branch-only')
    expect(project.read('vendor/acme/branch-only/src/Lib.php')).not.toContain('strange')
  })

  test.each(['acme/unknown', 'acme/lib'])(
    '%s of a claimed vendor, which the token does not cover, is nobody’s',
    async (name) => {
      const token = await api.token({ allowed_package_prefixes: ['acme/branch'] })
      const document = await fetch(`${server.url}/p2/${name}.json`, { headers: { Authorization: `Bearer ${token}` } })
      expect(document.status).toBe(200)
      expect(await document.json()).toEqual({ packages: { [name]: {} } })
      const project = confusable(token, name)
      const before = stranger.stdout.length
      expect((await project.run('update')).code).toBe(2)
      expect(stranger.stdout.slice(before)).not.toContain('/dist/')
    },
  )

  test('a name that is not ours comes from the next repository', async () => {
    const project = confusable(await api.token(), 'public/thing')
    const { code, output } = await project.run('update')
    expect({ code, output }).toMatchObject({ code: 0 })
    expect(project.read('vendor/public/thing/src/Lib.php')).toContain('strange-public')
  })

  test('two tokens with one shared Composer cache never see each other’s list', async () => {
    const project = projectOf({ token: await api.token(), require: { 'globex/tool': '*' } })
    expect((await project.run('update')).code).toBe(0)
    const narrow = await api.token({ allowed_package_prefixes: ['acme/'] })
    const again = await project.run('update', '--no-install')
    expect(again.code).toBe(0)
    project.signIn({ [server.url]: narrow })
    const { code } = await project.run('update')
    expect(code).toBe(2)
  })

  test('a revoked token is refused on the next request', async () => {
    const created = (await api.call('POST', '/api/tokens', { permissions: 'readonly' })) as {
      id: string
      token: string
    }
    expect(await status('/packages.json', created.token)).toBe(200)
    await api.call('DELETE', `/api/tokens/${created.id}`)
    expect(await status('/packages.json', created.token)).toBe(401)
  })
})

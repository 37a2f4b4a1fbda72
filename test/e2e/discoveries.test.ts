import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test'
import { join } from 'node:path'
import { Installation } from '../support/binary.ts'
import { until } from '../support/discoveries.ts'
import { Forge } from '../support/hosts/forge.ts'
import { GithubDouble } from '../support/hosts/github-double.ts'
import { Management } from '../support/management.ts'

/* What `import github:OWNER` and `discovery` do in the executable, and the clock that asks after owners. */

setDefaultTimeout(90_000)

const ADMIN = 'administrator-of-discoveries-0123456789'

let forge: Forge
let double: GithubDouble
const installations: Installation[] = []

beforeAll(async () => {
  double = new GithubDouble()
  forge = await Forge.start(double, { user: 'x-access-token', password: double.token })
  for (const name of ['lib', 'tool', 'plugin']) forge.addPackage(name)
  forge.addOther('site')
  forge.addPackage('copy', { fork: true })
})

afterAll(async () => {
  for (const installation of installations) await installation.remove()
  await forge?.stop()
})

async function install(environment: Record<string, string> = {}) {
  const installation = await Installation.create({ ADMIN_TOKEN: ADMIN, ...environment })
  installations.push(installation)
  await Bun.write(join(installation.directory, 'token.txt'), `${double.token}\n`)
  await Bun.write(join(installation.directory, 'wrong.txt'), 'wrong-token\n')
  return installation
}

const owner = () => ['import', 'github:acme', '--url', forge.origin, '--token-file', 'token.txt']

test('an owner is imported without a server, told line by line, and ends with packages', async () => {
  const installation = await install()
  const { code, stdout, stderr } = await installation.run([...owner(), '--exclude', '*/plugin'])
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(stdout).toMatch(/^added {4}acme\/lib {2}repo_/m)
  expect(stdout).toContain('skipped  acme/plugin: A glob in exclude matches it.\n')
  expect(stdout).toContain('skipped  acme/site: Its default branch has no composer.json.\n')
  expect(stdout).toContain('skipped  acme/copy: It is a fork.\n')
  expect(stdout).toContain('synced   acme/tool: 1 packages\n')
  expect(stdout).toMatch(/^disc_\S+ {2}active {2}http:\S+\/acme: 2 added, 3 skipped, 0 gone, 0 failed$/m)

  const again = await installation.run([...owner(), '--exclude', '', '--json'])
  const view = JSON.parse(again.stdout) as { id: string; added: number; repositories: { path: string }[] }
  expect(view).toMatchObject({ added: 3, exclude: null })
  expect(view.repositories.map(({ path }) => path)).toContain('acme/plugin')

  const server = await installation.serve()
  const root = await fetch(`${server.url}/packages.json`, { headers: { Authorization: `Bearer ${ADMIN}` } })
  expect(await root.json()).toMatchObject({ 'available-packages': ['acme/lib', 'acme/plugin', 'acme/tool'] })
  expect((await installation.run(['discovery', 'list'])).stdout).toContain(view.id)
  expect((await installation.run(['discovery', 'show', view.id])).stdout).toContain('skipped  acme/site')
  expect((await installation.run(['discovery', 'look', view.id])).code).toBe(0)
  expect((await installation.run(['discovery', 'remove', view.id])).stdout).toContain('its repositories stay')
  const rows = JSON.parse((await installation.run(['repository', 'list', '--json'])).stdout) as unknown[]
  expect(rows).toHaveLength(3)
})

test('an application without a name is told, and fails nothing', async () => {
  const installation = await install()
  forge.addOther('app')
  forge.repository('app').commit({ files: { 'composer.json': '{"require": {}}' } })
  const { code, stdout } = await installation.run([...owner(), '--include', 'acme/app'])
  const reason = 'It has no packages: refs/heads/main: composer.json has no name.'
  expect({ code, told: stdout.includes(`synced   acme/app: ${reason}\n`) }).toEqual({ code: 0, told: true })
  expect((await installation.run(['repository', 'list'])).stdout).toContain(`\n  no_packages: ${reason}\n`)
  const [row] = JSON.parse((await installation.run(['repository', 'list', '--json'])).stdout) as { id: string }[]
  const shown = await installation.run(['repository', 'show', row?.id ?? ''])
  expect(shown.stdout).toContain('  skipped refs/heads/main: composer.json has no name.\n')
  expect(shown.stdout).toMatch(/^ {2}read {5}20\d\d-\S+Z\n {2}next {5}20\d\d-\S+Z$/m)
})

test('--once leaves the repositories and no discovery', async () => {
  const installation = await install()
  const { code, stdout } = await installation.run([...owner(), '--include', 'acme/lib', '--once'])
  expect({ code, told: stdout.includes('not looked at any more') }).toEqual({ code: 0, told: true })
  expect((await installation.run(['discovery', 'list', '--json'])).stdout.trim()).toBe('[]')
  const rows = JSON.parse((await installation.run(['repository', 'list', '--json'])).stdout) as object[]
  expect(rows).toMatchObject([{ url: `${forge.origin}/acme/lib.git`, status: 'active' }])
})

test('a refused credential, and wrong usage, are told', async () => {
  const installation = await install()
  const refused = await installation.run([...owner().slice(0, -1), 'wrong.txt'])
  expect(refused.code).toBe(1)
  expect(refused.stderr).toContain('does not accept the credential')
  expect((await installation.run(['discovery', 'list'])).stdout).not.toContain('disc_')
  const none = await installation.run(['import', 'github:other', '--url', forge.origin])
  expect(none).toMatchObject({ code: 1, stdout: expect.stringContaining('asks for a credential, and none is set') })
  expect((await installation.run(owner())).code).toBe(0)
  const mistyped = await installation.run(['import', 'gitub:acme'])
  expect(mistyped).toMatchObject({ code: 2, stderr: expect.stringContaining('unlike gitub:acme.') })
  for (const args of [
    ['import', 'gitea:acme'],
    ['import'],
    [...owner(), '--credential-type', 'token'],
    ['discovery'],
  ]) {
    expect(await installation.run(args)).toMatchObject({ code: 2, stdout: '' })
  }
})

test('PROBE_INTERVAL: what is pushed and what is new comes by asking after the owner', async () => {
  const installation = await install({ PROBE_INTERVAL: '1', SYNC_INTERVAL: '86400' })
  await installation.run(owner())
  const server = await installation.serve()
  const api = new Management(server.url, ADMIN)
  const names = async () =>
    ((await api.call('GET', '/packages.json')) as { 'available-packages': string[] })['available-packages']
  expect(await names()).not.toContain('acme/late')
  forge.addPackage('late', { pushedAt: 1_800_000_000 })
  expect(await until(names, (all) => all.includes('acme/late'))).toContain('acme/late')
})

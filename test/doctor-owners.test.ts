import { afterAll, beforeAll, expect, test } from 'bun:test'
import { TestApp } from './support/app.ts'
import { discover, foundBy, lookAgain, type ShownDiscovery } from './support/discoveries.ts'
import { Forge } from './support/hosts/forge.ts'
import { GithubDouble } from './support/hosts/github-double.ts'

/* What the doctor and the metrics say of owners, and of repositories that were added for one. */

let app: TestApp
let forge: Forge
let double: GithubDouble
let discovery: ShownDiscovery

beforeAll(async () => {
  double = new GithubDouble()
  forge = await Forge.start(double)
  for (const name of ['lib', 'tool']) forge.addPackage(name)
  app = await TestApp.start()
  discovery = await discover(app, {
    ...{ url: forge.ownerUrl, vcs_type: 'github', credential_type: 'token', auth_credentials: double.token },
  })
})

afterAll(async () => {
  await app?.stop()
  await forge?.stop()
})

async function found(check: string): Promise<{ state: string; found: string; advice: string | null }[]> {
  const findings = (await (await app.ask('/api/doctor')).json()) as { check: string; state: string }[]
  return findings.filter((finding) => finding.check === check) as never
}

const importing = () => `package-broker import github:acme --url ${forge.origin} --token-file FILE`

test('the doctor finds nothing wrong with an owner that is listed', async () => {
  expect(await found('discoveries')).toMatchObject([{ state: 'ok', advice: null }])
})

test('a refused credential is given to the owner, which has its repositories get it', async () => {
  const { lib } = await foundBy(app, discovery.id)
  const id = lib?.repository_id ?? ''
  await app.synced(id)
  double.instead = () => Response.json({ message: 'Bad credentials' }, { status: 401 })
  expect(await lookAgain(app, discovery.id)).toMatchObject({ status: 'error', error_code: 'auth' })
  const advice = expect.stringContaining(importing())
  expect(await found('discoveries')).toMatchObject([
    { state: 'warning', found: expect.stringContaining(discovery.id), advice },
  ])
  expect(await (await app.ask('/metrics')).text()).toContain('package_broker_discoveries{status="error"} 1\n')
  forge.git.auth = { user: 'x-access-token', password: 'another' }
  expect(await app.sync(id)).toMatchObject({ status: 'error', error_code: 'auth', versions: 2 })
  expect(await found('repositories')).toMatchObject([{ state: 'warning', found: expect.stringContaining(id), advice }])
  forge.git.auth = undefined
  double.instead = null
})

test('a listing that lost most of what it had is confirmed by a command', async () => {
  const taken = double.repositories.splice(0)
  expect(await lookAgain(app, discovery.id)).toMatchObject({ status: 'error' })
  expect(await found('discoveries')).toMatchObject([
    { advice: expect.stringContaining(`package-broker discovery look ${discovery.id} --accept-removals`) },
  ])
  double.repositories.push(...taken)
})

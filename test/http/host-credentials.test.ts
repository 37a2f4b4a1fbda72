import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { generateKeyPairSync } from 'node:crypto'
import type { ShownRepository } from '../support/broker.ts'
import { DOUBLES } from '../support/hosts/doubles.ts'
import { GithubDouble } from '../support/hosts/github-double.ts'
import type { DoubleRepository, HostDouble } from '../support/hosts/host-double.ts'
import { HostStage } from '../support/hosts/host-stage.ts'
import { library } from '../support/packages.ts'

setDefaultTimeout(30_000)

type Answer = ShownRepository & { error: string; details: { fields: Record<string, string> } }

async function send(stage: HostStage, path: string, method: string, body: object, headers = {}) {
  const response = await stage.app.ask(path, { method, json: body, headers })
  return { status: response.status, body: (await response.json()) as Answer }
}

let count = 0

for (const Double of DOUBLES) {
  describe(`a credential of ${Double.name}`, () => {
    let stage: HostStage
    let double: HostDouble
    let hosted: DoubleRepository
    const create = (more = {}, headers = {}) =>
      send(stage, '/api/repositories', 'POST', stage.body(hosted, more), headers)
    const listed = async () => ((await (await stage.app.ask('/api/repositories')).json()) as unknown[]).length

    beforeAll(async () => {
      stage = await HostStage.start(new Double())
      double = stage.double
    })
    afterAll(() => stage?.stop())
    beforeEach(() => {
      count += 1
      const commits = [library(`acme/lib-${count}`, 'one', { tags: ['1.0.0'] })]
      hosted = stage.repository(`lib-${count}`, { commits }).hosted
      double.instead = null
      double.seen.length = 0
    })

    test('that is right is stored, and opens git', async () => {
      const { status, body } = await create()
      expect({ status, body }).toMatchObject({ status: 201 })
      expect(await stage.app.synced(body.id)).toMatchObject({ status: 'active', versions: 2 })
    })

    test('that the host refuses is refused, with the permission that is needed, and nothing is stored', async () => {
      const before = await listed()
      const wrong = await create({ auth_credentials: 'wrong-token' })
      expect(wrong).toMatchObject({
        status: 400,
        body: { details: { fields: { auth_credentials: wrong.body.error } } },
      })
      expect(wrong.body.error).toContain('does not accept the credential')
      double.instead = () => double.refusals.weakToken()
      expect((await create()).body.details.fields.auth_credentials).toMatch(/needs .*\w/)
      double.instead = () => double.refusals.noPermission()
      expect((await create()).status).toBe(400)
      expect(await listed()).toBe(before)
    })

    test('is stored when the host cannot say whether it is right', async () => {
      for (const answer of [() => double.refusals.limited(60), () => new Response('<h1>502</h1>', { status: 502 })]) {
        double.instead = answer
        const { status, body } = await create()
        expect(status).toBe(201)
        await stage.app.synced(body.id)
        await stage.app.ask(`/api/repositories/${body.id}`, { method: 'DELETE' })
        // By then the host has had the rest that it asked for.
        await stage.app.passTo(stage.app.now() + 180)
      }
    })

    test('is asked about when it changes, and only then', async () => {
      const { body } = await create()
      await stage.app.synced(body.id)
      const place = `/api/repositories/${body.id}`
      expect(await send(stage, place, 'PATCH', { auth_credentials: 'wrong-token' })).toMatchObject({ status: 400 })
      double.instead = () => double.refusals.noPermission()
      expect(await send(stage, place, 'PATCH', { archives: 'tags' })).toMatchObject({ status: 200 })
      double.instead = null
      const again = await send(stage, place, 'PATCH', { auth_credentials: double.token })
      expect(again.status).toBe(200)
      expect(await stage.app.synced(body.id)).toMatchObject({ status: 'active' })
    })

    test('is asked about once for one Idempotency-Key, whatever the host says later', async () => {
      const headers = { 'Idempotency-Key': `key-${count}` }
      double.instead = () => double.refusals.weakToken()
      expect((await create({}, headers)).status).toBe(400)
      double.instead = null
      const first = await create({}, headers)
      double.instead = () => double.refusals.noPermission()
      expect(await create({}, headers)).toEqual(first)
    })

    test('that sees no such repository may be right all the same', async () => {
      const { status } = await send(stage, '/api/repositories', 'POST', stage.body({ path: double.pathOf('none') }))
      expect(status).toBe(201)
    })
  })
}

test.each([
  ['bitbucket', 'http_basic', 'me:ATBBx', 'API token'],
  ['gitlab', 'token', 'glcbt-x', 'job token'],
  ['github', 'token', 'ghs_x', 'GitHub App'],
])('%s: a form that was retired is refused with advice', async (vcsType, type, secret, advice) => {
  const stage = await HostStage.start(new GithubDouble())
  try {
    const body = stage.body(
      { path: 'acme/lib' },
      { vcs_type: vcsType, credential_type: type, auth_credentials: secret },
    )
    const answer = await send(stage, '/api/repositories', 'POST', body)
    expect(answer.status).toBe(400)
    expect(answer.body.details.fields.auth_credentials).toContain(advice)
    expect(JSON.stringify(answer.body)).not.toContain(secret)
    expect(stage.double.seen).toEqual([])
  } finally {
    await stage.stop()
  }
})

describe('a GitHub App', () => {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const other = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const pem = (key: typeof privateKey) => key.export({ type: 'pkcs1', format: 'pem' }).toString()
  const credential = (fields = {}) => ({ app_id: 1234, installation_id: 5678, private_key: pem(privateKey), ...fields })
  let stage: HostStage<GithubDouble>
  let hosted: DoubleRepository

  const create = (auth: unknown) =>
    send(stage, '/api/repositories', 'POST', {
      ...stage.body(hosted),
      credential_type: 'github_app',
      auth_credentials: auth,
    })
  const minted = () => stage.double.seen.filter(({ path }) => path.endsWith('/access_tokens')).length

  beforeAll(async () => {
    stage = await HostStage.start(new GithubDouble())
    hosted = stage.repository('lib', { commits: [library('acme/lib', 'one', { tags: ['1.0.0'] })] }).hosted
    stage.double.appKey = publicKey
  })
  afterAll(() => stage?.stop())

  test('whose key is another one, or that is not installed, is refused', async () => {
    const strange = await create(credential({ private_key: pem(other.privateKey) }))
    expect(strange).toMatchObject({
      status: 400,
      body: { details: { fields: { auth_credentials: expect.any(String) } } },
    })
    const gone = await create(credential({ installation_id: 1 }))
    expect(gone.body.details.fields.auth_credentials).toContain('no installation 1')
    for (const part of ['app_id', 'installation_id', 'private_key']) {
      expect((await create(credential({ [part]: 'canary!' }))).body.details.fields.auth_credentials).toContain(part)
    }
    expect((await create('canary!')).status).toBe(400)
  })

  test('opens git and the API with one installation token, over several syncs, as JSON text too', async () => {
    stage.double.seen.length = 0
    const { status, body } = await create(JSON.stringify(credential()))
    expect(status).toBe(201)
    expect(await stage.app.synced(body.id)).toMatchObject({ status: 'active', versions: 2 })
    await stage.app.sync(body.id)
    expect(minted()).toBe(1)
    expect([...new Set(stage.double.gitCredentials)]).toEqual(['x-access-token:ghs_1'])
    expect(stage.double.seen.find(({ path }) => path === '/api/v3/repos/acme/lib')?.headers.get('authorization')).toBe(
      'Bearer ghs_1',
    )
    const stored = await stage.app.ask(`/api/repositories/${body.id}`)
    expect(await stored.json()).toMatchObject({ credential_type: 'github_app', has_credentials: true })
    // Revoked at the host: it is not used again, and the next sync has another.
    stage.double.installationTokens.length = 0
    expect(await stage.app.sync(body.id)).toMatchObject({ status: 'error' })
    expect(await stage.app.sync(body.id)).toMatchObject({ status: 'active' })
    expect(minted()).toBe(2)
    expect(stage.app.logged.join('\n')).not.toMatch(/ghs_|PRIVATE KEY/)
  })

  test('is for vcs_type github', async () => {
    const body = {
      ...stage.body(hosted),
      vcs_type: 'gitlab',
      credential_type: 'github_app',
      auth_credentials: credential(),
    }
    const answer = await send(stage, '/api/repositories', 'POST', body)
    expect(answer).toMatchObject({
      status: 400,
      body: { details: { fields: { credential_type: expect.any(String) } } },
    })
  })
})

test('a host that needs an owner and a name is told so', async () => {
  const stage = await HostStage.start(new GithubDouble())
  const answer = await send(stage, '/api/repositories', 'POST', stage.body({ path: 'lib' }))
  expect(answer).toMatchObject({
    status: 400,
    body: { details: { fields: { url: expect.stringContaining('owner') } } },
  })
  await stage.stop()
})

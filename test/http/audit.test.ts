import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { TestApp } from '../support/app.ts'
import { createGitRepository } from '../support/git-repository.ts'
import { library } from '../support/packages.ts'
import { stored } from '../support/stored.ts'

interface Entry {
  id: string
  at: number
  actor: string
  action: string
  subject: string
  before: Record<string, unknown> | null
  after: Record<string, unknown> | null
  request_id: string
  address: string | null
}

let app: TestApp

beforeAll(async () => {
  app = await TestApp.start()
})

afterAll(() => app?.stop())

async function audit(query = ''): Promise<Entry[]> {
  const response = await app.ask(`/api/audit${query}`)
  expect(response.status).toBe(200)
  return (await response.json()) as Entry[]
}

async function repositoryAt(name: string): Promise<string> {
  const { path } = createGitRepository(app.path(`${name}.git`), { commits: [library(`acme/${name}`, 'one')] })
  return (await app.addRepository(path)).id
}

describe('every change leaves an entry', () => {
  test('of repositories: who, what, before and after, in which request', async () => {
    const admin = await app.token({ permissions: 'write' })
    const { path } = createGitRepository(app.path('told.git'), { commits: [library('acme/told', 'one')] })
    const ask = (method: string, place: string, json?: unknown) =>
      app.ask(`/api/repositories${place}`, {
        method,
        token: admin.token,
        headers: { 'X-Request-Id': `told-${method}${place.length > 40 ? '-sync' : ''}` },
        ...(json === undefined ? {} : { json }),
      })
    const { id } = (await (await ask('POST', '', { url: path, vcs_type: 'git' })).json()) as { id: string }
    await app.synced(id)
    await ask('PATCH', `/${id}`, { archives: 'tags', sync_interval: 60 })
    await ask('PATCH', `/${id}`, { archives: 'tags' })
    const job = (await (await ask('POST', `/${id}/sync?accept_removals=true`)).json()) as { id: string }
    await app.synced(id)
    await ask('DELETE', `/${id}`)
    const entries = (await audit(`?subject=${id}`)).reverse()
    const settings = { url: path, vcs_type: 'git', archives: 'lazy', sync_interval: null, has_credentials: false }
    const changed = { ...settings, archives: 'tags', sync_interval: 60 }
    expect(entries).toMatchObject([
      { action: 'repository.create', request_id: 'told-POST', before: null, after: settings },
      { action: 'repository.update', request_id: 'told-PATCH', before: settings, after: changed },
      {
        action: 'repository.sync',
        request_id: 'told-POST-sync',
        before: null,
        after: { job: job.id, accept_removals: true },
      },
      { action: 'repository.delete', request_id: 'told-DELETE', before: changed, after: null },
    ])
    for (const entry of entries) expect(entry).toMatchObject({ actor: admin.id, at: app.clock.now, address: null })
  })

  test('a change that is refused leaves none', async () => {
    const first = await repositoryAt('refused-1')
    await repositoryAt('refused-2')
    const before = await audit()
    const patch = (json: unknown) => app.ask(`/api/repositories/${first}`, { method: 'PATCH', json })
    expect((await patch({ url: app.path('refused-2.git') })).status).toBe(409)
    expect((await patch({ archives: 'never' })).status).toBe(400)
    expect((await app.ask('/api/repositories/repo_none', { method: 'DELETE' })).status).toBe(404)
    expect(await audit()).toEqual(before)
  })

  test('a change whose entry cannot be written is not made', async () => {
    const id = await repositoryAt('atomic')
    createGitRepository(app.path('atomic-new.git'), { commits: [library('acme/atomic-new', 'one')] })
    await app.token()
    const tokens = async () => (await (await app.ask('/api/tokens')).json()) as { id: string }[]
    const [listed] = (await (await app.ask(`/api/packages?repo_id=${id}`)).json()) as { id: string }[]
    const version = `/api/packages/${listed?.id}/versions/dev-main`
    const state = async () => [
      await (await app.ask('/api/repositories')).json(),
      await tokens(),
      await (await app.ask(`/api/packages/${listed?.id}`)).json(),
    ]
    const before = await state()
    await stored(app, "CREATE TRIGGER full BEFORE INSERT ON audit_entries BEGIN SELECT RAISE(ABORT, 'full'); END")
    const token = (await tokens())[0]
    for (const [method, place, json] of [
      ['PATCH', `/api/repositories/${id}`, { archives: 'all' }],
      ['DELETE', `/api/repositories/${id}`, undefined],
      ['POST', `/api/repositories/${id}/sync`, undefined],
      ['POST', '/api/repositories', { url: app.path('atomic-new.git'), vcs_type: 'git' }],
      ['POST', '/api/tokens', { permissions: 'readonly' }],
      ['PATCH', `/api/tokens/${token?.id}`, { description: 'new' }],
      ['POST', `/api/tokens/${token?.id}/rotate`, undefined],
      ['DELETE', `/api/tokens/${token?.id}`, undefined],
      ['DELETE', version, undefined],
    ] as const) {
      const response = await app.ask(place, {
        method,
        ...(json === undefined ? {} : { json }),
      })
      expect({ method, place, status: response.status }).toEqual({ method, place, status: 500 })
      expect(await state()).toEqual(before)
    }
    await stored(app, 'DROP TRIGGER full')
  })

  test('of the first administrator token', async () => {
    const fresh = await TestApp.start()
    const token = await fresh.app.firstAdminToken()
    const [entry, ...more] = (await (await fresh.ask('/api/audit', { token })).json()) as Entry[]
    expect(more).toEqual([])
    expect(entry).toMatchObject({
      actor: 'local',
      action: 'token.create',
      before: null,
      after: { permissions: 'write', description: 'First administrator token' },
    })
    expect((await fresh.ask(`/api/tokens/${entry?.subject}`, { token })).status).toBe(200)
    expect(JSON.stringify(entry)).not.toContain(token ?? '-')
    await fresh.stop()
  })
})

describe('the list', () => {
  test('is filtered by actor, action, subject and time', async () => {
    const start = app.clock.now
    const admin = await app.token({ permissions: 'write' })
    const id = await repositoryAt('filtered')
    app.clock.now += 10
    await app.ask(`/api/repositories/${id}`, { method: 'PATCH', token: admin.token, json: { archives: 'all' } })
    app.clock.now += 10
    await app.ask(`/api/repositories/${id}`, { method: 'DELETE' })
    const actions = async (query: string) => (await audit(query)).map((entry) => entry.action)
    expect(await actions(`?actor=${admin.id}`)).toEqual(['repository.update'])
    expect(await actions(`?subject=${id}&action=repository.delete`)).toEqual(['repository.delete'])
    expect(await actions(`?subject=${id}&since=${start + 10}`)).toEqual(['repository.delete', 'repository.update'])
    expect(await actions(`?subject=${id}&until=${start + 10}`)).toEqual(['repository.update', 'repository.create'])
    expect(await actions(`?subject=${id}&since=${start + 10}&until=${start + 10}`)).toEqual(['repository.update'])
    expect(await actions(`?subject=${id}&order=oldest&limit=1`)).toEqual(['repository.create'])
    expect(await actions('?actor=nobody')).toEqual([])
  })

  test('comes in pages, newest or oldest first, without a gap or a double', async () => {
    for (let round = 0; round < 5; round++) await app.token()
    const whole = await audit('?limit=1000')
    for (const order of ['newest', 'oldest'] as const) {
      const seen: Entry[] = []
      for (let next: string | null = `/api/audit?limit=3&order=${order}&action=token.create`; next !== null; ) {
        const response: Response = await app.ask(next)
        const wanted = whole.filter((entry) => entry.action === 'token.create').length
        expect(response.headers.get('x-total-count')).toBe(String(wanted))
        seen.push(...((await response.json()) as Entry[]))
        next = /^<(.*)>; rel="next"$/.exec(response.headers.get('link') ?? '')?.[1] ?? null
      }
      const expected = whole.filter((entry) => entry.action === 'token.create')
      expect(seen).toEqual(order === 'newest' ? expected : expected.reverse())
    }
  })

  test.each(['since=yesterday', 'until=-1', 'order=random', 'cursor=aud_1', 'limit=0', 'acton=x'])(
    '%p is 400',
    async (query) => {
      expect((await app.ask(`/api/audit?${query}`)).status).toBe(400)
    },
  )

  test('is only read, and only by an unrestricted write token', async () => {
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
      expect((await app.ask('/api/audit', { method })).status).toBe(405)
    }
    for (const spec of [{}, { permissions: 'write', allowed_package_prefixes: ['acme/'] }]) {
      const { token } = await app.token(spec)
      expect((await app.ask('/api/audit', { token })).status).toBe(403)
    }
    expect((await app.ask('/api/audit', { token: null })).status).toBe(401)
  })
})

test.each([
  "UPDATE audit_entries SET actor = 'somebody else'",
  'DELETE FROM audit_entries',
  'DELETE FROM audit_entries WHERE id = (SELECT max(id) FROM audit_entries)',
])('the database refuses %p', async (statement) => {
  const before = await audit('?limit=1000')
  expect(before.length).toBeGreaterThan(0)
  await expect(stored(app, statement)).rejects.toThrow('entries of the audit are never')
  expect(await audit('?limit=1000')).toEqual(before)
})

test('no secret is in entries, answers, logs or the database', async () => {
  const canary = (name: string) => `canary-${name}-7f3a91c2`
  const told: string[] = []
  const ask = async (path: string, method: string, json: unknown, key?: string) => {
    const headers = key === undefined ? {} : { headers: { 'Idempotency-Key': key } }
    const response = await app.ask(path, { method, json, ...headers })
    told.push(await response.text())
    return response.status
  }
  const { path } = createGitRepository(app.path('secret.git'), { commits: [library('acme/secret', 'one')] })
  const create = { url: path, vcs_type: 'git', credential_type: 'token', auth_credentials: canary('first') }
  expect(await ask('/api/repositories', 'POST', create, 'secret-key')).toBe(201)
  expect(await ask('/api/repositories', 'POST', create, 'secret-key')).toBe(201)
  expect(await ask('/api/repositories', 'POST', { ...create, auth_credentials: canary('other') }, 'secret-key')).toBe(
    409,
  )
  const { id } = JSON.parse(told[0] ?? '') as { id: string }
  await app.synced(id)
  const place = `/api/repositories/${id}`
  expect(await ask(place, 'PATCH', { auth_credentials: canary('second') })).toBe(200)
  const basic = { credential_type: 'http_basic', auth_credentials: { username: 'ann', password: canary('third') } }
  expect(await ask(place, 'PATCH', basic)).toBe(200)
  expect(await ask(place, 'PATCH', { auth_credentials: { password: canary('wrong') } })).toBe(400)
  expect(await ask(place, 'PATCH', { url: `https://ann:${canary('url')}@example.org/x.git` })).toBe(400)
  await app.synced(id)
  told.push(await (await app.ask(place)).text(), await (await app.ask(`${place}/syncs`)).text())
  await app.ask(place, { method: 'DELETE' })
  const entries = await audit(`?subject=${id}`)
  const changes = entries.filter((entry) => entry.action === 'repository.update')
  expect(changes.map((entry) => entry.after?.auth_credentials)).toEqual(['(changed)', '(changed)'])
  const rows: Record<string, unknown>[] = []
  for (const { name } of await stored(app, "SELECT name FROM sqlite_master WHERE type = 'table'")) {
    rows.push(...(await stored(app, `SELECT * FROM "${name}"`)))
  }
  expect(rows.length).toBeGreaterThan(20)
  const everything = [...told, ...app.logged, JSON.stringify(entries), JSON.stringify(rows)].join('\n')
  expect(everything).toContain(id)
  expect(everything).not.toContain('canary-')
})

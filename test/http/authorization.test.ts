import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { TestApp, TRANSPORTS } from '../support/app.ts'
import type { Broker } from '../support/broker.ts'
import { createGitRepository } from '../support/git-repository.ts'
import { library } from '../support/packages.ts'
import { routeCases, type Statuses } from '../support/route-cases.ts'
import { startBroker } from '../support/start-broker.ts'

/** Who asks; every route of the app must name a status for each. */
const CALLERS = [
  'nobody',
  'garbage',
  'expired',
  'revoked',
  'rotated',
  'readonly',
  'restricted readonly',
  'restricted write',
  'write',
] as const
type Caller = (typeof CALLERS)[number]

let app: Broker
let repositoryId: string
let packageId: string
let tokens: Record<Exclude<Caller, 'nobody'>, string>

/** Prefix of the restricted tokens; the package asked for lies outside of it, and so does its vendor. */
const OWN = 'own/'

beforeAll(async () => {
  app = await startBroker()
  const readme = { ...library('acme/lib', 'one').files, 'README.md': '# Lib' }
  createGitRepository(app.path('lib.git'), { commits: [{ files: readme, tags: ['1.0.0'] }] })
  repositoryId = (await app.addRepository(app.path('lib.git'))).id
  packageId = ((await (await app.ask('/api/packages')).json()) as { id: string }[])[0]?.id ?? ''
  const expired = await app.token({ expires_at: app.now() + 2 })
  const revoked = await app.token({ permissions: 'write' })
  const rotated = await app.token({ permissions: 'write' })
  tokens = {
    garbage: `pb_${'x'.repeat(43)}`,
    expired: expired.token,
    revoked: revoked.token,
    rotated: rotated.token,
    readonly: (await app.token()).token,
    'restricted readonly': (await app.token({ allowed_package_prefixes: [OWN] })).token,
    'restricted write': (await app.token({ permissions: 'write', allowed_package_prefixes: [OWN] })).token,
    write: (await app.token({ permissions: 'write' })).token,
  }
  // Each is used once, so that a decision that is remembered would show.
  for (const token of [expired.token, revoked.token, rotated.token]) await app.ask('/packages.json', { token })
  await app.passTo(app.now() + 2)
  await app.ask(`/api/tokens/${revoked.id}`, { method: 'DELETE' })
  await app.ask(`/api/tokens/${rotated.id}/rotate`, { method: 'POST' })
})

afterAll(() => app?.stop())

function expected(statuses: Statuses, caller: Caller): number {
  const columns: Caller[] = ['readonly', 'restricted readonly', 'restricted write', 'write']
  return statuses[columns.indexOf(caller) + 1] ?? 0
}

test('every route of the app is in the table, so that none is without a rule', async () => {
  const inside = await TestApp.start()
  const routes = inside.app.handler.routes.map(({ method, path }) => `${method} ${path.replace(/(.)\/$/, '$1')}`)
  await inside.stop()
  const known = Object.keys(routeCases({ repositoryId, packageId }))
  expect(routes.length).toBeGreaterThan(12)
  expect(routes.filter((route) => !known.includes(route))).toEqual([])
})

describe.each(Object.keys(TRANSPORTS))('token sent as %s', (transport) => {
  test.each([...CALLERS])('%s gets what the table says on every route', async (caller) => {
    const got: Record<string, number> = {}
    const wanted: Record<string, number> = {}
    for (const [route, { path, json, statuses }] of Object.entries(routeCases({ repositoryId, packageId }))) {
      const [method = ''] = route.split(' ')
      const authorization = caller === 'nobody' ? null : TRANSPORTS[transport]?.(tokens[caller])
      const response = await app.ask(path, {
        method,
        token: null,
        headers: authorization ? { Authorization: authorization } : {},
        ...(json === undefined ? {} : { json }),
      })
      got[route] = response.status
      wanted[route] = expected(statuses, caller)
      const text = await response.text()
      if (response.status === 401 && method !== 'HEAD') {
        expect(response.headers.get('www-authenticate')).toStartWith('Basic realm="')
        const { code } = JSON.parse(text) as { code: string }
        // A webhook is refused for its signature, whatever token comes with it.
        const expired = caller === 'expired' && !path.startsWith('/webhooks/')
        expect(code).toBe(expired ? 'TOKEN_EXPIRED' : 'UNAUTHORIZED')
      }
    }
    expect(got).toEqual(wanted)
  })
})

test('the token in the query opens nothing', async () => {
  for (const query of [`?token=${tokens.write}`, `?access_token=${tokens.write}`]) {
    expect((await app.ask(`/packages.json${query}`, { token: null })).status).toBe(401)
  }
})

test.each([
  'Bearer',
  'Bearer ',
  'Basic',
  'Basic !!!!',
  'Basic Og==',
  `Basic ${btoa(':')}`,
  'Digest username="x"',
  `Bearer ${'x'.repeat(4_000)}`,
])('a broken Authorization header %p is 401', async (authorization) => {
  expect((await app.ask('/packages.json', { token: null, headers: { Authorization: authorization } })).status).toBe(401)
})

describe('anonymous and unauthorised requests with a broken body learn nothing of the body', () => {
  test.each([
    ['nobody', 401],
    ['garbage', 401],
    ['readonly', 403],
  ] as const)('%s', async (caller, status) => {
    const token = caller === 'nobody' ? null : tokens[caller]
    for (const path of ['/api/tokens', '/api/repositories']) {
      for (const body of ['{"broken', '{}', '{"nonsense":1}', '[]', '']) {
        const headers = { 'Content-Type': 'application/json' }
        const response = await app.ask(path, { method: 'POST', token, headers, body })
        expect({ path, body, status: response.status }).toEqual({ path, body, status })
      }
    }
  })
})

describe('what a restricted write token may hand on', () => {
  const mint = (prefixes: unknown, permissions = 'readonly') =>
    app.ask('/api/tokens', {
      token: tokens['restricted write'],
      json: { permissions, ...(prefixes === undefined ? {} : { allowed_package_prefixes: prefixes }) },
    })

  test.each([[['own/']], [['own/lib']], [['OWN/Lib']], [['own/a', 'own/b']]])('%p: yes', async (prefixes) => {
    for (const permissions of ['readonly', 'write']) expect((await mint(prefixes, permissions)).status).toBe(201)
  })

  test.each([[undefined], [[]], [['acme/']], [['own/', 'acme/']], [['own-evil/']], [['ownx/y']]])(
    '%p: no',
    async (prefixes) => {
      for (const permissions of ['readonly', 'write']) expect((await mint(prefixes, permissions)).status).toBe(403)
    },
  )

  test('two changes at once do not add up to more', async () => {
    const token = tokens['restricted write']
    const patch = async (id: string, json: object) =>
      (await app.ask(`/api/tokens/${id}`, { method: 'PATCH', token, json })).status
    for (let round = 0; round < 10; round++) {
      const { id } = await app.token({ allowed_package_prefixes: [OWN], allowed_packages: [{ name: 'own/lib' }] })
      const statuses = await Promise.all([
        patch(id, { allowed_package_prefixes: [] }),
        patch(id, { allowed_packages: [] }),
      ])
      // Without either it would cover everything.
      expect(statuses.sort()).toEqual([200, 403])
    }
  })

  test('tokens of others are invisible to it', async () => {
    const foreign = await app.token({ allowed_package_prefixes: ['acme/'] })
    const mixed = await app.token({ allowed_package_prefixes: ['acme/', OWN] })
    const unlimited = await app.token()
    const inside = await app.token({ allowed_package_prefixes: ['own/lib'] })
    const token = tokens['restricted write']
    const list = (await (await app.ask('/api/tokens?limit=1000', { token })).json()) as { id: string }[]
    const ids = list.map((row) => row.id)
    expect(ids).toContain(inside.id)
    for (const { id } of [foreign, mixed, unlimited]) {
      expect(ids).not.toContain(id)
      for (const method of ['GET', 'DELETE']) {
        expect((await app.ask(`/api/tokens/${id}`, { method, token })).status).toBe(404)
      }
      expect((await app.ask(`/api/tokens/${id}`)).status).toBe(200)
    }
    expect((await app.ask(`/api/tokens/${inside.id}`, { method: 'DELETE', token })).status).toBe(200)
  })
})

test.each(['acme', '/', '', 'acme/*', '*', 'acme/lib/more', '/acme', 'acme /', '../x', 'acmé/', 'acme/\u0000'])(
  'the prefix %p is refused',
  async (prefix) => {
    const response = await app.ask('/api/tokens', {
      json: { permissions: 'readonly', allowed_package_prefixes: [prefix] },
    })
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({
      details: { fields: { 'allowed_package_prefixes.0': expect.any(String) } },
    })
  },
)

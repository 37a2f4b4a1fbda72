import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import type { Broker } from '../support/broker.ts'
import { createGitRepository } from '../support/git-repository.ts'
import { library } from '../support/packages.ts'
import { startBroker } from '../support/start-broker.ts'

let app: Broker

beforeAll(async () => {
  app = await startBroker()
  createGitRepository(app.path('lib.git'), { commits: [library('acme/lib', 'one', { tags: ['1.0.0'] })] })
  await app.addRepository(app.path('lib.git'))
})

afterAll(() => app?.stop())

describe('error answers', () => {
  /** Every way to fail that a request alone can reach: method, path, what is sent, and status and code expected. */
  const failures: [string, string, { json?: unknown; body?: string; token?: null; host?: string }, number, string][] = [
    ['GET', '/packages.json', { token: null }, 401, 'UNAUTHORIZED'],
    ['GET', '/p2/nobody/nothing.json', {}, 404, 'NOT_FOUND'],
    ['GET', '/dist/acme/lib/9.9.9.zip', {}, 404, 'NOT_FOUND'],
    ['GET', '/nonsense', {}, 404, 'NOT_FOUND'],
    ['GET', '/nonsense', { token: null }, 404, 'NOT_FOUND'],
    ['GET', '/api', {}, 404, 'NOT_FOUND'],
    ['GET', '/api/tokens/tok_none', {}, 404, 'NOT_FOUND'],
    ['POST', '/api/tokens', { body: '{"broken' }, 400, 'INVALID_REQUEST'],
    ['POST', '/api/tokens', { body: '' }, 400, 'INVALID_REQUEST'],
    ['POST', '/api/tokens', { json: [] }, 400, 'INVALID_REQUEST'],
    ['POST', '/api/tokens', { json: null }, 400, 'INVALID_REQUEST'],
    ['POST', '/api/repositories', { json: { url: 'x' } }, 400, 'INVALID_REQUEST'],
    ['PUT', '/api/tokens', { json: {} }, 405, 'METHOD_NOT_ALLOWED'],
    ['POST', '/packages.json', {}, 405, 'METHOD_NOT_ALLOWED'],
    ['DELETE', '/p2/acme/lib.json', {}, 405, 'METHOD_NOT_ALLOWED'],
    ['GET', '/packages.json', { host: 'a' }, 400, 'INVALID_REQUEST'],
    ['GET', '/packages.json', { host: 'a,b.example' }, 400, 'INVALID_REQUEST'],
    ['GET', '/api/tokens/%ff', {}, 400, 'INVALID_REQUEST'],
    ['GET', '/p2/acme/%ff.json', {}, 400, 'INVALID_REQUEST'],
    ['GET', '/dist/acme/lib/%zz.zip', {}, 400, 'INVALID_REQUEST'],
  ]

  test.each(failures)('%s %s with %p: %i %s', async (method, path, sent, status, code) => {
    const headers: Record<string, string> = sent.host === undefined ? {} : { Host: sent.host }
    if (sent.body !== undefined) headers['Content-Type'] = 'application/json'
    const response = await app.ask(path, {
      method,
      headers,
      ...(sent.token === null ? { token: null } : {}),
      ...('json' in sent ? { json: sent.json } : {}),
      ...(sent.body === undefined ? {} : { body: sent.body }),
    })
    const body = (await response.json()) as Record<string, unknown>
    expect({ status: response.status, code: body.code }).toEqual({ status, code })
    expect(response.headers.get('content-type')).toBe('application/json')
    expect(response.headers.get('x-request-id')).toMatch(/^[\w.-]+$/)
    expect(response.headers.get('cache-control')).toBe('no-store')
    expect([typeof body.error, typeof body.details]).toEqual(['string', 'object'])
    const forComposer = /^\/(packages\.json$|p2\/|dist\/)/.test(path)
    expect(body.warning).toBe(forComposer ? body.error : undefined)
    expect(JSON.stringify(body)).not.toMatch(/\bat .*:\d+|SELECT|node_modules/)
  })

  test.each([
    ['PUT', '/api/tokens', ['GET', 'HEAD', 'POST']],
    ['POST', '/packages.json', ['GET', 'HEAD']],
    ['POST', '/api/repositories/repo_x', ['GET', 'HEAD', 'DELETE']],
    ['DELETE', '/health', ['GET', 'HEAD']],
  ])('%s %s: Allow says what is possible', async (method, path, allowed) => {
    const response = await app.ask(path, { method })
    expect(response.status).toBe(405)
    const allow = (response.headers.get('allow') ?? '').split(', ')
    expect(allow).toEqual(expect.arrayContaining(allowed))
    expect(allow).not.toContain(method)
  })
})

describe('fields of a body', () => {
  async function fieldsOf(path: string, json: unknown): Promise<Record<string, string>> {
    const response = await app.ask(path, { json })
    expect(response.status).toBe(400)
    const { details } = (await response.json()) as { details: { fields: Record<string, string> } }
    for (const sentence of Object.values(details.fields)) expect(sentence).toMatch(/\w/)
    return details.fields
  }

  test('an unknown field is named', async () => {
    const fields = await fieldsOf('/api/tokens', { permissions: 'readonly', nonsense: 1, Prefixes: [] })
    expect(Object.keys(fields).sort()).toEqual(['Prefixes', 'nonsense'])
  })

  test('every wrong field is named, at once', async () => {
    const fields = await fieldsOf('/api/tokens', {
      permissions: 'admin',
      expires_at: 'tomorrow',
      rate_limit_max: -1,
      metadata: { customer_id: 7 },
      description: 'x'.repeat(501),
    })
    expect(Object.keys(fields)).toEqual(
      expect.arrayContaining(['permissions', 'expires_at', 'rate_limit_max', 'description']),
    )
    expect(Object.keys(fields).some((name) => name.startsWith('metadata'))).toBe(true)
  })

  test.each([
    ['/api/tokens', { permissions: 'readonly', expires_at: 1 }, 'expires_at'],
    ['/api/tokens', { permissions: 'readonly', expires_at: 1.5 }, 'expires_at'],
    ['/api/tokens', {}, 'permissions'],
    ['/api/repositories', { vcs_type: 'git' }, 'url'],
    ['/api/repositories', { url: 'https://example.com/x.git', vcs_type: 'svn' }, 'vcs_type'],
    ['/api/repositories', { url: 'ext::sh -c id', vcs_type: 'git' }, 'url'],
    ['/api/repositories', { url: '--upload-pack=id', vcs_type: 'git' }, 'url'],
    ['/api/repositories', { url: 'https://a:b@example.com/x.git', vcs_type: 'git' }, 'url'],
    ['/api/repositories', { url: '/etc', vcs_type: 'git' }, 'url'],
    ['/api/repositories', { url: 'https://example.com/x.git', vcs_type: 'git', sync_interval: 1 }, 'sync_interval'],
    [
      '/api/repositories',
      { url: 'https://example.com/x.git', vcs_type: 'git', credential_type: 'token' },
      'auth_credentials',
    ],
  ])('%s %p: %s', async (path, json, field) => {
    expect(Object.keys(await fieldsOf(path, json))).toContain(field)
  })

  test('__proto__ and constructor reach nothing', async () => {
    const headers = { 'Content-Type': 'application/json' }
    for (const key of ['__proto__', 'constructor', 'toString']) {
      const body = `{"permissions":"readonly","${key}":{"permissions":"write","x":1},"metadata":{"__proto__":"y"}}`
      const response = await app.ask('/api/tokens', { method: 'POST', headers, body })
      if (response.status === 201) expect(await response.json()).toMatchObject({ permissions: 'readonly' })
      else expect(response.status).toBe(400)
    }
    expect(({} as Record<string, unknown>).x).toBeUndefined()
  })

  test('a deeply nested body is refused in time that grows with its length only', async () => {
    const headers = { 'Content-Type': 'application/json' }
    for (const [open, close] of [
      ['[', ']'],
      ['{"a":', '}'],
    ] as const) {
      const depth = 150_000
      for (const body of [open.repeat(depth), `${open.repeat(depth)}1${close.repeat(depth)}`]) {
        const response = await app.ask('/api/tokens', { method: 'POST', headers, body })
        expect(response.status).toBe(400)
        expect(await response.json()).toMatchObject({ error: 'The body is nested deeper than 64 levels.' })
      }
    }
    const quoted = { permissions: 'readonly', description: '[[{{"\\'.repeat(50) }
    expect((await app.ask('/api/tokens', { json: quoted })).status).toBe(201)
  })

  test.each(['0', '1001', '-1', 'x', '1e2', ''])('limit %p is refused', async (limit) => {
    const response = await app.ask(`/api/tokens?limit=${limit}`)
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({ details: { fields: { limit: expect.any(String) } } })
  })
})

describe('X-Request-Id', () => {
  test.each(['abc-123', 'A.b_c', 'x'.repeat(100)])('%p is kept', async (id) => {
    const response = await app.ask('/packages.json', { headers: { 'X-Request-Id': id } })
    expect(response.headers.get('x-request-id')).toBe(id)
  })

  test.each(['', 'a b', 'x'.repeat(101), '<script>', 'ä'])('%p is replaced', async (id) => {
    const response = await app.ask('/health', { token: null, headers: { 'X-Request-Id': id } })
    expect(response.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/)
  })
})

describe('answers of success', () => {
  test.each(['/packages.json', '/p2/acme/lib.json', '/api/tokens', '/api/repositories', '/health', '/ready'])(
    '%s is JSON',
    async (path) => {
      const response = await app.ask(path)
      expect(response.status).toBe(200)
      // JSON is UTF-8 anyway; only of errors does Composer ask for the bare type.
      expect(response.headers.get('content-type')).toMatch(/^application\/json(;charset=utf-8)?$/)
      expect(response.headers.get('x-content-type-options')).toBe('nosniff')
      await response.json()
    },
  )

  test('lists come in pages that lead to one another', async () => {
    for (let index = 0; index < 5; index++) await app.token({ metadata: { customer_id: 'pages' } })
    const ids: string[] = []
    let path: string | null = '/api/tokens?customer_id=pages&limit=2'
    let pages = 0
    while (path !== null) {
      const response: Response = await app.ask(path)
      expect(response.headers.get('x-total-count')).toBe('5')
      ids.push(...((await response.json()) as { id: string }[]).map((row) => row.id))
      const link: string | null = response.headers.get('link')
      path = /^<http:\/\/localhost([^>]+)>; rel="next"$/.exec(link ?? '')?.[1] ?? null
      pages += 1
    }
    expect(pages).toBe(3)
    expect(new Set(ids).size).toBe(5)
  })
})

describe('/health and /ready', () => {
  test('need no token and say nothing more', async () => {
    expect(await (await app.ask('/health', { token: null })).json()).toEqual({ status: 'ok' })
    expect(await (await app.ask('/ready', { token: null })).json()).toEqual({ status: 'ready' })
  })

  test('/ready is 503 when the archive directory is gone, /health is not', async () => {
    const { rmSync, mkdirSync } = await import('node:fs')
    const directory = join(app.dataDirectory, 'archives')
    rmSync(directory, { recursive: true })
    try {
      const response = await app.ask('/ready', { token: null })
      expect(response.status).toBe(503)
      expect(await response.json()).toMatchObject({ code: 'UNAVAILABLE' })
      expect((await app.ask('/health', { token: null })).status).toBe(200)
    } finally {
      mkdirSync(directory, { recursive: true })
    }
  })
})

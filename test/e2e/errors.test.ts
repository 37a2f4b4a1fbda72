import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { Installation, type RunningServer } from '../support/binary.ts'

setDefaultTimeout(60_000)

const ADMIN = 'administrator-of-the-errors-0123456789'
const JSON_TYPE = { 'Content-Type': 'application/json' }
const MEGABYTE = 1024 * 1024

let installation: Installation
let server: RunningServer

beforeAll(async () => {
  installation = await Installation.create({ ADMIN_TOKEN: ADMIN })
  server = await installation.serve()
})

afterAll(() => installation?.remove())

interface Envelope {
  error: string
  code: string
  details: { fields?: Record<string, string>; limit?: number }
  warning?: string
}

function send(method: string, path: string, init: RequestInit = {}): Promise<Response> {
  const headers = { Authorization: `Bearer ${ADMIN}`, ...(init.headers as Record<string, string>) }
  return fetch(server.url + path, { ...init, method, headers })
}

/** The envelope of an answer, which has nothing beside what it always has. */
async function refusal(response: Response): Promise<Envelope> {
  expect(response.headers.get('content-type')).toBe('application/json')
  expect(response.headers.get('x-request-id')).toMatch(/^[\w.-]{1,100}$/)
  const body = (await response.json()) as Envelope
  const { error, code, details, warning, ...more } = body
  expect(more).toEqual({})
  expect(error).toMatch(/^.{10,}[.>]$/s)
  expect(code).toMatch(/^[A-Z_]+$/)
  expect(details).toBeObject()
  if (warning !== undefined) expect(warning).toBe(error)
  expect(error).not.toMatch(/node_modules|\.ts\b|elysia|SQLITE/i)
  return body
}

const post = (path: string, body: NonNullable<RequestInit['body']>, headers: Record<string, string> = JSON_TYPE) =>
  send('POST', path, { body, headers })

describe('addresses and methods', () => {
  test.each(['/nothing', '/api', '/api/unknown', '/p2/only', '/api/tokens/a/b/c'])('%s is nowhere', async (path) => {
    const response = await send('GET', path)
    expect(response.status).toBe(404)
    expect((await refusal(response)).code).toBe('NOT_FOUND')
  })

  test.each([
    ['PUT', '/api/tokens', 'GET, HEAD, OPTIONS, POST'],
    ['DELETE', '/packages.json', 'GET, HEAD, OPTIONS'],
    ['POST', '/health', 'GET, HEAD, OPTIONS'],
    ['PATCH', '/p2/acme/lib.json', 'GET, HEAD, OPTIONS'],
    ['POST', '/dist/acme/lib/1.0.0.zip', 'GET, HEAD, OPTIONS'],
    ['GET', '/api/packages/pkg_x/versions/1.0.0', 'DELETE, OPTIONS'],
    ['GET', '/api/packages/pkg_x/versions/1.0.0/restore', 'DELETE, OPTIONS, POST'],
    ['POST', '/api/packages/pkg_x/versions/dev-a/b', 'DELETE, OPTIONS'],
    ['POST', '/api/packages/pkg_x/versions/1.0.0/readme', 'DELETE, GET, HEAD, OPTIONS'],
    ['PUT', '/api/packages/pkg_x/versions/1.0.0', 'DELETE, GET, HEAD, OPTIONS, POST'],
  ])('%s %s is refused, saying what is possible', async (method, path, allow) => {
    const response = await send(method, path)
    expect(response.status).toBe(405)
    expect(response.headers.get('allow')).toBe(allow)
    const { code, warning } = await refusal(response)
    expect(code).toBe('METHOD_NOT_ALLOWED')
    expect(warning === undefined).toBe(!/^\/(?:packages|p2|dist)/.test(path))
  })

  test('OPTIONS says what is possible, and lets no other origin in', async () => {
    const response = await send('OPTIONS', '/api/tokens', { headers: { Origin: 'https://evil.example' } })
    expect(response.status).toBe(204)
    expect(response.headers.get('allow')).toBe('GET, HEAD, OPTIONS, POST')
    expect([...response.headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([])
    expect((await send('OPTIONS', '/nothing')).status).toBe(404)
  })

  test.each(['/packages.json', '/api/tokens', '/health'])('HEAD %s is GET without a body', async (path) => {
    const [head, get] = [await send('HEAD', path), await send('GET', path)]
    expect(head.status).toBe(get.status)
    expect(await head.text()).toBe('')
    expect(head.headers.get('content-type')).toBe(get.headers.get('content-type'))
  })

  test('an address that cannot be decoded', async () => {
    const response = await send('GET', '/api/tokens/%zz')
    expect(response.status).toBe(400)
    expect((await refusal(response)).error).toBe('The address is not correctly percent-encoded.')
  })

  test.each([
    ['/api/repositories?limt=5', ['limt']],
    ['/api/packages?search=x&sort=y', ['search', 'sort']],
    ['/api/tokens/tok_x?limit=1', ['limit']],
    ['/api/packages?__proto__=1', ['__proto__']],
  ])('%s: parameters that mean nothing are named', async (path, names) => {
    const response = await send('GET', path)
    expect(response.status).toBe(400)
    const { code, error, details } = await refusal(response)
    expect(code).toBe('INVALID_REQUEST')
    for (const name of names) expect(error).toContain(name)
    expect(Object.keys(details.fields ?? {})).toEqual(names)
  })

  test('of tokens every parameter is a filter, and Composer may add what it likes', async () => {
    expect((await send('GET', '/api/tokens?customer_id=1&anything=2')).status).toBe(200)
    expect((await send('GET', '/packages.json?cache=1')).status).toBe(200)
  })
})

describe('bodies', () => {
  test.each(['', 'null', '[]', '"text"', '5'])('%p is no token', async (body) => {
    const response = await post('/api/tokens', body)
    expect(response.status).toBe(400)
    expect((await refusal(response)).code).toBe('INVALID_REQUEST')
  })

  test.each(['{', '{"permissions":"readonly",}', 'nonsense', '{"a":1}{"b":2}', "{'a':1}"])(
    '%p is not JSON, and the answer says where',
    async (body) => {
      const response = await post('/api/tokens', body)
      expect(response.status).toBe(400)
      expect((await refusal(response)).error).toStartWith('The body is not valid JSON: ')
    },
  )

  test('bytes that are not UTF-8', async () => {
    const response = await post('/api/tokens', new Uint8Array([0x7b, 0xff, 0x7d]))
    expect(response.status).toBe(400)
    expect((await refusal(response)).error).toBe('The body is not valid JSON: it is not UTF-8.')
  })

  test.each(['text/plain', 'application/x-www-form-urlencoded', 'application/xml', 'multipart/form-data; boundary=x'])(
    '%s is no way to send one',
    async (type) => {
      const response = await post('/api/tokens', '{"permissions":"readonly"}', { 'Content-Type': type })
      expect(response.status).toBe(400)
      expect((await refusal(response)).error).toContain('Content-Type: application/json')
    },
  )

  test('with charset, or without any content type, JSON is read', async () => {
    const body = new TextEncoder().encode('{"permissions":"readonly"}')
    expect((await post('/api/tokens', body, { 'Content-Type': 'application/json; charset=utf-8' })).status).toBe(201)
    expect((await post('/api/tokens', body, {})).status).toBe(201)
  })

  test('every wrong field is named with what it needs, and nothing unknown is dropped', async () => {
    const wrong = {
      permissions: 'all',
      expires_at: 'tomorrow',
      allowed_package_prefixes: ['acme', 'acme/'],
      rate_limit_max: -1,
      metadata: { a: 1 },
      rate_limit: 5,
    }
    const response = await post('/api/tokens', JSON.stringify(wrong))
    expect(response.status).toBe(400)
    const { fields = {} } = (await refusal(response)).details
    expect(Object.keys(fields).sort()).toEqual([
      'allowed_package_prefixes.0',
      'expires_at',
      'metadata.a',
      'permissions',
      'rate_limit',
      'rate_limit_max',
    ])
    expect(fields.rate_limit).toBe('is not a known field')
    expect(fields.permissions).toBe('readonly or write')
    expect(fields.rate_limit_max).toContain('requests per hour')
  })

  test('keys that mean something to JavaScript mean nothing here', async () => {
    const unknown = await post('/api/tokens', '{"permissions":"readonly","__proto__":{"admin":true},"constructor":1}')
    expect(unknown.status).toBe(400)
    const fields = Object.keys((await refusal(unknown)).details.fields ?? {})
    expect(fields.sort()).toEqual(['__proto__', 'constructor'])
    const kept = await post('/api/tokens', '{"permissions":"readonly","metadata":{"__proto__":"x","constructor":"y"}}')
    expect(kept.status).toBe(201)
    const { id } = (await kept.json()) as { id: string }
    expect(await (await send('GET', `/api/tokens/${id}`)).text()).toContain(
      '"metadata":{"__proto__":"x","constructor":"y"}',
    )
  })

  test.each(['[', '{"a":', '{"permissions":"readonly","metadata":['])(
    '100,000 times %p is refused at once',
    async (opening) => {
      const response = await post('/api/tokens', opening.repeat(100_000).slice(0, MEGABYTE))
      expect(response.status).toBe(400)
      expect((await refusal(response)).error).toBe('The body is nested deeper than 64 levels.')
    },
  )

  test.each(['/api/tokens', '/api/repositories', '/api/repositories/repo_x/sync'])(
    'POST %s with more than a megabyte, announced or in chunks',
    async (path) => {
      const chunk = new Uint8Array(MEGABYTE / 4).fill(0x20)
      const stream = () =>
        new ReadableStream({
          start(controller) {
            for (let sent = 0; sent < 12; sent++) controller.enqueue(chunk)
            controller.close()
          },
        })
      for (const body of [new Uint8Array(3 * MEGABYTE).fill(0x20), stream()]) {
        const response = await post(path, body)
        expect(response.status).toBe(413)
        const { code, details } = await refusal(response)
        expect({ code, details }).toEqual({ code: 'PAYLOAD_TOO_LARGE', details: { limit: MEGABYTE } })
      }
      expect((await send('GET', '/health')).status).toBe(200)
    },
  )

  test('a stranger learns that before anything of the body', async () => {
    const response = await post('/api/tokens', new Uint8Array(3 * MEGABYTE), {
      ...JSON_TYPE,
      Authorization: 'Bearer x',
    })
    expect(response.status).toBe(401)
    expect((await refusal(response)).code).toBe('UNAUTHORIZED')
  })
})

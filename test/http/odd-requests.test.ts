import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { AppError } from '../../src/errors.ts'
import { errorResponse } from '../../src/http/plugins/error-response.ts'
import type { Broker } from '../support/broker.ts'
import { createGitRepository } from '../support/git-repository.ts'
import { library } from '../support/packages.ts'
import { startBroker } from '../support/start-broker.ts'

let app: Broker
let good: string
let other: string

beforeAll(async () => {
  app = await startBroker()
  createGitRepository(app.path('lib.git'), { commits: [library('acme/lib', 'one', { tags: ['1.0.0'] })] })
  await app.addRepository(app.path('lib.git'))
  good = (await app.token()).token
  other = (await app.token({ allowed_package_prefixes: ['other/'] })).token
})

afterAll(() => app?.stop())

const DOCUMENTS = ['/packages.json', '/p2/acme/lib.json', '/dist/acme/lib/1.0.0.zip']
const ask = (path: string, headers: Record<string, string>, token: string | null = good) =>
  app.ask(path, { token, headers })

describe('several credentials in one request are none', () => {
  test.each([
    ['Bearer, Bearer', (): string => `Bearer ${other}, Bearer ${good}`],
    ['Bearer, Basic', (): string => `Bearer ${other}, Basic ${btoa(`token:${good}`)}`],
    ['two words', (): string => `Bearer ${other} ${good}`],
    ['Basic with both', (): string => `Basic ${btoa(`${other}:${good}:${good}`)}`],
    ['a token and its neighbour', (): string => `Bearer ${good}${other}`],
    ['a NUL behind it', (): string => `Basic ${btoa(`token:${good}\0`)}`],
  ])('%s', async (_, authorization) => {
    for (const path of DOCUMENTS) expect((await ask(path, { Authorization: authorization() }, null)).status).toBe(401)
  })

  test('of Basic with two tokens the password counts alone', async () => {
    const sent = (user: string, password: string) => ({ Authorization: `Basic ${btoa(`${user}:${password}`)}` })
    expect((await ask('/p2/acme/lib.json', sent(other, good), null)).status).toBe(200)
    expect((await ask('/p2/acme/lib.json', sent(good, other), null)).status).toBe(404)
    expect((await ask('/p2/acme/lib.json', sent(good, 'wrong'), null)).status).toBe(401)
  })

  test.each(['X-Api-Key', 'Cookie', 'Proxy-Authorization', 'X-Original-Authorization'])(
    '%s is no way',
    async (name) => {
      expect((await ask('/packages.json', { [name]: `Bearer ${good}` }, null)).status).toBe(401)
    },
  )

  test.each(['X-Original-URL', 'X-Rewrite-URL', 'X-HTTP-Method-Override', 'X-Forwarded-Prefix'])(
    '%s leads nowhere else',
    async (name) => {
      const value = name === 'X-HTTP-Method-Override' ? 'DELETE' : '/health'
      expect((await ask('/api/tokens', { [name]: value }, null)).status).toBe(401)
    },
  )
})

describe('conditions that are none', () => {
  test.each(['garbage', '', '0', '-1', 'Thu, 01 Jan 2099 00:00:00 GMT', '9'.repeat(400), '1970-01-01', '\u00ff'])(
    'If-Modified-Since: %p gets the document',
    async (date) => {
      for (const path of DOCUMENTS) {
        const response = await ask(path, { 'If-Modified-Since': date })
        expect({ path, status: response.status }).toEqual({ path, status: 200 })
        expect((await response.bytes()).length).toBeGreaterThan(10)
      }
    },
  )

  test.each(['garbage', '"', 'W/', 'W/"', ',,,,', '"a", W/"b", '.repeat(200), '"*"'])(
    'If-None-Match: %p gets the document',
    async (tag) => {
      for (const path of DOCUMENTS) expect((await ask(path, { 'If-None-Match': tag })).status).toBe(200)
    },
  )

  test('no condition turns an error into anything else', async () => {
    const conditions = { 'If-None-Match': '*', 'If-Modified-Since': new Date().toUTCString(), Range: 'bytes=0-1' }
    const wanted = {
      '/p2/nobody/nothing.json': 404,
      '/dist/acme/lib/9.zip': 404,
      '/nowhere': 404,
      '/api/tokens/x': 403,
    }
    for (const [path, status] of Object.entries(wanted)) expect((await ask(path, conditions)).status).toBe(status)
    for (const path of DOCUMENTS) expect((await ask(path, conditions, null)).status).toBe(401)
    expect((await ask('/dist/acme/lib/1.0.0.zip', conditions, other)).status).toBe(403)
  })

  test('a range of a document is all of it', async () => {
    expect((await ask('/packages.json', { Range: 'bytes=0-1' })).status).toBe(200)
  })

  test.each([
    `bytes=${'0-0,'.repeat(1_000)}0-0`,
    'bytes=9e99-',
    'bytes=--1',
    'lines=0-1',
    'bytes=1-0',
    `bytes=${'9'.repeat(400)}-`,
  ])('Range: %p gets all of an archive', async (range) => {
    const response = await ask('/dist/acme/lib/1.0.0.zip', { Range: range })
    expect(response.status).toBe(200)
    expect((await response.bytes()).length).toBe(Number(response.headers.get('content-length')))
  })
})

describe('whatever is thrown inside', () => {
  test('is answered with the id of the request alone', async () => {
    for (const thrown of [
      'SELECT secret FROM tokens',
      { message: 'canary /etc/passwd', status: 200, response: 'canary' },
      new Error('canary at /srv/app.ts:1'),
      new TypeError('canary'),
      new Response('canary', { status: 200 }),
      null,
      undefined,
      42,
      Symbol('canary'),
      Object.assign(new Error('canary'), { name: 'AppError', kind: 'invalid', details: { canary: 1 } }),
    ]) {
      const response = errorResponse(thrown, { path: '/packages.json', id: 'the-id' })
      const text = await response.text()
      expect(response.status).toBe(500)
      expect(text).not.toMatch(/canary|SELECT|passwd/)
      expect(JSON.parse(text)).toMatchObject({ code: 'INTERNAL_ERROR', details: { request_id: 'the-id' } })
      expect(response.headers.get('cache-control')).toBe('no-store')
    }
  })

  test('a cause stays inside', async () => {
    const error = new AppError('unavailable', 'Try again.', { cause: new Error('canary') })
    expect(await errorResponse(error, { path: '/', id: 'x' }).text()).not.toContain('canary')
  })
})

import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import type { Listener } from '../../src/http/listen.ts'
import { TestApp } from '../support/app.ts'

const WRONG = `pb_${'x'.repeat(43)}`

let app: TestApp
let server: Listener
let token: string
let expired: string

async function start(environment: Record<string, string>): Promise<void> {
  app = await TestApp.start(environment)
  server = await app.app.start()
  token = (await app.token({ rate_limit_max: 0 })).token
  expired = (await app.token({ expires_at: app.clock.now + 1 })).token
  app.clock.now += 1_000
}

function ask(given: string | null, forwarded?: string): Promise<Response> {
  const headers = new Headers()
  if (given !== null) headers.set('Authorization', `Bearer ${given}`)
  if (forwarded !== undefined) headers.set('X-Forwarded-For', forwarded)
  return fetch(`${server.url}/packages.json`, { headers })
}

async function statuses(times: number, given: string | null, forwarded?: string): Promise<number[]> {
  const made: number[] = []
  for (let turn = 0; turn < times; turn++) made.push((await ask(given, forwarded)).status)
  return made
}

describe('without a trusted proxy', () => {
  beforeAll(() => start({}))
  afterAll(() => app?.stop())

  test('after ten failures further ones are turned away; a good token passes all the while', async () => {
    expect(await statuses(10, WRONG)).toEqual(Array(10).fill(401))
    const refused = await ask(WRONG)
    expect(refused.status).toBe(429)
    expect(refused.headers.get('retry-after')).toBe('300')
    expect(refused.headers.get('x-ratelimit-limit')).toBeNull()
    expect(await refused.json()).toMatchObject({
      error: 'Too many wrong tokens came from this address; check the token and try again in 300 seconds.',
      code: 'RATE_LIMITED',
    })
    expect((await ask(expired)).status).toBe(429)
    expect(await statuses(3, token)).toEqual([200, 200, 200])
  })

  test('a request without any token is asked for one, and is no failure', async () => {
    expect(await statuses(30, null)).toEqual(Array(30).fill(401))
  })

  test('X-Forwarded-For of a stranger changes nothing', async () => {
    expect((await ask(WRONG, '198.51.100.7')).status).toBe(429)
  })

  test('waiting helps, also when it was tried in vain in between', async () => {
    app.clock.now += 299
    expect((await ask(WRONG)).status).toBe(429)
    app.clock.now += 1
    expect(await statuses(11, WRONG)).toEqual([...Array(10).fill(401), 429])
  })

  test('an expired token is told so until there were too many', async () => {
    app.clock.now += 300
    expect(await statuses(11, expired)).toEqual([...Array(10).fill(401), 429])
  })
})

describe('behind trusted proxies', () => {
  beforeAll(() => start({ TRUST_PROXY: '127.0.0.0/8,10.0.0.0/8' }))
  afterAll(() => app?.stop())

  test('each client has its own count: the right-most hop that is no proxy', async () => {
    expect(await statuses(11, WRONG, '203.0.113.5')).toEqual([...Array(10).fill(401), 429])
    expect((await ask(WRONG, '203.0.113.6')).status).toBe(401)
    expect((await ask(token, '203.0.113.5')).status).toBe(200)
    expect((await ask(WRONG, '203.0.113.5, 10.1.2.3')).status).toBe(429)
    expect((await ask(WRONG, '203.0.113.5:4711')).status).toBe(429)
  })

  test('what a client writes into the header itself does not count', async () => {
    const made: number[] = []
    for (let turn = 0; turn < 11; turn++) {
      made.push((await ask(WRONG, `198.51.100.${turn}, 10.0.0.${turn}, 203.0.113.9`)).status)
    }
    expect(made).toEqual([...Array(10).fill(401), 429])
    expect((await ask(WRONG, 'nonsense, 203.0.113.9')).status).toBe(429)
  })

  test('addresses of one IPv6 network are one client', async () => {
    const made: number[] = []
    for (let turn = 0; turn < 11; turn++) made.push((await ask(WRONG, `2001:db8:1:2::${turn}`)).status)
    expect(made).toEqual([...Array(10).fill(401), 429])
    expect((await ask(WRONG, '2001:db8:1:2:ffff:1:2:3')).status).toBe(429)
    expect((await ask(WRONG, '2001:db8:1:3::1')).status).toBe(401)
  })
})

import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { TestApp, TRANSPORTS } from '../support/app.ts'
import { createGitRepository } from '../support/git-repository.ts'
import { library } from '../support/packages.ts'

const HOUR = 3_600
/** The direct way, the router, and one that waits for something. */
const PATHS = ['/p2/acme/lib.json', '/p2/acme/lib.json?minified=0', '/packages.json', '/dist/acme/lib/1.0.0.zip']

let app: TestApp

beforeAll(async () => {
  app = await TestApp.start({ RATE_LIMIT_READONLY: '40', RATE_LIMIT_WRITE: '30' })
  createGitRepository(app.path('lib.git'), { commits: [library('acme/lib', 'one', { tags: ['1.0.0'] })] })
  await app.addRepository(app.path('lib.git'))
})

afterAll(() => app?.stop())

/** Early in an hour that no other test was in. */
function newHour(): void {
  app.clock.now += 2 * HOUR - (app.clock.now % HOUR) + 10
}

function limitOf(response: Response) {
  const of = (name: string) => response.headers.get(`x-ratelimit-${name}`)
  return { limit: of('limit'), remaining: of('remaining'), reset: of('reset') }
}

async function statuses(path: string, token: string, times: number): Promise<number[]> {
  const made: number[] = []
  for (let turn = 0; turn < times; turn++) made.push((await app.ask(path, { token })).status)
  return made
}

describe('counts', () => {
  test.each(PATHS)('%s: 200 requests at once at a limit of 50 are exactly 50 answers', async (path) => {
    newHour()
    const { token } = await app.token({ rate_limit_max: 50 })
    const answers = await Promise.all(Array.from({ length: 200 }, () => app.ask(path, { token })))
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(50)
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(150)
  })

  test('the headers count down to the end of the hour, then all is there again', async () => {
    newHour()
    const end = app.clock.now - 10 + HOUR
    const { token } = await app.token({ rate_limit_max: 3 })
    for (const remaining of ['2', '1', '0']) {
      const response = await app.ask('/packages.json', { token })
      expect(limitOf(response)).toEqual({ limit: '3', remaining, reset: String(end) })
    }
    app.clock.now = end - 90
    const refused = await app.ask('/packages.json', { token })
    expect(refused.status).toBe(429)
    expect(limitOf(refused)).toEqual({ limit: '3', remaining: '0', reset: String(end) })
    expect(refused.headers.get('retry-after')).toBe('90')
    expect(refused.headers.get('content-type')).toBe('application/json')
    const error = 'This token has used its 3 requests of this hour; try again in 90 seconds.'
    const details = { limit: 3, reset: end, retry_after: 90 }
    expect(await refused.json()).toEqual({ error, code: 'RATE_LIMITED', details, warning: error })
    app.clock.now = end - 1
    expect((await app.ask('/packages.json', { token })).headers.get('retry-after')).toBe('1')
    app.clock.now = end
    expect(limitOf(await app.ask('/packages.json', { token }))).toEqual({
      limit: '3',
      remaining: '2',
      reset: String(end + HOUR),
    })
  })

  test('defaults by permissions, with every way of sending the token counted together', async () => {
    newHour()
    const readonly = await app.token()
    const write = await app.token({ permissions: 'write' })
    for (const [{ token }, most] of [[readonly, 40] as const, [write, 30] as const]) {
      for (const [turn, way] of Object.values(TRANSPORTS).entries()) {
        const response = await app.ask('/p2/acme/lib.json', { headers: { Authorization: way(token) } })
        expect(limitOf(response)).toMatchObject({ limit: String(most), remaining: String(most - turn - 1) })
      }
    }
  })

  test('every status counts and carries the headers', async () => {
    newHour()
    const { token } = await app.token({ permissions: 'write', allowed_package_prefixes: ['own/'], rate_limit_max: 100 })
    let left = 100
    const cases: [string, number, Parameters<TestApp['ask']>[1]?][] = [
      ['/packages.json', 200],
      ['/p2/acme/lib.json', 404],
      ['/p2/acme/lib.json?x', 404],
      ['/dist/acme/lib/1.0.0.zip', 403],
      ['/dist/acme/lib/1.0.0.zip', 403, { method: 'HEAD' }],
      ['/api/repositories', 403],
      ['/api/tokens', 400, { json: { permissions: 'all' } }],
      ['/api/tokens', 400, { method: 'POST', body: '{', headers: { 'Content-Type': 'application/json' } }],
      ['/api/tokens', 201, { json: { permissions: 'readonly', allowed_package_prefixes: ['own/'] } }],
      ['/api/tokens/tok_none', 404],
      ['/api/tokens?limit=0', 400],
    ]
    for (const [path, status, request] of cases) {
      const response = await app.ask(path, { ...request, token })
      left--
      expect([path, response.status, limitOf(response)]).toEqual([
        path,
        status,
        { limit: '100', remaining: String(left), reset: expect.any(String) },
      ])
    }
  })

  test.each(PATHS)('%s: an answer of 304 is not counted', async (path) => {
    newHour()
    const { token } = await app.token({ rate_limit_max: 5 })
    const first = await app.ask(path, { token })
    const headers = { 'If-None-Match': first.headers.get('etag') ?? '' }
    for (let turn = 0; turn < 20; turn++) {
      const response = await app.ask(path, { token, headers })
      expect(response.status).toBe(304)
      expect(limitOf(response)).toMatchObject({ limit: '5', remaining: '4' })
    }
    expect(await statuses(path, token, 5)).toEqual([200, 200, 200, 200, 429])
  })

  test('an answer of 429 is not counted: a raised limit is all there', async () => {
    newHour()
    const { token, id } = await app.token({ rate_limit_max: 2 })
    expect(await statuses('/p2/acme/lib.json', token, 12)).toEqual([200, 200, ...Array(10).fill(429)])
    await app.ask(`/api/tokens/${id}`, { method: 'PATCH', json: { rate_limit_max: 4 } })
    expect(await statuses('/p2/acme/lib.json', token, 3)).toEqual([200, 200, 429])
    await app.ask(`/api/tokens/${id}`, { method: 'PATCH', json: { rate_limit_max: 0 } })
    expect(await statuses('/p2/acme/lib.json', token, 60)).toEqual(Array(60).fill(200))
    await app.ask(`/api/tokens/${id}`, { method: 'PATCH', json: { rate_limit_max: null } })
    expect(limitOf(await app.ask('/p2/acme/lib.json', { token }))).toMatchObject({ limit: '40', remaining: '0' })
  })

  test('no limit for 0, the owner of the data and the token of the environment', async () => {
    newHour()
    const { token } = await app.token({ rate_limit_max: 0 })
    for (const caller of [token, app.app.localToken]) {
      expect(await statuses('/p2/acme/lib.json', caller, 60)).toEqual(Array(60).fill(200))
      const response = await app.ask('/p2/acme/lib.json', { token: caller })
      expect(limitOf(response)).toEqual({ limit: '0', remaining: null, reset: null })
    }
  })

  test('a request without a caller carries no count', async () => {
    for (const path of ['/health', '/packages.json', '/p2/acme/lib.json']) {
      expect(limitOf(await app.ask(path, { token: null }))).toEqual({ limit: null, remaining: null, reset: null })
    }
  })
})

describe('counts over restarts', () => {
  test('they are written when the app stops, and read again', async () => {
    const first = await TestApp.start()
    const { token } = await first.token({ rate_limit_max: 10 })
    for (let turn = 0; turn < 4; turn++) await first.ask('/packages.json', { token })
    const { now } = first.clock
    await first.stop(true)
    const second = await TestApp.start({}, first.directory)
    second.clock.now = now
    const response = await second.ask('/packages.json', { token })
    expect(limitOf(response)).toMatchObject({ limit: '10', remaining: '5' })
    second.clock.now = now + HOUR
    expect(limitOf(await second.ask('/packages.json', { token }))).toMatchObject({ remaining: '9' })
    await second.stop()
  })
})

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { Installation, type RunningServer } from '../support/binary.ts'
import { ComposerProject, composerAvailable } from '../support/composer-project.ts'
import { Management } from '../support/management.ts'

setDefaultTimeout(90_000)

const ADMIN = 'administrator-of-the-limits-0123456789'
const HOUR = 3_600_000

let installation: Installation
let server: RunningServer
let api: Management

beforeAll(async () => {
  installation = await Installation.create({ ADMIN_TOKEN: ADMIN })
  server = await installation.serve()
  api = new Management(server.url, ADMIN)
})

afterAll(() => installation?.remove())

function ask(token: string): Promise<Response> {
  return fetch(`${server.url}/packages.json`, { headers: { Authorization: `Bearer ${token}` } })
}

/** Waits when the hour, which begins new counts, is about to turn. */
async function awayFromTheTurn(): Promise<void> {
  const left = HOUR - (Date.now() % HOUR)
  if (left < 30_000) await Bun.sleep(left + 100)
}

const remaining = async (token: string) => (await ask(token)).headers.get('x-ratelimit-remaining')

describe('limits of the executable', () => {
  test('200 requests at once over the network: exactly as many as there were left', async () => {
    await awayFromTheTurn()
    const token = await api.token({ rate_limit_max: 50 })
    const answers = await Promise.all(Array.from({ length: 200 }, () => ask(token)))
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(50)
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(150)
  })

  test('every request counts whatever its status, except 304 and 429; each answer says what is left', async () => {
    await awayFromTheTurn()
    const token = await api.token({ rate_limit_max: 4 })
    const headers = { Authorization: `Bearer ${token}` }
    const get = (path: string, more: Record<string, string> = {}) =>
      fetch(server.url + path, { headers: { ...headers, ...more } })
    const left = ({ status, headers: told }: Response) => [status, told.get('x-ratelimit-remaining')]
    const first = await get('/packages.json')
    expect(left(first)).toEqual([200, '3'])
    expect(first.headers.get('x-ratelimit-limit')).toBe('4')
    expect(Number(first.headers.get('x-ratelimit-reset')) * 1000).toBe(Math.ceil(Date.now() / HOUR) * HOUR)
    const fresh = { 'If-None-Match': first.headers.get('etag') ?? '' }
    expect(left(await get('/packages.json', fresh))).toEqual([304, '3'])
    expect(left(await get('/p2/nobody/nothing.json'))).toEqual([404, '2'])
    expect(left(await get('/api/repositories'))).toEqual([403, '1'])
    expect(left(await get('/packages.json', fresh))).toEqual([304, '1'])
    expect(left(await get('/packages.json'))).toEqual([200, '0'])
    const refused = await get('/packages.json')
    expect(left(refused)).toEqual([429, '0'])
    expect(Number(refused.headers.get('retry-after'))).toBeWithin(1, HOUR / 1000 + 1)
    expect(await refused.json()).toMatchObject({ code: 'RATE_LIMITED' })
  })

  test('wrong tokens are limited by address; one behind the same proxy does not lock another out', async () => {
    const other = await Installation.create({ ADMIN_TOKEN: ADMIN, TRUST_PROXY: '127.0.0.0/8' })
    const behind = await other.serve()
    const get = (token: string, address: string) =>
      fetch(`${behind.url}/packages.json`, {
        headers: { Authorization: `Bearer ${token}`, 'X-Forwarded-For': address },
      })
    const wrong = `pb_${'x'.repeat(43)}`
    for (let turn = 0; turn < 10; turn++) expect((await get(wrong, '198.51.100.7')).status).toBe(401)
    const refused = await get(wrong, '198.51.100.7')
    expect(refused.status).toBe(429)
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
    expect((await get(ADMIN, '198.51.100.7')).status).toBe(200)
    expect((await get(wrong, '198.51.100.8')).status).toBe(401)
    await other.remove()
  })

  test.each(['SIGTERM', 'SIGKILL'] as const)('counts are there after %s', async (signal) => {
    await awayFromTheTurn()
    const token = await api.token({ rate_limit_max: 100 })
    for (let turn = 0; turn < 5; turn++) await ask(token)
    // What is counted is written every two seconds; a process that is killed loses what is younger.
    if (signal === 'SIGKILL') await Bun.sleep(3_000)
    server.signal(signal)
    await server.ended()
    server = await installation.serve()
    api = new Management(server.url, ADMIN)
    expect(await remaining(token)).toBe('94')
  })

  test('the first administrator token and ADMIN_TOKEN: only the latter has no limit', async () => {
    const other = await Installation.create({ RATE_LIMIT_WRITE: '7' })
    const first = await other.serve()
    const headers = { Authorization: `Bearer ${first.adminToken}` }
    const response = await fetch(`${first.url}/api/tokens`, { headers })
    expect(response.headers.get('x-ratelimit-limit')).toBe('7')
    await other.remove()
    expect((await ask(ADMIN)).headers.get('x-ratelimit-limit')).toBe('0')
  })

  test('commands are not limited', async () => {
    const other = await Installation.create({ RATE_LIMIT_WRITE: '1', RATE_LIMIT_READONLY: '1' })
    await other.serve()
    for (let turn = 0; turn < 3; turn++) expect((await other.run(['token', 'list'])).code).toBe(0)
    await other.remove()
  })

  test.skipIf(!composerAvailable)('Composer prints our sentence', async () => {
    await awayFromTheTurn()
    const token = await api.token({ rate_limit_max: 1 })
    await ask(token)
    const project = ComposerProject.create({
      repositories: [server.url],
      tokens: { [server.url]: token },
      require: { 'acme/lib': '*' },
    })
    const { code, output } = await project.run('update')
    project.remove()
    expect(code).not.toBe(0)
    expect(output).toMatch(/This token has used its 1 requests of this hour; try again in \d+ (?:minutes|seconds)\./)
  })

  test('the last use of a token is written by a process that is asked to stop', async () => {
    const created = (await api.call('POST', '/api/tokens', { permissions: 'readonly' })) as {
      id: string
      token: string
    }
    const headers = { Authorization: `Bearer ${created.token}`, 'User-Agent': 'Composer/2.8' }
    await fetch(`${server.url}/packages.json`, { headers })
    expect(await server.stop()).toBe(0)
    server = await installation.serve()
    api = new Management(server.url, ADMIN)
    const shown = (await api.call('GET', `/api/tokens/${created.id}`)) as { last_used_at: number; last_client: string }
    expect(shown.last_client).toBe('Composer/2.8')
    expect(Math.abs(shown.last_used_at - Date.now() / 1000)).toBeLessThan(120)
  })
})

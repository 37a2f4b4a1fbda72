import { afterAll, beforeAll, expect, test } from 'bun:test'
import { TestApp } from '../support/app.ts'
import { createGitRepository } from '../support/git-repository.ts'
import { library } from '../support/packages.ts'
import { stored } from '../support/stored.ts'
import { deliver, fromGithub } from '../support/webhooks.ts'

const SECRET = 'secret-of-the-limits'
const DAY = 86_400

let app: TestApp
let url: string
let id: string

beforeAll(async () => {
  app = await TestApp.start({ TRUST_PROXY: '127.0.0.0/8' })
  createGitRepository(app.path('lib.git'), { commits: [library('acme/lib', 'one', { tags: ['1.0.0'] })] })
  id = (await app.addRepository(app.path('lib.git'), { webhook_secret: SECRET })).id
  url = await app.listen()
})

afterAll(() => app?.stop())

function send(secret: string, from: string): Promise<Response> {
  const { headers, body } = fromGithub({ secret })
  const forwarded = { 'X-Forwarded-For': from }
  return fetch(`${url}/webhooks/${id}`, { method: 'POST', headers: { ...headers, ...forwarded }, body })
}

test('after ten wrong signatures an address is turned away for a while; right ones pass all the while', async () => {
  const statuses: number[] = []
  for (let turn = 0; turn < 11; turn++) statuses.push((await send('a-wrong-secret-0', '203.0.113.7')).status)
  expect(statuses).toEqual([...Array(10).fill(401), 429])
  const refused = await send('a-wrong-secret-0', '203.0.113.7')
  expect(refused.headers.get('retry-after')).toBe('300')
  expect(await refused.json()).toMatchObject({ code: 'RATE_LIMITED', error: expect.stringContaining('webhooks') })
  expect((await send(SECRET, '203.0.113.7')).status).toBe(202)
  expect((await send('a-wrong-secret-0', '203.0.113.8')).status).toBe(401)
  // Those who fail here are not kept from signing in elsewhere, nor the other way round.
  const headers = { Authorization: `Bearer pb_${'x'.repeat(43)}`, 'X-Forwarded-For': '203.0.113.7' }
  expect((await fetch(`${url}/packages.json`, { headers })).status).toBe(401)
  app.clock.now += 300
  expect((await send('a-wrong-secret-0', '203.0.113.7')).status).toBe(401)
})

test('a delivery is known for a day', async () => {
  const push = fromGithub({ secret: SECRET })
  const outcome = async () => ((await (await deliver(app, id, push)).json()) as { status: string }).status
  expect(await outcome()).toBe('queued')
  app.clock.now += DAY - 1
  expect(await outcome()).toBe('repeated')
  app.clock.now += 1
  expect(await outcome()).toBe('queued')
  expect(await outcome()).toBe('repeated')
})

test('deliveries are forgotten with their repository', async () => {
  const remembered = () => stored(app, 'SELECT 1 FROM webhook_deliveries')
  expect((await remembered()).length).toBeGreaterThan(0)
  await app.ask(`/api/repositories/${id}`, { method: 'DELETE' })
  expect(await remembered()).toEqual([])
})

import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { TestApp } from '../support/app.ts'
import { createGitRepository, type TestGitRepository } from '../support/git-repository.ts'
import { library } from '../support/packages.ts'

/* A clock that jumps: back by an hour, ahead by a day and back again, and to 1970. */

const HOUR = 3_600
const DAY = 24 * HOUR
const PATIENCE_MS = 20_000

let app: TestApp
let repository: TestGitRepository
let right: number

beforeEach(async () => {
  app = await TestApp.start({ RATE_LIMIT_READONLY: '5' })
  repository = createGitRepository(app.path('lib.git'), { commits: [library('acme/lib', 'one', { tags: ['1.0.0'] })] })
  await app.addRepository(app.path('lib.git'))
  right = app.clock.now
})

afterEach(async () => {
  await app.stop()
})

const setBack = (line: string) => line.includes('the clock was set back')

const status = async (token: string) => (await app.ask('/packages.json', { token })).status

async function versions(): Promise<string[]> {
  const body = (await (await app.ask('/p2/acme/lib.json')).json()) as { packages: Record<string, object> }
  return Object.keys(body.packages['acme/lib'] ?? {})
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + PATIENCE_MS
  while (!(await holds())) {
    if (Date.now() > end) throw new Error('it did not happen')
    await Bun.sleep(20)
  }
}

const jumps: readonly (readonly [string, () => readonly number[]])[] = [
  ['back by an hour', () => [right - HOUR]],
  ['ahead by a day and back', () => [right + DAY, right]],
  ['to 1970 and back', () => [0, right]],
]

describe.each(jumps)('the clock jumps %s', (_, times) => {
  test('tokens are as good as before, and one that is revoked meanwhile is not', async () => {
    const lasting = (await app.token({ expires_at: right + 2 * DAY, rate_limit_max: 0 })).token
    const revoked = await app.token({ rate_limit_max: 0 })
    for (const time of times()) {
      app.clock.now = time
      expect(await status(lasting)).toBe(200)
    }
    expect(await status(revoked.token)).toBe(200)
    expect((await app.ask(`/api/tokens/${revoked.id}`, { method: 'DELETE' })).status).toBe(200)
    expect(await status(revoked.token)).toBe(401)
    const expired = (await app.token({ expires_at: app.clock.now + 10 })).token
    app.clock.now += 10
    expect(await status(expired)).toBe(401)
    expect(await (await app.ask('/api/audit/verification')).json()).toMatchObject({ ok: true })
  })

  test('nobody is kept out longer than for the window that they see', async () => {
    const { token } = await app.token()
    const use = async () => {
      let response = await app.ask('/packages.json', { token })
      while (response.status === 200) response = await app.ask('/packages.json', { token })
      return response
    }
    for (const time of times()) {
      app.clock.now = time
      const refused = await use()
      expect(refused.status).toBe(429)
      expect(Number(refused.headers.get('retry-after'))).toBeLessThanOrEqual(HOUR)
    }
    app.clock.now += HOUR
    expect(await status(token)).toBe(200)
  })

  test('repositories are looked at when their interval is over', async () => {
    await app.listen()
    let tag = 1
    for (const time of times()) {
      const noticed = app.logged.filter(setBack).length
      const back = time < app.clock.now
      app.clock.now = time
      // The clock is looked at once a second.
      if (back) await until(async () => app.logged.filter(setBack).length > noticed)
      tag += 1
      repository.commit(library('acme/lib', `${tag}`, { tags: [`${tag}.0.0`] }))
      app.clock.now += 1_100
      await until(async () => (await versions()).includes(`${tag}.0.0`))
    }
  })
})

test('what is published after the clock was set back is seen by who asks whether something changed', async () => {
  const first = await app.ask('/p2/acme/lib.json')
  const since = { 'If-Modified-Since': first.headers.get('last-modified') ?? '' }
  expect((await app.ask('/p2/acme/lib.json', { headers: since })).status).toBe(304)
  app.clock.now = right - HOUR
  repository.commit(library('acme/lib', 'two', { tags: ['2.0.0'] }))
  const [shown] = (await (await app.ask('/api/repositories')).json()) as { id: string }[]
  await app.sync(shown?.id ?? '')
  expect((await app.ask('/p2/acme/lib.json', { headers: since })).status).toBe(200)
  expect(await versions()).toContain('2.0.0')
})

import { afterAll, afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { PRIORITY } from '../../src/sync/queue.ts'
import { temporaryDirectory } from '../store/support.ts'
import { limited, QueueStage } from './queue-stage.ts'
import { SyncStage, simple } from './support.ts'

const directory = temporaryDirectory()
const mine = { host: 'git.example.org:443', credential: 'mine' }
const others = { host: 'git.example.org:443', credential: 'others' }
let files = 0
let stage: QueueStage

beforeEach(async () => {
  stage = await QueueStage.open(`${directory.path}/${files++}.db`)
})
afterEach(() => stage.close())
afterAll(() => directory.remove())

const budget = { remaining: null, limit: null, resetAt: null, retryAfter: null }

describe('a host that asks for a rest', () => {
  test('gets it from every job with that credential, at once, and from no other', async () => {
    const ids = await stage.add('mine', 50, mine, { status: 'active' })
    const rest = await stage.add('others', 5, others)
    const elsewhere = await stage.add('elsewhere', 5, { host: 'elsewhere.example.org:443', credential: 'mine2' })
    stage.answer = (id) => (id.startsWith('repo_mine') ? limited(1_800) : undefined)
    await stage.request([...ids, ...rest, ...elsewhere], PRIORITY.sweep)
    await stage.ended([...rest, ...elsewhere])
    await stage.until(async () => (await stage.row(ids[49] ?? '')).errorCode === 'rate_limited')
    const asked = stage.asked.filter((id) => ids.includes(id)).length
    expect(asked).toBeLessThanOrEqual(2)
    const starts = new Set<number>()
    for (const id of ids) {
      const row = await stage.row(id)
      expect(row.errorCode).toBe('rate_limited')
      expect(row.errorMessage?.length).toBeGreaterThan(20)
      const wait = (row.nextSyncAt ?? 0) - stage.now
      expect(wait >= 1_800 && wait <= 1_860).toBe(true)
      starts.add(wait)
    }
    expect(starts.size).toBeGreaterThan(10)
    const waiting = await stage.waiting(ids)
    expect(waiting).toHaveLength(50 - asked)
    expect(await stage.row(waiting[0] ?? '')).toMatchObject({ status: 'active', failures: 0 })
    stage.answer = () => {}
    stage.now += 1_860
    await stage.ended(ids)
  })

  test('is not asked by a person either before that time', async () => {
    const [first = '', second = ''] = await stage.add('mine', 2, mine)
    stage.answer = () => limited(600)
    await stage.request([first], PRIORITY.requested)
    await stage.ended([first])
    await stage.request([second], PRIORITY.requested)
    await stage.until(async () => (await stage.row(second)).errorCode === 'rate_limited')
    expect(stage.asked).toEqual([first])
  })

  test('without a time gets a minute', async () => {
    const [first = '', second = ''] = await stage.add('mine', 2, mine)
    stage.answer = () => limited()
    await stage.request([first, second], PRIORITY.sweep)
    await stage.until(async () => (await stage.row(second)).errorCode === 'rate_limited')
    const wait = ((await stage.row(first)).nextSyncAt ?? 0) - stage.now
    expect(wait >= 60 && wait <= 120).toBe(true)
  })
})

describe('the last tenth of a limit', () => {
  test('is for what is urgent', async () => {
    const sweeps = await stage.add('sweep', 3, mine)
    const pushed = await stage.add('pushed', 1, mine)
    const probed = await stage.add('probed', 1, mine)
    stage.budgets.note(mine, { ...budget, remaining: 499, limit: 5_000, resetAt: stage.now + 900 })
    await stage.request(sweeps, PRIORITY.first)
    await stage.request(pushed, PRIORITY.webhook)
    await stage.request(probed, PRIORITY.probe)
    await stage.ended([...pushed, ...probed])
    await stage.looked()
    expect(await stage.waiting(sweeps)).toHaveLength(3)
    const row = await stage.row(sweeps[0] ?? '')
    expect(row).toMatchObject({ errorCode: 'rate_limited' })
    expect((row.nextSyncAt ?? 0) >= stage.now + 900).toBe(true)
    // Asked for by a person it does not wait.
    await stage.request([sweeps[0] ?? ''], PRIORITY.requested)
    await stage.ended([sweeps[0] ?? ''])
    stage.now += 960
    await stage.ended(sweeps)
  })

  test('is over when the limit starts again, and a refusal is not taken back by what was under way', async () => {
    stage.budgets.note(mine, { ...budget, remaining: 0, limit: 5_000, resetAt: stage.now + 900 })
    stage.budgets.note(mine, { ...budget, remaining: 3, limit: 5_000, resetAt: stage.now + 900 })
    expect(stage.budgets.blockedUntil(mine)).toBe(stage.now + 900)
    expect(stage.budgets.blockedUntil(others)).toBeNull()
    stage.now += 900
    expect(stage.budgets.holds()).toEqual([])
    stage.budgets.note(mine, { ...budget, remaining: 4_999, limit: 5_000, resetAt: stage.now + 3_600 })
    expect(stage.budgets.holds()).toEqual([])
  })
})

test('what git servers say of their limits is heard: seconds, dates, and a limit that is used up', async () => {
  const git = await SyncStage.open()
  try {
    const answers: ((now: number) => [number, Record<string, string>])[] = [
      () => [429, { 'retry-after': '480' }],
      (now) => [429, { 'retry-after': new Date((now + 480) * 1000).toUTCString() }],
      (now) => [403, { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': String(now + 480) }],
    ]
    for (const [index, answer] of answers.entries()) {
      git.repository(`limited-${index}`, simple(`acme/limited-${index}`))
      const id = await git.add(`limited-${index}`)
      const [status, headers] = answer(git.now)
      git.fault = () => new Response('slow down', { status, headers })
      const row = await git.sync(id)
      expect(row).toMatchObject({ status: 'error', errorCode: 'rate_limited' })
      const wait = (row.nextSyncAt ?? 0) - git.now
      expect(wait >= 480 && wait <= 540).toBe(true)
      git.fault = null
      git.now += 600
      expect((await git.sync(id)).status).toBe('active')
    }
  } finally {
    await git.close()
  }
})

import { afterAll, afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { silentLogger } from '../../src/observability/logger.ts'
import { PRIORITY } from '../../src/sync/queue.ts'
import { Scheduler } from '../../src/sync/scheduler.ts'
import { temporaryDirectory } from '../store/support.ts'
import { QueueStage, unreachable } from './queue-stage.ts'

const directory = temporaryDirectory()
let stage: QueueStage
let files = 0

beforeEach(async () => {
  stage = await QueueStage.open(`${directory.path}/${files++}.db`)
})
afterEach(() => stage.close())
afterAll(() => directory.remove())

/** Holds every answer until it is opened. */
function gate() {
  const { promise, resolve } = Promise.withResolvers<void>()
  stage.answer = () => promise
  return () => resolve()
}

describe('jobs at once', () => {
  test.each([
    ['github.com:443', 4],
    ['gitlab.com:443', 2],
    ['codeberg.org:22', 1],
    ['git.example.org:8443', 4],
  ])('of %s are %d', async (host, most) => {
    const ids = await stage.add('lib', 12, { host })
    stage.answer = () => Bun.sleep(2)
    await stage.request(ids, PRIORITY.sweep)
    await stage.ended(ids)
    expect(stage.most.get(host)).toBe(most)
    expect(stage.asked.sort()).toEqual([...ids].sort())
  })

  test('with one credential are two, whatever the host allows', async () => {
    const ids = await stage.add('lib', 8, { host: 'github.com:443', credential: 'one' })
    const others = await stage.add('other', 8, { host: 'github.com:443', credential: 'two' })
    stage.answer = () => Bun.sleep(2)
    await stage.request([...ids, ...others], PRIORITY.sweep)
    await stage.ended([...ids, ...others])
    expect([stage.most.get('one'), stage.most.get('two'), stage.most.get('github.com:443')]).toEqual([2, 2, 4])
  })

  test('of a host that is slow do not hold up those of another', async () => {
    const slow = await stage.add('slow', 30, { host: 'slow.example.org:443' })
    const open = gate()
    await stage.request(slow, PRIORITY.requested)
    await stage.until(() => stage.asked.length === 4)
    const quick = await stage.add('quick', 10, { host: 'quick.example.org:443' })
    const waits = stage.answer
    stage.answer = (id) => (id.startsWith('repo_quick') ? undefined : waits(id))
    await stage.request(quick, PRIORITY.sweep)
    await stage.ended(quick)
    expect(await stage.waiting(slow)).toHaveLength(30)
    open()
    await stage.ended(slow)
  })

  test('without a host are bounded by the workers alone', async () => {
    const ids = await stage.add('local', 12, {})
    const open = gate()
    await stage.request(ids, PRIORITY.sweep)
    await stage.until(() => stage.asked.length === 12)
    open()
    await stage.ended(ids)
  })
})

test('a job that waits becomes more urgent, so that none waits for ever', async () => {
  const { jobs } = stage.store
  await stage.queue.stop(0)
  const ids = await stage.add('lib', 2, {})
  const at = (id: string, priority: number, now: number) =>
    jobs.enqueue({ repositoryId: id, priority, runAt: now, acceptRemovals: false }, now)
  await at(ids[0] ?? '', PRIORITY.sweep, stage.now)
  // Ninety points apart, which is what fifteen hours of waiting are worth.
  const nearly = stage.now + 90 * 600 - 1
  await at(ids[1] ?? '', PRIORITY.requested, nearly)
  expect((await jobs.claim('w', nearly, nearly))?.repositoryId).toBe(ids[1] ?? '')
  await jobs.finish((await jobs.latest(ids)).get(ids[1] ?? '') ?? never(), null, nearly)
  await at(ids[1] ?? '', PRIORITY.requested, nearly + 1)
  expect((await jobs.claim('w', nearly + 1, nearly + 1))?.repositoryId).toBe(ids[0] ?? '')
})

describe('a host that is down', () => {
  const host = 'down.example.org:443'

  test('puts its jobs off instead of failing them, is tried once a minute, and is back with the first success', async () => {
    const ids = await stage.add('down', 12, { host }, { status: 'active' })
    const others = await stage.add('up', 3, { host: 'up.example.org:443' })
    stage.answer = (id) => (id.startsWith('repo_down') ? unreachable() : undefined)
    await stage.request(ids, PRIORITY.sweep)
    await stage.request(others, PRIORITY.sweep)
    await stage.ended(others)
    await stage.until(async () => (await stage.row(ids[11] ?? '')).errorCode === 'unreachable')
    // Those under way when it was found down fail with it.
    const failed = stage.asked.filter((id) => ids.includes(id))
    expect(failed.length >= 5 && failed.length <= 8).toBe(true)
    const waiting = await stage.waiting(ids)
    expect(waiting.length).toBe(12 - failed.length)
    for (const id of waiting) {
      expect(await stage.row(id)).toMatchObject({ status: 'active', failures: 0, nextSyncAt: stage.now + 60 })
      expect((await stage.row(id)).errorMessage).toContain('once a minute')
    }
    stage.asked.length = 0
    stage.now += 60
    await stage.until(() => stage.asked.length > 0)
    await stage.until(async () => (await stage.waiting(ids)).length === waiting.length - 1)
    await stage.looked()
    expect(stage.asked.filter((id) => ids.includes(id))).toHaveLength(1)
    stage.answer = () => Bun.sleep(2)
    stage.now += 60
    await stage.ended(waiting)
    expect(stage.most.get(host)).toBe(4)
    await stage.request(ids, PRIORITY.requested)
    await stage.ended(ids)
  })

  test('is one that fails without a success between', async () => {
    const [good = '', ...bad] = await stage.add('mixed', 13, { host })
    for (const id of bad) {
      stage.answer = unreachable
      await stage.request([id], PRIORITY.requested)
      await stage.ended([id])
      stage.answer = () => {}
      await stage.request([good], PRIORITY.requested)
      await stage.ended([good])
    }
    expect(stage.asked).toHaveLength(24)
  })
})

test('five hundred repositories that are due after a stop begin over minutes', async () => {
  await stage.queue.stop(0)
  const { now } = stage
  const ids = await stage.add('due', 500, {}, { nextSyncAt: now - 3_600 })
  const { queue, store } = stage
  const scheduler = new Scheduler({
    repositories: store.repositories,
    queue,
    now: () => now,
    moveEarlier: async () => {},
    logger: silentLogger,
  })
  scheduler.start()
  await stage.until(async () => (await stage.waiting(ids)).length === 500)
  await scheduler.stop()
  const starts = [...(await store.jobs.latest(ids)).values()].map((job) => job.runAt - now)
  expect(Math.min(...starts)).toBeGreaterThanOrEqual(0)
  expect(Math.max(...starts)).toBeLessThan(300)
  const minutes = [0, 1, 2, 3, 4].map((minute) => starts.filter((start) => Math.floor(start / 60) === minute).length)
  for (const count of minutes) expect(count).toBeGreaterThan(50)
})

function never(): never {
  throw new Error('there is no such job')
}

import { afterAll, afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { AppError } from '../../src/errors.ts'
import { createLogger } from '../../src/observability/logger.ts'
import { JobHolds } from '../../src/store/job-holds.ts'
import { HostBudgets } from '../../src/sync/host-budgets.ts'
import type { FindPlace } from '../../src/sync/job-place.ts'
import { PRIORITY, SyncQueue, type Work } from '../../src/sync/queue.ts'
import { Scheduler } from '../../src/sync/scheduler.ts'
import { openStore, repositoryRow, type TestStore, temporaryDirectory } from '../store/support.ts'

const directory = temporaryDirectory()
let store: TestStore
let queue: SyncQueue | null = null
let files = 0
let now = 1_000
const logged: string[] = []
const logger = createLogger({ level: 'debug', format: 'json', write: (line) => void logged.push(line) })

beforeEach(async () => {
  store = await openStore(`file:${directory.path}/${files++}.db`)
  now = 1_000
  logged.length = 0
})
afterEach(async () => {
  await queue?.stop(0)
  queue = null
  await store.db.close()
})
afterAll(() => directory.remove())

/** Does a job without saying what it changed. */
type Task = (...job: Parameters<Work>) => Promise<void>

function startQueue(
  task: Task,
  options: { concurrency?: number; onDone?: () => Promise<void>; placeOf?: FindPlace } = {},
): SyncQueue {
  const { jobs, repositories } = store
  const { concurrency = 2, onDone = async () => {} } = options
  const work: Work = async (...job) => {
    await task(...job)
    return { added: [], changed: [], removed: [], issues: [] }
  }
  const { placeOf = () => ({ host: '', credential: '' }) } = options
  const clock = () => now
  const budgets = new HostBudgets(clock)
  const holds = new JobHolds(store.db)
  queue = new SyncQueue({ jobs, holds, repositories, placeOf, budgets, work, onDone, concurrency, now: clock, logger })
  queue.start()
  return queue
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let waited = 0; waited < 10_000; waited += 2) {
    if (await condition()) return
    await Bun.sleep(2)
  }
  throw new Error('it did not happen')
}

async function addRepositories(count: number): Promise<string[]> {
  const ids = Array.from({ length: count }, (_, index) => `repo_${index}`)
  for (const id of ids) await store.repositories.insert(repositoryRow(id))
  return ids
}

const unfinished = async (ids: string[]) =>
  [...(await store.jobs.latest(ids)).values()].filter((job) => job.state === 'queued' || job.state === 'running').length

describe('the queue', () => {
  test('runs once more, not fifty times, when it is asked fifty times during a run', async () => {
    const [id = ''] = await addRepositories(1)
    let runs = 0
    const gate = Promise.withResolvers<void>()
    const asked = startQueue(async () => {
      runs++
      if (runs === 1) await gate.promise
    })
    await asked.request(id, PRIORITY.requested)
    await until(() => runs === 1)
    await Promise.all(Array.from({ length: 50 }, () => asked.request(id, PRIORITY.requested)))
    gate.resolve()
    await until(async () => runs === 2 && (await unfinished([id])) === 0)
    await Bun.sleep(30)
    expect(runs).toBe(2)
  })

  test('works off two hundred repositories, eight at a time', async () => {
    const ids = await addRepositories(200)
    const done: string[] = []
    let running = 0
    let most = 0
    const asked = startQueue(
      async ({ repositoryId }) => {
        most = Math.max(most, ++running)
        await Bun.sleep(1)
        running--
        done.push(repositoryId)
      },
      { concurrency: 8 },
    )
    await Promise.all(ids.map((id) => asked.request(id, PRIORITY.sweep)))
    await until(async () => (await unfinished(ids)) === 0)
    expect(done.sort()).toEqual([...ids].sort())
    expect(most).toBe(8)
  })

  test('counts a job as done when what it changed is visible, and survives it not being', async () => {
    const [first = '', second = ''] = await addRepositories(2)
    const states: (string | undefined)[] = []
    const asked = startQueue(async () => {}, {
      onDone: async () => {
        states.push((await store.jobs.latest([first])).get(first)?.state)
        throw new Error('no catalog')
      },
    })
    await asked.request(first, PRIORITY.requested)
    await until(async () => (await unfinished([first])) === 0)
    expect(states).toEqual(['running'])
    await asked.request(second, PRIORITY.requested)
    await until(async () => (await store.jobs.latest([second])).get(second)?.state === 'done')
    expect(logged.join()).toContain('no catalog')
  })

  test('shows progress while a job runs', async () => {
    const [id = ''] = await addRepositories(1)
    const gate = Promise.withResolvers<void>()
    await startQueue(async (_, report) => {
      report({ done: 3, total: 9, step: 'reading' })
      await gate.promise
    }).request(id, PRIORITY.requested)
    await until(async () => (await store.jobs.latest([id])).get(id)?.progressStep === 'reading')
    expect((await store.repositories.find(id))?.status).toBe('syncing')
    gate.resolve()
  })

  test('lets jobs finish at a stop, and begins no other', async () => {
    const ids = await addRepositories(5)
    let begun = 0
    const asked = startQueue(async () => {
      begun++
      await Bun.sleep(50)
    })
    await Promise.all(ids.map((id) => asked.request(id, PRIORITY.requested)))
    await until(() => begun === 2)
    await asked.stop(5_000)
    expect(begun).toBe(2)
    const states = [...(await store.jobs.latest(ids)).values()].map((job) => job.state).sort()
    expect(states).toEqual(['done', 'done', 'queued', 'queued', 'queued'])
  })

  test('gives a job back that does not end in time, for the next process to take at once', async () => {
    const [id = ''] = await addRepositories(1)
    let begun = false
    const asked = startQueue(async (_, __, signal) => {
      begun = true
      await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    })
    await asked.request(id, PRIORITY.requested)
    await until(() => begun)
    await asked.stop(20)
    expect((await store.jobs.latest([id])).get(id)).toMatchObject({ state: 'queued', owner: null })
    expect(await store.repositories.find(id)).toMatchObject({ failures: 0, errorCode: null })
    expect(await store.jobs.claim('next', now, now + 60)).not.toBeNull()
  })

  test('aborts a worker whose job was taken by another, without a word about the repository', async () => {
    const [id = ''] = await addRepositories(1)
    let aborted = false
    const asked = startQueue(async (_, report, signal) => {
      report({ done: 0, total: 1, step: 'slow' })
      await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))).finally(() => {
        aborted = true
      })
    })
    const job = await asked.request(id, PRIORITY.requested)
    await until(async () => (await store.jobs.find(job.id))?.state === 'running')
    await store.jobs.claim('other process', now + 100, now + 160)
    await until(() => aborted)
    await Bun.sleep(20)
    expect(await store.jobs.find(job.id)).toMatchObject({ state: 'running', owner: 'other process' })
    expect(await store.repositories.find(id)).toMatchObject({ failures: 0, errorCode: null })
  })

  test('fails a job that five processes died over, and tries it again later', async () => {
    const [id = ''] = await addRepositories(1)
    await store.jobs.enqueue({ repositoryId: id, priority: 1, runAt: 0, acceptRemovals: false }, now)
    for (let deaths = 0; deaths < 5; deaths++) {
      expect(await store.jobs.claim(`process ${deaths}`, now, now + 60)).not.toBeNull()
      now += 61
    }
    let runs = 0
    const asked = startQueue(async () => void runs++)
    await until(async () => (await unfinished([id])) === 0)
    expect([runs, (await store.repositories.find(id))?.errorCode]).toEqual([0, 'interrupted'])
    await asked.request(id, PRIORITY.sweep)
    await until(() => runs === 1)
  })

  test('tells a stranger nothing of an unexpected error, and the log everything', async () => {
    const ids = await addRepositories(2)
    const asked = startQueue(async ({ repositoryId }) => {
      if (repositoryId === 'repo_0') throw new TypeError('inner detail')
      throw new AppError('upstream', 'The host is away.', { details: { reason: 'unreachable' } })
    })
    for (const id of ids) await asked.request(id, PRIORITY.requested)
    await until(async () => (await unfinished(ids)) === 0)
    const [internal, away] = await Promise.all(ids.map((id) => store.repositories.find(id)))
    expect(internal).toMatchObject({ status: 'error', errorCode: 'internal', failures: 1 })
    expect(internal?.errorMessage).not.toContain('inner detail')
    expect(away).toMatchObject({ status: 'error', errorCode: 'unreachable', errorMessage: 'The host is away.' })
    expect(logged.join()).toContain('inner detail')
  })
})

describe('the scheduler', () => {
  test('queues what is due, once, and nothing before its time', async () => {
    await addRepositories(3)
    await store.repositories.update('repo_1', { nextSyncAt: 2_000 }, now)
    await store.repositories.update('repo_2', { nextSyncAt: null }, now)
    const runs: string[] = []
    const asked = startQueue(async ({ repositoryId }) => {
      runs.push(repositoryId)
      await store.repositories.update(repositoryId, { nextSyncAt: now + 900 }, now)
    })
    const scheduler = new Scheduler({
      repositories: store.repositories,
      queue: asked,
      now: () => now,
      moveEarlier: async () => {},
      logger,
    })
    scheduler.start()
    await until(() => runs.length === 1)
    expect(runs).toEqual(['repo_0'])
    now = 2_000
    await until(() => runs.length === 3)
    await scheduler.stop()
    expect(runs.sort()).toEqual(['repo_0', 'repo_0', 'repo_1'])
  })
})

import { afterAll, beforeEach, describe, expect, test } from 'bun:test'
import { count, eq } from 'drizzle-orm'
import type { JobRow } from '../../src/store/jobs.ts'
import { jobs as jobsTable } from '../../src/store/schema.ts'
import { openStore, repositoryRow, startChild, type TestStore, temporaryDirectory } from './support.ts'

const directory = temporaryDirectory()
let store: TestStore
let files = 0
const opened: TestStore[] = []

beforeEach(async () => {
  store = await openStore(`file:${directory.path}/${files++}.db`)
  opened.push(store)
})
afterAll(async () => {
  await Promise.all(opened.map((entry) => entry.db.close()))
  directory.remove()
})

const request = { priority: 10, runAt: 100, acceptRemovals: false }

async function queued(id: string, change: Partial<typeof request> = {}): Promise<JobRow> {
  await store.repositories.insert(repositoryRow(id))
  return store.jobs.enqueue({ repositoryId: id, ...request, ...change }, 100)
}

async function claimed(owner = 'a worker', now = 100): Promise<JobRow> {
  const job = await store.jobs.claim(owner, now, now + 60)
  if (!job) throw new Error('there was no job')
  return job
}

describe('jobs', () => {
  test('are claimed by urgency, then by time, and not before their time', async () => {
    await queued('repo_late', { runAt: 101 })
    await queued('repo_second', { runAt: 99 })
    await queued('repo_first', { runAt: 98 })
    await queued('repo_urgent', { priority: 100 })
    const order: string[] = []
    for (let job = await store.jobs.claim('w', 100, 160); job; job = await store.jobs.claim('w', 100, 160)) {
      order.push(job.repositoryId)
    }
    expect(order).toEqual(['repo_urgent', 'repo_first', 'repo_second'])
    expect((await claimed('w', 101)).repositoryId).toBe('repo_late')
  })

  test('are one per repository however often they are asked for', async () => {
    const first = await queued('repo_a')
    for (let index = 0; index < 20; index++) {
      const again = await store.jobs.enqueue({ repositoryId: 'repo_a', ...request, priority: 100, runAt: 50 }, 100)
      expect(again.id).toBe(first.id)
    }
    expect(await claimed()).toMatchObject({ id: first.id, priority: 100, runAt: 50, rerun: false })
    expect(await store.jobs.claim('w', 100, 160)).toBeNull()
  })

  test('run once more when they were asked for while running', async () => {
    await queued('repo_a')
    const job = await claimed()
    for (let index = 0; index < 50; index++) await store.jobs.enqueue({ repositoryId: 'repo_a', ...request }, 100)
    expect(await store.jobs.claim('w', 100, 160)).toBeNull()
    expect(await store.jobs.finish(job, null, 110)).toBe(true)
    const second = await claimed('w', 110)
    expect(second.id).not.toBe(job.id)
    expect(await store.jobs.finish(second, null, 120)).toBe(true)
    expect(await store.jobs.claim('w', 120, 180)).toBeNull()
  })

  test('take accept_removals from who asked for this run, and from nobody before', async () => {
    await queued('repo_a', { acceptRemovals: true })
    const job = await claimed()
    expect(job.acceptRemovals).toBe(true)
    await store.jobs.enqueue({ repositoryId: 'repo_a', ...request }, 100)
    await store.jobs.finish(job, null, 100)
    const second = await claimed()
    expect(second.acceptRemovals).toBe(false)
    await store.jobs.enqueue({ repositoryId: 'repo_a', ...request, acceptRemovals: true }, 100)
    await store.jobs.enqueue({ repositoryId: 'repo_a', ...request }, 100)
    await store.jobs.finish(second, null, 100)
    expect((await claimed()).acceptRemovals).toBe(true)
  })

  test('go to another worker when the lease ends, and the first cannot finish them any more', async () => {
    await queued('repo_a')
    const lost = await claimed('slow', 100)
    expect(await store.jobs.claim('quick', 160, 220)).toBeNull()
    const taken = await claimed('quick', 161)
    expect(taken).toMatchObject({ id: lost.id, attempt: 2 })
    expect(await store.jobs.renew(lost, 300, { done: 1, total: 2, step: 'late' })).toBe(false)
    const failing = store.repositories.failing('repo_a', { code: 'late', message: 'Late.', failures: 1, nextSyncAt: 1 })
    expect(await store.jobs.finish(lost, 'Late.', 170, null, failing)).toBe(false)
    expect(await store.repositories.find('repo_a')).toMatchObject({ errorCode: null, failures: 0 })
    await store.jobs.release(lost, 170)
    expect(await store.jobs.find(lost.id)).toMatchObject({ state: 'running', owner: 'quick', leaseUntil: 221 })
    expect(await store.jobs.finish(taken, 'it failed', 180)).toBe(true)
    expect(await store.jobs.find(lost.id)).toMatchObject({ state: 'failed', error: 'it failed', dedupeKey: null })
  })

  test('are another attempt for a worker that takes its own lost job again', async () => {
    await queued('repo_a')
    const lost = await claimed('same', 100)
    const taken = await claimed('same', 161)
    expect(await store.jobs.finish(lost, null, 170)).toBe(false)
    expect(await store.jobs.finish(taken, null, 170)).toBe(true)
  })

  test('stay with a worker that renews, which shows how far it is', async () => {
    await queued('repo_a')
    const job = await claimed('w', 100)
    expect(await store.jobs.renew(job, 300, { done: 3, total: 7, step: 'reading' })).toBe(true)
    expect(await store.jobs.claim('other', 200, 260)).toBeNull()
    expect(await store.jobs.find(job.id)).toMatchObject({ progressDone: 3, progressTotal: 7, progressStep: 'reading' })
  })

  test('of dead workers can be claimed at once by a process that knows it is the only one', async () => {
    await queued('repo_a')
    const job = await claimed('dead', 100)
    expect(await store.jobs.claim('alive', 101, 161)).toBeNull()
    await store.jobs.endLeases()
    expect((await claimed('alive', 101)).id).toBe(job.id)
  })

  test('can be given back, and claimed at once', async () => {
    await queued('repo_a')
    const job = await claimed('w', 100)
    await store.jobs.release(job, 105)
    expect(await claimed('next', 105)).toMatchObject({ id: job.id, owner: 'next', attempt: 2 })
  })

  test('leave a history of fifty, and show the newest of each repository', async () => {
    await queued('repo_b')
    await store.repositories.insert(repositoryRow('repo_a'))
    let last = ''
    for (let index = 0; index < 60; index++) {
      const job = await store.jobs.enqueue({ repositoryId: 'repo_a', ...request, priority: 90 }, 100)
      last = job.id
      await store.jobs.finish(await claimed('w', 100), null, 100 + index)
    }
    const rows = await store.db.read
      .select({ all: count() })
      .from(jobsTable)
      .where(eq(jobsTable.repositoryId, 'repo_a'))
      .get()
    expect(rows?.all).toBe(50)
    const newest = await store.jobs.latest(['repo_a', 'repo_b', 'repo_none'])
    expect([...newest.keys()].sort()).toEqual(['repo_a', 'repo_b'])
    expect(newest.get('repo_a')?.id).toBe(last)
    expect(newest.get('repo_b')?.state).toBe('queued')
  })

  test('go with their repository', async () => {
    const job = await queued('repo_a')
    const running = await claimed()
    expect(await store.repositories.delete('repo_a', 200)).toEqual([])
    expect(await store.jobs.find(job.id)).toBeNull()
    expect(await store.jobs.finish(running, null, 200)).toBe(false)
  })

  test('are done exactly once by three processes', async () => {
    const ids = Array.from({ length: 60 }, (_, index) => `repo_${index}`)
    for (const id of ids) await queued(id)
    const children = [1, 2, 3].map(() => startChild('work', store.url))
    const done = await Promise.all(children.map(async (child) => JSON.parse(await child.line()) as string[]))
    expect(done.flat().sort()).toEqual([...ids].sort())
    await Promise.all(children.map((child) => child.exited))
  }, 20_000)

  test('of a killed process wait for the end of its lease, not longer', async () => {
    await queued('repo_a')
    const child = startChild('claim', store.url, '100')
    const lost = JSON.parse(await child.line()) as JobRow
    child.kill()
    await child.exited
    expect(await store.jobs.claim('next', 160, 220)).toBeNull()
    expect(await claimed('next', 161)).toMatchObject({ id: lost.id, attempt: 2 })
    expect(await store.jobs.finish(lost, null, 162)).toBe(false)
  })
})

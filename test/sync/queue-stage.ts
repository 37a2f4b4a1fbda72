import { AppError } from '../../src/errors.ts'
import { createLogger } from '../../src/observability/logger.ts'
import { JobHolds } from '../../src/store/job-holds.ts'
import type { RepositoryRow } from '../../src/store/repositories.ts'
import { HostBudgets } from '../../src/sync/host-budgets.ts'
import type { JobPlace } from '../../src/sync/job-place.ts'
import { SyncQueue } from '../../src/sync/queue.ts'
import { openStore, repositoryRow, type TestStore } from '../store/support.ts'

/** What a host does when it is asked for a repository: it may wait, and it may throw. */
type Answer = (id: string) => Promise<void> | void

/** A queue over a real database whose work is to ask hosts that are stood in for, with a clock that tests turn. */
export class QueueStage {
  /** Unix seconds. */
  now = 1_800_000_000
  answer: Answer = () => {}
  /** Repositories that were asked for, in order. */
  readonly asked: string[] = []
  /** Most jobs at once, by host and by credential. */
  readonly most = new Map<string, number>()
  private readonly running = new Map<string, number>()

  private constructor(
    readonly store: TestStore,
    readonly queue: SyncQueue,
    readonly budgets: HostBudgets,
    private readonly places: Map<string, JobPlace>,
  ) {}

  static async open(path: string, concurrency = 20): Promise<QueueStage> {
    const store = await openStore(`file:${path}`)
    let stage: QueueStage | null = null
    const now = () => stage?.now ?? 0
    const budgets = new HostBudgets(now)
    const places = new Map<string, JobPlace>()
    const { jobs, repositories } = store
    const queue = new SyncQueue({
      ...{ jobs, repositories, budgets, concurrency, now },
      holds: new JobHolds(store.db),
      placeOf: ({ id }) => places.get(id) ?? { host: '', credential: '' },
      work: async ({ repositoryId }) => {
        await stage?.work(repositoryId)
        return { added: [], changed: [], removed: [], issues: [] }
      },
      onDone: () => {},
      logger: createLogger({ level: 'error', format: 'json', write: () => {} }),
    })
    stage = new QueueStage(store, queue, budgets, places)
    queue.start()
    return stage
  }

  /** Adds repositories of a host, `name-0` and so on, and returns their ids. */
  async add(name: string, count: number, place: Partial<JobPlace>, row: Partial<RepositoryRow> = {}) {
    const ids = Array.from({ length: count }, (_, index) => `repo_${name}-${index}`)
    for (const id of ids) {
      this.places.set(id, { host: '', credential: '', ...place })
      await this.store.repositories.insert(repositoryRow(id, { nextSyncAt: null, ...row }))
    }
    return ids
  }

  async request(ids: readonly string[], priority: number): Promise<void> {
    for (const id of ids) await this.queue.request(id, priority)
  }

  /** Resolves when none of these has an unfinished job. */
  async ended(ids: readonly string[]): Promise<void> {
    await this.until(async () => (await this.waiting(ids)).length === 0)
  }

  /** Those of these that have an unfinished job. */
  async waiting(ids: readonly string[]): Promise<string[]> {
    const jobs = [...(await this.store.jobs.latest(ids)).values()]
    return jobs.filter(({ state }) => state === 'queued' || state === 'running').map((job) => job.repositoryId)
  }

  /** Resolves when the queue has looked at its jobs at least once more. */
  async looked(): Promise<void> {
    const [id = ''] = await this.add(`look-${this.asked.length}-${Math.random()}`, 1, {})
    await this.request([id], 100)
    await this.ended([id])
  }

  row = async (id: string): Promise<RepositoryRow> => {
    const row = await this.store.repositories.find(id)
    if (!row) throw new Error(`${id} is gone`)
    return row
  }

  async until(condition: () => boolean | Promise<boolean>): Promise<void> {
    for (let waited = 0; waited < 15_000; waited += 5) {
      if (await condition()) return
      await Bun.sleep(5)
    }
    throw new Error('it did not happen')
  }

  async close(): Promise<void> {
    await this.queue.stop(0)
    await this.store.db.close()
  }

  private async work(id: string): Promise<void> {
    this.asked.push(id)
    const { host, credential } = this.places.get(id) ?? { host: '', credential: '' }
    for (const name of [host, credential]) this.count(name, 1)
    try {
      await this.answer(id)
    } finally {
      for (const name of [host, credential]) this.count(name, -1)
    }
  }

  private count(name: string, change: number): void {
    const running = (this.running.get(name) ?? 0) + change
    this.running.set(name, running)
    this.most.set(name, Math.max(this.most.get(name) ?? 0, running))
  }
}

/** A host that cannot be reached. */
export function unreachable(): never {
  throw new AppError('upstream', 'The host is away.', { details: { reason: 'unreachable' } })
}

/** A host that asks to slow down. */
export function limited(seconds?: number): never {
  const details = { reason: 'rate_limited', ...(seconds === undefined ? {} : { retry_after: seconds }) }
  throw new AppError('upstream', 'The host asks to slow down.', { details })
}

import { AppError, isAppError, messageOf } from '../errors.ts'
import type { Logger } from '../observability/logger.ts'
import type { Alongside } from '../store/database.ts'
import type { JobProgress, JobResult, JobRow, JobTable } from '../store/jobs.ts'
import type { RepositoryTable } from '../store/repositories.ts'
import { nextRetry, retryAfterRefusal } from './schedule.ts'

/** How urgent a job is; a higher number runs first. `probe` is for repositories that a look at their owner found changed. */
export const PRIORITY = { requested: 100, webhook: 80, probe: 60, first: 50, sweep: 10 } as const

/** How long a worker owns a job without a sign of life, and how often it gives one. Seconds. */
const LEASE = 60
const RENEW_MS = 1_000
const RENEW_AT_LEAST_MS = 20_000
const LOOK_MS = 1_000

/** Longest run of one job, in milliseconds: a source that drips must not hold a worker for ever. */
const LONGEST_RUN_MS = 30 * 60_000

/** Processes that may die over one job before it counts as failed: one repository must not end the server for ever. */
const MOST_ATTEMPTS = 5

/** Does one job; reports progress and obeys the signal. Resolves to what it changed. */
export type Work = (job: JobRow, report: (progress: JobProgress) => void, signal: AbortSignal) => Promise<JobResult>

/** What a queue works with. `now` gives Unix seconds. */
export interface QueueParts {
  readonly jobs: JobTable
  readonly repositories: RepositoryTable
  readonly work: Work
  /** Called after the work of a job, which may have changed packages, and before the job counts as done. */
  readonly onDone: (job: JobRow) => Promise<void> | void
  readonly concurrency: number
  readonly now: () => number
  readonly logger: Logger
}

/**
 * Leased jobs in the database, run by a bounded number of workers in this process. One job per repository: a burst of
 * requests is one sync, and one more when it was asked for while running.
 */
export class SyncQueue {
  private readonly owner = `${process.pid}-${crypto.randomUUID()}`
  private readonly running = new Map<string, { done: Promise<void>; abort: AbortController }>()
  private timer: ReturnType<typeof setInterval> | null = null
  private looking: Promise<void> | null = null
  private lookAgain = false

  constructor(private readonly parts: QueueParts) {}

  /** Begins to claim jobs. */
  start(): void {
    this.timer ??= setInterval(() => this.look(), LOOK_MS)
    this.look()
  }

  /**
   * Asks for a sync. Returns the job that will do it, which may have been asked for before; `alongside` is done in the
   * same transaction. It begins `delay` seconds from now at the earliest, unless one is queued that begins before.
   */
  async request(
    repositoryId: string,
    priority: number,
    options: { acceptRemovals?: boolean; delay?: number; alongside?: (job: JobRow) => Alongside } = {},
  ): Promise<JobRow> {
    const now = this.parts.now()
    const acceptRemovals = options.acceptRemovals ?? false
    const job = await this.parts.jobs.enqueue(
      { repositoryId, priority, runAt: now + (options.delay ?? 0), acceptRemovals },
      now,
      options.alongside,
    )
    if (this.timer !== null) this.look()
    return job
  }

  /** Claims no more, lets running jobs finish for `graceMs`, then aborts them and gives them back. */
  async stop(graceMs: number): Promise<void> {
    if (this.timer !== null) clearInterval(this.timer)
    this.timer = null
    await this.looking
    const stopping = new AppError('unavailable', 'The server is shutting down.')
    const timer = setTimeout(() => {
      for (const entry of this.running.values()) entry.abort.abort(stopping)
    }, graceMs)
    await Promise.all([...this.running.values()].map((entry) => entry.done))
    clearTimeout(timer)
  }

  private look(): void {
    if (this.looking) {
      this.lookAgain = true
      return
    }
    this.looking = this.claimAll()
      .catch((error: unknown) => this.parts.logger.error('jobs could not be claimed', { error: messageOf(error) }))
      .finally(() => {
        this.looking = null
        if (this.lookAgain && this.timer !== null) {
          this.lookAgain = false
          this.look()
        }
      })
  }

  private async claimAll(): Promise<void> {
    while (this.timer !== null && this.running.size < this.parts.concurrency) {
      const now = this.parts.now()
      const job = await this.parts.jobs.claim(this.owner, now, now + LEASE)
      if (!job) return
      const abort = new AbortController()
      const done = this.run(job, abort).finally(() => {
        this.running.delete(job.id)
        this.look()
      })
      this.running.set(job.id, { done, abort })
    }
  }

  private async run(job: JobRow, abort: AbortController): Promise<void> {
    const lease = new Lease(this.parts, job, abort)
    try {
      if (job.attempt > MOST_ATTEMPTS) throw neverEnds()
      await this.parts.repositories.noteSyncing(job.repositoryId)
      const result = await this.parts.work(job, lease.report, AbortSignal.any([abort.signal, tooLong()]))
      await lease.end()
      await this.tellDone(job)
      await this.parts.jobs.finish(job, null, this.parts.now(), result)
    } catch (error) {
      await lease.end()
      await this.fail(job, abort.signal, error).catch((second: unknown) =>
        this.parts.logger.error('a failed job could not be noted', { job: job.id, error: messageOf(second) }),
      )
    }
  }

  /** Whoever sees the job done sees what it changed; that this fails does not make the work undone. */
  private async tellDone(job: JobRow): Promise<void> {
    try {
      await this.parts.onDone(job)
    } catch (error) {
      this.parts.logger.warn('the outcome of a job could not be taken over', { job: job.id, error: messageOf(error) })
    }
  }

  private async fail(job: JobRow, signal: AbortSignal, error: unknown): Promise<void> {
    const { jobs, repositories, now, logger } = this.parts
    if (signal.aborted) return jobs.release(job, now())
    const expected = isAppError(error)
    const message = expected ? error.message : 'Something unexpected went wrong; the log of the server says what.'
    const log = expected ? logger.warn : logger.error
    log('repository sync failed', {
      repository: job.repositoryId,
      error: error instanceof Error ? error : messageOf(error),
    })
    const row = await repositories.find(job.repositoryId)
    if (!row) return
    const code = codeOf(error)
    const refusal = code === 'auth' || code === 'credentials' || code === 'host_key'
    const retryAfter = expected ? Number(error.details.retry_after ?? 0) : 0
    const nextSyncAt = refusal ? retryAfterRefusal(now()) : nextRetry(row.failures, now(), retryAfter)
    await repositories.noteFailure(job.repositoryId, { code, message, nextSyncAt })
    await jobs.finish(job, message, now())
  }
}

function tooLong(): AbortSignal {
  const controller = new AbortController()
  const minutes = LONGEST_RUN_MS / 60_000
  const error = new AppError('upstream', `Reading the source took longer than ${minutes} minutes.`, {
    details: { reason: 'unreachable' },
  })
  setTimeout(() => controller.abort(error), LONGEST_RUN_MS).unref()
  return controller.signal
}

function neverEnds(): AppError {
  const sentence = `The server ended ${MOST_ATTEMPTS} times before this sync did; the log of the server may say why.`
  return new AppError('unavailable', sentence, { details: { reason: 'interrupted' } })
}

/** `error_code` of a repository: what the source said was wrong, in one word. */
function codeOf(error: unknown): string {
  if (!isAppError(error)) return 'internal'
  return typeof error.details.reason === 'string' ? error.details.reason : error.kind
}

/** Keeps a claimed job claimed, and its progress visible, while it runs. */
class Lease {
  private progress: JobProgress = { done: 0, total: 0, step: 'starting' }
  private changed = false
  private renewedAt = Date.now()
  private renewing: Promise<void> | null = null
  private readonly timer: ReturnType<typeof setInterval>

  constructor(
    private readonly parts: QueueParts,
    private readonly job: JobRow,
    private readonly abort: AbortController,
  ) {
    this.timer = setInterval(() => this.tick(), RENEW_MS)
  }

  readonly report = (progress: JobProgress): void => {
    this.progress = progress
    this.changed = true
  }

  async end(): Promise<void> {
    clearInterval(this.timer)
    await this.renewing
  }

  private tick(): void {
    const due = this.changed || Date.now() - this.renewedAt > RENEW_AT_LEAST_MS
    if (!due || this.renewing) return
    this.changed = false
    this.renewedAt = Date.now()
    this.renewing = this.renew().finally(() => {
      this.renewing = null
    })
  }

  private async renew(): Promise<void> {
    try {
      const held = await this.parts.jobs.renew(this.job, this.parts.now() + LEASE, this.progress)
      if (!held) this.abort.abort(new AppError('conflict', 'Another worker has taken over this job.'))
    } catch (error) {
      this.parts.logger.warn('a lease could not be renewed', { job: this.job.id, error: messageOf(error) })
    }
  }
}

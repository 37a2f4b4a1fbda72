import { AppError, isAppError, messageOf } from '../errors.ts'
import type { Logger } from '../observability/logger.ts'
import type { Alongside } from '../store/database.ts'
import type { JobHolds } from '../store/job-holds.ts'
import type { JobProgress, JobResult, JobRow, JobTable } from '../store/jobs.ts'
import type { RepositoryTable } from '../store/repositories.ts'
import { ClaimLimits } from './claim-limits.ts'
import { failureOf } from './failure-policy.ts'
import { HostBreakers } from './host-breakers.ts'
import type { HostBudgets } from './host-budgets.ts'
import type { FindPlace } from './job-place.ts'
import { LEASE, Lease } from './lease.ts'

export { PRIORITY } from './priority.ts'

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
  readonly holds: JobHolds
  readonly repositories: RepositoryTable
  readonly placeOf: FindPlace
  readonly budgets: HostBudgets
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
  private readonly running = new Map<string, { job: JobRow; done: Promise<void>; abort: AbortController }>()
  private readonly breakers: HostBreakers
  private readonly limits: ClaimLimits
  private readonly watchers: ((repositoryId: string) => void)[] = []
  private timer: ReturnType<typeof setInterval> | null = null
  private looking: Promise<void> | null = null
  private lookAgain = false

  constructor(private readonly parts: QueueParts) {
    this.breakers = new HostBreakers(parts.now)
    this.limits = new ClaimLimits({ breakers: this.breakers, budgets: parts.budgets })
  }

  /** Calls back whenever a job of a repository was asked for, begins or ends in this process. */
  watch(watcher: (repositoryId: string) => void): void {
    this.watchers.push(watcher)
  }

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
    const { acceptRemovals = false, delay = 0 } = options
    const row = await this.parts.repositories.find(repositoryId)
    const place = row === null ? {} : this.parts.placeOf(row)
    const job = await this.parts.jobs.enqueue(
      { repositoryId, priority, runAt: now + delay, acceptRemovals, ...place },
      now,
      options.alongside,
    )
    this.tell(job)
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

  private tell({ repositoryId }: JobRow): void {
    for (const watcher of this.watchers) watcher(repositoryId)
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
    await this.putOff()
    while (this.timer !== null && this.running.size < this.parts.concurrency) {
      const now = this.parts.now()
      const bounds = this.limits.bounds([...this.running.values()].map((entry) => entry.job))
      const job = await this.parts.jobs.claim(this.owner, now, now + LEASE, bounds)
      if (!job) return
      const abort = new AbortController()
      const done = this.run(job, abort).finally(() => {
        this.running.delete(job.id)
        this.tell(job)
        this.look()
      })
      this.running.set(job.id, { job, done, abort })
    }
  }

  /** Jobs that wait for a host do so in sight, and out of the way of the others. */
  private async putOff(): Promise<void> {
    for (const hold of this.limits.holds()) {
      const jobs = await this.parts.holds.apply(hold)
      const { host, until, code } = hold
      if (jobs > 0) this.parts.logger.info('syncs put off', { host, until, jobs, reason: code })
    }
  }

  private async run(job: JobRow, abort: AbortController): Promise<void> {
    const lease = new Lease(this.parts, job, abort)
    try {
      if (job.attempt > MOST_ATTEMPTS) throw neverEnds()
      await this.parts.repositories.noteSyncing(job.repositoryId)
      this.tell(job)
      const result = await this.parts.work(job, lease.report, AbortSignal.any([abort.signal, tooLong()]))
      this.breakers.answered(job.host)
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
    const { jobs, repositories, budgets, now, logger } = this.parts
    if (signal.aborted) return jobs.release(job, now())
    const log = isAppError(error) ? logger.warn : logger.error
    log('repository sync failed', {
      repository: job.repositoryId,
      error: error instanceof Error ? error : messageOf(error),
    })
    this.noteAnswer(job, error)
    const row = await repositories.find(job.repositoryId)
    if (!row) return
    const limitedUntil = budgets.blockedUntil(job)
    const failure = failureOf(error, row, { now: now(), limitedUntil })
    await jobs.finish(job, failure.message, now(), null, repositories.failing(job.repositoryId, failure))
  }

  /** What a failure says about the host of the job. */
  private noteAnswer(job: JobRow, error: unknown): void {
    if (!isAppError(error, 'upstream')) return
    const { reason, retry_after: wait } = error.details
    if (reason === 'unreachable') this.breakers.failed(job.host)
    else this.breakers.answered(job.host)
    if (reason === 'rate_limited') this.parts.budgets.refused(job, typeof wait === 'number' ? wait : null)
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

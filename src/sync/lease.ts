import { AppError, messageOf } from '../errors.ts'
import type { Logger } from '../observability/logger.ts'
import type { JobProgress, JobRow, JobTable } from '../store/jobs.ts'

/** How long a worker owns a job without a sign of life, in seconds, and how often it gives one. */
export const LEASE = 60
const RENEW_MS = 1_000
const RENEW_AT_LEAST_MS = 20_000

/** What a lease works with. `now` gives Unix seconds. */
export interface LeaseParts {
  readonly jobs: JobTable
  readonly now: () => number
  readonly logger: Logger
}

/** Keeps a claimed job claimed, and its progress visible, while it runs; aborts it when another worker has it. */
export class Lease {
  private progress: JobProgress = { done: 0, total: 0, step: 'starting' }
  private changed = false
  private renewedAt = performance.now()
  private renewing: Promise<void> | null = null
  private readonly timer: ReturnType<typeof setInterval>

  constructor(
    private readonly parts: LeaseParts,
    private readonly job: JobRow,
    private readonly abort: AbortController,
  ) {
    this.timer = setInterval(() => this.tick(), RENEW_MS)
  }

  /** Shows how far the job is, once a second at most. */
  readonly report = (progress: JobProgress): void => {
    this.progress = progress
    this.changed = true
  }

  /** Stops renewing, and waits for a renewal under way. */
  async end(): Promise<void> {
    clearInterval(this.timer)
    await this.renewing
  }

  private tick(): void {
    const due = this.changed || performance.now() - this.renewedAt > RENEW_AT_LEAST_MS
    if (!due || this.renewing) return
    this.changed = false
    this.renewedAt = performance.now()
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

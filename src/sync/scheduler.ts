import { messageOf } from '../errors.ts'
import type { Logger } from '../observability/logger.ts'
import type { RepositoryTable } from '../store/repositories.ts'
import { ClockSteps } from './clock-steps.ts'
import { PRIORITY, type SyncQueue } from './queue.ts'

const TICK_MS = 1_000
/** Most repositories queued per tick. */
const PER_TICK = 500
/** More than this many due at once have piled up, over a stop for instance, and do not start all at once. */
const USUAL = 20
/** Over so many seconds each of them starts, at most, and so many seconds for each. */
const LONGEST_SPREAD = 300
const SPREAD_EACH = 0.6

/** What the scheduler works with. */
export interface SchedulerParts {
  readonly repositories: RepositoryTable
  readonly queue: SyncQueue
  /** Unix seconds. */
  readonly now: () => number
  /** Moves everything that waits for a time to so many seconds earlier. */
  readonly moveEarlier: (seconds: number) => Promise<void>
  readonly logger: Logger
}

/** Every second: repositories whose time has come → queue. */
export class Scheduler {
  private timer: ReturnType<typeof setInterval> | null = null
  private ticking: Promise<void> | null = null
  private readonly clock: ClockSteps
  private setBack = 0

  constructor(private readonly parts: SchedulerParts) {
    this.clock = new ClockSteps(parts.now)
  }

  /** Begins to tick. */
  start(): void {
    this.timer ??= setInterval(() => {
      this.ticking ??= this.tick().finally(() => {
        this.ticking = null
      })
    }, TICK_MS)
  }

  /** Ends ticking, and waits for a tick under way. */
  async stop(): Promise<void> {
    if (this.timer !== null) clearInterval(this.timer)
    this.timer = null
    await this.ticking
  }

  private async tick(): Promise<void> {
    try {
      await this.followClock()
      const due = await this.parts.repositories.due(this.parts.now(), PER_TICK)
      const spread = due.length > USUAL ? Math.min(LONGEST_SPREAD, due.length * SPREAD_EACH) : 0
      for (const id of due) {
        await this.parts.queue.request(id, PRIORITY.sweep, { delay: Math.floor(spread * Math.random()) })
      }
    } catch (error) {
      this.parts.logger.error('due repositories could not be queued', { error: messageOf(error) })
    }
  }

  /** A clock that was set back by a day must not mean that nothing is looked at for a day. */
  private async followClock(): Promise<void> {
    this.setBack += this.clock.takeStepBack()
    if (this.setBack === 0) return
    const seconds = this.setBack
    await this.parts.moveEarlier(seconds)
    this.setBack = 0
    this.parts.logger.warn('the clock was set back, and what waits for a time with it', { seconds })
  }
}

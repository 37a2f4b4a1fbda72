import { messageOf } from '../errors.ts'
import type { Logger } from '../observability/logger.ts'
import type { RepositoryTable } from '../store/repositories.ts'
import { PRIORITY, type SyncQueue } from './queue.ts'

const TICK_MS = 1_000
/** Repositories queued per tick: after a long stop they start over some time, not all at once. */
const PER_TICK = 20

/** Every second: repositories whose time has come → queue. */
export class Scheduler {
  private timer: ReturnType<typeof setInterval> | null = null
  private ticking: Promise<void> | null = null

  constructor(
    private readonly parts: { repositories: RepositoryTable; queue: SyncQueue; now: () => number; logger: Logger },
  ) {}

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
      const due = await this.parts.repositories.due(this.parts.now(), PER_TICK)
      for (const id of due) await this.parts.queue.request(id, PRIORITY.sweep)
    } catch (error) {
      this.parts.logger.error('due repositories could not be queued', { error: messageOf(error) })
    }
  }
}

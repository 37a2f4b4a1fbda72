import { messageOf } from './errors.ts'
import type { Logger } from './observability/logger.ts'

/** Work done now and then while the program runs. A failure is logged, and the work is tried again at its next time. */
export class Upkeep {
  private readonly timers: ReturnType<typeof setInterval>[] = []
  private readonly last: (() => Promise<unknown>)[] = []

  constructor(private readonly logger: Logger) {}

  /** Begins to do `work` every `ms` milliseconds. */
  every(ms: number, work: () => Promise<unknown>): void {
    this.timers.push(setInterval(() => void this.quietly(work), ms))
  }

  /** The same for work that must also be done once more when everything else has stopped: what is in memory is written. */
  flush(ms: number, work: () => Promise<unknown>): void {
    this.every(ms, work)
    this.last.push(work)
  }

  /** Does no more. */
  pause(): void {
    for (const timer of this.timers) clearInterval(timer)
  }

  /** Does the last work, one after another. */
  async finish(): Promise<void> {
    this.pause()
    for (const work of this.last) await this.quietly(work)
  }

  private async quietly(work: () => Promise<unknown>): Promise<void> {
    try {
      await work()
    } catch (error) {
      this.logger.warn('upkeep failed', { error: messageOf(error) })
    }
  }
}

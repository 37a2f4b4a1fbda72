import { messageOf } from './errors.ts'
import type { Logger } from './observability/logger.ts'

/** Work done now and then while the program runs. A failure is logged, and the work is tried again at its next time. */
export class Upkeep {
  private readonly works: { readonly ms: number; readonly last: boolean; readonly work: () => Promise<unknown> }[] = []
  private timers: ReturnType<typeof setInterval>[] = []

  constructor(private readonly logger: Logger) {}

  /** Adds work to be done every `ms` milliseconds. */
  every(ms: number, work: () => Promise<unknown>): void {
    this.works.push({ ms, last: false, work })
  }

  /** Adds work that is also done once more at the end: what is in memory is written. */
  flush(ms: number, work: () => Promise<unknown>): void {
    this.works.push({ ms, last: true, work })
  }

  /** Begins. */
  start(): void {
    this.timers = this.works.map(({ ms, work }) => setInterval(() => void this.quietly(work), ms))
  }

  /** Does no more. */
  pause(): void {
    for (const timer of this.timers) clearInterval(timer)
  }

  /** Does the last work, one after another. */
  async finish(): Promise<void> {
    this.pause()
    for (const { last, work } of this.works) if (last) await this.quietly(work)
  }

  private async quietly(work: () => Promise<unknown>): Promise<void> {
    try {
      await work()
    } catch (error) {
      this.logger.warn('upkeep failed', { error: messageOf(error) })
    }
  }
}

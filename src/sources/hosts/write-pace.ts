import { setTimeout } from 'node:timers/promises'
import { hostFailure } from './failure.ts'

/** Between two writes to one host, in milliseconds (GitHub: best practices for the REST API, pause between requests). */
const SPACING = 1_000
/** Hosts remembered; past it those that may be written to again are forgotten. */
const REMEMBERED = 100

/** Spaces out what is written to hosts, so that a shop that registers 500 webhooks is not taken for an attack. */
export class WritePace {
  /** When a host may be written to next, in milliseconds of `performance.now`. */
  private readonly free = new Map<string, number>()

  constructor(private readonly spacing = SPACING) {}

  /**
   * Resolves when it is time to write to a host. Throws AppError('upstream') with reason `rate_limited` at once when that
   * would take longer than `patience` milliseconds, and what the signal was aborted with.
   */
  async turn(host: string, patience: number, signal: AbortSignal): Promise<void> {
    const now = performance.now()
    const at = Math.max(now, this.free.get(host) ?? 0)
    if (at - now > patience) {
      const seconds = Math.ceil((at - now) / 1_000)
      const sentence = `Many changes wait for ${host} already, which takes one a second; try again in ${seconds} seconds.`
      throw hostFailure('rate_limited', sentence, { details: { retry_after: seconds } })
    }
    this.free.set(host, at + this.spacing)
    if (this.free.size > REMEMBERED) for (const [name, time] of this.free) if (time <= now) this.free.delete(name)
    if (at <= now) return
    try {
      await setTimeout(at - now, undefined, { signal })
    } catch (error) {
      throw signal.aborted ? signal.reason : error
    }
  }
}

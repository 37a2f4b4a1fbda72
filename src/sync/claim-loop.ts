import { messageOf } from '../errors.ts'
import type { Logger } from '../observability/logger.ts'

const TICK_MS = 1_000

/** What a loop works with. */
export interface ClaimLoopParts<Claim> {
  /** Takes the next piece of work for this process alone; null when nothing is due. */
  readonly claim: () => Promise<Claim | null>
  /** Does it; ends early when the signal says so. */
  readonly work: (claim: Claim, signal: AbortSignal) => Promise<void>
  readonly concurrency: number
  /** What it does, for the log. */
  readonly name: string
  readonly logger: Logger
}

/** Every second, and when it is woken: claims what is due, as much at once as it may, and has it done. */
export class ClaimLoop<Claim> {
  private readonly running = new Map<Promise<void>, AbortController>()
  private timer: ReturnType<typeof setInterval> | null = null
  private claiming: Promise<void> | null = null
  private again = false

  constructor(private readonly parts: ClaimLoopParts<Claim>) {}

  /** Begins to claim. */
  start(): void {
    this.timer ??= setInterval(() => this.wake(), TICK_MS)
    this.wake()
  }

  /** Looks whether something is due now. */
  wake(): void {
    if (this.timer === null) return
    if (this.claiming) {
      this.again = true
      return
    }
    this.claiming = this.claimAll()
      .catch((error: unknown) => this.parts.logger.error(`${this.parts.name} failed`, { error: messageOf(error) }))
      .finally(() => {
        this.claiming = null
        if (this.again) {
          this.again = false
          this.wake()
        }
      })
  }

  /** Claims no more, ends what is under way, and waits for it. */
  async stop(): Promise<void> {
    if (this.timer !== null) clearInterval(this.timer)
    this.timer = null
    await this.claiming
    for (const abort of this.running.values()) abort.abort(new Error('The server is shutting down.'))
    await Promise.all(this.running.keys())
  }

  private async claimAll(): Promise<void> {
    while (this.timer !== null && this.running.size < this.parts.concurrency) {
      const claim = await this.parts.claim()
      if (claim === null) return
      const abort = new AbortController()
      const done = this.parts
        .work(claim, abort.signal)
        .catch((error: unknown) => this.parts.logger.error(`${this.parts.name} failed`, { error: messageOf(error) }))
        .finally(() => {
          this.running.delete(done)
          this.wake()
        })
      this.running.set(done, abort)
    }
  }
}

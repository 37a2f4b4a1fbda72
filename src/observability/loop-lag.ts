const BEAT_MS = 10

/** Measures how late timers fire: the longest time that nothing else could run either. */
export class LoopLag {
  private timer: ReturnType<typeof setInterval> | null = null
  private last = 0
  private longest = 0

  /** Begins. */
  start(): void {
    this.last = performance.now()
    this.timer ??= setInterval(() => this.beat(), BEAT_MS)
    this.timer.unref()
  }

  /** Ends. */
  stop(): void {
    if (this.timer !== null) clearInterval(this.timer)
    this.timer = null
  }

  /** Seconds of the longest delay since this was asked last. */
  takeLongest(): number {
    const longest = this.longest
    this.longest = 0
    return longest / 1_000
  }

  private beat(): void {
    const now = performance.now()
    this.longest = Math.max(this.longest, now - this.last - BEAT_MS)
    this.last = now
  }
}

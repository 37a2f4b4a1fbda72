const BEAT_MS = 10

/** Measures how late timers fire: the longest time that nothing else could run either. */
export class LoopLag {
  private timer: ReturnType<typeof setInterval> | null = null
  private last = 0
  private readonly readers: { longest: number }[] = []

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

  /** A function that gives the seconds of the longest delay since it was called last. */
  reader(): () => number {
    const own = { longest: 0 }
    this.readers.push(own)
    return () => {
      const { longest } = own
      own.longest = 0
      return longest / 1_000
    }
  }

  private beat(): void {
    const now = performance.now()
    const late = now - this.last - BEAT_MS
    for (const reader of this.readers) reader.longest = Math.max(reader.longest, late)
    this.last = now
  }
}

/** Less is what clocks are corrected by all the time, and waits are no more exact than that. Seconds. */
const SMALLEST_STEP = 60

/** Notices when the clock was set back, by comparing it with one that nobody sets. */
export class ClockSteps {
  private ahead: number

  /** `now` gives Unix seconds. */
  constructor(private readonly now: () => number) {
    this.ahead = this.offset()
  }

  /** Seconds that the clock was set back by since the last call; 0 when it was not. */
  takeStepBack(): number {
    const before = this.ahead
    this.ahead = this.offset()
    const step = Math.round(before - this.ahead)
    return step >= SMALLEST_STEP ? step : 0
  }

  private offset(): number {
    return this.now() - performance.now() / 1_000
  }
}

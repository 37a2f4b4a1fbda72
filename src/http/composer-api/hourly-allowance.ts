const HOUR = 3_600
/** Most senders told apart; those that come later in the hour get nothing. */
const MOST_SENDERS = 50_000

/** Bounds what each sender may add within a fixed hour. In memory only: a restart forgives. */
export class HourlyAllowance {
  private readonly used = new Map<string, number>()
  private hour = 0

  /** `now` gives Unix seconds. */
  constructor(private readonly now: () => number) {}

  /** How many of the wanted ones this sender is granted, of `limit` per hour. */
  take(sender: string, wanted: number, limit: number): number {
    const hour = Math.floor(this.now() / HOUR)
    if (hour !== this.hour) {
      this.hour = hour
      this.used.clear()
    }
    const used = this.used.get(sender)
    if (wanted === 0 || (used === undefined && this.used.size >= MOST_SENDERS)) return 0
    const granted = Math.min(wanted, limit - (used ?? 0))
    this.used.set(sender, (used ?? 0) + granted)
    return granted
  }
}

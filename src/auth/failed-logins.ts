import { isIPv6 } from 'node:net'

/** Failures of one address within `PERIOD` that are answered one by one. */
const ALLOWED = 10
/** Seconds that a failure counts for. */
const PERIOD = 300
/** Most addresses remembered; past it the ones that failed longest ago are forgotten. */
const REMEMBERED = 10_000

/** When each client address failed to sign in. */
export class FailedLogins {
  private readonly times = new Map<string, number[]>()

  /** `now` gives Unix seconds. */
  constructor(private readonly now: () => number) {}

  /**
   * Notes a failure of an address and returns 0, or returns the seconds to wait when it had too many already. A failure
   * that is turned away is not noted: whoever waits that long is let in again.
   */
  note(address: string): number {
    const key = networkOf(address)
    const now = this.now()
    // Those of the future were noted before the clock was set back.
    const recent = (this.times.get(key) ?? []).filter((time) => time > now - PERIOD && time <= now)
    const [oldest] = recent
    if (oldest !== undefined && recent.length >= ALLOWED) return oldest + PERIOD - now
    recent.push(now)
    this.times.delete(key)
    this.times.set(key, recent)
    if (this.times.size > REMEMBERED) this.forgetOne()
    return 0
  }

  private forgetOne(): void {
    const oldest = this.times.keys().next().value
    if (oldest !== undefined) this.times.delete(oldest)
  }
}

/** Of an IPv6 address the first 64 bits, since one client has at least that many addresses. */
export function networkOf(address: string): string {
  if (!isIPv6(address)) return address
  const [head = '', tail] = address.split('%')[0]?.split('::') ?? []
  const groups = head === '' ? [] : head.split(':')
  const rest = tail === undefined || tail === '' ? [] : tail.split(':')
  if (tail !== undefined) while (groups.length + rest.length < 8) groups.push('0')
  return [...groups, ...rest]
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')
}

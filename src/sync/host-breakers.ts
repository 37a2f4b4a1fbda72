import type { JobHold } from '../store/job-holds.ts'

/** Failures in a row, of one repository or of several, after which a host counts as down. */
const FAILURES = 5
/** Seconds between two attempts at a host that is down. */
const PAUSE = 60

interface Trouble {
  failures: number
  /** Unix seconds. */
  pausedUntil: number
}

/**
 * Leaves a host alone that failed several times in a row: its jobs are put off, and one a minute tries whether it is
 * back. What is known is kept in memory, so each process finds out for itself.
 */
export class HostBreakers {
  private readonly hosts = new Map<string, Trouble>()

  /** `now` gives Unix seconds. */
  constructor(private readonly now: () => number) {}

  /** The host, `host:port`, could not be reached. */
  failed(host: string): void {
    if (host === '') return
    const { failures } = this.hosts.get(host) ?? { failures: 0 }
    const pausedUntil = failures + 1 >= FAILURES ? this.now() + PAUSE : 0
    this.hosts.set(host, { failures: failures + 1, pausedUntil })
  }

  /** The host answered, whatever it said. */
  answered(host: string): void {
    this.hosts.delete(host)
  }

  /** True for a host that is down and has had its pause: one job may try it. */
  isTried(host: string): boolean {
    const trouble = this.hosts.get(host)
    return trouble !== undefined && trouble.failures >= FAILURES && trouble.pausedUntil <= this.now()
  }

  /** Jobs that wait for a host that is down. */
  holds(): JobHold[] {
    const now = this.now()
    return [...this.hosts].flatMap(([host, { failures, pausedUntil }]) =>
      pausedUntil <= now
        ? []
        : [
            {
              ...{ host, credential: null, below: null, until: pausedUntil, spread: 0, code: 'unreachable' },
              message: `${host} could not be reached ${failures} times in a row; it is tried once a minute, and this repository waits until it answers.`,
            },
          ],
    )
  }
}

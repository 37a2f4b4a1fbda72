import { AppError, isAppError } from '../errors.ts'

/** How hosts are treated; the defaults are those of the product. */
export interface HostGateOptions {
  /** Requests under way at a time. */
  readonly parallel?: number
  /** Requests that may wait for a place. */
  readonly queue?: number
  /** Failures in a row after which a host is left alone. */
  readonly failures?: number
  /** How long it is left alone then, in milliseconds. */
  readonly pause?: number
  /** Unix milliseconds. */
  readonly now?: () => number
}

/** Longest `Retry-After` that is believed, in seconds. */
const LONGEST_WAIT = 3600

/** Manners towards other hosts, shared by all who ask them. */
export class HostGates {
  private readonly hosts = new Map<string, HostGate>()

  constructor(private readonly options: HostGateOptions = {}) {}

  /** The gate in front of a host, `name:port`. */
  of(host: string): HostGate {
    const gate = this.hosts.get(host) ?? new HostGate(host, this.options)
    this.hosts.set(host, gate)
    return gate
  }
}

/**
 * Lets a few requests at a time through to one host, none while it asked to be left alone, and none for a while after
 * it failed several times in a row: then one request tries whether it is back.
 */
export class HostGate {
  private readonly settings: Required<HostGateOptions>
  private running = 0
  private readonly waiting: (() => void)[] = []
  private failures = 0
  /** Unix milliseconds. */
  private closedUntil = 0
  private probing = false
  private why = ''

  constructor(
    private readonly host: string,
    options: HostGateOptions,
  ) {
    this.settings = { parallel: 12, queue: 1000, failures: 3, pause: 30_000, now: Date.now, ...options }
  }

  /**
   * Does `request` when it is its turn. One that throws AppError('upstream') with reason `unreachable` or `rate_limited`
   * is a failure of the host. Throws AppError('upstream') at once, without a request, while the host is left alone.
   */
  async pass<T>(signal: AbortSignal, request: () => Promise<T>): Promise<T> {
    this.refuseWhileClosed()
    await this.place(signal)
    let probe = false
    try {
      this.refuseWhileClosed()
      probe = this.failures >= this.settings.failures
      this.probing ||= probe
      const result = await request()
      this.failures = 0
      return result
    } catch (error) {
      this.note(error)
      throw error
    } finally {
      if (probe) this.probing = false
      this.free()
    }
  }

  private refuseWhileClosed(): void {
    const left = this.closedUntil - this.settings.now()
    if (left <= 0 && !this.probing) return
    const seconds = Math.max(1, Math.ceil(left / 1000))
    throw new AppError('upstream', `${this.host} is not asked for the next ${seconds} seconds: ${this.why}`, {
      details: { reason: 'unreachable', retry_after: seconds },
    })
  }

  /** A place among the requests under way. */
  private async place(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    if (this.running < this.settings.parallel) {
      this.running++
      return
    }
    if (this.waiting.length >= this.settings.queue) {
      throw new AppError('upstream', `Too many requests are waiting for ${this.host}; try again later.`, {
        details: { reason: 'busy' },
      })
    }
    await new Promise<void>((resolve, reject) => {
      const enter = () => {
        signal.removeEventListener('abort', leave)
        resolve()
      }
      const leave = () => {
        this.waiting.splice(this.waiting.indexOf(enter), 1)
        reject(signal.reason)
      }
      signal.addEventListener('abort', leave, { once: true })
      this.waiting.push(enter)
    })
  }

  /** Hands the place on to the one who waits longest. */
  private free(): void {
    const next = this.waiting.shift()
    if (next === undefined) this.running--
    else next()
  }

  private note(error: unknown): void {
    if (!isAppError(error, 'upstream')) return
    const { reason, retry_after: wait } = error.details
    if (reason !== 'unreachable' && reason !== 'rate_limited') {
      this.failures = 0
      return
    }
    this.failures++
    const seconds = typeof wait === 'number' ? Math.min(wait, LONGEST_WAIT) : 0
    const pause = this.failures >= this.settings.failures ? this.settings.pause : 0
    const until = this.settings.now() + Math.max(seconds * 1000, pause)
    if (until > this.closedUntil) {
      this.closedUntil = until
      this.why = error.message
    }
  }
}

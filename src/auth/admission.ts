import { AppError, isAppError } from '../errors.ts'
import type { FailedLogins } from './failed-logins.ts'
import type { RateLimits, RateWindow } from './rate-limits.ts'
import type { Caller } from './scope.ts'

/** What letting a request in takes. */
export interface AdmissionParts {
  readonly limits: RateLimits
  readonly failures: FailedLogins
  /** Address of the client behind a request; null when it came over the local socket. */
  readonly addressOf: (request: Request) => string | null
}

/** Counts requests whose caller is known, and those who fail to become one. */
export class Admission {
  private readonly windows = new WeakMap<Request, RateWindow>()

  constructor(private readonly parts: AdmissionParts) {}

  /** The window that a request was counted in, or found used up; undefined when it had no caller. */
  windowOf(request: Request): RateWindow | undefined {
    return this.windows.get(request)
  }

  /** Counts a request once, however often its caller is asked for. Throws AppError('rate_limited'). */
  accept(request: Request, caller: Caller): Caller | Promise<Caller> {
    if (this.windows.has(request)) return caller
    const window = this.parts.limits.windowOf(caller)
    return window instanceof Promise
      ? window.then((loaded) => this.count(request, caller, loaded))
      : this.count(request, caller, window)
  }

  /**
   * What to answer a request whose token was refused: the refusal, or AppError('rate_limited') after too many from one
   * address. Sending no token is no failure, since many clients ask for one by doing so. A good token is never held up
   * by others' failures, which may come from behind the same proxy.
   */
  refuse(request: Request, refusal: unknown): unknown {
    const failed = isAppError(refusal, 'unauthorized') || isAppError(refusal, 'token_expired')
    const address = failed && request.headers.has('authorization') ? this.parts.addressOf(request) : null
    const wait = address === null ? 0 : this.parts.failures.note(address)
    if (wait === 0) return refusal
    return new AppError(
      'rate_limited',
      `Too many wrong tokens came from this address; check the token and try again in ${wait} seconds.`,
      { details: { retry_after: wait } },
    )
  }

  private count(request: Request, caller: Caller, window: RateWindow): Caller {
    // Two parts of one answer may have waited for the same window.
    if (this.windows.has(request)) return caller
    this.windows.set(request, window)
    this.parts.limits.take(caller, window)
    return caller
  }
}

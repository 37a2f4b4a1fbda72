import { type AppError, isAppError } from '../errors.ts'

/** How long a failure is repeated to those who ask again, in milliseconds. */
const REPEATED_MS = 10_000
const REMEMBERED = 1_000

/**
 * Downloads that an upstream failed a moment ago. Composer asks sixteen times for an archive that cannot be had; the
 * upstream is asked for it once in a while.
 */
export class RecentFailures {
  readonly #clock: () => number
  readonly #failures = new Map<string, { readonly error: AppError; readonly until: number }>()

  /** `clock` gives Unix milliseconds. */
  constructor(clock: () => number) {
    this.#clock = clock
  }

  /** Throws the failure of this download when there was one a moment ago. */
  check(id: string): void {
    const failure = this.#failures.get(id)
    if (failure && failure.until > this.#clock()) throw failure.error
    this.#failures.delete(id)
  }

  /** Remembers a failure that would only repeat itself; one in the middle of an archive may not. */
  note(id: string, error: unknown): void {
    if (!isAppError(error, 'upstream') || error.details.reason === 'broken_off') return
    this.#failures.delete(id)
    this.#failures.set(id, { error, until: this.#clock() + REPEATED_MS })
    const oldest = this.#failures.keys().next().value
    if (this.#failures.size > REMEMBERED && oldest !== undefined) this.#failures.delete(oldest)
  }
}

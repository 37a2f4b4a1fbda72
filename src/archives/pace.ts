import { setImmediate } from 'node:timers/promises'

const BUDGET_MS = 5

/** Lets long work share the event loop: after a few milliseconds of it, everything else that waits gets a turn. */
export class Pace {
  readonly #signal: AbortSignal
  #since = performance.now()

  /** `signal` stops the work at the next step. */
  constructor(signal: AbortSignal) {
    this.#signal = signal
  }

  /** To be awaited between small pieces of work. Throws the signal's reason once it is aborted. */
  step(): Promise<void> | void {
    this.#signal.throwIfAborted()
    if (performance.now() - this.#since >= BUDGET_MS) return this.#yield()
  }

  async #yield(): Promise<void> {
    await setImmediate()
    this.#since = performance.now()
    this.#signal.throwIfAborted()
  }
}

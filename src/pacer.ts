import { setImmediate } from 'node:timers/promises'

const SLICE_MS = 5

/** Cuts long synchronous work into slices of a few milliseconds, so that requests are answered meanwhile. */
export class Pacer {
  readonly #signal: AbortSignal
  #began = performance.now()

  /** `signal` stops the work at the next step. */
  constructor(signal: AbortSignal) {
    this.#signal = signal
  }

  /** True when the slice is used up; for work too small to await a step each time. */
  due(): boolean {
    return performance.now() - this.#began >= SLICE_MS
  }

  /** Lets everything else run, then begins a new slice. Throws the signal's reason after an abort. */
  async rest(): Promise<void> {
    await setImmediate()
    this.#signal.throwIfAborted()
    this.#began = performance.now()
  }

  /** To be awaited between small pieces of work: rests when it is due. Throws the signal's reason after an abort. */
  step(): Promise<void> | void {
    this.#signal.throwIfAborted()
    if (this.due()) return this.rest()
  }
}

const SLICE_MS = 10

/**
 * Cuts long synchronous work into slices of about 10 ms, so that requests are answered meanwhile:
 * `if (pacer.due()) await pacer.rest()` once per unit of work.
 */
export class Pacer {
  readonly #signal: AbortSignal
  #began = performance.now()

  constructor(signal: AbortSignal) {
    this.#signal = signal
  }

  /** True when the slice is used up. */
  due(): boolean {
    return performance.now() - this.#began >= SLICE_MS
  }

  /** Lets everything else run, then begins a new slice. Throws the signal's reason after an abort. */
  async rest(): Promise<void> {
    await new Promise<void>((resolve) => setImmediate(resolve))
    this.#signal.throwIfAborted()
    this.#began = performance.now()
  }
}

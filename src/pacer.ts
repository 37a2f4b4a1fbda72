const SLICE_MS = 5

const waiting: (() => void)[] = []

/**
 * Resolves when everything else had its turn. Of all work that waits for its turn one piece goes on in each: eight syncs
 * that all went on at once would keep a request waiting for eight slices.
 */
export function turn(): Promise<void> {
  return new Promise((resolve) => {
    waiting.push(resolve)
    if (waiting.length === 1) setImmediate(next)
  })
}

function next(): void {
  waiting.shift()?.()
  if (waiting.length > 0) setImmediate(next)
}

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
    await turn()
    this.#signal.throwIfAborted()
    this.#began = performance.now()
  }

  /** To be awaited between small pieces of work: rests when it is due. Throws the signal's reason after an abort. */
  step(): Promise<void> | void {
    this.#signal.throwIfAborted()
    if (this.due()) return this.rest()
  }
}

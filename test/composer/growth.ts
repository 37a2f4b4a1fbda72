/**
 * How many times longer `work` takes on eight times the input: about 8 when its cost is linear, 64 when quadratic,
 * beyond measure when exponential. The fastest of several runs each, so that a busy machine does not matter.
 */
export function growthForEightfold<T>(input: (size: number) => T, work: (input: T) => void, size: number): number {
  const small = input(size)
  const large = input(size * 8)
  fastest(work, small)
  return fastest(work, large) / fastest(work, small)
}

/** Under this the cost of eight times the input is taken as linear. */
export const LINEAR_GROWTH = 28

function fastest<T>(work: (input: T) => void, input: T): number {
  let best = Number.POSITIVE_INFINITY
  for (let run = 0; run < 9; run++) {
    const start = Bun.nanoseconds()
    for (let repeat = 0; repeat < 20; repeat++) work(input)
    best = Math.min(best, Bun.nanoseconds() - start)
  }
  return best
}

import { AppError } from '../errors.ts'

/** Longest wait for the first byte of an archive, in milliseconds: a little shorter than a silent connection lasts. */
const LONGEST_WAIT_MS = 240_000
/** What is told then, in seconds: whoever asks again waits for the same build, and does not lose its turn. */
const RETRY_AFTER = 5

/** What the promise gives. Throws AppError('unavailable') when a client could not be kept waiting any longer. */
export async function soonEnough<T>(promise: Promise<T>, longest = LONGEST_WAIT_MS): Promise<T> {
  let timer: Timer | undefined
  const late = new Promise<never>((_, reject) => {
    const sentence = 'The archive is still being prepared; try again in a minute.'
    timer = setTimeout(
      () => reject(new AppError('unavailable', sentence, { details: { retry_after: RETRY_AFTER } })),
      longest,
    )
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

import { AppError } from '../errors.ts'

/** What those get whose work is not begun any more. */
export function serverStopping(): AppError {
  return new AppError('unavailable', 'The server is stopping; try again in a minute.')
}

/** True when the promise settles within so many milliseconds; false as soon as they are over. */
export async function settlesWithin(promise: Promise<unknown>, milliseconds: number): Promise<boolean> {
  let timer: Timer | undefined
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(resolve, milliseconds, false)
  })
  try {
    return await Promise.race([promise.then(() => true), late])
  } finally {
    clearTimeout(timer)
  }
}

import type { RepositoryRow } from '../store/repositories.ts'

const FIRST_RETRY = 60
const LONGEST_RETRY = 6 * 3_600
/** A host may ask for more patience than that, within reason. */
const LONGEST_ASKED = 24 * 3_600

/** When an active repository is looked at again, in Unix seconds: its interval, up to 15 % earlier or later. */
export function nextLook(
  row: Pick<RepositoryRow, 'syncInterval'>,
  defaultInterval: number,
  now: number,
  random = Math.random,
): number {
  const interval = row.syncInterval ?? defaultInterval
  return Math.round(now + interval * (0.85 + 0.3 * random()))
}

/**
 * When a failed repository is tried again: one minute doubled with each failure up to six hours, half of it by chance
 * so that a host that comes back is not asked by everybody at once. `retryAfter` is what the host asked for, in seconds; at most a
 * day of it is given.
 */
export function nextRetry(failures: number, now: number, retryAfter = 0, random = Math.random): number {
  const ceiling = Math.min(LONGEST_RETRY, FIRST_RETRY * 2 ** Math.min(failures, 20))
  return Math.round(now + Math.max(Math.min(retryAfter, LONGEST_ASKED), ceiling * (0.5 + 0.5 * random())))
}

/** When a repository is tried again that a person has to mend first: its credentials were refused. */
export function retryAfterRefusal(now: number, random = Math.random): number {
  return Math.round(now + LONGEST_RETRY * (0.85 + 0.3 * random()))
}

import { isAppError } from '../errors.ts'
import type { RepositoryFailure, RepositoryRow } from '../store/repositories.ts'
import { isGone, nextRetry, retryAfterLimit, retryAfterMissing, retryAfterRefusal } from './schedule.ts'

/** Reasons that a person has to mend, at the host or here. */
const REFUSED = new Set(['auth', 'scope', 'permission', 'sso', 'credentials', 'host_key'])

/** What is shown of a failure that nobody expected; the log has the rest. */
const UNEXPECTED = 'Something unexpected went wrong; the log of the server says what.'

/**
 * What a failed sync means for its repository: the word and the sentence that are shown, and when it is tried again.
 * `limitedUntil` is the time until which the host asked to be left alone, Unix seconds; null when it did not.
 */
export function failureOf(
  error: unknown,
  row: RepositoryRow,
  { now, limitedUntil }: { now: number; limitedUntil: number | null },
): RepositoryFailure {
  const code = codeOf(error)
  const message = isAppError(error) ? error.message : UNEXPECTED
  // Only checks that found nothing count as such, whatever failed before them.
  const failures = code === 'missing' && row.errorCode !== 'missing' ? 1 : row.failures + 1
  const failure = { code, message, failures }
  if (REFUSED.has(code)) return { ...failure, nextSyncAt: retryAfterRefusal(now) }
  if (code === 'missing') return missing(failure, now)
  if (limitedUntil !== null) return { ...failure, nextSyncAt: retryAfterLimit(limitedUntil, now) }
  return { ...failure, nextSyncAt: nextRetry(failures - 1, now) }
}

/** Why a sync failed, in one word: `error_code` of its repository. */
function codeOf(error: unknown): string {
  if (!isAppError(error)) return 'internal'
  return typeof error.details.reason === 'string' ? error.details.reason : error.kind
}

function missing(failure: Omit<RepositoryFailure, 'nextSyncAt'>, now: number): RepositoryFailure {
  const { failures, message } = failure
  const nextSyncAt = retryAfterMissing(failures, now)
  if (!isGone(failures)) return { ...failure, nextSyncAt }
  const told = `${message} It was not found ${failures} times in a row; what is known of it stays, and it is looked for once a day.`
  return { ...failure, message: told, nextSyncAt }
}

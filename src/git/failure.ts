import { AppError, isAppError } from '../errors.ts'
import { withoutControls } from '../printable.ts'

/**
 * Why a git server could not be read; it is in `details.reason` of the `AppError('upstream')`, so that a sync can tell
 * "ask again later" from "somebody must act".
 *
 * - `auth`: the credentials are missing, wrong or not sufficient
 * - `missing`: no such repository, or hidden from these credentials
 * - `unreachable`: no connection, a broken connection, or an answer of the 5xx family
 * - `rate_limited`: the server asks to slow down; `details.retry_after` holds seconds when it said how long
 * - `refused`: the server understood the request and will not do it
 * - `unsupported`: a kind of server or repository that is not spoken here
 * - `protocol`: the answer breaks the rules of git
 * - `too_large`: the answer goes beyond a limit of `GitLimits`
 * - `host_key`: an ssh host key that is not the one on record
 */
export type GitFailureReason =
  | 'auth'
  | 'missing'
  | 'unreachable'
  | 'rate_limited'
  | 'refused'
  | 'unsupported'
  | 'protocol'
  | 'too_large'
  | 'host_key'

/** An `AppError('upstream')` with its reason. `cause` is for the operator's log only. */
export function gitFailure(
  reason: GitFailureReason,
  sentence: string,
  options: { cause?: unknown; details?: Record<string, unknown> } = {},
): AppError {
  const details = { ...options.details, reason }
  return new AppError(
    'upstream',
    sentence,
    options.cause === undefined ? { details } : { details, cause: options.cause },
  )
}

/** The reason of an error made by `gitFailure`; null for any other error. */
export function gitFailureReason(error: unknown): GitFailureReason | null {
  if (!isAppError(error, 'upstream')) return null
  const reason = error.details.reason
  return typeof reason === 'string' ? (reason as GitFailureReason) : null
}

const LONGEST_QUOTE = 300

/** Text from a stranger made fit for a sentence: one line, no control characters, at most 300 characters. */
export function cleanText(text: string): string {
  const clean = withoutControls(text.slice(0, 4 * LONGEST_QUOTE))
  const words = clean.split(' ').filter((word) => word !== '')
  const line = words.join(' ')
  return line.length > LONGEST_QUOTE ? `${line.slice(0, LONGEST_QUOTE)}…` : line
}

/** What a server said in an ERR line or on the error band, as a failure of the fitting reason. */
export function serverSaid(text: string): AppError {
  const said = cleanText(text)
  const lower = said.toLowerCase()
  const quote = `The git server says: ${said === '' ? '(nothing)' : said}`
  const has = (...words: string[]) => words.some((word) => lower.includes(word))
  if (has('rate limit', 'too many requests')) return gitFailure('rate_limited', quote)
  if (has('authentication failed', 'permission denied', 'unauthorized')) return gitFailure('auth', quote)
  if (has('repository not found', 'repository not exported', 'no such repository')) return gitFailure('missing', quote)
  return gitFailure('refused', quote)
}

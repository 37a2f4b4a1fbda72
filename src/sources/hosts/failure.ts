import { AppError, isAppError } from '../../errors.ts'

/**
 * Why a host's API gave no answer, in `details.reason` of the `AppError('upstream')`; the words of `GitFailureReason`
 * where they mean the same.
 *
 * - `auth`: the credential is missing, wrong, expired or revoked
 * - `scope`: the credential is right and lacks a permission, which the sentence names
 * - `permission`: whoever the credential belongs to has no access
 * - `sso`: the organisation wants the credential approved first
 * - `missing`: no such repository, or hidden from this credential
 * - `rate_limited`: asked too often; `details.retry_after` holds seconds when the host said how long
 * - `refused`: the host understood the request and will not do it
 * - `unreachable`: no connection, or an answer of the 5xx family
 * - `protocol`: an answer that cannot be understood, or goes beyond a limit
 */
export type HostFailureReason =
  | 'auth'
  | 'scope'
  | 'permission'
  | 'sso'
  | 'missing'
  | 'rate_limited'
  | 'refused'
  | 'unreachable'
  | 'protocol'

/** An `AppError('upstream')` with its reason. `cause` is for the operator's log only. */
export function hostFailure(
  reason: HostFailureReason,
  sentence: string,
  options: { details?: Record<string, unknown>; cause?: unknown } = {},
): AppError {
  const details = { ...options.details, reason }
  return new AppError(
    'upstream',
    sentence,
    options.cause === undefined ? { details } : { details, cause: options.cause },
  )
}

/** The reason of an error of a host's API; null for any other error. */
export function hostFailureReason(error: unknown): HostFailureReason | null {
  if (!isAppError(error, 'upstream')) return null
  const reason = error.details.reason
  return typeof reason === 'string' ? (reason as HostFailureReason) : null
}

import { isAppError } from '../errors.ts'
import type { DiscoveryRow } from '../store/discoveries.ts'
import type { LookFailure } from '../store/discovery-claims.ts'
import { nextRetry, retryAfterLimit, retryAfterRefusal } from './schedule.ts'

/** What only another credential mends. */
const NEEDS_CREDENTIAL = ['auth', 'scope', 'credentials', 'invalid']
/** What somebody has to mend at the host. */
const NEEDS_PERSON = ['permission', 'sso', 'missing', 'owner_renamed']

/** What is shown of a look or probe that failed, and when it is tried again. `now` in Unix seconds. */
export function lookFailure(error: unknown, { failures }: Pick<DiscoveryRow, 'failures'>, now: number): LookFailure {
  if (!isAppError(error)) {
    const message = 'Something unexpected went wrong; the log of the server says what.'
    return { code: 'internal', message, nextLookAt: nextRetry(failures, now) }
  }
  const { reason, retry_after: wait } = error.details
  const code = typeof reason === 'string' ? reason : error.kind
  return { code, message: error.message, nextLookAt: nextLookAt(code, Number(wait ?? 0), failures, now) }
}

function nextLookAt(code: string, wait: number, failures: number, now: number): number | null {
  if (NEEDS_CREDENTIAL.includes(code)) return null
  if (NEEDS_PERSON.includes(code)) return retryAfterRefusal(now)
  return wait > 0 ? retryAfterLimit(now + wait, now) : nextRetry(failures, now)
}

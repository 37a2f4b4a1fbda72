/** What a host says of its rate limit. */
export interface Budget {
  /** Requests that are left; null when the host does not say. */
  readonly remaining: number | null
  /** Requests that there are between two starts; null when the host does not say. */
  readonly limit: number | null
  /** When the limit starts again, Unix seconds. */
  readonly resetAt: number | null
  /** Seconds for which nothing should be asked, from now. */
  readonly retryAfter: number | null
}

/** Nothing waits longer than a day because a header says so. */
const LONGEST_WAIT = 86_400

/** A number this large is a date, a smaller one a distance. */
const FIRST_DATE = 1_000_000_000

/**
 * Reads the headers of GitHub, Gitea and Bitbucket (`X-RateLimit-*`), of GitLab (`RateLimit-*`) and `Retry-After` (in
 * seconds or as a date, RFC 9110). `now` is in Unix seconds. Null when there are none; what is malformed is left out.
 */
export function parseBudget(headers: Headers, now: number): Budget | null {
  const remaining = wholeNumber(headers.get('x-ratelimit-remaining') ?? headers.get('ratelimit-remaining'))
  const limit = wholeNumber(headers.get('x-ratelimit-limit') ?? headers.get('ratelimit-limit'))
  const reset = wholeNumber(headers.get('x-ratelimit-reset') ?? headers.get('ratelimit-reset'))
  const retryAfter = parseRetryAfter(headers.get('retry-after'), now)
  if (remaining === null && reset === null && retryAfter === null) return null
  return { remaining, limit, resetAt: reset === null ? null : resetDate(reset, now), retryAfter }
}

/** Seconds until a budget allows the next request: 0 when it does, null when it does not say. */
export function secondsToWait(budget: Budget | null, now: number): number | null {
  if (budget?.retryAfter != null) return budget.retryAfter
  if (budget?.remaining === 0 && budget.resetAt !== null) return Math.max(1, budget.resetAt - now)
  return budget?.remaining == null || budget.remaining === 0 ? null : 0
}

function resetDate(value: number, now: number): number {
  const date = value >= FIRST_DATE ? value : now + value
  return Math.min(date, now + LONGEST_WAIT)
}

function parseRetryAfter(text: string | null, now: number): number | null {
  if (text === null) return null
  const date = Date.parse(text)
  const seconds = wholeNumber(text) ?? (Number.isNaN(date) ? null : Math.ceil(date / 1000 - now))
  return seconds === null ? null : Math.min(Math.max(seconds, 0), LONGEST_WAIT)
}

function wholeNumber(text: string | null): number | null {
  return text !== null && /^\d{1,12}$/.test(text.trim()) ? Number(text) : null
}

import { ValidationError } from 'elysia'
import { AppError, type ErrorKind, isAppError } from '../../errors.ts'
import { methodsAt, type Route } from '../route-table.ts'

/** Status and code of each kind of error. */
export const ERROR_STATUS: Record<ErrorKind, readonly [status: number, code: string]> = {
  invalid: [400, 'INVALID_REQUEST'],
  unauthorized: [401, 'UNAUTHORIZED'],
  token_expired: [401, 'TOKEN_EXPIRED'],
  forbidden: [403, 'FORBIDDEN'],
  not_found: [404, 'NOT_FOUND'],
  method_not_allowed: [405, 'METHOD_NOT_ALLOWED'],
  conflict: [409, 'CONFLICT'],
  too_large: [413, 'PAYLOAD_TOO_LARGE'],
  rate_limited: [429, 'RATE_LIMITED'],
  upstream: [502, 'UPSTREAM_ERROR'],
  unavailable: [503, 'UNAVAILABLE'],
  disk_full: [507, 'DISK_FULL'],
}

/** Paths that `composer` itself asks: there an error also carries `warning`, which Composer prints. */
const COMPOSER_PATHS =
  /^\/(?:packages\.json$|p2\/|dist\/|packages\/list\.json$|search\.json$|providers\/|metadata\/|filter-lists\/|api\/(?:security-advisories|filter-lists)\/?$)/

/**
 * The answer for any thrown value. `details` of a bug holds the request id and nothing of the inside.
 * The content type has no charset: only then does Composer print the text (Composer: CurlDownloader).
 */
export function errorResponse(error: unknown, request: { path: string; id: string }): Response {
  const expected = isAppError(error) ? error : null
  const [status, code] = expected ? ERROR_STATUS[expected.kind] : [500, 'INTERNAL_ERROR']
  const message =
    expected?.message ?? 'Something went wrong inside the server; its log has the details under this request id.'
  const details = expected ? publicDetails(expected) : { request_id: request.id }
  const warning = COMPOSER_PATHS.test(request.path) ? { warning: message } : {}
  return new Response(JSON.stringify({ error: message, code, details, ...warning }), {
    status,
    headers: { 'Content-Type': 'application/json', 'Cache-Control': 'no-store', ...headersOf(expected) },
  })
}

function publicDetails(error: AppError): Record<string, unknown> {
  const { allow: _allow, ...details } = error.details
  return details
}

function headersOf(error: AppError | null): Record<string, string> {
  if (error?.kind === 'unauthorized' || error?.kind === 'token_expired') {
    return { 'WWW-Authenticate': 'Basic realm="package-broker", charset="UTF-8"' }
  }
  if (error?.kind === 'method_not_allowed') return { Allow: String(error.details.allow ?? '') }
  const retryAfter = error?.details.retry_after
  return retryAfter === undefined ? {} : { 'Retry-After': String(retryAfter) }
}

/**
 * What Elysia throws, in our terms: an unknown route, a wrong method, a body that is no JSON or does not fit its
 * schema. Anything else is returned as it is.
 */
export function translateError(code: unknown, error: unknown, request: Request, routes: readonly Route[]): unknown {
  if (code === 'NOT_FOUND' && !isAppError(error)) return unknownRoute(request, routes)
  if (code === 'PARSE') return unreadableBody(error)
  if (error instanceof ValidationError) return invalidFields(error)
  return error
}

/** Elysia wraps whatever is thrown while parsing; a refusal of the token is thrown there too and comes first. */
function unreadableBody(error: unknown): AppError {
  const cause = error instanceof Error ? error.cause : undefined
  if (isAppError(cause)) return cause
  return new AppError('invalid', 'The body is not valid JSON.', { cause: error })
}

function unknownRoute(request: Request, routes: readonly Route[]): AppError {
  const { pathname } = new URL(request.url)
  const allowed = methodsAt(routes, pathname)
  if (allowed.length === 0) return new AppError('not_found', `There is nothing at ${pathname}.`)
  const allow = allowed.join(', ')
  return new AppError('method_not_allowed', `${request.method} is not possible at ${pathname}; use ${allow}.`, {
    details: { allow },
  })
}

/** Most fields named in one answer, and the longest name shown. */
const MOST_FIELDS = 50
const LONGEST_NAME = 200

function invalidFields(error: ValidationError): AppError {
  // A map, since a client may name a field __proto__.
  const fields = new Map<string, string>()
  for (const entry of error.all) {
    if (!('path' in entry)) continue
    const path = entry.path.replace(/^\//, '').replaceAll('/', '.').slice(0, LONGEST_NAME) || error.type
    if (!fields.has(path)) fields.set(path, expectation(entry))
    if (fields.size === MOST_FIELDS) break
  }
  const names = [...fields.keys()].join(', ')
  return new AppError('invalid', `These fields are wrong: ${names}.`, {
    details: { fields: Object.fromEntries(fields) },
  })
}

function expectation(entry: { schema?: unknown; message?: string }): string {
  const schema = entry.schema as { description?: string } | undefined
  if (entry.message?.startsWith('Unexpected property')) return 'is not a known field'
  return schema?.description ?? entry.message ?? 'is not as expected'
}

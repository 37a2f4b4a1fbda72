import { AppError, isAppError, messageOf } from '../errors.ts'
import type { UpstreamHttp, UpstreamResponse } from '../sources/upstream-http.ts'
import type { HostGates } from './host-gate.ts'
import { discardBody, protocolError, READABLE_ENCODINGS, readBody } from './response-body.ts'
import type { Upstream, Validators } from './upstream.ts'

/** One request to an upstream. */
export interface TransferRequest {
  readonly url: string
  /** Sent with POST when given. */
  readonly form?: string
  /** Validators of the copy that is known here. */
  readonly known?: Validators | null
  /** Statuses whose body is an answer, beside 200. */
  readonly accept?: readonly number[]
  /** Largest body, in bytes. */
  readonly limit: number
  /** Time from the request to the last byte, in milliseconds. */
  readonly deadline: number
}

/** What an upstream answered. */
export type Transfer =
  | { readonly kind: 'unchanged' }
  | { readonly kind: 'absent' }
  | ({ readonly kind: 'found'; readonly bytes: Uint8Array } & Validators)

/** Sends requests to one upstream, with its credentials, and says what came of them. */
export class UpstreamTransfers {
  constructor(
    private readonly upstream: Pick<Upstream, 'credentials'>,
    private readonly http: UpstreamHttp,
    private readonly gates: HostGates,
  ) {}

  /**
   * Asks once, and once more when the connection broke. Only 404 and 410 are `absent`. Throws AppError('upstream') with
   * a `details.reason`: `unreachable` for a host that failed or is left alone, `rate_limited`, `credentials`, `busy`,
   * `address_refused`, and `protocol` for an answer that is not what was asked for.
   */
  async fetch(request: TransferRequest, signal: AbortSignal): Promise<Transfer> {
    const { host } = new URL(request.url)
    return this.gates.of(host).pass(signal, async () => {
      const timeout = AbortSignal.timeout(request.deadline)
      const either = AbortSignal.any([signal, timeout])
      try {
        return await this.attempt(request, either).catch((error) => {
          either.throwIfAborted()
          if (!isBroken(error)) throw error
          return this.attempt(request, either)
        })
      } catch (error) {
        signal.throwIfAborted()
        if (timeout.aborted) throw unreachable(`${host} did not answer within ${request.deadline / 1000} seconds.`)
        throw isAppError(error) ? error : unreachable(`The connection to ${host} broke: ${messageOf(error)}`, error)
      }
    })
  }

  private async attempt(request: TransferRequest, signal: AbortSignal): Promise<Transfer> {
    const { form, known } = request
    const headers: Record<string, string> = { Accept: 'application/json', 'Accept-Encoding': READABLE_ENCODINGS }
    if (form !== undefined) headers['Content-Type'] = 'application/x-www-form-urlencoded'
    if (known?.etag) headers['If-None-Match'] = known.etag
    if (known?.lastModified) headers['If-Modified-Since'] = known.lastModified
    const response = await this.http.send(
      {
        method: form === undefined ? 'GET' : 'POST',
        url: request.url,
        headers,
        ...(form === undefined ? {} : { body: new TextEncoder().encode(form) }),
        decompress: false,
        signal,
      },
      this.upstream.credentials,
    )
    return this.read(response, request)
  }

  private async read(response: UpstreamResponse, request: TransferRequest): Promise<Transfer> {
    const { status, headers } = response
    if (status === 200 || request.accept?.includes(status)) {
      const bytes = await readBody(response, request.limit)
      return { kind: 'found', bytes, etag: headers.get('etag'), lastModified: headers.get('last-modified') }
    }
    await discardBody(response)
    if (status === 404 || status === 410) return { kind: 'absent' }
    if (status === 304 && request.known) return { kind: 'unchanged' }
    throw this.failureOf(response)
  }

  private failureOf({ status, headers, url }: UpstreamResponse): AppError {
    const { host, origin } = new URL(url)
    if (status === 401 || status === 403) return this.refused(status, host, origin)
    const wait = status === 429 || status === 503 ? retryAfter(headers.get('retry-after')) : null
    const retry = wait === null ? {} : { retry_after: wait }
    if (status === 429) {
      const details = { reason: 'rate_limited', status, ...retry }
      return new AppError('upstream', `${host} asks to slow down (HTTP 429).`, { details })
    }
    if (status >= 500) {
      const details = { reason: 'unreachable', status, ...retry }
      return new AppError('upstream', `${host} failed (HTTP ${status}).`, { details })
    }
    return protocolError(`${host} answered with HTTP ${status}, which is no answer of a Composer repository.`)
  }

  private refused(status: number, host: string, origin: string): AppError {
    const { credentials } = this.upstream
    const remedy =
      credentials === null
        ? 'give the repository credential_type and auth_credentials'
        : credentials.origin === origin
          ? 'its auth_credentials are wrong, expired or not enough; set new ones'
          : `auth_credentials are sent to ${credentials.origin} only`
    return new AppError('upstream', `${host} refuses access (HTTP ${status}): ${remedy}.`, {
      details: { reason: 'credentials', status },
    })
  }
}

function isBroken(error: unknown): boolean {
  return !isAppError(error) || (error.details.reason === 'unreachable' && error.details.status === undefined)
}

function unreachable(sentence: string, cause?: unknown): AppError {
  const details = { reason: 'unreachable' }
  return new AppError('upstream', sentence, cause === undefined ? { details } : { details, cause })
}

/** Seconds to wait; null when the server does not say. */
function retryAfter(text: string | null): number | null {
  if (text === null) return null
  if (/^\d{1,9}$/.test(text)) return Number(text)
  const date = Date.parse(text)
  return Number.isNaN(date) ? null : Math.max(0, Math.ceil((date - Date.now()) / 1000))
}

import { messageOf } from '../../errors.ts'
import type { UpstreamHttp, UpstreamResponse } from '../upstream-http.ts'
import { type Budget, parseBudget, secondsToWait } from './budget.ts'
import { type HostFailureReason, hostFailure, hostFailureReason } from './failure.ts'
import { Fields } from './fields.ts'

/** Longest answer read, in bytes; a hundred repositories of GitHub have about 600,000. */
const LONGEST_ANSWER = 4 * 1024 * 1024
/** Longest refusal read: only its message is wanted. */
const LONGEST_REFUSAL = 64 * 1024

/** An answer of the 2xx family, or a 304. */
export interface ApiAnswer {
  readonly status: number
  readonly headers: Headers
  /** The JSON that came; null when there was none. */
  readonly json: unknown
}

/** An answer that says no: what a host's rules for refusals read. */
export interface Refusal {
  readonly status: number
  readonly headers: Headers
  /** The body when it is an object, else an empty one. */
  readonly body: Fields
}

/** What a host means by a refusal: the reason and a sentence; null leaves it to the status. */
export type ReadRefusal = (refusal: Refusal, wanted: string) => { reason: HostFailureReason; sentence: string } | null

/** One request of an API. */
export interface ApiRequest {
  readonly method?: 'GET' | 'POST' | 'DELETE'
  /** Path behind the base address, or an address of the same origin. */
  readonly path: string
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  /** What the request is for, as an end of “The credential may not …”: `read the repository acme/lib`. */
  readonly wanted: string
  readonly signal: AbortSignal
}

/** A request that was sent, and whether it went without a credential. */
type SentRequest = ApiRequest & { readonly anonymous: boolean }

/** How an API is asked. */
export interface HostApiOptions {
  readonly http: UpstreamHttp
  /** Address of the API, without a slash at the end. */
  readonly base: string
  /** Sent with every request. */
  readonly headers: Readonly<Record<string, string>>
  /** Headers that let in, made anew for each request; they are sent to the API's origin and nowhere else. */
  readonly authorization: (signal: AbortSignal) => Promise<Readonly<Record<string, string>>>
  readonly readRefusal: ReadRefusal
}

/** Asks the JSON API of a host: bounded answers, one origin, refusals as AppError('upstream') with their reason. */
export class HostApi {
  /** What the last answer said of the rate limit. */
  budget: Budget | null = null
  /** Host name, for sentences. */
  readonly where: string
  private readonly origin: string

  constructor(private readonly options: HostApiOptions) {
    const { host, origin } = new URL(options.base)
    this.where = host
    this.origin = origin
  }

  /** Throws AppError('upstream') for every answer that is neither 2xx nor 304. */
  async send(request: ApiRequest): Promise<ApiAnswer> {
    const url = this.address(request.path)
    const headers = await this.options.authorization(request.signal)
    const response = await this.options.http.send(
      {
        method: request.method ?? 'GET',
        url,
        headers: {
          ...this.options.headers,
          ...request.headers,
          ...(request.body === undefined ? {} : { 'Content-Type': 'application/json' }),
        },
        ...(request.body === undefined ? {} : { body: new TextEncoder().encode(JSON.stringify(request.body)) }),
        // Another server's answer would pass for this host's, and the body may hold the secret of a webhook.
        sameOrigin: true,
        signal: request.signal,
      },
      { origin: this.origin, headers },
    )
    return this.read(response, { ...request, anonymous: Object.keys(headers).length === 0 })
  }

  /** Deletes; what is not there any more is as good as deleted. */
  async remove(request: Omit<ApiRequest, 'method'>): Promise<void> {
    try {
      await this.send({ ...request, method: 'DELETE' })
    } catch (error) {
      if (hostFailureReason(error) !== 'missing') throw error
    }
  }

  /** The address of a path, or of a link from an answer, which must not lead to another origin. */
  private address(path: string): string {
    if (path.startsWith('/')) return this.options.base + path
    if (URL.canParse(path) && new URL(path).origin === this.origin) return path
    throw hostFailure('protocol', `${this.where} sent a link that leads to another host.`)
  }

  private async read(response: UpstreamResponse, request: SentRequest): Promise<ApiAnswer> {
    const { status, headers } = response
    const now = Math.floor(Date.now() / 1000)
    this.budget = parseBudget(headers, now) ?? this.budget
    const good = (status >= 200 && status < 300) || status === 304
    const text = await boundedText(response, this.where, good ? LONGEST_ANSWER : LONGEST_REFUSAL)
    if (!good) throw this.refused({ status, headers, body: looseObject(this.where, text) }, request, now)
    return { status, headers, json: text === '' ? null : parsed(this.where, text) }
  }

  private refused(refusal: Refusal, { wanted, anonymous }: SentRequest, now: number): Error {
    const { where } = this
    const { status } = refusal
    const budget = parseBudget(refusal.headers, now)
    const own = this.options.readRefusal(refusal, wanted)
    if (status === 429 || own?.reason === 'rate_limited') {
      const seconds = secondsToWait(budget, now)
      const wait = seconds === null ? '' : `; it may be asked again in ${seconds} seconds`
      const details = seconds === null ? {} : { retry_after: seconds }
      return hostFailure('rate_limited', `${where} limits how often it may be asked${wait}.`, { details })
    }
    if (own !== null) return hostFailure(own.reason, own.sentence)
    if (status === 401 && anonymous) return hostFailure('auth', `${where} asks for a credential, and none is set.`)
    if (status === 401)
      return hostFailure('auth', `${where} does not accept the credential: it is wrong, expired or revoked.`)
    if (status === 403) return hostFailure('permission', `The credential for ${where} may not ${wanted}.`)
    if (status === 404) {
      return hostFailure(
        'missing',
        `${where} has nothing there to ${wanted}, or hides it from ${anonymous ? 'requests without a credential' : 'this credential'}.`,
      )
    }
    if (status >= 500) return hostFailure('unreachable', `${where} answered with status ${status}.`)
    return hostFailure('refused', `${where} refused to ${wanted}: status ${status}.`)
  }
}

async function boundedText(response: UpstreamResponse, where: string, limit: number): Promise<string> {
  const chunks: Uint8Array[] = []
  let length = 0
  const reader = response.body?.getReader()
  for (;;) {
    const { done, value } = (await reader?.read()) ?? { done: true, value: undefined }
    if (done || value === undefined) break
    length += value.length
    if (length > limit) {
      await reader?.cancel()
      throw hostFailure('protocol', `${where} answered with more than ${limit} bytes.`)
    }
    chunks.push(value)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function parsed(where: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw hostFailure('protocol', `${where} answered with something that is no JSON: ${messageOf(cause)}`, { cause })
  }
}

/** The body of a refusal: whatever it is, the refusal stands. */
function looseObject(where: string, text: string): Fields {
  try {
    return Fields.of(where, JSON.parse(text))
  } catch {
    return Fields.of(where, {})
  }
}

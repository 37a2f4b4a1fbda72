import { gzipSync } from 'node:zlib'
import { isAppError } from '../errors.ts'
import { gitFailure } from './failure.ts'
import type { GitReply, GitTransport } from './transport.ts'

/** A request that the caller sends for this room. */
export interface GitHttpRequest {
  readonly method: 'GET' | 'POST'
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: Uint8Array
  readonly signal: AbortSignal
}

/** The answer; a `Response` fits. */
export interface GitHttpResponse {
  readonly status: number
  /** The address that answered, after redirects. */
  readonly url: string
  readonly headers: { get(name: string): string | null }
  readonly body: ReadableStream<Uint8Array> | null
}

/**
 * Sends one request. Adds credentials, checks the address, follows redirects, applies time limits; answers of every
 * status are returned. Throws when there is no answer: an `AppError` goes on as it is, anything else is `unreachable`.
 */
export type GitHttpSend = (request: GitHttpRequest) => Promise<GitHttpResponse>

const INFO_REFS = '/info/refs?service=git-upload-pack'
const GZIP_FROM_BYTES = 1024
const HEADERS = { 'git-protocol': 'version=2', 'user-agent': 'git/package-broker' }

/** Git over HTTP (`git: http-protocol`, smart clients): one GET for capabilities, one POST for each command. */
export class SmartHttpTransport implements GitTransport {
  readonly #send: GitHttpSend
  #base: string

  /** `url`: the repository's address as `git clone` takes it, without credentials. */
  constructor(url: string, send: GitHttpSend) {
    this.#base = url.replace(/\/{1,16}$/, '')
    this.#send = send
  }

  async advertisement(signal: AbortSignal): Promise<GitReply> {
    const url = this.#base + INFO_REFS
    const response = await this.#request({ method: 'GET', url, headers: HEADERS, signal })
    const type = contentType(response)
    if (type !== 'application/x-git-upload-pack-advertisement') {
      discard(response)
      throw notSmart(type)
    }
    this.#base = redirectedBase(this.#base, url, response)
    return new HttpReply(response, signal)
  }

  async command(request: Uint8Array, signal: AbortSignal): Promise<GitReply> {
    const headers: Record<string, string> = {
      ...HEADERS,
      'content-type': 'application/x-git-upload-pack-request',
      accept: 'application/x-git-upload-pack-result',
    }
    const zipped = request.length > GZIP_FROM_BYTES
    if (zipped) headers['content-encoding'] = 'gzip'
    const body = zipped ? gzipSync(request, { level: 6 }) : request
    const response = await this.#request({
      method: 'POST',
      url: `${this.#base}/git-upload-pack`,
      headers,
      body,
      signal,
    })
    if (contentType(response) !== 'application/x-git-upload-pack-result') {
      discard(response)
      throw gitFailure('protocol', 'The server answered a git request with something that is not git.')
    }
    return new HttpReply(response, signal)
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  async #request(request: GitHttpRequest): Promise<GitHttpResponse> {
    let response: GitHttpResponse
    try {
      response = await this.#send(request)
    } catch (error) {
      request.signal.throwIfAborted()
      if (isAppError(error)) throw error
      throw gitFailure('unreachable', 'The git server could not be reached.', { cause: error })
    }
    if (response.status === 200) return response
    discard(response)
    throw failureOfStatus(response)
  }
}

/** The type without its parameters, in lower case. */
function contentType(response: GitHttpResponse): string {
  return (response.headers.get('content-type') ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? ''
}

function notSmart(type: string): Error {
  if (type === 'text/plain' || type === 'application/octet-stream') {
    const sentence = 'The server offers this repository as plain files (dumb HTTP); a server with smart HTTP is needed.'
    return gitFailure('unsupported', sentence)
  }
  return gitFailure(
    'protocol',
    'There is a web page at this URL, not a git repository; give the URL that `git clone` takes.',
  )
}

/** After a redirect of the first request, commands go where it led (`git: http-protocol`, smart server). */
function redirectedBase(base: string, asked: string, response: GitHttpResponse): string {
  if (response.url === '' || response.url === asked) return base
  if (!response.url.endsWith(INFO_REFS)) {
    discard(response)
    throw gitFailure('protocol', 'The git server redirects to an address that is no git repository.')
  }
  return response.url.slice(0, -INFO_REFS.length)
}

function failureOfStatus(response: GitHttpResponse): Error {
  const { status } = response
  const wait = retryAfter(response)
  const limited =
    status === 429 || (status === 403 && (wait !== null || response.headers.get('x-ratelimit-remaining') === '0'))
  if (limited) {
    const details = { status, ...(wait === null ? {} : { retry_after: wait }) }
    return gitFailure('rate_limited', 'The git server asks to slow down.', { details })
  }
  const details = { status }
  if (status === 401) {
    return gitFailure('auth', 'The git server wants credentials, or refuses the ones it got.', { details })
  }
  if (status === 403) return gitFailure('auth', 'The credentials do not allow reading this repository.', { details })
  if (status === 404 || status === 410) {
    const sentence = 'There is no such repository, or the credentials do not allow seeing it.'
    return gitFailure('missing', sentence, { details })
  }
  if (status >= 500) return gitFailure('unreachable', `The git server failed (HTTP ${status}).`, { details })
  return gitFailure('protocol', `The git server answered with HTTP ${status}.`, { details })
}

/** Seconds to wait; null when the server does not say. */
function retryAfter(response: GitHttpResponse): number | null {
  const text = response.headers.get('retry-after')
  if (text === null) return null
  if (/^\d{1,9}$/.test(text)) return Number(text)
  const date = Date.parse(text)
  return Number.isNaN(date) ? null : Math.max(0, Math.ceil((date - Date.now()) / 1000))
}

/** An unread body would keep its connection. */
function discard(response: GitHttpResponse): void {
  response.body?.cancel().catch(() => undefined)
}

class HttpReply implements GitReply {
  readonly #reader: {
    read(): Promise<{ done: boolean; value?: Uint8Array | undefined }>
    cancel(): Promise<void>
  } | null
  readonly #signal: AbortSignal

  constructor(response: GitHttpResponse, signal: AbortSignal) {
    this.#reader = response.body?.getReader() ?? null
    this.#signal = signal
  }

  async read(): Promise<Uint8Array | null> {
    if (this.#reader === null) return null
    try {
      const { done, value } = await this.#reader.read()
      return done || value === undefined ? null : value
    } catch (error) {
      this.#signal.throwIfAborted()
      if (isAppError(error)) throw error
      throw gitFailure('unreachable', 'The connection to the git server broke during its answer.', { cause: error })
    }
  }

  /** Reading on to the end lets the connection be used again. */
  async finish(): Promise<void> {
    if ((await this.read()) !== null) this.abandon()
  }

  abandon(): void {
    this.#reader?.cancel().catch(() => undefined)
  }
}

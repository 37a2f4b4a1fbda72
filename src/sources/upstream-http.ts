import { isIP } from 'node:net'
import { AppError, messageOf } from '../errors.ts'
import type { NetworkList } from '../networks.ts'
import { checkedAddress, type Resolve, systemResolve } from './address-guard.ts'
import { SilenceTimer } from './silence.ts'

/** A request to another server. */
export interface UpstreamRequest {
  readonly method: 'GET' | 'POST' | 'DELETE'
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: Uint8Array
  /** False leaves the body as it was sent, in its `Content-Encoding`: for who counts bytes and bounds what they become. */
  readonly decompress?: boolean
  /** True refuses a redirect to another origin: for a body with a secret in it, and for answers that only this one may give. */
  readonly sameOrigin?: boolean
  readonly signal: AbortSignal
}

/** What came back; `url` is the address after redirects. The body is not inflated further than HTTP asks. */
export interface UpstreamResponse {
  readonly status: number
  readonly url: string
  readonly headers: Headers
  readonly body: ReadableStream<Uint8Array> | null
}

/** Headers that may be sent to one origin and to no other, whatever a redirect says. */
export interface BoundCredentials {
  /** Scheme, host and port, as `new URL(…).origin` gives them. */
  readonly origin: string
  readonly headers: Readonly<Record<string, string>>
}

/** The only way out of this process. */
export interface UpstreamHttp {
  /** Sends a request and follows redirects by hand. Throws AppError('upstream') with `details.reason`. */
  send(request: UpstreamRequest, credentials: BoundCredentials | null): Promise<UpstreamResponse>
  /** The address to connect to for a host, checked as every hop is; for connections that are not HTTP. */
  addressOf(host: string): Promise<string>
}

interface Answer {
  readonly response: Response
  readonly silence: SilenceTimer
}

const MAX_REDIRECTS = 5
/** How long a server may say nothing, before its answer or within it, in milliseconds. */
const PATIENCE = 60_000
const USER_AGENT = 'package-broker (+composer repository)'

/**
 * `allowedNetworks` are reachable though not public. Addresses are checked on every hop after resolving; a plain-http
 * connection is made to the checked address itself, and on https the certificate ties the connection to the name.
 */
export function createUpstreamHttp(options: {
  allowedNetworks: NetworkList
  fetch?: typeof fetch
  resolve?: Resolve
  /** Milliseconds of silence after which a server is given up. */
  patience?: number
}): UpstreamHttp {
  const { allowedNetworks, resolve = systemResolve } = options

  async function hop(request: UpstreamRequest, url: URL, credentials: BoundCredentials | null): Promise<Answer> {
    const address = await checkedAddress(url.hostname, allowedNetworks, resolve)
    const own = credentials?.origin === url.origin ? credentials.headers : {}
    const pinned = new URL(url)
    if (url.protocol === 'http:') pinned.hostname = isIP(address) === 6 ? `[${address}]` : address
    const silence = new SilenceTimer(url.host, options.patience ?? PATIENCE)
    const send = options.fetch ?? globalThis.fetch
    silence.wait()
    try {
      const response = await send(pinned, {
        method: request.method,
        headers: { 'User-Agent': USER_AGENT, ...request.headers, ...own, Host: url.host },
        ...(request.body === undefined ? {} : { body: request.body as Uint8Array<ArrayBuffer> }),
        redirect: 'manual',
        ...(request.decompress === undefined ? {} : { decompress: request.decompress }),
        signal: AbortSignal.any([request.signal, silence.signal]),
      })
      return { response, silence }
    } catch (error) {
      if (request.signal.aborted) throw request.signal.reason
      throw silence.signal.aborted ? silence.signal.reason : unreachable(url, error)
    } finally {
      silence.rest()
    }
  }

  return {
    addressOf: (host) => checkedAddress(host, allowedNetworks, resolve),
    async send(request, credentials) {
      let url = checkedUrl(request.url)
      for (let hops = 0; hops <= MAX_REDIRECTS; hops++) {
        const { response, silence } = await hop(request, url, credentials)
        const target = redirectTarget(response, request, url)
        if (target === null) {
          const body = response.body && silence.watch(response.body)
          return { status: response.status, url: url.href, headers: response.headers, body }
        }
        await response.body?.cancel()
        url = target
      }
      throw protocolError(`${url.host} redirects more than ${MAX_REDIRECTS} times.`)
    },
  }
}

function checkedUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
    throw protocolError('Only http and https addresses can be asked.')
  }
  return url
}

function redirectTarget(response: Response, request: UpstreamRequest, from: URL): URL | null {
  if (![301, 302, 303, 307, 308].includes(response.status)) return null
  const location = response.headers.get('location')
  if (location === null || !URL.canParse(location, from.href))
    throw protocolError(`${from.host} redirects without saying where to.`)
  if (request.method !== 'GET' && response.status < 307)
    throw protocolError(`${from.host} redirects a request that cannot be repeated.`)
  const target = checkedUrl(new URL(location, from.href).href)
  // Sent on, they would stand in for the credential that is bound to the origin, and be seen in messages.
  target.username = ''
  target.password = ''
  if (from.protocol === 'https:' && target.protocol === 'http:') {
    throw protocolError(`${from.host} redirects from https to http, which is refused.`)
  }
  if (request.sameOrigin === true && target.origin !== from.origin) {
    throw protocolError(`${from.host} redirects to ${target.host}, which is another host.`)
  }
  return target
}

function protocolError(sentence: string): AppError {
  return new AppError('upstream', sentence, { details: { reason: 'protocol' } })
}

/** What Bun words as a question to its user. */
const REFUSED = 'the connection is refused: nobody listens there, or a firewall is in between.'

function unreachable(url: URL, cause: unknown): AppError {
  const reason =
    (cause as { code?: unknown } | null)?.code === 'ECONNREFUSED' ? REFUSED : messageOf(cause).slice(0, 200)
  return new AppError('upstream', `${url.host} cannot be reached: ${reason}`, {
    details: { reason: 'unreachable' },
    cause,
  })
}

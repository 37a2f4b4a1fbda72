import { AppError } from '../errors.ts'
import type { NetworkList } from '../networks.ts'

/** Address of the peer that sent a request; null over the local socket and in tests that call the handler. */
export type PeerOf = (request: Request) => string | null

/** Finds the public origin of a request, with a path prefix if one is configured, without a slash at the end. */
export type BaseUrlOf = (request: Request) => string

const HOST = /^(?:[a-z0-9](?:[a-z0-9._-]{0,253})|\[[0-9a-f:.]{2,45}\])(?::[0-9]{1,5})?$/i

/**
 * `BASE_URL` when it is configured; else what the request was sent to, where `X-Forwarded-Proto` and `X-Forwarded-Host`
 * count only from a trusted proxy.
 */
export function baseUrlFinder(options: { baseUrl: string | null; trustProxy: NetworkList; peerOf: PeerOf }): BaseUrlOf {
  const { baseUrl, trustProxy, peerOf } = options
  if (baseUrl !== null) return () => baseUrl
  return (request) => {
    const host = request.headers.get('host') ?? 'localhost'
    if (trustProxy.cidrs.length === 0) return `http://${host}`
    const peer = peerOf(request)
    if (peer === null || !trustProxy.includes(peer)) return `http://${host}`
    const scheme = firstOf(request.headers.get('x-forwarded-proto')) === 'https' ? 'https' : 'http'
    const forwarded = firstOf(request.headers.get('x-forwarded-host'))
    return `${scheme}://${forwarded !== null && HOST.test(forwarded) ? forwarded : host}`
  }
}

/**
 * Refuses a Host header that is no host name: Elysia finds the path at a fixed distance, so an odd one would be routed
 * to another path than the one a guard saw. Throws AppError('invalid').
 */
export function checkHost(request: Request): void {
  const host = request.headers.get('host')
  if (host === null || !HOST.test(host) || host.length < 3) {
    throw new AppError('invalid', 'The Host header is not the name of a host.')
  }
}

/** Where the path begins in the address of a request, whose Host was checked. */
export function pathStart(url: string): number {
  return url.indexOf('/', url.indexOf('://') + 3)
}

/** Refuses a path with a broken percent code, which Elysia would hand on as null. Throws AppError('invalid'). */
export function checkPath(request: Request): void {
  if (!request.url.includes('%')) return
  try {
    decodeURIComponent(new URL(request.url).pathname)
  } catch (error) {
    throw new AppError('invalid', 'The path holds a percent code that stands for no character.', { cause: error })
  }
}

function firstOf(header: string | null): string | null {
  return header === null ? null : (header.split(',')[0]?.trim().toLowerCase() ?? null)
}

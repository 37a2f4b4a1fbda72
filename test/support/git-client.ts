import type { GitLimits } from '../../src/git/limits.ts'
import { type GitHttpSend, SmartHttpTransport } from '../../src/git/smart-http.ts'
import { OneFileRepository } from './one-file.ts'

/** Sends as the product does, without its address guard: loopback only. Follows no redirect unless `follow` is set. */
export function sendWithFetch(headers: Record<string, string> = {}, follow = false): GitHttpSend {
  return ({ url, method, headers: given, body, signal }) =>
    fetch(url, {
      method,
      headers: { ...given, ...headers },
      signal,
      redirect: follow ? 'follow' : 'manual',
      ...(body === undefined ? {} : { body: new Uint8Array(body) }),
    })
}

/** A repository read over HTTP from a test server. */
export function httpRepository(url: string, limits: Partial<GitLimits> = {}): OneFileRepository {
  return new OneFileRepository(new SmartHttpTransport(url, sendWithFetch()), limits)
}

/** A signal that ends a test which hangs. */
export function soon(): AbortSignal {
  return AbortSignal.timeout(10_000)
}

import { afterAll, beforeAll } from 'bun:test'

/**
 * Loaded before every test: a request to anything but loopback fails the test that made it. Programs that tests start
 * (composer, git) get only loopback addresses from us; this fence covers what runs inside the test process.
 */
const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/

const realFetch = globalThis.fetch

function fencedFetch(input: string | URL | Request, init?: RequestInit): Promise<Response> {
  const url = new URL(input instanceof Request ? input.url : String(input))
  if (!LOOPBACK.test(url.hostname)) {
    throw new Error(`A test asked ${url.origin}; tests may reach loopback only.`)
  }
  return realFetch(input as Request, init)
}

beforeAll(() => {
  globalThis.fetch = Object.assign(fencedFetch, { preconnect: realFetch.preconnect }) as typeof fetch
})

afterAll(() => {
  globalThis.fetch = realFetch
})

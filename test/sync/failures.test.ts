import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test'
import { cutListing, cutOff, errorLine, type Fault, flippedTrailer, onFetch, status } from '../support/git-front.ts'
import { SyncStage, simple } from './support.ts'

let stage: SyncStage
let other: ReturnType<typeof Bun.serve>
const seenByOther: Headers[] = []

beforeAll(async () => {
  stage = await SyncStage.open({ resolve: async (host) => NAMES[host] ?? ['127.0.0.1'], allowed: '127.0.0.0/8' })
  other = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    fetch(request) {
      seenByOther.push(request.headers)
      const url = new URL(request.url)
      return fetch(`${stage.git.url}${url.pathname}${url.search}`, {
        method: request.method,
        headers: request.headers,
        ...(request.body === null ? {} : { body: request.body }),
      })
    },
  })
})
afterAll(async () => {
  await other.stop(true)
  await stage.close()
})
afterEach(() => {
  stage.fault = null
  seenByOther.length = 0
})

const NAMES: Record<string, string[]> = {
  'two.example.org': ['93.184.216.34', '10.0.0.7'],
  'metadata.example.org': ['169.254.169.254'],
  'mapped.example.org': ['::ffff:10.0.0.1'],
}

describe('when the source fails, what is stored stays', () => {
  const faults: [string, string, Fault][] = [
    ['credentials refused', 'auth', status(401)],
    ['credentials too weak', 'auth', status(403)],
    ['gone', 'missing', status(404)],
    ['too many requests', 'rate_limited', status(429, { 'retry-after': '7200' })],
    ['a failure of the server', 'unreachable', status(500)],
    ['a gateway without a server', 'unreachable', status(503)],
    ['a web page', 'protocol', () => new Response('<html>', { headers: { 'content-type': 'text/html' } })],
    ['a list that is cut off', 'protocol', cutListing],
    ['a pack that is cut off', 'protocol', onFetch(cutOff)],
    ['a pack with a wrong checksum', 'protocol', onFetch(flippedTrailer)],
    ['what git says on its error line', 'refused', errorLine],
    [
      'a redirect without an end',
      'protocol',
      (request) => new Response(null, { status: 302, headers: { location: request.url } }),
    ],
    ['a redirect to a file', 'protocol', status(302, { location: 'file:///etc/passwd' })],
    [
      'a redirect to an internal address',
      'address_refused',
      status(302, { location: 'http://169.254.169.254/x.git/info/refs?service=git-upload-pack' }),
    ],
    [
      'a redirect to an internal name',
      'address_refused',
      status(302, { location: 'http://metadata.example.org/info/refs?service=git-upload-pack' }),
    ],
  ]

  test.each(faults)('%s: %s', async (name, code, fault) => {
    const id = await stage.add('lib', { urlKey: name })
    const repository = stage.repository(name, simple(`acme/${faults.findIndex(([other]) => other === name)}`))
    await stage.store.repositories.update(id, { url: stage.url(encodeURIComponent(name)) }, stage.now)
    expect((await stage.sync(id)).status).toBe('active')
    const before = await stage.stored(id)
    repository.commit({ files: { 'a.php': 'new' }, tags: ['v2.0.0'] })
    stage.fault = fault
    const row = await stage.sync(id)
    expect(row).toMatchObject({ status: 'error', errorCode: code, failures: 1 })
    expect(row.errorMessage?.length).toBeGreaterThan(20)
    expect(await stage.stored(id)).toEqual(before)
    const wait = (row.nextSyncAt ?? 0) - stage.now
    if (code === 'auth') expect(wait).toBeGreaterThan(20 * 3600)
    else if (code === 'missing') expect(wait >= 3_060 && wait <= 4_140).toBe(true)
    else if (code === 'rate_limited') expect(wait >= 7_200 && wait <= 7_260).toBe(true)
    else expect(wait >= 30 && wait <= 60).toBe(true)
    stage.fault = null
    stage.now = row.nextSyncAt ?? 0
    expect(await stage.sync(id)).toMatchObject({ status: 'active', errorCode: null, errorMessage: null, failures: 0 })
    expect(await stage.offered(id)).toHaveLength(4)
  })

  test('back-off grows, has an end, and is forgotten after a success', async () => {
    stage.repository('backoff', simple('acme/backoff'))
    const id = await stage.add('backoff')
    stage.fault = status(502)
    const waits: number[] = []
    for (let failures = 1; failures <= 12; failures++) {
      const { nextSyncAt } = await stage.sync(id)
      waits.push((nextSyncAt ?? 0) - stage.now)
      // By then the host has had the pause that it gets after several failures.
      stage.now = Math.max(nextSyncAt ?? 0, stage.now + 60)
    }
    for (const [index, wait] of waits.entries()) {
      const ceiling = Math.min(6 * 3600, 60 * 2 ** index)
      expect(wait >= ceiling / 2 - 1 && wait <= ceiling).toBe(true)
    }
    stage.fault = null
    const row = await stage.sync(id)
    expect((row.nextSyncAt ?? 0) - stage.now).toBeGreaterThan(900 * 0.8)
    expect((row.nextSyncAt ?? 0) - stage.now).toBeLessThan(900 * 1.2)
  })

  test('a host that asks for years of patience gets a day', async () => {
    stage.repository('years', simple('acme/years'))
    const id = await stage.add('years')
    stage.fault = status(429, { 'retry-after': '999999999' })
    const wait = ((await stage.sync(id)).nextSyncAt ?? 0) - stage.now
    expect(wait >= 24 * 3600 && wait <= 24 * 3600 + 60).toBe(true)
    stage.now += wait
  })

  test('nobody listens', async () => {
    const free = Bun.serve({ hostname: '127.0.0.1', port: 0, fetch: () => new Response() })
    const { port } = free
    await free.stop(true)
    const id = await stage.add('nobody', { url: `http://127.0.0.1:${port}/x.git` })
    expect(await stage.sync(id)).toMatchObject({ status: 'error', errorCode: 'unreachable' })
  })

  test.each([
    ['two.example.org', 'address_refused'],
    ['metadata.example.org', 'address_refused'],
    ['mapped.example.org', 'address_refused'],
    ['[fd00::1]', 'address_refused'],
    ['2130706433.example.invalid', 'unreachable'],
  ])('%s is not connected to: %s', async (host, code) => {
    NAMES['2130706433.example.invalid'] = []
    const id = await stage.add('x', { url: `http://${host}/x.git`, urlKey: host })
    expect(await stage.sync(id)).toMatchObject({ status: 'error', errorCode: code })
  })
})

describe('credentials', () => {
  test('do not follow a redirect to another host, on any of the requests', async () => {
    const { createSecretBox } = await import('../../src/auth/secret-box.ts')
    const { credentialsPlace } = await import('../../src/store/repositories.ts')
    stage.repository('secret', simple('acme/secret'))
    const id = await stage.add('secret')
    const sealed = createSecretBox(new Uint8Array(32)).seal(
      JSON.stringify({ type: 'token', token: 'canary-token' }),
      credentialsPlace(id),
    )
    await stage.store.repositories.update(id, { credentialType: 'token', credentials: sealed }, stage.now)
    stage.fault = (request) => {
      const url = new URL(request.url)
      return new Response(null, {
        status: 302,
        headers: { location: `http://127.0.0.1:${other.port}${url.pathname}${url.search}` },
      })
    }
    stage.requests.length = 0
    expect((await stage.sync(id)).status).toBe('active')
    expect(stage.requests[0]?.headers.get('authorization')).toBe(`Basic ${btoa('oauth2:canary-token')}`)
    expect(seenByOther.length).toBeGreaterThan(2)
    for (const headers of seenByOther) expect([...headers.values()].join()).not.toContain('canary')
    for (const headers of seenByOther) expect(headers.get('authorization')).toBeNull()
    stage.fault = status(401)
    const row = await stage.sync(id)
    expect(JSON.stringify([row, stage.logged])).not.toContain('canary')
  })
})

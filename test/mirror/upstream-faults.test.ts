import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { gzipSync } from 'node:zlib'
import type { UpstreamReader } from '../../src/mirror/upstream-reader.ts'
import type { Fault } from '../support/upstream/faults.ts'
import { type Packagist, startPackagist } from '../support/upstream/packagist.ts'
import { startUpstream, type UpstreamCredentials } from '../support/upstream/upstream-server.ts'
import { failureOf, patient, ReaderBench } from './reader-support.ts'

const FILE = '/p2/acme/lib.json'
const packages = [{ name: 'acme/lib', versions: ['1.0.0'] }]

let bench: ReaderBench
let packagist: Packagist
let reader: UpstreamReader
beforeEach(async () => {
  bench = new ReaderBench()
  packagist = await startPackagist({ packages })
  reader = await bench.reader({ url: packagist.url }, { documentDeadline: 1000 })
  await reader.root(patient)
  packagist.log.clear()
})
afterEach(async () => {
  await packagist.stop()
  await bench.remove()
})

const ask = () => reader.document('acme/lib', false, null, patient)
const asked = () => packagist.log.matching(FILE).length
const kindOf = async () => (await ask()).kind

describe('an upstream that answers with something else', () => {
  const DEEP = `{"packages":{"acme/lib":[{"name":"acme/lib","version":"1.0.0","extra":${'['.repeat(100_000)}`
  const cases: [string, Fault, string][] = [
    ['a web page', { kind: 'html' }, 'protocol'],
    ['half of a JSON text', { kind: 'invalid-json' }, 'protocol'],
    ['a JSON text without bottom', { kind: 'body', body: DEEP, contentType: 'application/json' }, 'protocol'],
    ['another package', { kind: 'body', body: '{"packages":{"acme/other":[]}}', contentType: 'a/json' }, 'protocol'],
    ['a list', { kind: 'body', body: '[]', contentType: 'application/json' }, 'protocol'],
    ['bytes that are no UTF-8', { kind: 'body', body: new Uint8Array([0xff]), contentType: 'a/json' }, 'protocol'],
    ['no end', { kind: 'endless' }, 'protocol'],
    ['one byte now and then', { kind: 'drip', bytes: 1, everyMs: 50 }, 'unreachable'],
    ['nothing', { kind: 'hang' }, 'unreachable'],
    ['half of the body', { kind: 'cut' }, 'unreachable'],
    ['less than it announces', { kind: 'wrong-length', by: 10 }, 'unreachable'],
    ['more than it announces', { kind: 'wrong-length', by: -10 }, 'protocol'],
    ['a broken connection each time', { kind: 'reset' }, 'unreachable'],
    ['an error', { kind: 'status', status: 500 }, 'unreachable'],
    ['a refusal', { kind: 'status', status: 403 }, 'credentials'],
    ['too many requests', { kind: 'status', status: 429 }, 'rate_limited'],
    ['a status without a meaning', { kind: 'status', status: 204 }, 'protocol'],
    ['a redirect to an address inside', { kind: 'redirect', to: 'http://10.0.0.1/p2' }, 'address_refused'],
  ]
  test.each(cases)('(%s) failed, and did not say that it has no such package', async (_, fault, reason) => {
    packagist.faults.add({ path: FILE, ...fault })
    expect(await failureOf(ask())).toMatchObject({ reason })
  })

  test('is asked again when the connection broke, once', async () => {
    packagist.faults.add({ path: FILE, kind: 'cut', times: 1 })
    expect(await kindOf()).toBe('found')
    expect(asked()).toBe(2)
  })

  test('is believed about what it has later', async () => {
    packagist.faults.add({ path: FILE, kind: 'status', status: 404, times: 1 })
    packagist.faults.add({ path: FILE, kind: 'status', status: 410, times: 1 })
    expect([await kindOf(), await kindOf(), await kindOf()]).toEqual(['absent', 'absent', 'found'])
  })

  test('cannot fill the memory with a small body', async () => {
    const bomb = gzipSync(Buffer.alloc(17 * 1_048_576, ' '))
    expect(bomb.length).toBeLessThan(100_000)
    const headers = { 'Content-Type': 'application/json', 'Content-Encoding': 'gzip' }
    const root = JSON.stringify({ 'metadata-url': '/p2/%package%.json' })
    const server = await startUpstream(({ path }) =>
      path === '/packages.json' ? { body: root } : { headers, body: bomb },
    )
    const other = await bench.reader({ url: server.url })
    const failure = await failureOf(other.document('acme/lib', false, null, patient))
    expect(failure).toMatchObject({ reason: 'protocol', message: expect.stringContaining('larger than 16 MB') })
    await server.stop()
  })
})

describe('an upstream that fails', () => {
  test('is left alone after three failures, and tried by one request', async () => {
    packagist.faults.add({ path: FILE, kind: 'status', status: 503, times: 4 })
    for (let index = 0; index < 3; index++) await failureOf(ask())
    expect(await failureOf(ask())).toMatchObject({
      reason: 'unreachable',
      message: expect.stringMatching(/is not asked for the next 30 seconds: .* failed \(HTTP 503\)/),
    })
    expect(asked()).toBe(3)
    bench.now += 31
    const names = ['acme/lib', 'acme/a', 'acme/b']
    await Promise.all(names.map((name) => failureOf(reader.document(name, false, null, patient))))
    expect(packagist.log.lines).toHaveLength(4)
    bench.now += 31
    expect(await kindOf()).toBe('found')
    expect(await kindOf()).toBe('found')
  })

  test.each([429, 503])('with %i and Retry-After is asked when it said', async (status) => {
    packagist.faults.add({ path: FILE, kind: 'status', status, retryAfter: 120, times: 1 })
    await failureOf(ask())
    bench.now += 100
    expect(await failureOf(ask())).toMatchObject({ message: expect.stringContaining('for the next 20 seconds') })
    expect(asked()).toBe(1)
    bench.now += 21
    expect(await kindOf()).toBe('found')
  })

  test('is asked again at once after a 429 that does not say when', async () => {
    packagist.faults.add({ path: FILE, kind: 'status', status: 429, times: 1 })
    await failureOf(ask())
    expect(await kindOf()).toBe('found')
  })
})

describe('credentials', () => {
  const kinds: [UpstreamCredentials['kind'], UpstreamCredentials, Record<string, string>][] = [
    [
      'http_basic',
      { kind: 'http_basic', username: 'u', password: 'secret' },
      { Authorization: `Basic ${btoa('u:secret')}` },
    ],
    ['bearer', { kind: 'bearer', token: 'secret' }, { Authorization: 'Bearer secret' }],
    ['header', { kind: 'header', name: 'X-Api-Key', value: 'secret' }, { 'X-Api-Key': 'secret' }],
  ]
  for (const [kind, credentials, headers] of kinds) {
    test.each(['127.0.0.1', '127.0.0.2'])(`(${kind}) never reach another origin, on %s`, async (hostname) => {
      packagist.credentials = credentials
      const other = await startPackagist({ packages, hostname })
      const bound = { origin: packagist.url, headers }
      const own = await bench.reader({ url: packagist.url, credentials: bound })
      expect((await own.document('acme/lib', false, null, patient)).kind).toBe('found')
      packagist.faults.add({ path: FILE, kind: 'redirect', to: other.url + FILE })
      expect((await own.document('acme/lib', false, null, patient)).kind).toBe('found')
      expect(other.log.requests).toHaveLength(1)
      expect(JSON.stringify(other.log.requests)).not.toMatch(/secret|c2VjcmV0|U6c2Vj/i)
      expect(other.log.requests[0]?.authorization).toBeUndefined()
      expect(other.log.requests[0]?.headers['x-api-key']).toBeUndefined()
      await other.stop()
    })
  }

  test('a refusal says what to change', async () => {
    packagist.credentials = { kind: 'bearer', token: 'secret' }
    expect((await failureOf(ask()))?.message).toContain('give the repository credential_type and auth_credentials')
    const credentials = { origin: packagist.url, headers: { Authorization: 'Bearer old' } }
    const own = await bench.reader({ url: packagist.url, credentials })
    const failure = await failureOf(own.document('acme/lib', false, null, patient))
    expect(failure?.message).not.toContain('old')
    expect(failure).toMatchObject({ reason: 'credentials', message: expect.stringContaining('set new ones') })
  })
})

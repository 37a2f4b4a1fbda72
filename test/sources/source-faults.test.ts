import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { gitFailureReason } from '../../src/git/failure.ts'
import type { Source, SourceCredentials } from '../../src/sources/source.ts'
import { cutListing, cutOff, errorLine, type Fault, flippedTrailer, onFetch, status } from '../support/git-front.ts'
import type { TestGitRepository } from '../support/git-repository.ts'
import { WAYS, Way } from '../support/source-ways.ts'
import { soon } from './support.ts'

setDefaultTimeout(30_000)

/** What reading a repository from its refs to its files comes to: `ok`, or the reason and the wait that was asked for. */
async function outcome(source: Source, signal = soon()): Promise<string> {
  try {
    const { refs } = await source.refs(signal)
    const commit = refs[0]?.commit ?? ''
    const files = await source.manifests([commit], [], new Set(), signal)
    const problem = files.get(commit)?.problem ?? null
    if (problem !== null) return problem
    await source.snapshot(commit, '', signal)
    return 'ok'
  } catch (error) {
    const wait = (error as { details?: { retry_after?: number } }).details?.retry_after
    return [gitFailureReason(error) ?? String(error), ...(wait === undefined ? [] : [wait])].join(' ')
  } finally {
    await source.close()
  }
}

const FAULTS: readonly (readonly [string, Fault, string])[] = [
  ['429', status(429), 'rate_limited'],
  ['429 with Retry-After', status(429, { 'retry-after': '17' }), 'rate_limited 17'],
  ['403 with Retry-After', status(403, { 'retry-after': '17' }), 'rate_limited 17'],
  ['500', status(500), 'unreachable'],
  ['503', status(503, { 'retry-after': '17' }), 'unreachable'],
  ['404', status(404), 'missing'],
  ['a listing that breaks off', cutListing, 'protocol'],
  ['a pack that breaks off', onFetch(cutOff), 'protocol'],
  ['a pack with a wrong checksum', onFetch(flippedTrailer), 'protocol'],
  ['an error line', errorLine, 'refused'],
  ['a login form', () => new Response('<form>', { headers: { 'content-type': 'text/html' } }), 'protocol'],
  ['451', status(451), 'protocol'],
]

for (const spec of WAYS.filter(({ http }) => http !== undefined)) {
  describe(`faults of a source: ${spec.name}`, () => {
    const secret = secretOf(spec.http?.credentials)
    let way: Way
    let lib: TestGitRepository
    const fault = (given: Fault | null) => {
      if (way.front !== null) way.front.fault = given
    }

    beforeAll(async () => {
      way = await Way.start(spec)
      lib = way.repository('lib', { commits: [{ files: { 'composer.json': '{}', 'a.php': 'x' }, tags: ['1.0.0'] }] })
    })
    afterEach(() => fault(null))
    afterAll(() => way?.stop())

    test.each(FAULTS)('%s', async (_, given, expected) => {
      fault(given)
      expect(await outcome(await way.open('lib'))).toBe(expected)
      fault(null)
      expect(await outcome(await way.open('lib'))).toBe('ok')
    })

    test('a burst of failures, and then the same source answers', async () => {
      const burst = [502, 503, 500, 504]
      fault((_, forward) => {
        const code = burst.shift()
        return code === undefined ? forward() : new Response('', { status: code })
      })
      const source = await way.open('lib')
      const outcomes: string[] = []
      for (let asked = 0; asked < 5; asked++) outcomes.push(await outcome(source))
      expect(outcomes).toEqual(['unreachable', 'unreachable', 'unreachable', 'unreachable', 'ok'])
    })

    test('an answer that drips is ended by who asked', async () => {
      const controller = new AbortController()
      fault(
        () =>
          new Response(
            new ReadableStream({
              async pull(out) {
                out.enqueue(new TextEncoder().encode('0'))
                if (!controller.signal.aborted) controller.abort(new Error('enough waited'))
                await Bun.sleep(20)
              },
            }),
            { headers: { 'content-type': 'application/x-git-upload-pack-advertisement' } },
          ),
      )
      expect(await outcome(await way.open('lib'), controller.signal)).toContain('enough waited')
    })

    test('a renamed repository is read where the server sends us', async () => {
      way.repository('new', { commits: [{ files: { 'composer.json': '{}' } }] })
      fault((request, forward) =>
        request.url.includes('/old.git/')
          ? Response.redirect(request.url.replace('/old.git/', '/new.git/'), 301)
          : forward(),
      )
      expect(await outcome(await way.open('old'))).toBe('ok')
      // Commands go to the new address at once.
      const asked = way.front?.requests.filter(({ path }) => path.includes('/old.git')) ?? []
      expect(asked.map(({ method }) => method)).toEqual(['GET'])
    })

    test.skipIf(secret === null)('a wrong credential, and none', async () => {
      expect(await outcome(await way.open('lib', wrong(spec.http?.credentials)))).toBe('auth')
      expect(await outcome(await way.open('lib', { type: 'none' }))).toBe('auth')
    })

    test('a redirect to another origin carries no credential, on any of the requests', async () => {
      const bare = await Way.start({ name: 'bare', http: { vcsType: 'git', credentials: { type: 'none' } } })
      try {
        bare.repository('lib', { commits: [{ files: { 'composer.json': '{}' } }] })
        fault((request) => {
          const { pathname, search } = new URL(request.url)
          return Response.redirect(`${bare.front?.url}${pathname}${search}`, 302)
        })
        expect(await outcome(await way.open('lib'))).toBe('ok')
        expect(bare.front?.requests.length).toBeGreaterThan(2)
        for (const { headers } of bare.front?.requests ?? []) {
          expect(headers.get('authorization')).toBeNull()
          if (secret !== null) expect(JSON.stringify([...headers])).not.toContain(secret)
        }
      } finally {
        await bare.stop()
      }
    })

    test('the credential is that of the host, on every request', async () => {
      way.front?.requests.splice(0)
      expect(await outcome(await way.open('lib'))).toBe('ok')
      const { auth } = spec.http?.server ?? {}
      const expected = auth === undefined ? null : `Basic ${btoa(`${auth.user}:${auth.password}`)}`
      const sent = way.front?.requests.map(({ headers }) => headers.get('authorization')) ?? []
      expect(new Set(sent)).toEqual(new Set([expected]))
      expect(lib.resolve('main')).toBe(lib.resolve('1.0.0'))
    })
  })
}

describe('headers of one’s own', () => {
  const HEADERS: readonly SourceCredentials[] = [
    { type: 'bearer', token: 'canary' },
    { type: 'custom_header', name: 'PRIVATE-TOKEN', value: 'canary' },
    { type: 'custom_header', name: 'X-Api-Key', value: 'canary' },
    { type: 'http_basic', username: 'ann', password: 'canary' },
  ]

  test.each(HEADERS)('go to their own origin and to no other: %j', async (credentials) => {
    const spec = { name: 'git', http: { vcsType: 'git', credentials } }
    const [own, other] = [await Way.start(spec), await Way.start(spec)]
    try {
      for (const way of [own, other]) way.repository('lib', { commits: [{ files: { 'composer.json': '{}' } }] })
      const seen = (way: Way) =>
        way.front?.requests.map(({ headers }) => {
          const text = [...headers.values()].join()
          return text.includes('canary') || text.includes(btoa('ann:canary'))
        })
      expect(await outcome(await own.open('lib'))).toBe('ok')
      expect(new Set(seen(own))).toEqual(new Set([true]))
      if (own.front !== null) {
        own.front.fault = (request) =>
          Response.redirect(request.url.replace(own.front?.url ?? '', other.front?.url ?? ''), 307)
      }
      expect(await outcome(await own.open('lib'))).toBe('ok')
      expect(new Set(seen(other))).toEqual(new Set([false]))
    } finally {
      await Promise.all([own.stop(), other.stop()])
    }
  })
})

function secretOf(credentials: SourceCredentials | undefined): string | null {
  if (credentials?.type === 'token') return credentials.token
  return credentials?.type === 'http_basic' ? credentials.password : null
}

/** The same form of credential, and another one. */
function wrong(credentials: SourceCredentials | undefined): SourceCredentials {
  const other = (text: string) => text.replace('right', 'wrong').replace(/^a{40}$/, 'b'.repeat(40))
  if (credentials?.type === 'token') return { type: 'token', token: other(credentials.token) }
  if (credentials?.type === 'http_basic') return { ...credentials, password: other(credentials.password) }
  return { type: 'none' }
}

import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { gunzipSync, zstdDecompressSync } from 'node:zlib'
import { readJsonObject } from '../../src/composer/json.ts'
import { expandVersions } from '../../src/composer/minify.ts'
import type { Broker } from '../support/broker.ts'
import { createGitRepository, type TestGitRepository } from '../support/git-repository.ts'
import { library, libraryFiles } from '../support/packages.ts'
import { startBroker } from '../support/start-broker.ts'

type Versions = Record<string, Record<string, unknown>>

let app: Broker
let repository: TestGitRepository
let repositoryId: string
let token: string

beforeAll(async () => {
  app = await startBroker()
  repository = createGitRepository(app.path('lib.git'), {
    commits: [
      library('acme/lib', 'one', { tags: ['1.0.0'] }),
      {
        files: libraryFiles('acme/lib', 'two', { homepage: 'https://example.com', extra: { a: [1, { b: 1e3 }] } }),
        tags: ['1.1.0'],
      },
      {
        files: libraryFiles('acme/lib', 'three', { homepage: null, license: 'MIT', bin: ['bin/x'] }),
        tags: ['v2.0.0', '2.1.0-beta1'],
      },
      library('acme/lib', 'main'),
      library('acme/lib', 'feature', { branch: 'feature/x', from: 'main' }),
    ],
  })
  createGitRepository(app.path('other.git'), { commits: [library('globex/tool', 'one', { tags: ['1.0.0'] })] })
  repositoryId = (await app.addRepository(app.path('lib.git'))).id
  await app.addRepository(app.path('other.git'))
  token = (await app.token()).token
})

afterAll(() => app?.stop())

async function keyed(path: string): Promise<Versions> {
  const { packages } = (await (await app.ask(path, { token })).json()) as { packages: Record<string, Versions> }
  return packages['acme/lib'] ?? {}
}

describe('package documents', () => {
  test.each(['', '~dev'])('the keyed and the minified form of acme/lib%s say the same', async (dev) => {
    const plain = await keyed(`/p2/acme/lib${dev}.json`)
    const response = await app.ask(`/p2/acme/lib${dev}.json?minified=1`, { token })
    const document = (await response.json()) as { packages: { 'acme/lib': unknown[] }; minified: string }
    expect(document.minified).toBe('composer/2.0')
    const fields = document.packages['acme/lib'].map((entry) =>
      readJsonObject(new TextEncoder().encode(JSON.stringify(entry))),
    )
    const expanded = expandVersions(fields).map((raw) =>
      Object.fromEntries([...raw].map(([key, value]) => [key, JSON.parse(value)])),
    )
    expect(Object.fromEntries(expanded.map((entry) => [entry.version, entry]))).toEqual(plain)
    expect(Object.keys(plain)).toEqual(
      dev
        ? expect.arrayContaining(['dev-main', 'dev-feature/x'])
        : ['v2.0.0', '2.1.0-beta1', '1.1.0', '1.0.0'].sort(newest),
    )
  })

  const newest = (left: string, right: string) => (left.replace('v', '') < right.replace('v', '') ? 1 : -1)

  test('every version has what Composer needs, and no source', async () => {
    const versions = { ...(await keyed('/p2/acme/lib.json')), ...(await keyed('/p2/acme/lib~dev.json')) }
    expect(Object.keys(versions)).toHaveLength(6)
    for (const [version, entry] of Object.entries(versions)) {
      expect(entry).toMatchObject({
        name: 'acme/lib',
        version,
        version_normalized: expect.any(String),
        type: 'library',
        time: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
        dist: { type: 'zip', reference: expect.stringMatching(/^[0-9a-f]{40}$/) },
      })
      expect(entry).not.toHaveProperty('source')
      const { url } = entry.dist as { url: string }
      expect(url).toStartWith('http://localhost/dist/acme/lib/')
      expect(new URL(url).pathname).toEndWith('.zip')
    }
    expect(versions['dev-main']).toMatchObject({ 'default-branch': true })
    expect(versions['1.1.0']).toMatchObject({ extra: { a: [1, { b: 1000 }] }, homepage: 'https://example.com' })
  })

  test.each(['/p2/acme/lib$abc123.json', '/p2/acme/lib%24abc.json', '/p2/ACME/Lib.json', '/p2/acme/lib.json?x=1'])(
    '%s is the same document',
    async (path) => {
      expect(await (await app.ask(path, { token })).text()).toBe(
        await (await app.ask('/p2/acme/lib.json', { token })).text(),
      )
    },
  )

  test('~dev with a hash', async () => {
    expect(await keyed('/p2/acme/lib~dev$abc.json')).toEqual(await keyed('/p2/acme/lib~dev.json'))
  })

  test.each([
    '/p2/acme/lib',
    '/p2/acme/lib.xml',
    '/p2/acme/.json',
    '/p2/acme.json',
    '/p2/acme/lib/more.json',
    '/p2/acme%2Flib.json',
    '/p2/globex/..%2Facme%2Flib.json',
    '/p2/acme/lib%00.json',
    '/p2/acme/l\u0131b.json',
    `/p2/acme/${'x'.repeat(5_000)}.json`,
    '/p2/nobody/nothing.json',
  ])('%s is 404', async (path) => {
    const response = await app.ask(path, { token })
    expect(response.status).toBe(404)
    expect(await response.json()).toMatchObject({ code: 'NOT_FOUND', error: expect.any(String) })
  })

  test('an unknown name of a claimed vendor is empty, in both forms', async () => {
    expect(await (await app.ask('/p2/acme/unknown.json', { token })).text()).toBe('{"packages":{"acme/unknown":{}}}')
    expect(await (await app.ask('/p2/acme/unknown~dev.json?minified=1', { token })).text()).toBe(
      '{"packages":{"acme/unknown":[]},"minified":"composer/2.0"}',
    )
  })

  test('a name whose repository was deleted is empty, and when it comes back its document is newer', async () => {
    createGitRepository(app.path('stays.git'), { commits: [library('gone/stays', 'one', { tags: ['1.0.0'] })] })
    createGitRepository(app.path('gone.git'), { commits: [library('gone/lib', 'one', { tags: ['1.0.0'] })] })
    await app.addRepository(app.path('stays.git'))
    const { id } = await app.addRepository(app.path('gone.git'))
    const before = (await app.ask('/p2/gone/lib.json', { token })).headers.get('last-modified') ?? ''
    expect((await app.ask(`/api/repositories/${id}`, { method: 'DELETE' })).status).toBe(200)
    const headers = { 'If-Modified-Since': before }
    const empty = await app.ask('/p2/gone/lib.json', { token, headers })
    expect({ status: empty.status, body: await empty.json() }).toEqual({
      status: 200,
      body: { packages: { 'gone/lib': {} } },
    })
    expect((await app.ask('/dist/gone/lib/1.0.0.zip', { token })).status).toBe(404)
    const root = (await (await app.ask('/packages.json', { token })).json()) as Record<string, string[]>
    expect(root['available-packages']).not.toContain('gone/lib')
    expect(root['available-package-patterns']).toContain('gone/*')
    await app.addRepository(app.path('gone.git'))
    const after = (await app.ask('/p2/gone/lib.json', { token, headers })).headers.get('last-modified') ?? ''
    expect(Date.parse(after)).toBeGreaterThan(Date.parse(before))
  })
})

describe('conditional requests', () => {
  const DOCUMENTS = ['/packages.json', '/p2/acme/lib.json', '/p2/acme/lib~dev.json?minified=1']

  test.each(DOCUMENTS)('%s: 304 with an empty body by date and by tag', async (path) => {
    const full = await app.ask(path, { token })
    const modified = full.headers.get('last-modified') ?? ''
    const etag = full.headers.get('etag') ?? ''
    expect(modified).toMatch(/GMT$/)
    expect(full.headers.get('vary')?.toLowerCase()).toContain('authorization')
    expect(full.headers.get('cache-control')).toContain('private')
    for (const headers of [
      { 'If-Modified-Since': modified },
      { 'If-None-Match': etag },
      { 'If-None-Match': `"other", ${etag}` },
      { 'If-None-Match': '*' },
      { 'If-None-Match': etag.replace('W/', '') },
    ]) {
      const response = await app.ask(path, { token, headers: headers as Record<string, string> })
      expect({ headers, status: response.status, body: await response.text() }).toEqual({
        headers,
        status: 304,
        body: '',
      })
      expect(response.headers.get('last-modified')).toBe(modified)
      expect(response.headers.get('etag')).toBe(etag)
      expect(response.headers.get('content-length') ?? '0').toBe('0')
    }
    const past = new Date(Date.parse(modified) - 1_000).toUTCString()
    const future = new Date(Date.now() + 1e9).toUTCString()
    for (const headers of [
      { 'If-Modified-Since': past },
      { 'If-Modified-Since': future },
      { 'If-Modified-Since': 'nonsense' },
      { 'If-None-Match': '"other"' },
      // The tag decides when both are sent (RFC 9110, 13.1.3).
      { 'If-None-Match': '"other"', 'If-Modified-Since': modified },
    ]) {
      expect((await app.ask(path, { token, headers: headers as Record<string, string> })).status).toBe(200)
    }
  })

  test('two changes within one second give two dates, each later than the one before', async () => {
    const dates: number[] = []
    const roots: number[] = []
    for (const version of ['3.0.0', '3.0.1', '3.0.2']) {
      repository.commit(library('acme/lib', version, { tags: [version] }))
      await app.sync(repositoryId)
      const date = async (path: string) => {
        const response = await app.ask(path, { token })
        return Date.parse(response.headers.get('last-modified') ?? '')
      }
      dates.push(await date('/p2/acme/lib.json'))
      roots.push(await date('/packages.json'))
    }
    for (const list of [dates, roots]) expect(list).toEqual([...new Set(list)].sort((left, right) => left - right))
  })

  test('a change of branches only is seen in ~dev', async () => {
    const before = (await app.ask('/p2/acme/lib~dev.json', { token })).headers.get('last-modified') ?? ''
    repository.commit(library('acme/lib', 'main again'))
    await app.sync(repositoryId)
    const headers = { 'If-Modified-Since': before }
    expect((await app.ask('/p2/acme/lib~dev.json', { token, headers })).status).toBe(200)
  })

  test('the empty document of a claimed name has no date, so it validates nothing else', async () => {
    const response = await app.ask('/p2/acme/unknown.json', { token })
    expect(response.headers.get('last-modified')).toBeNull()
  })

  test.each(DOCUMENTS)('%s: HEAD has the headers of GET and no body', async (path) => {
    const [get, head] = [await app.ask(path, { token }), await app.ask(path, { token, method: 'HEAD' })]
    expect(head.status).toBe(200)
    expect(await head.text()).toBe('')
    for (const name of ['etag', 'last-modified', 'content-type'])
      expect(head.headers.get(name)).toBe(get.headers.get(name))
  })
})

describe('content codings', () => {
  const decode: Record<string, (body: Uint8Array) => Uint8Array> = {
    identity: (body) => body,
    gzip: (body) => gunzipSync(body),
    zstd: (body) => zstdDecompressSync(body),
  }

  test.each(['/packages.json', '/p2/acme/lib.json', '/p2/acme/lib.json?minified=1', '/p2/acme/unknown.json'])(
    '%s: gzip and zstd hold the bytes of the plain answer',
    async (path) => {
      const plain = Buffer.from(await (await app.ask(path, { token })).arrayBuffer())
      for (const [coding, open] of Object.entries(decode)) {
        const response = await app.ask(path, { token, headers: { 'Accept-Encoding': coding } })
        expect(response.headers.get('content-encoding') ?? 'identity').toBe(coding)
        expect(response.headers.get('vary')).toContain('Accept-Encoding')
        const bytes = Buffer.from(open(new Uint8Array(await response.arrayBuffer())))
        expect(bytes.equals(plain)).toBe(true)
      }
    },
  )

  test.each([
    ['gzip, deflate, br, zstd', 'zstd'],
    ['gzip;q=1, zstd;q=0.5', 'gzip'],
    ['gzip;q=0, zstd;q=0', 'identity'],
    ['br', 'identity'],
    ['*', 'zstd'],
    ['', 'identity'],
    ['GZIP', 'gzip'],
    [';;;q=,', 'identity'],
  ])('Accept-Encoding %p: %s', async (accepted, coding) => {
    const response = await app.ask('/p2/acme/lib.json', { token, headers: { 'Accept-Encoding': accepted } })
    expect(response.headers.get('content-encoding') ?? 'identity').toBe(coding)
  })
})

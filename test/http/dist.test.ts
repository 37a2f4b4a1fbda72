import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { createHash } from 'node:crypto'
import type { Broker } from '../support/broker.ts'
import { createGitRepository, type TestGitRepository } from '../support/git-repository.ts'
import { library } from '../support/packages.ts'
import { startBroker } from '../support/start-broker.ts'

const PATH = '/dist/acme/lib/1.0.0.zip'

let app: Broker
let repository: TestGitRepository
let token: string
let bytes: Buffer
let etag: string

beforeAll(async () => {
  app = await startBroker()
  repository = createGitRepository(app.path('lib.git'), {
    commits: [
      library('acme/lib', 'one', { tags: ['1.0.0', 'v1.5'] }),
      library('acme/lib', 'feature', { branch: 'feature/x+y', from: 'main' }),
    ],
  })
  createGitRepository(app.path('other.git'), { commits: [library('acme/other', 'other', { tags: ['1.0.0'] })] })
  await app.addRepository(app.path('lib.git'))
  await app.addRepository(app.path('other.git'))
  token = (await app.token({ allowed_package_prefixes: ['acme/'] })).token
  const response = await app.ask(PATH, { token })
  bytes = Buffer.from(await response.arrayBuffer())
  etag = response.headers.get('etag') ?? ''
})

afterAll(() => app?.stop())

function ask(headers: Record<string, string> = {}, method = 'GET'): Promise<Response> {
  return app.ask(PATH, { token, headers, method })
}

test('GET: a zip that any cache may keep for its owner, under a name of ours', async () => {
  const response = await ask({ 'Accept-Encoding': 'gzip, zstd' })
  expect(response.status).toBe(200)
  expect(Object.fromEntries(response.headers)).toMatchObject({
    'content-type': 'application/zip',
    'content-length': String(bytes.length),
    'accept-ranges': 'bytes',
    etag: expect.stringMatching(/^"[0-9a-f]{64}"$/),
    'content-disposition': 'attachment; filename="acme-lib-1.0.0.zip"',
  })
  expect(response.headers.get('cache-control')).toContain('private')
  expect(response.headers.get('cache-control')).toContain('immutable')
  expect(response.headers.get('content-encoding')).toBeNull()
  expect(bytes.subarray(0, 4).toString('latin1')).toBe('PK\u0003\u0004')
  expect(createHash('sha256').update(bytes).digest('hex')).toBe(etag.slice(1, -1))
})

test('HEAD has the same headers and no body', async () => {
  const [get, head] = [await ask(), await ask({}, 'HEAD')]
  expect(head.status).toBe(200)
  for (const name of ['content-length', 'etag', 'content-type', 'accept-ranges', 'cache-control']) {
    expect({ name, value: head.headers.get(name) }).toEqual({ name, value: get.headers.get(name) })
  }
  expect(head.headers.get('content-range')).toBeNull()
  expect((await head.arrayBuffer()).byteLength).toBe(0)
})

test('HEAD over a socket tells the length; so does one whose address is escaped', async () => {
  const url = await app.listen()
  for (const path of [PATH, '/dist/acme/lib/%31.0.0.zip']) {
    const response = await fetch(url + path, { method: 'HEAD', headers: { Authorization: `Bearer ${token}` } })
    expect(response.status).toBe(200)
    expect(response.headers.get('content-length')).toBe(String(bytes.length))
  }
  for (const path of [PATH, '/dist/acme/lib/9.9.9.zip', '/dist/acme/lib/%zz.zip']) {
    expect((await fetch(url + path, { method: 'HEAD' })).status).toBe(401)
  }
})

describe('ranges', () => {
  test.each([
    ['bytes=0-3', 0, 4],
    ['bytes=4-', 4, undefined],
    ['bytes=-10', -10, undefined],
    ['bytes=-999999999', 0, undefined],
    ['bytes=5-999999999', 5, undefined],
    ['bytes=0-0', 0, 1],
  ] as const)('%s is 206 with these bytes', async (range, start, end) => {
    const response = await ask({ Range: range })
    const part = bytes.subarray(start, end)
    const first = start < 0 ? bytes.length + start : start
    expect(response.status).toBe(206)
    expect(response.headers.get('content-range')).toBe(`bytes ${first}-${first + part.length - 1}/${bytes.length}`)
    expect(response.headers.get('content-length')).toBe(String(part.length))
    expect(Buffer.from(await response.arrayBuffer()).equals(part)).toBe(true)
  })

  test.each([`bytes=999999999-`, 'bytes=-0'])('%s is 416', async (range) => {
    const response = await ask({ Range: range })
    expect(response.status).toBe(416)
    expect(response.headers.get('content-range')).toBe(`bytes */${bytes.length}`)
    expect((await response.arrayBuffer()).byteLength).toBe(0)
  })

  test.each([
    'bytes=0-0,1-1',
    `bytes=${'0-0,'.repeat(1_000)}1-1`,
    'bytes=5-2',
    'bytes=9e99-',
    'bytes=-',
    'bytes',
    'items=0-1',
    'bytes=99999999999999999999-',
  ])('%s is answered with the whole file', async (range) => {
    const response = await ask({ Range: range })
    expect(response.status).toBe(200)
    expect(Buffer.from(await response.arrayBuffer()).equals(bytes)).toBe(true)
  })

  test('If-Range: the part only of the file it names', async () => {
    expect((await ask({ Range: 'bytes=0-3', 'If-Range': etag })).status).toBe(206)
    for (const condition of ['"other"', `W/${etag}`, new Date().toUTCString()]) {
      const response = await ask({ Range: 'bytes=0-3', 'If-Range': condition })
      expect({ condition, status: response.status }).toEqual({ condition, status: 200 })
      expect((await response.arrayBuffer()).byteLength).toBe(bytes.length)
    }
  })

  test('HEAD ignores them', async () => {
    expect((await ask({ Range: 'bytes=0-3' }, 'HEAD')).status).toBe(200)
  })
})

test('If-None-Match: 304 without a body', async () => {
  for (const tag of [etag, `"x", ${etag}`, `W/${etag}`, '*']) {
    const response = await ask({ 'If-None-Match': tag })
    expect({ tag, status: response.status }).toEqual({ tag, status: 304 })
    expect((await response.arrayBuffer()).byteLength).toBe(0)
  }
  expect((await ask({ 'If-None-Match': '"other"' })).status).toBe(200)
})

describe('which archive', () => {
  const digestOf = async (path: string) => {
    const response = await app.ask(path, { token })
    return response.status === 200 ? response.headers.get('etag') : response.status
  }

  test.each([
    '/dist/acme/lib/1.0.0.0.zip',
    '/dist/acme/lib/v1.0.0.zip',
    '/dist/ACME/Lib/1.0.0.zip',
    '/dist/acme/lib/1.5.0.zip',
  ])('%s names the same version', async (path) => {
    expect(await digestOf(path)).toBe(etag)
  })

  test('a reference counts, and only of the same package', async () => {
    const commit = repository.resolve('1.0.0')
    const branch = repository.resolve('feature/x+y')
    expect(await digestOf(`${PATH}?reference=${commit}`)).toBe(etag)
    expect(await digestOf(`/dist/acme/lib/dev-main.zip?reference=${commit}`)).toBe(etag)
    expect(await digestOf(`/dist/acme/lib/anything.zip?reference=${branch}`)).not.toBe(etag)
    expect(await digestOf(`/dist/acme/other/1.0.0.zip?reference=${commit}`)).toBe(404)
    expect(await digestOf(`${PATH}?reference=${'0'.repeat(40)}`)).toBe(404)
  })

  test('a branch with characters that addresses escape', async () => {
    const response = await app.ask('/p2/acme/lib~dev.json', { token })
    const { packages } = (await response.json()) as {
      packages: Record<string, Record<string, { dist: { url: string } }>>
    }
    const { url } = packages['acme/lib']?.['dev-feature/x+y']?.dist ?? { url: '' }
    expect(url).toStartWith('http://localhost/dist/acme/lib/dev-feature/')
    expect((await app.ask(url, { token })).status).toBe(200)
  })

  test.each([
    '/dist/acme/lib/9.9.9.zip',
    '/dist/acme/lib/1.0.0',
    '/dist/acme/lib/.zip',
    '/dist/acme/lib/1.0.0.zip.zip',
    '/dist/acme/lib/1.0.0.zip?reference=main',
    '/dist/acme/lib/1.0.0.zip?reference=',
    '/dist/acme/lib/1.0.0.zip?reference=../../etc/passwd',
    '/dist/acme/lib/..%2F..%2F..%2F..%2Fetc%2Fpasswd.zip',
    '/dist/acme/lib/..%2Fother%2F1.0.0.zip',
    '/dist/acme/lib%2F..%2Fother/1.0.0.zip',
    '/dist/..%2F..%2Fetc/passwd/1.0.0.zip',
    '/dist/acme/lib/1.0.0%001.zip',
    '/dist/acme/lib%00/1.0.0.zip',
    '/dist/acme/lib/%252e%252e%252f1.0.0.zip',
    '/dist/acme/lib/1.0.0\\..\\x.zip',
    `/dist/acme/lib/${'9'.repeat(5_000)}.zip`,
    `/dist/acme/lib/${'a/'.repeat(2_000)}x.zip`,
    '/dist/acme',
    '/dist/',
    '/dist/acme/lib/',
    "/dist/acme/lib/' OR 1=1 --.zip",
  ])('%s is 404', async (path) => {
    const response = await app.ask(path, { token })
    expect(response.status).toBe(404)
    const { error, warning } = (await response.json()) as { error: string; warning?: string }
    expect(error).toBeString()
    if (path.length > 7) expect(warning).toBe(error)
  })

  test.each([
    '/dist/acme-evil/x/1.0.0.zip',
    '/dist/globex/tool/1.0.0.zip',
    '/dist/acmex/lib/1.0.0.zip',
    '/dist/nobody/nothing/1.0.0.zip',
  ])('%s is outside the prefixes: 403, existing or not', async (path) => {
    const response = await app.ask(path, { token })
    expect(response.status).toBe(403)
    expect(await response.json()).toMatchObject({ code: 'FORBIDDEN' })
  })
})

test('many at once ask for an archive that was never built: it is built once', async () => {
  const before = app.logged.filter((line) => line.includes('archive built')).length
  const answers = await Promise.all(Array.from({ length: 20 }, () => app.ask('/dist/acme/other/1.0.0.zip', { token })))
  expect(new Set(answers.map((response) => `${response.status} ${response.headers.get('etag')}`)).size).toBe(1)
  expect(app.logged.filter((line) => line.includes('archive built')).length - before).toBe(1)
})

import { afterEach, describe, expect, test } from 'bun:test'
import { sha1, zipLike } from '../archives/download-bench.ts'
import { type BenchOptions, MirrorBench } from '../support/mirrored.ts'

let bench: MirrorBench

async function start(options?: BenchOptions): Promise<MirrorBench> {
  bench = await MirrorBench.start(options)
  return bench
}

afterEach(() => bench.stop())

/** What came of a request: status, the sentence for a person, and the bytes of an archive. */
async function asked(path: string, request: Parameters<MirrorBench['app']['ask']>[1] = {}) {
  const response = await bench.app.ask(path, request)
  const bytes = Buffer.from(await response.arrayBuffer())
  const { warning = '', code = '' } = response.status >= 400 ? JSON.parse(bytes.toString()) : {}
  return { status: response.status, headers: response.headers, bytes, warning: String(warning), code: String(code) }
}

describe('an archive of an upstream', () => {
  test('is fetched on the first request and served from disk from then on, with all that archives have', async () => {
    await start()
    const zip = zipLike(50_000)
    const path = bench.offer(zip, { dist: { shasum: sha1(zip) } })
    const first = await asked(path)
    expect(first.bytes.equals(zip)).toBe(true)
    expect(Object.fromEntries(first.headers)).toMatchObject({
      'content-type': 'application/zip',
      'content-length': '50000',
      'content-disposition': 'attachment; filename="acme-lib-1.0.0.zip"',
      'cache-control': 'private, max-age=31536000, immutable, no-transform',
      'accept-ranges': 'bytes',
    })
    const etag = first.headers.get('etag') ?? ''
    expect((await asked(path, { headers: { 'If-None-Match': etag } })).status).toBe(304)
    const part = await asked(path, { headers: { Range: 'bytes=10-19' } })
    expect(part).toMatchObject({ status: 206 })
    expect(part.bytes.equals(zip.subarray(10, 20))).toBe(true)
    expect(bench.fetched).toEqual(['/archives/acme/lib-1.0.0.zip'])
  })

  test.each([
    ['HEAD', { method: 'HEAD' }, 200],
    ['a range', { headers: { Range: 'bytes=0-9' } }, 206],
    ['a condition', { headers: { 'If-None-Match': '"other"' } }, 200],
  ])('%s of one that is not there yet waits until it is', async (_, request, status) => {
    await start()
    const zip = zipLike(600_000)
    const answer = await asked(bench.offer(zip), request)
    expect(answer.status).toBe(status)
    expect(answer.headers.get('etag')).toMatch(/^"[0-9a-f]{64}"$/)
    expect(answer.headers.get('content-length')).toBe(String(status === 206 ? 10 : zip.length))
  })

  test('is there with the upstream gone, after a restart, and when no document names it any more', async () => {
    await start()
    const zip = zipLike(50_000)
    const path = bench.offer(zip)
    expect((await asked(path)).bytes.equals(zip)).toBe(true)
    bench.forget()
    bench.app.clock.now += 86_400
    expect((await bench.app.ask('/p2/acme/lib.json')).status).toBe(200)
    await bench.restart()
    await bench.server.stop()
    expect((await asked(path)).bytes.equals(zip)).toBe(true)
    expect(bench.fetched).toHaveLength(1)
  })

  test('of a branch is looked for among branches first', async () => {
    await start()
    const zip = zipLike(1_000)
    const path = bench.offer(zip, { version: 'dev-feature/x' })
    expect(path).toStartWith('/dist/acme/lib/dev-feature/x.zip?dist=')
    expect((await asked(path)).bytes.equals(zip)).toBe(true)
    // The stable one comes behind it: filter lists stand there.
    expect(bench.read).toEqual(['/p2/acme/lib~dev.json', '/p2/acme/lib.json'])
  })

  test.each([
    ['tar.gz', 'application/gzip', Buffer.from('1f8b0800', 'hex')],
    ['tar.bz2', 'application/x-bzip2', Buffer.from('BZh9')],
  ])('%s is served as such', async (ending, type, bytes) => {
    await start()
    const path = bench.offer(bytes, { version: '1.0.0', dist: { type: 'tar', url: `${bench.server.url}/a.${ending}` } })
    bench.files.set(`/a.${ending}`, bytes)
    expect(path).toContain(`/1.0.0.${ending}?dist=`)
    const answer = await asked(path)
    expect(answer.headers.get('content-type')).toBe(type)
    expect(answer.headers.get('content-disposition')).toBe(`attachment; filename="acme-lib-1.0.0.${ending}"`)
  })

  test('placeholders of an address are filled in as Composer does', async () => {
    await start()
    const zip = zipLike(1_000)
    const url = `${bench.server.url}/x/%package%/%version%/%prettyVersion%/%reference%.%type%`
    const path = bench.offer(zip, { dist: { url, reference: 'abc' } })
    bench.files.set('/x/acme/lib/1.0.0.0/1.0.0/abc.zip', zip)
    expect((await asked(path)).bytes.equals(zip)).toBe(true)
  })

  test('goes with its repository', async () => {
    await start()
    const path = bench.offer(zipLike(1_000))
    expect((await asked(path)).status).toBe(200)
    expect((await bench.app.ask(`/api/repositories/${bench.id}`, { method: 'DELETE' })).status).toBe(200)
    expect((await asked(path)).status).toBe(404)
    expect(bench.app.filesOf('upstream')).toEqual([])
  })
})

describe('who may have it', () => {
  test('nobody whose token does not cover the package, and it is not fetched for them', async () => {
    await start()
    const path = bench.offer(zipLike(1_000))
    const { token } = await bench.app.token({ allowed_package_prefixes: ['other/'] })
    for (const each of [path, path.replace(/dist=.*/, `dist=${'0'.repeat(40)}`)]) {
      expect(await asked(each, { token })).toMatchObject({ status: 403, code: 'FORBIDDEN' })
    }
    expect((await asked(path, { token: null })).status).toBe(401)
    expect([...bench.fetched, ...bench.read]).toEqual([])
  })

  test('only the versions that the token covers, also those in memory for others', async () => {
    await start()
    const [first, second] = [
      bench.offer(zipLike(1_000), { version: '1.5.0' }),
      bench.offer(zipLike(1_000, 2), { version: '2.0.0' }),
    ]
    const { token } = await bench.app.token({ allowed_packages: [{ name: 'acme/lib', constraint: '^1.0' }] })
    expect((await asked(second, { token })).status).toBe(403)
    expect(bench.fetched).toEqual([])
    expect((await asked(second)).status).toBe(200)
    expect((await asked(second, { token })).status).toBe(403)
    expect((await asked(first, { token })).status).toBe(200)
    await bench.restart()
    expect((await asked(second, { token })).status).toBe(403)
    expect((await asked(first, { token })).status).toBe(200)
  })

  test('by a version that shares the archive with another one', async () => {
    await start()
    const zip = zipLike(1_000)
    const path = bench.offer(zip, { version: '2.0.0' })
    const dist = { url: `${bench.server.url}/archives/acme/lib-2.0.0.zip` }
    expect(bench.offer(zip, { version: '1.0.0', dist }).split('?')[1]).toBe(path.split('?')[1] ?? '')
    const tokens = ['^1.0', '^2.0'].map((constraint) =>
      bench.app.token({ allowed_packages: [{ name: 'acme/lib', constraint }] }),
    )
    for (const { token } of await Promise.all(tokens)) expect((await asked(path, { token })).status).toBe(200)
  })
})

describe('a name that is owned or reserved here', () => {
  test('is not asked for, and what is stored of it is still there', async () => {
    await start()
    const [stored, other] = [bench.offer(zipLike(1_000)), bench.offer(zipLike(1_000, 2), { version: '2.0.0' })]
    expect((await asked(stored)).status).toBe(200)
    bench.server.log.clear()
    await bench.restart({ RESERVED_VENDORS: 'acme' })
    expect((await asked(stored)).status).toBe(200)
    expect((await asked(other)).status).toBe(404)
    expect([...bench.fetched, ...bench.read]).toEqual([])
  })

  test('neither is one that the upstream may not be asked for any more', async () => {
    await start()
    const path = bench.offer(zipLike(1_000))
    expect((await asked(path)).status).toBe(200)
    const json = { package_deny: 'acme/*' }
    expect((await bench.app.ask(`/api/repositories/${bench.id}`, { method: 'PATCH', json })).status).toBe(200)
    bench.forget()
    expect((await asked(path)).status).toBe(200)
    bench.app.removeFiles('upstream')
    expect((await asked(path)).status).toBe(404)
    expect(bench.fetched).toHaveLength(1)
  })
})

describe('an address that means nothing', () => {
  test.each([
    ['an unknown id', `/dist/acme/lib/1.0.0.zip?dist=${'0'.repeat(40)}`, 404],
    ['an id that is none', '/dist/acme/lib/1.0.0.zip?dist=../../etc/passwd', 404],
    ['another ending', `/dist/acme/lib/1.0.0.exe?dist=${'0'.repeat(40)}`, 404],
  ])('%s', async (_, path, status) => {
    await start()
    expect((await asked(path)).status).toBe(status)
  })

  test('a document that cannot be had is no proof that there is nothing', async () => {
    await start()
    const path = bench.offer(zipLike(1_000))
    await bench.server.stop()
    expect(await asked(path)).toMatchObject({ status: 502, warning: expect.stringContaining('cannot be reached') })
  })
})

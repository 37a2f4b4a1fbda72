import { afterEach, describe, expect, test } from 'bun:test'
import * as nodeFs from 'node:fs/promises'
import { HELD_BACK } from '../../src/archives/incoming-archive.ts'
import { sha1, zipLike } from '../archives/download-bench.ts'
import { type BenchOptions, MirrorBench } from '../support/mirrored.ts'
import type { FaultRule } from '../support/upstream/faults.ts'
import { startUpstream, type UpstreamServer } from '../support/upstream/upstream-server.ts'

let bench: MirrorBench
const others: UpstreamServer[] = []

async function start(options?: BenchOptions): Promise<MirrorBench> {
  bench = await MirrorBench.start(options)
  return bench
}

afterEach(async () => {
  await bench.stop()
  for (const other of others.splice(0)) await other.stop()
})

async function asked(path: string, request: Parameters<MirrorBench['app']['ask']>[1] = {}) {
  const response = await bench.app.ask(path, request)
  const bytes = Buffer.from(await response.arrayBuffer())
  const { warning = '' } = response.status >= 400 ? JSON.parse(bytes.toString()) : {}
  return { status: response.status, bytes, warning: String(warning), retryAfter: response.headers.get('retry-after') }
}

/** Another host, with an archive at every address. */
async function elsewhere(bytes: Uint8Array, hostname = '127.0.0.2'): Promise<UpstreamServer> {
  const server = await startUpstream(() => ({ headers: { 'Content-Type': 'application/zip' }, body: bytes }), {
    hostname,
  })
  others.push(server)
  return server
}

describe('what an upstream answers instead of the archive', () => {
  const answers: [string, Omit<FaultRule, 'path'>, number, string][] = [
    ['404', { kind: 'status', status: 404 } as never, 404, 'has no longer the archive of acme/lib 1.0.0'],
    ['410', { kind: 'status', status: 410 } as never, 404, 'has no longer the archive of acme/lib 1.0.0'],
    ['401', { kind: 'status', status: 401 } as never, 502, 'may need credential_type'],
    ['403', { kind: 'status', status: 403 } as never, 502, 'refuses the archive of acme/lib 1.0.0 (HTTP 403)'],
    ['400', { kind: 'status', status: 400 } as never, 502, 'answered with HTTP 400'],
    ['a long 429', { kind: 'status', status: 429, retryAfter: 120 } as never, 502, 'asks to slow down'],
    ['a login page', { kind: 'html' } as never, 502, 'is a web page; it is refused'],
    ['JSON', { kind: 'body', body: '{"message":"Not Found"}' } as never, 502, 'is JSON; it is refused'],
    ['nothing', { kind: 'body', body: '' } as never, 502, 'is empty; it is refused'],
    ['too little', { kind: 'wrong-length', by: 7 } as never, 502, 'broke off while it sent'],
    ['half of it', { kind: 'cut' } as never, 502, 'broke off while it sent'],
    ['no answer at all', { kind: 'reset' } as never, 502, 'cannot be reached'],
    ['a redirect to nowhere', { kind: 'redirect', to: 'ftp://127.0.0.1/x.zip' } as never, 502, 'Only http and https'],
    [
      'an endless redirect',
      { kind: 'redirect', to: '/archives/acme/lib-1.0.0.zip' } as never,
      502,
      'redirects more than',
    ],
  ]

  test.each(answers)('%s', async (_, fault, status, sentence) => {
    await start()
    const path = bench.offer(zipLike(20_000))
    const repair = bench.server.faults.add({ ...fault, path: '/archives/' } as FaultRule)
    const answer = await asked(path)
    expect({ status: answer.status, sentence: answer.warning }).toEqual({
      status,
      sentence: expect.stringContaining(sentence),
    })
    expect(bench.app.filesOf('upstream')).toEqual([])
    expect(bench.app.filesOf('tmp')).toEqual([])
    repair()
  })

  test('what says when to come back is told on', async () => {
    await start()
    const path = bench.offer(zipLike(20_000))
    bench.server.faults.add({ kind: 'status', status: 503, retryAfter: 120, path: '/archives/' })
    expect(await asked(path)).toMatchObject({ status: 502, retryAfter: '120' })
  })

  test.each([429, 500, 502, 503])('a burst of %d is over before the client notices', async (status) => {
    await start()
    const zip = zipLike(20_000)
    const path = bench.offer(zip)
    bench.server.faults.add({ kind: 'status', status, retryAfter: 0, times: 2, path: '/archives/' })
    expect((await asked(path)).bytes.equals(zip)).toBe(true)
    expect(bench.server.log.matching('/archives/').map((request) => request.status)).toEqual([status, status, 200])
  })

  test('404, and later it is there', async () => {
    await start()
    const zip = zipLike(20_000)
    const path = bench.offer(zip)
    bench.server.faults.add({ kind: 'status', status: 404, times: 1, path: '/archives/' })
    expect((await asked(path)).status).toBe(404)
    expect((await asked(path)).bytes.equals(zip)).toBe(true)
  })

  test('sixteen questions for what fails are few questions to the upstream', async () => {
    await start()
    const path = bench.offer(zipLike(20_000))
    bench.server.faults.add({ kind: 'status', status: 503, path: '/archives/' })
    for (let time = 0; time < 16; time++) expect((await asked(path)).status).toBe(502)
    expect(bench.fetched).toHaveLength(3)
  })
})

describe('the wrong bytes', () => {
  test('a wrong SHA-1 is refused, shown as an issue of the repository, and over when the right bytes come', async () => {
    await start()
    const zip = zipLike(20_000)
    const path = bench.offer(zip, { dist: { shasum: sha1(zip) } })
    const repair = bench.server.faults.add({ kind: 'wrong-bytes', path: '/archives/' })
    const answer = await asked(path)
    expect(answer.status).toBe(502)
    expect(answer.warning).toContain(`instead of ${sha1(zip)}; it is refused.`)
    expect(await bench.issues()).toEqual([{ ref: 'acme/lib 1.0.0', reason: answer.warning }])
    expect(bench.app.logged.some((line) => line.includes('archive refused'))).toBe(true)
    repair()
    await bench.restart()
    expect((await asked(path)).bytes.equals(zip)).toBe(true)
    expect(await bench.issues()).toEqual([])
  })

  test('of a large archive nobody gets the end, and the next one is told why', async () => {
    await start()
    const zip = zipLike(HELD_BACK * 4)
    const path = bench.offer(zip, { dist: { shasum: sha1(zip) } })
    bench.server.faults.add({ kind: 'wrong-bytes', path: '/archives/' })
    const { url } = await bench.app.app.start()
    const response = await fetch(url + path, { headers: { Authorization: `Bearer ${bench.app.app.localToken}` } })
    expect(response.status).toBe(200)
    let received = 0
    const reading = (async () => {
      for await (const piece of response.body ?? []) received += piece.length
    })()
    await expect(reading).rejects.toThrow()
    expect(received).toBeLessThanOrEqual(zip.length - HELD_BACK)
    expect(await asked(path)).toMatchObject({ status: 502, warning: expect.stringContaining('it is refused') })
    expect(bench.app.filesOf('upstream')).toEqual([])
  })

  test('the upstream changes what it has: what was served stays', async () => {
    await start()
    const zip = zipLike(20_000)
    const path = bench.offer(zip)
    expect((await asked(path)).status).toBe(200)
    bench.files.set('/archives/acme/lib-1.0.0.zip', zipLike(20_000, 2))
    await bench.restart()
    expect((await asked(path)).bytes.equals(zip)).toBe(true)
    bench.app.removeFiles('upstream')
    expect(await asked(path)).toMatchObject({
      status: 502,
      warning: expect.stringContaining('other bytes than it had before'),
    })
    bench.files.set('/archives/acme/lib-1.0.0.zip', zip)
    await bench.restart()
    expect((await asked(path)).bytes.equals(zip)).toBe(true)
  })
})

describe('where it is fetched', () => {
  const credentials = { kind: 'http_basic', username: 'key', password: 'canary-secret' } as const
  const repository = { credential_type: 'http_basic', auth_credentials: 'key:canary-secret' }

  test('credentials go to the upstream and to nobody else, not after a redirect either', async () => {
    await start({ server: { credentials }, repository })
    const zip = zipLike(20_000)
    const other = await elsewhere(zip)
    const own = bench.offer(zip)
    const foreign = bench.offer(zip, { version: '2.0.0', dist: { url: `${other.url}/x.zip` } })
    const redirected = bench.offer(zip, { version: '3.0.0' })
    bench.server.faults.add({ kind: 'redirect', to: `${other.url}/y.zip`, path: 'lib-3.0.0' })
    for (const path of [own, foreign, redirected]) expect((await asked(path)).status).toBe(200)
    expect(bench.server.log.requests.every(({ authorization }) => authorization?.startsWith('Basic '))).toBe(true)
    expect(other.log.requests.map(({ path, authorization }) => [path, authorization])).toEqual([
      ['/x.zip', undefined],
      ['/y.zip', undefined],
    ])
    expect(bench.app.logged.join('')).not.toContain('canary-secret')
  })

  test('not at an address inside the network, whoever sends us there', async () => {
    await start({ environment: { ALLOWED_NETWORKS: '127.0.0.1/32' } })
    const inside = await elsewhere(zipLike(20_000))
    const direct = bench.offer(zipLike(20_000), { dist: { url: `${inside.url}/x.zip` } })
    const redirected = bench.offer(zipLike(20_000), { version: '2.0.0' })
    bench.server.faults.add({ kind: 'redirect', to: `${inside.url}/y.zip`, path: 'lib-2.0.0' })
    for (const path of [direct, redirected]) {
      expect(await asked(path)).toMatchObject({
        status: 502,
        warning: expect.stringContaining('not on the public internet'),
      })
    }
    expect(inside.log.lines).toEqual([])
  })
})

describe('the disk', () => {
  test('full: 507, nothing left behind, and warm archives are still served', async () => {
    let full = false
    const downloadFiles = {
      ...nodeFs,
      async open(...args: Parameters<typeof nodeFs.open>) {
        if (full && args[1] === 'wx') throw Object.assign(new Error('no space'), { code: 'ENOSPC' })
        return nodeFs.open(...args)
      },
    }
    await start({ overrides: { downloadFiles } })
    const [warm, cold] = [bench.offer(zipLike(20_000)), bench.offer(zipLike(20_000, 2), { version: '2.0.0' })]
    expect((await asked(warm)).status).toBe(200)
    full = true
    expect(await asked(cold)).toMatchObject({ status: 507 })
    expect((await asked(warm)).status).toBe(200)
    expect(bench.app.filesOf('tmp')).toEqual([])
    full = false
    expect((await asked(cold)).status).toBe(200)
  })
})

import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { connect } from 'node:net'
import { jsonAnswer, startUpstream, type UpstreamServer } from './upstream-server.ts'

const BODY = { packages: { 'acme/lib': [] }, filler: 'x'.repeat(500) }

let upstream: UpstreamServer

beforeEach(async () => {
  upstream = await startUpstream(() => jsonAnswer(BODY), { gzip: true })
})

afterEach(() => upstream.stop())

/** Every byte of the answer to a plain GET, until the server or `until` ends the connection. */
async function raw(path: string, until = (_: string) => false): Promise<string> {
  const { hostname, port } = new URL(upstream.url)
  const socket = connect(Number(port), hostname)
  let text = ''
  await new Promise<void>((resolve) => {
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
      if (until(text)) socket.destroy()
    })
    socket.on('close', () => resolve())
    socket.on('error', () => resolve())
    socket.write(`GET ${path} HTTP/1.1\r\nHost: upstream\r\n\r\n`)
  })
  return text
}

function bodyOf(text: string): string {
  return text.slice(text.indexOf('\r\n\r\n') + 4)
}

function lengthOf(text: string): number {
  return Number(/^content-length: (\d+)/im.exec(text)?.[1])
}

const get = (path = '/x', init?: RequestInit) => fetch(upstream.url + path, init)

describe('an upstream', () => {
  test('logs requests and answers many on one connection, bodies included', async () => {
    for (const mark of ['one', 'two']) await get(`/${mark}?q=1`, { method: 'POST', body: mark })
    expect(upstream.log.lines).toEqual(['POST /one?q=1', 'POST /two?q=1'])
    expect(upstream.log.matching('/two')[0]).toMatchObject({ body: 'two', status: 200, authorization: undefined })
    upstream.log.clear()
    expect(upstream.log.requests).toEqual([])
  })

  test('reads a body in chunks', async () => {
    const body = new ReadableStream({
      start(controller) {
        for (const part of ['one ', 'two']) controller.enqueue(new TextEncoder().encode(part))
        controller.close()
      },
    })
    expect((await get('/x', { method: 'POST', body })).status).toBe(200)
    expect(upstream.log.requests[0]?.body).toBe('one two')
  })

  test('compresses JSON for who accepts it only', async () => {
    expect(await raw('/x', (text) => bodyOf(text).length >= lengthOf(text))).not.toMatch(/content-encoding/i)
    const answer = await get()
    expect(answer.headers.get('content-encoding')).toBe('gzip')
    expect(await answer.json()).toEqual(BODY)
  })

  for (const [credentials, headers] of [
    [{ kind: 'http_basic', username: 'a', password: 'b' }, { authorization: `Basic ${btoa('a:b')}` }],
    [{ kind: 'bearer', token: 't' }, { authorization: 'Bearer t' }],
    [{ kind: 'header', name: 'X-Key', value: 'k' }, { 'x-key': 'k' }],
  ] as const) {
    test(`wants ${credentials.kind}`, async () => {
      upstream.credentials = credentials
      expect((await get()).status).toBe(401)
      expect((await get('/x', { headers: { authorization: 'Bearer wrong', 'x-key': 'wrong' } })).status).toBe(401)
      expect((await get('/x', { headers })).status).toBe(200)
    })
  }

  test('can be unplugged and comes back at the same address', async () => {
    const { url } = upstream
    await get()
    await upstream.stop()
    await expect(get()).rejects.toThrow()
    await upstream.start()
    expect(upstream.url).toBe(url)
    expect((await get()).status).toBe(200)
  })

  test('waits before each answer', async () => {
    upstream.delayMs = 2_000
    await expect(get('/x', { signal: AbortSignal.timeout(20) })).rejects.toThrow()
    expect(upstream.log.requests.map(({ status }) => status)).toEqual([0])
    upstream.delayMs = 1
    expect((await get()).status).toBe(200)
  })
})

describe('a fault', () => {
  test('is for some requests, after some, and a number of times', async () => {
    upstream.faults.add({ path: /^\/a$/, method: 'GET', kind: 'status', status: 503, times: 2, after: 1 })
    const statuses = []
    for (const path of ['/a', '/b', '/a', '/a', '/a']) statuses.push((await get(path)).status)
    expect(statuses).toEqual([200, 200, 503, 503, 200])
  })

  test('is gone after clear, and one after it was taken away', async () => {
    const take = upstream.faults.add({ path: '/', kind: 'status', status: 404 })
    expect((await get()).status).toBe(404)
    take()
    expect((await get()).status).toBe(200)
    upstream.faults.add({ path: '/', kind: 'status', status: 429, retryAfter: 7 })
    expect((await get()).headers.get('retry-after')).toBe('7')
    upstream.faults.clear()
    expect((await get()).status).toBe(200)
  })

  test('redirects', async () => {
    upstream.faults.add({ path: '/', kind: 'redirect', to: 'http://169.254.169.254/latest', status: 301 })
    const answer = await get('/x', { redirect: 'manual' })
    expect([answer.status, answer.headers.get('location')]).toEqual([301, 'http://169.254.169.254/latest'])
  })

  test('replaces the body', async () => {
    upstream.faults.add({ path: '/json', kind: 'invalid-json' })
    upstream.faults.add({ path: '/html', kind: 'html' })
    upstream.faults.add({ path: '/body', kind: 'body', body: '[]' })
    await expect((await get('/json')).json()).rejects.toThrow()
    expect((await get('/html')).headers.get('content-type')).toContain('text/html')
    expect(await (await get('/body')).text()).toBe('[]')
  })

  test('changes one byte, not the length', async () => {
    const right = await raw('/x', (text) => bodyOf(text).length >= lengthOf(text))
    upstream.faults.add({ path: '/', kind: 'wrong-bytes' })
    const wrong = await raw('/x', (text) => bodyOf(text).length >= lengthOf(text))
    expect(wrong.length).toBe(right.length)
    expect([...wrong].filter((character, at) => character !== right[at])).toHaveLength(1)
  })

  test('cuts the body', async () => {
    upstream.faults.add({ path: '/', kind: 'cut', afterBytes: 10 })
    const text = await raw('/x')
    expect([bodyOf(text).length, lengthOf(text)]).toEqual([10, JSON.stringify(BODY).length])
  })

  test('lies about the length, both ways', async () => {
    const length = JSON.stringify(BODY).length
    for (const by of [25, -25]) {
      upstream.faults.clear()
      upstream.faults.add({ path: '/', kind: 'wrong-length', by })
      const text = await raw('/x')
      expect([bodyOf(text).length, lengthOf(text)]).toEqual([length, length + by])
    }
  })

  test('lets the body drip, whole', async () => {
    upstream.faults.add({ path: '/', kind: 'drip', bytes: 100, everyMs: 2 })
    const pieces: number[] = []
    const text = await raw('/x', (sofar) => {
      pieces.push(sofar.length)
      return bodyOf(sofar).length >= lengthOf(sofar)
    })
    expect(JSON.parse(bodyOf(text))).toEqual(BODY)
    expect(pieces.length).toBeGreaterThan(2)
  })

  test('sends without end, and stops when the client goes', async () => {
    upstream.faults.add({ path: '/', kind: 'endless' })
    const text = await raw('/x', (sofar) => sofar.length > 1_000_000)
    expect(text).not.toMatch(/content-length/i)
    upstream.faults.clear()
    expect((await get()).status).toBe(200)
  })

  test('hangs until the client goes, or the server', async () => {
    upstream.faults.add({ path: '/', kind: 'hang' })
    await expect(get('/x', { signal: AbortSignal.timeout(50) })).rejects.toThrow()
    const hanging = raw('/x')
    while (upstream.log.requests.length < 2) await Bun.sleep(1)
    await upstream.stop()
    expect(await hanging).toBe('')
  })

  test('ends the connection before an answer', async () => {
    upstream.faults.add({ path: '/', kind: 'reset' })
    expect(await raw('/x')).toBe('')
    expect(upstream.log.requests[0]?.status).toBe(0)
  })
})

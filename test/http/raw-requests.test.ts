import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { connect } from 'node:net'
import type { Broker } from '../support/broker.ts'
import { startBroker } from '../support/start-broker.ts'

/** Requests that no well-behaved client sends, over a socket, as bytes. */
let app: Broker
let port: number
let token: string

beforeAll(async () => {
  app = await startBroker()
  token = (await app.token({ permissions: 'write' })).token
  port = Number(new URL(await app.listen()).port)
})

afterAll(() => app?.stop())

/** Everything the server answers until it closes, or falls silent. */
function send(text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1')
    let answer = ''
    socket.setTimeout(3_000, () => socket.destroy())
    socket.on('data', (chunk) => {
      answer += chunk.toString('latin1')
    })
    socket.on('close', () => resolve(answer))
    socket.on('error', reject)
    socket.write(text)
  })
}

function status(answer: string): number {
  return Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1] ?? 0)
}

const head = (lines: string[]) => `${lines.join('\r\n')}\r\nConnection: close\r\n\r\n`
const signedIn = () => `Authorization: Bearer ${token}`

test('a Host of one letter cannot shift the path onto another route', async () => {
  for (const path of ['/xx/api/tokens', '/x/api/tokens', '/xxx/api/tokens', '/xxxxxxxx/packages.json']) {
    const answer = await send(head([`GET ${path} HTTP/1.1`, 'Host: a', signedIn()]))
    expect({ path, status: status(answer) }).toEqual({ path, status: 400 })
  }
})

test.each(['localhost', 'x.example', '127.0.0.1', 'a-very-long-name.of.a.host.example.com:8080', '[::1]:80'])(
  'with Host %s each path is its own',
  async (host) => {
    expect(status(await send(head(['GET /packages.json HTTP/1.1', `Host: ${host}`, signedIn()])))).toBe(200)
    expect(status(await send(head(['GET /packages.json HTTP/1.1', `Host: ${host}`])))).toBe(401)
    expect(status(await send(head(['GET /xx/packages.json HTTP/1.1', `Host: ${host}`, signedIn()])))).toBe(404)
  },
)

test('no Host, two of them, or one that is none', async () => {
  for (const lines of [
    ['GET /packages.json HTTP/1.1', 'Host: a.example', 'Host: b.example', signedIn()],

    ['GET /packages.json HTTP/1.1', signedIn()],
    ['GET /packages.json HTTP/1.1', 'Host:', signedIn()],
    ['GET /packages.json HTTP/1.1', 'Host: evil/../x', signedIn()],
  ]) {
    expect(status(await send(head(lines)))).toBe(400)
  }
})

test('the absolute form of an address opens no other host', async () => {
  const answer = await send(head(['GET http://evil.example/packages.json HTTP/1.1', 'Host: localhost', signedIn()]))
  expect(answer).not.toContain('evil.example')
  expect(status(await send(head(['GET http://evil.example/api/tokens HTTP/1.1', 'Host: localhost'])))).not.toBe(200)
})

test.each(['/../api/tokens', '/./packages.json/../api/tokens', '//api/tokens', '/%2e%2e/api/tokens', '/api//tokens'])(
  'the path %s is open to nobody',
  async (path) => {
    const answer = await send(head([`GET ${path} HTTP/1.1`, 'Host: localhost']))
    expect([400, 401, 404]).toContain(status(answer))
  },
)

describe('too much', () => {
  test('a body over the limit is refused without being read', async () => {
    const answer = await send(
      head([
        'POST /api/tokens HTTP/1.1',
        'Host: localhost',
        signedIn(),
        'Content-Type: application/json',
        'Content-Length: 10000000000',
      ]),
    )
    expect(status(answer)).toBe(413)
  })

  test('headers and addresses without end', async () => {
    for (const lines of [
      [`GET /${'x'.repeat(100_000)} HTTP/1.1`, 'Host: localhost'],
      ['GET /packages.json HTTP/1.1', 'Host: localhost', `X-Long: ${'x'.repeat(100_000)}`],
      ['GET /packages.json HTTP/1.1', 'Host: localhost', ...Array.from({ length: 500 }, (_, index) => `X-${index}: x`)],
    ]) {
      const answer = await send(head(lines))
      expect([0, 400, 401, 404, 414, 431]).toContain(status(answer))
    }
  })

  test('and the server goes on', async () => {
    expect(status(await send(head(['GET /ready HTTP/1.1', 'Host: localhost'])))).toBe(200)
  })
})

test('TRACE does not echo the token', async () => {
  const answer = await send(head(['TRACE /packages.json HTTP/1.1', 'Host: localhost', signedIn()]))
  expect(status(answer)).not.toBe(200)
  expect(answer).not.toContain(token)
})

test('OPTIONS is harmless', async () => {
  expect([204, 404, 405]).toContain(status(await send(head(['OPTIONS /packages.json HTTP/1.1', 'Host: localhost']))))
})

describe('a request whose end is disputed', () => {
  const second = `GET /api/tokens HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer TOKEN\r\n\r\n`
  const framings: Record<string, string[]> = {
    'a length and chunks': ['Content-Length: 5', 'Transfer-Encoding: chunked'],
    'two lengths': ['Content-Length: 3', 'Content-Length: 5'],
    'a length that is a list': ['Content-Length: 3, 5'],
    'a length with a sign': ['Content-Length: +5'],
    'a blank before the colon': ['Transfer-Encoding : chunked'],
    'a coding that is none': ['Transfer-Encoding: xchunked'],
    'chunked, and then something': ['Transfer-Encoding: chunked, identity'],
    'a folded header': ['X-Folded: a', ' Content-Length: 5'],
  }

  test.each(Object.keys(framings))('%s: what follows is no second request', async (name) => {
    const lines = [
      'POST /downloads HTTP/1.1',
      'Host: localhost',
      'Content-Type: application/json',
      ...(framings[name] ?? []),
    ]
    const body = `0\r\n\r\n${second.replace('TOKEN', token)}`
    const answer = await send(`${lines.join('\r\n')}\r\n\r\n${body}`)
    expect(answer.match(/HTTP\/1\.1 \d{3}/g)?.length ?? 0).toBeLessThanOrEqual(1)
    expect(answer).not.toContain('"permissions"')
    expect(status(answer)).not.toBe(200)
  })

  test('chunks that are none', async () => {
    for (const chunk of [
      'zz\r\nabc',
      '-5\r\nabc',
      'ffffffffffffffffff\r\nabc',
      '5;\nabc',
      `5;${'x'.repeat(50_000)}\r\nhello\r\n0\r\n\r\n`,
    ]) {
      const answer = await send(
        `POST /api/tokens HTTP/1.1\r\nHost: localhost\r\n${signedIn()}\r\nTransfer-Encoding: chunked\r\n\r\n${chunk}\r\n\r\n`,
      )
      expect(answer).not.toContain('pb_')
      expect([0, 400, 408, 413]).toContain(status(answer))
    }
  })
})

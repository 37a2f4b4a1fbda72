import type { Socket } from 'node:net'

/** A request as it came over the wire. Header names are lower case. */
export interface UpstreamRequest {
  method: string
  /** Path and query, as sent. */
  target: string
  /** Decoded path. */
  path: string
  query: URLSearchParams
  headers: Readonly<Record<string, string>>
  body: string
}

/** What a handler answers; status 200 and no headers by default. */
export interface UpstreamAnswer {
  status?: number
  headers?: Readonly<Record<string, string>>
  body?: string | Uint8Array
  /** Sends the body in chunks, without `Content-Length`, as servers do that make an archive while sending it. */
  unsized?: boolean
}

const HEAD_END = Buffer.from('\r\n\r\n')

/**
 * Reads HTTP/1.1 requests off a socket, one after the other, and hands each to `serve` with the socket. Only what
 * clients of a Composer repository send: bodies have a `Content-Length` or are chunked. The next request is read when
 * `serve` is done. Written by hand because the faults that tests want are answers no honest HTTP server can send.
 */
export function readRequests(socket: Socket, serve: (request: UpstreamRequest) => Promise<void>): void {
  let waiting = Buffer.alloc(0)
  let busy = false
  const next = async (): Promise<void> => {
    if (busy) return
    busy = true
    try {
      for (let found = takeRequest(waiting); found !== null; found = takeRequest(waiting)) {
        waiting = found.rest
        await serve(found.request)
      }
    } catch {
      // A client that is not speaking HTTP, or that has gone away, loses its connection.
      socket.destroy()
    } finally {
      busy = false
    }
  }
  socket.on('data', (chunk: Buffer) => {
    waiting = Buffer.concat([waiting, chunk])
    void next()
  })
  socket.on('error', () => socket.destroy())
}

/** Writes an answer as an honest server does. */
export function writeAnswer(socket: Socket, request: UpstreamRequest, answer: UpstreamAnswer): void {
  const body = Buffer.from(answer.body ?? '')
  if (answer.unsized === true) {
    const headers = { ...answer.headers, 'Transfer-Encoding': 'chunked' }
    socket.write(answerHead({ ...answer, headers }, null))
    if (request.method !== 'HEAD') writeChunks(socket, body)
    return
  }
  socket.write(answerHead(answer, body.length))
  if (request.method !== 'HEAD' && body.length > 0) socket.write(body)
}

function writeChunks(socket: Socket, body: Buffer): void {
  const size = 16_384
  for (let at = 0; at < body.length; at += size) {
    const chunk = body.subarray(at, at + size)
    socket.write(Buffer.concat([Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, Buffer.from('\r\n')]))
  }
  socket.write('0\r\n\r\n')
}

/** Status line and headers; a `length` of null leaves `Content-Length` out. */
export function answerHead(answer: UpstreamAnswer, length: number | null): string {
  const status = answer.status ?? 200
  const lines = [`HTTP/1.1 ${status} ${REASONS[status] ?? 'Status'}`, `Date: ${new Date().toUTCString()}`]
  for (const [name, value] of Object.entries(answer.headers ?? {})) lines.push(`${name}: ${value}`)
  if (length !== null && status !== 304) lines.push(`Content-Length: ${length}`)
  return `${lines.join('\r\n')}\r\n\r\n`
}

const REASONS: Readonly<Record<number, string>> = {
  200: 'OK',
  201: 'Created',
  301: 'Moved Permanently',
  302: 'Found',
  304: 'Not Modified',
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
}

function takeRequest(bytes: Buffer): { request: UpstreamRequest; rest: Buffer<ArrayBuffer> } | null {
  const end = bytes.indexOf(HEAD_END)
  if (end < 0) return null
  const [first = '', ...lines] = bytes.subarray(0, end).toString('latin1').split('\r\n')
  const [method = '', target = ''] = first.split(' ')
  const headers: Record<string, string> = {}
  for (const line of lines) {
    const colon = line.indexOf(':')
    headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim()
  }
  const behind = bytes.subarray(end + HEAD_END.length)
  const taken = headers['transfer-encoding'] === 'chunked' ? takeChunks(behind) : takeLength(behind, headers)
  if (taken === null) return null
  const url = new URL(target, 'http://upstream.invalid')
  const path = decodeURIComponent(url.pathname)
  const body = taken.body.toString()
  return { request: { method, target, path, query: url.searchParams, headers, body }, rest: Buffer.from(taken.rest) }
}

function takeLength(bytes: Buffer, headers: Record<string, string>): { body: Buffer; rest: Buffer } | null {
  const length = Number(headers['content-length'] ?? 0)
  return bytes.length < length ? null : { body: bytes.subarray(0, length), rest: bytes.subarray(length) }
}

function takeChunks(bytes: Buffer): { body: Buffer; rest: Buffer } | null {
  const parts: Buffer[] = []
  for (let at = 0; ; ) {
    const lineEnd = bytes.indexOf('\r\n', at)
    if (lineEnd < 0) return null
    const size = Number.parseInt(bytes.subarray(at, lineEnd).toString('latin1'), 16)
    const next = lineEnd + 2 + size + 2
    if (bytes.length < next) return null
    if (size === 0) return { body: Buffer.concat(parts), rest: bytes.subarray(next) }
    parts.push(bytes.subarray(lineEnd + 2, next - 2))
    at = next
  }
}

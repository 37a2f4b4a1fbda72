import type { Socket } from 'node:net'
import { answerHead, type UpstreamAnswer, type UpstreamRequest, writeAnswer } from './http-connection.ts'

/** What goes wrong with an answer. */
export type Fault =
  /** Another status, with `Retry-After` when given: seconds, or an HTTP date. */
  | { kind: 'status'; status: number; retryAfter?: number | string; body?: string; headers?: Record<string, string> }
  /** 200 with this in place of the body, under the headers of the real answer. */
  | { kind: 'body'; body: string | Uint8Array; contentType?: string }
  /** 200 with JSON that ends in the middle. */
  | { kind: 'invalid-json' }
  /** 200 with a page for people, as from a captive portal. */
  | { kind: 'html' }
  /** Right length, one byte in the middle is another one. */
  | { kind: 'wrong-bytes' }
  /** The head at once, then `bytes` of the body every `everyMs`. */
  | { kind: 'drip'; bytes: number; everyMs: number }
  /** `Content-Length` is true; the connection ends after `afterBytes` of the body, by default after half of it. */
  | { kind: 'cut'; afterBytes?: number }
  /** `Content-Length` is `by` more than the body (or less, when negative); then the connection ends. */
  | { kind: 'wrong-length'; by: number }
  /** A body without end and without a length. */
  | { kind: 'endless' }
  /** To an absolute address or a path. Status 302 unless given. */
  | { kind: 'redirect'; to: string; status?: number }
  /** The answer is the right one, `ms` later. */
  | { kind: 'delay'; ms: number }
  /** No byte of an answer, until the client or the test closes the connection. */
  | { kind: 'hang' }
  /** The connection ends before the first byte. */
  | { kind: 'reset' }

/** Which requests a fault is for. */
export type FaultRule = Fault & {
  /** A part of the path and query, or a pattern for them. */
  path: string | RegExp
  method?: string
  /** So many requests, then the answers are right again. Without it until `clear`. */
  times?: number
  /** So many requests are answered rightly before. */
  after?: number
}

/** Rules of one server; the first one that matches a request is used. */
export class FaultRules {
  private rules: { rule: FaultRule; seen: number }[] = []

  /** Adds a rule behind those there are; calling the returned function takes it away again. */
  add(rule: FaultRule): () => void {
    const entry = { rule, seen: 0 }
    this.rules.push(entry)
    return () => {
      this.rules = this.rules.filter((other) => other !== entry)
    }
  }

  clear(): void {
    this.rules = []
  }

  /** The fault for a request, which counts as one of the rule's `times`. */
  take(request: UpstreamRequest): Fault | undefined {
    for (const entry of this.rules) {
      const { path, method, times = Number.POSITIVE_INFINITY, after = 0 } = entry.rule
      const matches = typeof path === 'string' ? request.target.includes(path) : path.test(request.target)
      if (!matches || (method !== undefined && method !== request.method)) continue
      if (entry.seen >= after + times) continue
      entry.seen += 1
      if (entry.seen > after) return entry.rule
    }
    return undefined
  }
}

/** Writes `answer` the way `fault` wants it; returns the status that was sent, 0 for none. */
export async function writeFault(
  socket: Socket,
  request: UpstreamRequest,
  answer: UpstreamAnswer,
  fault: Fault,
): Promise<number> {
  const replaced = replacement(answer, fault)
  if (replaced !== null) {
    writeAnswer(socket, request, replaced)
    return replaced.status ?? 200
  }
  const status = answer.status ?? 200
  const body = Buffer.from(answer.body ?? '')
  switch (fault.kind) {
    case 'cut':
      socket.write(answerHead(answer, body.length))
      socket.end(body.subarray(0, fault.afterBytes ?? Math.floor(body.length / 2)))
      break
    case 'wrong-length':
      socket.write(answerHead(answer, body.length + fault.by))
      socket.end(body)
      break
    case 'drip':
      socket.write(answerHead(answer, body.length))
      await drip(socket, body, fault)
      break
    case 'endless':
      socket.write(answerHead(answer, null))
      await flood(socket, body)
      break
    case 'delay':
      await Bun.sleep(fault.ms)
      writeAnswer(socket, request, answer)
      break
    case 'hang':
      await closed(socket)
      return 0
    default:
      socket.destroy()
      return 0
  }
  return status
}

/** The whole other answer, where a fault is one; null where it is in how bytes are sent. */
function replacement(answer: UpstreamAnswer, fault: Fault): UpstreamAnswer | null {
  const json = { 'Content-Type': 'application/json' }
  switch (fault.kind) {
    case 'status': {
      const retry = fault.retryAfter === undefined ? {} : { 'Retry-After': String(fault.retryAfter) }
      const { status, body = '' } = fault
      return { status, headers: { 'Content-Type': 'text/plain', ...retry, ...fault.headers }, body }
    }
    case 'redirect':
      return { status: fault.status ?? 302, headers: { Location: fault.to } }
    case 'body':
      return {
        headers: fault.contentType === undefined ? uncoded(answer) : { 'Content-Type': fault.contentType },
        body: fault.body,
      }
    case 'invalid-json':
      return { headers: json, body: '{"packages": {"acme/' }
    case 'html':
      return {
        headers: { 'Content-Type': 'text/html; charset=utf-8' },
        body: '<!DOCTYPE html><html><body><h1>Sign in to the network</h1></body></html>',
      }
    case 'wrong-bytes': {
      const body = Buffer.from(answer.body ?? '')
      const middle = Math.floor(body.length / 2)
      body[middle] = (body[middle] ?? 0) ^ 0xff
      return { ...answer, body }
    }
    default:
      return null
  }
}

/** Headers of an answer whose body is replaced by one that is not compressed. */
function uncoded(answer: UpstreamAnswer): Record<string, string> {
  return Object.fromEntries(
    Object.entries(answer.headers ?? {}).filter(([name]) => name.toLowerCase() !== 'content-encoding'),
  )
}

async function drip(socket: Socket, body: Buffer, { bytes, everyMs }: { bytes: number; everyMs: number }) {
  for (let at = 0; at < body.length && !socket.destroyed; at += bytes) {
    socket.write(body.subarray(at, at + bytes))
    await Bun.sleep(everyMs)
  }
}

async function flood(socket: Socket, body: Buffer): Promise<void> {
  socket.write(body)
  const blanks = Buffer.alloc(65_536, ' ')
  while (!socket.destroyed) {
    // Without the wait for the client, memory of the test would fill instead of the client's.
    if (!socket.write(blanks)) await Promise.race([once(socket, 'drain'), closed(socket)])
    await Bun.sleep(0)
  }
}

function closed(socket: Socket): Promise<void> {
  return socket.destroyed ? Promise.resolve() : once(socket, 'close')
}

function once(socket: Socket, event: 'close' | 'drain'): Promise<void> {
  return new Promise((resolve) => socket.once(event, () => resolve()))
}

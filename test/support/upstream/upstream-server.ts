import { createServer, type Server, type Socket } from 'node:net'
import { gzipSync } from 'node:zlib'
import { FaultRules, writeFault } from './faults.ts'
import { readRequests, type UpstreamAnswer, type UpstreamRequest, writeAnswer } from './http-connection.ts'

/** What a client must send to be let in. */
export type UpstreamCredentials =
  | { kind: 'http_basic'; username: string; password: string }
  | { kind: 'bearer'; token: string }
  | { kind: 'header'; name: string; value: string }

/** How the server behaves towards clients. */
export interface UpstreamServerOptions {
  credentials?: UpstreamCredentials
  /** Added before each answer, in milliseconds. */
  delayMs?: number
  /** Port to listen on; a free one by default. */
  port?: number
  /** Loopback address to listen on; 127.0.0.1 by default. Another one (127.0.0.2) is another host for a client. */
  hostname?: string
  /** Compresses JSON for clients that accept gzip. */
  gzip?: boolean
}

/** One request and what came of it. */
export interface LoggedRequest {
  method: string
  /** Path and query, as sent. */
  path: string
  headers: Readonly<Record<string, string>>
  /** The `Authorization` header. */
  authorization: string | undefined
  body: string
  /** Unix milliseconds. */
  at: number
  /** Status that was answered; 0 while there is none. */
  status: number
}

/** Every request in order, the newest last. */
export class RequestLog {
  requests: LoggedRequest[] = []

  clear(): void {
    this.requests = []
  }

  /** `METHOD path` of each request; for comparing with a list. */
  get lines(): string[] {
    return this.requests.map(({ method, path }) => `${method} ${path}`)
  }

  /** Requests whose path and query contain a text or match a pattern. */
  matching(path: string | RegExp): LoggedRequest[] {
    return this.requests.filter((request) =>
      typeof path === 'string' ? request.path.includes(path) : path.test(request.path),
    )
  }
}

/** Answers a request; the server adds length, compression, delay, credentials and faults. */
export type UpstreamHandler = (request: UpstreamRequest) => UpstreamAnswer | Promise<UpstreamAnswer>

/** Answers without a handler's doing: what a wrong path gets. */
export const NOT_FOUND: UpstreamAnswer = {
  status: 404,
  headers: { 'Content-Type': 'text/html' },
  body: '<h1>404 Not Found</h1>',
}

/** An answer with a JSON body. */
export function jsonAnswer(value: unknown, headers: Record<string, string> = {}, status = 200): UpstreamAnswer {
  return { status, headers: { 'Content-Type': 'application/json', ...headers }, body: JSON.stringify(value) }
}

/** A stand-in for the server of somebody else, on loopback. What it answers is up to the class that extends it. */
export abstract class UpstreamServer {
  readonly log = new RequestLog()
  readonly faults = new FaultRules()
  /** Added before each answer, in milliseconds; may be changed at any time. */
  delayMs: number
  /** What clients must send from now on; undefined lets everybody in. */
  credentials: UpstreamCredentials | undefined
  private server: Server | null = null
  private readonly sockets = new Set<Socket>()
  private port: number

  constructor(private readonly options: UpstreamServerOptions = {}) {
    this.delayMs = options.delayMs ?? 0
    this.credentials = options.credentials
    this.port = options.port ?? 0
  }

  /** `http://<address>:<port>`, without a trailing slash; the same after a `stop` and a `start`. */
  get url(): string {
    return `http://${this.hostname}:${this.port}`
  }

  /** Starts to listen, on the same port as before if it was stopped. */
  async start(): Promise<void> {
    const server = createServer((socket) => this.accept(socket))
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(this.port, this.hostname, () => resolve())
    })
    const address = server.address()
    if (address !== null && typeof address === 'object') this.port = address.port
    this.server = server
  }

  /** As when the cable is pulled: open connections end, new ones are refused. */
  async stop(): Promise<void> {
    const server = this.server
    this.server = null
    for (const socket of this.sockets) socket.destroy()
    if (server !== null) await new Promise<void>((resolve) => server.close(() => resolve()))
  }

  /** The right answer to an admitted request. */
  protected abstract handle(request: UpstreamRequest): UpstreamAnswer | Promise<UpstreamAnswer>

  private get hostname(): string {
    return this.options.hostname ?? '127.0.0.1'
  }

  private accept(socket: Socket): void {
    this.sockets.add(socket)
    socket.on('close', () => this.sockets.delete(socket))
    readRequests(socket, (request) => this.serve(socket, request))
  }

  private async serve(socket: Socket, request: UpstreamRequest): Promise<void> {
    const { method, target, headers, body } = request
    const { authorization } = headers
    const logged: LoggedRequest = { method, path: target, headers, authorization, body, at: Date.now(), status: 0 }
    this.log.requests.push(logged)
    if (this.delayMs > 0) await Bun.sleep(this.delayMs)
    const answer = admitted(request, this.credentials) ? await this.answer(request) : refusal(this.credentials)
    if (socket.destroyed) return
    const fault = this.faults.take(request)
    if (fault === undefined) {
      writeAnswer(socket, request, answer)
      logged.status = answer.status ?? 200
    } else {
      logged.status = await writeFault(socket, request, answer, fault)
    }
  }

  private async answer(request: UpstreamRequest): Promise<UpstreamAnswer> {
    const answer = await this.handle(request)
    const type = answer.headers?.['Content-Type'] ?? ''
    const accepted = /\bgzip\b/.test(request.headers['accept-encoding'] ?? '')
    if (this.options.gzip !== true || !accepted || answer.body === undefined || !type.includes('json')) return answer
    const headers = { ...answer.headers, 'Content-Encoding': 'gzip', Vary: 'Accept-Encoding' }
    return { ...answer, headers, body: gzipSync(answer.body) }
  }
}

/** Starts a server around a handler. */
export async function startUpstream(
  handler: UpstreamHandler,
  options?: UpstreamServerOptions,
): Promise<UpstreamServer> {
  const server = new HandledServer(handler, options)
  await server.start()
  return server
}

class HandledServer extends UpstreamServer {
  constructor(
    protected readonly handle: UpstreamHandler,
    options?: UpstreamServerOptions,
  ) {
    super(options)
  }
}

function admitted({ headers }: UpstreamRequest, credentials: UpstreamCredentials | undefined): boolean {
  switch (credentials?.kind) {
    case 'http_basic': {
      const pair = Buffer.from(`${credentials.username}:${credentials.password}`).toString('base64')
      return headers.authorization === `Basic ${pair}`
    }
    case 'bearer':
      return headers.authorization === `Bearer ${credentials.token}`
    case 'header':
      return headers[credentials.name.toLowerCase()] === credentials.value
    default:
      return true
  }
}

function refusal(credentials: UpstreamCredentials | undefined): UpstreamAnswer {
  const scheme = credentials?.kind === 'bearer' ? 'Bearer' : 'Basic'
  const headers = { 'WWW-Authenticate': `${scheme} realm="Restricted"`, 'Content-Type': 'text/html' }
  return { status: 401, headers, body: '<h1>401 Authorization Required</h1>' }
}

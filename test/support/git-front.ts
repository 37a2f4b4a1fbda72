/** Answers a request in place of the git server; `forward` asks it. */
export type Fault = (request: Request, forward: () => Promise<Response>) => Response | Promise<Response>

/** A request as it came. */
export interface FrontRequest {
  readonly method: string
  readonly path: string
  readonly headers: Headers
  readonly body: string
}

/** Stands before a git server, sees what is asked, and fails when it is told to. */
export class GitFront {
  fault: Fault | null = null
  /** Newest last. */
  readonly requests: FrontRequest[] = []
  private readonly server: ReturnType<typeof Bun.serve>

  /** `target` is the address of the git server. */
  constructor(private readonly target: string) {
    this.server = Bun.serve({
      hostname: '127.0.0.1',
      port: 0,
      idleTimeout: 60,
      fetch: (request) => this.answer(request),
    })
  }

  get url(): string {
    return `http://127.0.0.1:${this.server.port}`
  }

  async stop(): Promise<void> {
    await this.server.stop(true)
  }

  private async answer(request: Request): Promise<Response> {
    const url = new URL(request.url)
    const body = request.method === 'GET' ? undefined : await request.bytes()
    const text = new TextDecoder().decode(body)
    this.requests.push({ method: request.method, path: url.pathname, headers: request.headers, body: text })
    const forward = async () => {
      const response = await fetch(`${this.target}${url.pathname}${url.search}`, {
        method: request.method,
        headers: request.headers,
        ...(body === undefined ? {} : { body }),
      })
      return new Response(await response.arrayBuffer(), { status: response.status, headers: plainHeaders(response) })
    }
    return this.fault ? this.fault(request, forward) : forward()
  }
}

const RESULT = 'application/x-git-upload-pack-result'

/** An answer of this status to everything. */
export function status(code: number, headers: Record<string, string> = {}): Fault {
  return () => new Response('no', { status: code, headers })
}

/** Lets the listing through and changes what answers a fetch. */
export function onFetch(change: (bytes: Uint8Array) => Uint8Array): Fault {
  return async (request, forward) => {
    const response = await forward()
    const bytes = await response.bytes()
    const isFetch = new TextDecoder('latin1').decode(bytes.subarray(0, 400)).includes('packfile')
    const body = request.method === 'POST' && isFetch ? change(bytes) : bytes
    return new Response(new Uint8Array(body), { status: response.status, headers: response.headers })
  }
}

/** A pack whose checksum is wrong. */
export function flippedTrailer(bytes: Uint8Array): Uint8Array {
  const copy = new Uint8Array(bytes)
  const at = copy.length - 10
  copy[at] = (copy[at] ?? 0) ^ 0xff
  return copy
}

/** A pack that breaks off. */
export function cutOff(bytes: Uint8Array): Uint8Array {
  return bytes.subarray(0, bytes.length - 40)
}

/** The listing breaks off. */
export const cutListing: Fault = async (request, forward) => {
  const response = await forward()
  if (request.method === 'GET') return response
  return new Response((await response.bytes()).subarray(0, 150), { headers: { 'content-type': RESULT } })
}

/** What git says on its error line (`git: protocol-common`, ERR). */
export const errorLine: Fault = (request, forward) =>
  request.method === 'GET' ? forward() : new Response('0011ERR no today\n', { headers: { 'content-type': RESULT } })

function plainHeaders(response: Response): Headers {
  const headers = new Headers(response.headers)
  for (const name of ['content-encoding', 'content-length', 'transfer-encoding']) headers.delete(name)
  return headers
}

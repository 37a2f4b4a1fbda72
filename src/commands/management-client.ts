import { createApp } from '../app.ts'
import type { Config } from '../config.ts'
import { AppError } from '../errors.ts'
import { silentLogger } from '../observability/logger.ts'
import { serverSocket } from './local-server.ts'

/** The management API, through a running server or opened here. */
export interface ManagementClient {
  /** Sends a request and returns the body. Throws AppError with the sentence of the server when it refuses. */
  call(method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE', path: string, body?: unknown): Promise<unknown>
  /** Sends a GET; any status is an answer. */
  get(path: string): Promise<Response>
  /** Uploads a file, a piece at a time, and returns the answer. Throws AppError like `call`. */
  upload(path: string, file: Blob): Promise<unknown>
  /** The pages of a list, one after the other. */
  pages(path: string): AsyncGenerator<Record<string, unknown>[]>
  /** Every item of a list, page by page. */
  list(path: string): Promise<Record<string, unknown>[]>
}

type Send = (path: string, init: RequestInit) => Promise<Response>

/**
 * Runs `work` with the management API: over the socket of the server that holds the data, or, when none runs, in this
 * process, where queued syncs are then worked on as long as `work` lasts.
 */
export async function withManagementApi<T>(config: Config, work: (client: ManagementClient) => Promise<T>): Promise<T> {
  const socket = await serverSocket(config)
  if (socket !== null) {
    return work(clientOf((path, init) => fetch(`http://localhost${path}`, { ...init, unix: socket })))
  }
  const app = await createApp(config, { logger: silentLogger, purpose: 'command line' })
  try {
    app.startWorkers()
    return await work(
      clientOf((path, init) => {
        const headers = new Headers(init.headers)
        headers.set('Authorization', `Bearer ${app.localToken}`)
        headers.set('Host', 'localhost')
        return app.handler(new Request(`http://localhost${path}`, { ...init, headers }))
      }),
    )
  } finally {
    await app.stop()
  }
}

function clientOf(send: Send): ManagementClient {
  function request(method: string, path: string, body?: unknown): Promise<Response> {
    const json =
      body === undefined ? {} : { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } }
    return accepted(path, { method, ...json })
  }

  async function accepted(path: string, init: RequestInit): Promise<Response> {
    const response = await send(path, init)
    if (response.ok) return response
    throw new AppError(
      'invalid',
      refusalOf((await response.json()) as Refusal) ?? `The server answered ${response.status}.`,
    )
  }
  async function* pages(path: string): AsyncGenerator<Record<string, unknown>[]> {
    for (let next: string | null = path; next !== null; ) {
      const response = await request('GET', next)
      yield (await response.json()) as Record<string, unknown>[]
      next = nextPage(response.headers.get('link'))
    }
  }

  return {
    get: (path) => send(path, { method: 'GET' }),
    call: async (method, path, body) => (await request(method, path, body)).json(),
    upload: async (path, body) =>
      (await accepted(path, { method: 'PUT', body, headers: { 'Content-Type': 'application/zip' } })).json(),
    pages,
    async list(path) {
      const items: Record<string, unknown>[] = []
      for await (const page of pages(path)) items.push(...page)
      return items
    },
  }
}

interface Refusal {
  readonly error?: string
  readonly details?: { readonly fields?: Readonly<Record<string, string>> }
}

/** The sentence of an error, and below it what each wrong field should have been; null when it says nothing. */
function refusalOf({ error, details }: Refusal): string | null {
  if (error === undefined) return null
  const fields = Object.entries(details?.fields ?? {}).filter(([, wanted]) => !error.includes(wanted))
  return [error, ...fields.map(([name, wanted]) => `  ${name}: ${wanted}`)].join('\n')
}

function nextPage(link: string | null): string | null {
  const url = /^<([^>]{1,4000})>; rel="next"$/.exec(link ?? '')?.[1]
  if (url === undefined) return null
  const { pathname, search } = new URL(url)
  // BASE_URL may have a path of its own, with /api/ in it.
  return pathname.slice(pathname.lastIndexOf('/api/')) + search
}

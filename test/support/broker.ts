/** A request to the program; `token` goes as Bearer, `json` becomes the body. */
export interface TestRequest {
  method?: string
  token?: string | null
  headers?: Record<string, string>
  json?: unknown
  body?: string | Uint8Array<ArrayBuffer>
}

/** A repository as the management API shows it, as far as tests look at it. */
export interface ShownRepository {
  id: string
  status: string
  error_message: string | null
  packages: number
  versions: number
  issues: { ref: string; reason: string }[]
  progress: unknown
}

/** Time between two looks at a repository that is being synced, in milliseconds. */
const LOOK_MS = 10
/** How long a sync may take before the test that waits for it fails. */
const PATIENCE_MS = 20_000
/** How the program is called, unless a request says otherwise. */
const ORIGIN = 'http://localhost'

/** The program under test, wherever it runs: what tests of the HTTP contract need of it. */
export abstract class Broker {
  /** `DATA_DIR`. */
  abstract readonly dataDirectory: string
  /** Lines of its log so far, from `debug` on. */
  abstract readonly logged: readonly string[]
  /** A token that may do everything. */
  protected abstract readonly owner: string

  /** Where test repositories are created; they can be added by this path. */
  abstract path(name: string): string
  /** Its clock, Unix seconds. */
  abstract now(): number
  /** Resolves when its clock is there. */
  abstract passTo(time: number): Promise<void>
  /** Where it listens. */
  abstract listen(): Promise<string>
  abstract stop(): Promise<void>
  protected abstract send(
    url: string,
    init: { method: string; headers: Headers; body?: RequestInit['body'] },
  ): Promise<Response>

  /** Sends a request as the owner of the data, or as `token`; null sends none. */
  ask(path: string, request: TestRequest = {}): Promise<Response> {
    const { method = request.json === undefined ? 'GET' : 'POST', token = this.owner } = request
    const headers = new Headers({ Host: 'localhost', ...request.headers })
    if (token !== null && !headers.has('authorization')) headers.set('Authorization', `Bearer ${token}`)
    const body = request.json === undefined ? request.body : JSON.stringify(request.json)
    if (request.json !== undefined && !headers.has('content-type')) headers.set('Content-Type', 'application/json')
    const url = path.startsWith('http') ? path : `${ORIGIN}${path}`
    return this.send(url, { method, headers, ...(body === undefined ? {} : { body }) })
  }

  /** Creates a token through the API. */
  async token(spec: Record<string, unknown> = {}): Promise<{ id: string; token: string }> {
    const response = await this.ask('/api/tokens', { json: { permissions: 'readonly', ...spec } })
    if (response.status !== 201) throw new Error(`no token: ${await response.text()}`)
    return (await response.json()) as { id: string; token: string }
  }

  /** Adds a repository and waits for its first sync. */
  async addRepository(url: string, spec: Record<string, unknown> = {}): Promise<ShownRepository> {
    const response = await this.ask('/api/repositories', { json: { url, vcs_type: 'git', ...spec } })
    if (response.status !== 201) throw new Error(`no repository: ${await response.text()}`)
    return this.synced(((await response.json()) as ShownRepository).id)
  }

  /** Syncs a repository now and waits for the end. */
  async sync(id: string): Promise<ShownRepository> {
    const response = await this.ask(`/api/repositories/${id}/sync`, { method: 'POST' })
    if (response.status !== 202) throw new Error(`no sync: ${await response.text()}`)
    return this.synced(id)
  }

  /** The repository once nothing is under way for it. */
  async synced(id: string): Promise<ShownRepository> {
    const until = Date.now() + PATIENCE_MS
    while (Date.now() < until) {
      const view = (await (await this.ask(`/api/repositories/${id}`)).json()) as ShownRepository
      if (view.progress === null) return view
      await Bun.sleep(LOOK_MS)
    }
    throw new Error(`repository ${id} is still being synced`)
  }
}

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type App, createApp } from '../../src/app.ts'
import { readConfig } from '../../src/config.ts'
import type { Overrides } from '../../src/foundation.ts'
import { createLogger } from '../../src/observability/logger.ts'

/** A request to the app; `token` goes as Bearer, `json` becomes the body. */
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

/** The whole program inside the test process, on a temporary directory. Its workers run, it does not listen. */
export class TestApp {
  private constructor(
    readonly app: App,
    /** Below it: `data`, and `repositories`, from where paths can be added. */
    readonly directory: string,
    /** Turn `clock.now` (Unix seconds) to let time pass. */
    readonly clock: { now: number },
    /** Everything logged so far, from `debug` on. */
    readonly logged: string[],
  ) {}

  /** Starts an app; `environment` adds to or replaces variables, `directory` continues an earlier one. */
  static async start(
    environment: Record<string, string> = {},
    directory = mkdtempSync(join(tmpdir(), 'package-broker-test-')),
    overrides: Overrides = {},
  ): Promise<TestApp> {
    const clock = { now: Math.floor(Date.now() / 1000) }
    const logged: string[] = []
    const logger = createLogger({ level: 'debug', format: 'json', write: (line) => void logged.push(line) })
    const config = readConfig({
      HOST: '127.0.0.1',
      PORT: '0',
      DATA_DIR: join(directory, 'data'),
      LOCAL_REPOSITORY_ROOTS: join(directory, 'repositories'),
      ALLOWED_NETWORKS: '127.0.0.0/8',
      ...environment,
    })
    const app = await createApp(config, { now: () => clock.now, logger, ...overrides })
    app.startWorkers()
    return new TestApp(app, directory, clock, logged)
  }

  /** Where test repositories are created. */
  path(name: string): string {
    return join(this.directory, 'repositories', name)
  }

  /** Sends a request as the owner of the data, or as `token`; null sends none. */
  ask(path: string, request: TestRequest = {}): Promise<Response> {
    const { method = request.json === undefined ? 'GET' : 'POST', token = this.app.localToken } = request
    const headers = new Headers({ Host: 'localhost', ...request.headers })
    if (token !== null && !headers.has('authorization')) headers.set('Authorization', `Bearer ${token}`)
    const body = request.json === undefined ? request.body : JSON.stringify(request.json)
    if (request.json !== undefined && !headers.has('content-type')) headers.set('Content-Type', 'application/json')
    const url = path.startsWith('http') ? path : `http://localhost${path}`
    return this.app.handler(new Request(url, { method, headers, ...(body === undefined ? {} : { body }) }))
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

  /** Stops the app; the directory is removed unless `keep` is set. */
  async stop(keep = false): Promise<void> {
    await this.app.stop(1_000)
    if (!keep) rmSync(this.directory, { recursive: true, force: true })
  }
}

/** `Authorization` headers for one token, by the ways a client may send it. */
export const TRANSPORTS: Readonly<Record<string, (token: string) => string>> = {
  bearer: (token) => `Bearer ${token}`,
  'basic password': (token) => `Basic ${btoa(`token:${token}`)}`,
  'basic user': (token) => `Basic ${btoa(`${token}:`)}`,
}

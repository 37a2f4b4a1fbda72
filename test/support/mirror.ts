import { expect } from 'bun:test'
import { TestApp } from './app.ts'
import { type Packagist, startPackagist } from './upstream/packagist.ts'

/** A version as a document has it. */
export interface MirroredEntry {
  name?: string
  version: string
  version_normalized: string
  dist: { type: string; url: string; reference: string; shasum?: string }
  source?: unknown
  'notification-url'?: unknown
}

/** A document of a package, with the answer it came in. */
interface MirroredAnswer {
  status: number
  headers: Headers
  entries: MirroredEntry[]
  packages?: Record<string, MirroredEntry[] | Record<string, MirroredEntry>>
  minified?: string
  warning?: string
}

/** With a log of changes to follow, documents are fresh for longer than `fresh_for`. */
const WITHOUT_LOG = { root: { 'metadata-changes-url': undefined } }

/** An app and upstreams that it takes packages from. */
export class MirrorTest {
  readonly others: Packagist[] = []

  private constructor(
    public app: TestApp,
    readonly upstream: Packagist,
  ) {}

  /** Starts an app, and an upstream that is not added yet. */
  static async start(packages: NonNullable<Parameters<typeof startPackagist>[0]>['packages']): Promise<MirrorTest> {
    const upstream = await startPackagist({ ...WITHOUT_LOG, ...(packages ? { packages } : {}) })
    return new MirrorTest(await TestApp.start(), upstream)
  }

  async stop(): Promise<void> {
    await this.app.stop()
    for (const server of [this.upstream, ...this.others]) await server.stop()
  }

  /** The same installation once more, after its process has ended. */
  async restart(): Promise<void> {
    await this.app.stop(true)
    this.app = await TestApp.start({}, this.app.directory)
  }

  /** One more upstream, not added yet. */
  async another(options: Parameters<typeof startPackagist>[0] = {}): Promise<Packagist> {
    const other = await startPackagist({ ...WITHOUT_LOG, ...options })
    this.others.push(other)
    return other
  }

  /** Adds an upstream by its address and waits for the first look at it. Its id. */
  async add(url = this.upstream.url, settings: object = {}): Promise<string> {
    const response = await this.app.ask('/api/repositories', { json: { url, vcs_type: 'composer', ...settings } })
    expect({ status: response.status, body: await response.clone().text() }).toMatchObject({ status: 201 })
    const { id } = (await response.json()) as { id: string }
    await this.app.synced(id)
    return id
  }

  /** The document at a path below `/p2/`. */
  async document(path: string, token?: string): Promise<MirroredAnswer> {
    const response = await this.app.ask(`/p2/${path}`, token === undefined ? {} : { token })
    const body = (await response.json()) as Pick<MirroredAnswer, 'packages' | 'minified' | 'warning'>
    const [entries = []] = Object.values(body.packages ?? {})
    return { ...body, status: response.status, headers: response.headers, entries: Object.values(entries) }
  }

  /** The versions in it. */
  async versions(path: string, token?: string): Promise<string[]> {
    return (await this.document(path, token)).entries.map((one) => one.version)
  }

  /** Requests for documents that an upstream got since the last call. */
  asked(server = this.upstream): string[] {
    const lines = server.log.lines.filter((line) => line.includes('/p2/'))
    server.log.clear()
    return lines
  }
}

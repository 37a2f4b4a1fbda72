import type { Overrides } from '../../src/foundation.ts'
import { distPath, readUpstreamDist } from '../../src/mirror/dist-address.ts'
import { TestApp } from './app.ts'
import {
  jsonAnswer,
  NOT_FOUND,
  startUpstream,
  type UpstreamServer,
  type UpstreamServerOptions,
} from './upstream/upstream-server.ts'

/** A version as the upstream offers it. */
export interface OfferedVersion {
  name?: string
  version?: string
  /** Fields of its `dist` beside those of a zip on the same server. */
  dist?: Record<string, unknown>
}

/** How a bench is started. */
export interface BenchOptions {
  environment?: Record<string, string>
  overrides?: Overrides
  /** Settings of the repository. */
  repository?: Record<string, unknown>
  server?: UpstreamServerOptions
}

/** What an upstream has: documents and archives by their paths. */
class Offer {
  readonly files = new Map<string, Uint8Array>()
  readonly versions = new Map<string, Record<string, unknown>[]>()

  answer(path: string) {
    if (path === '/packages.json') return jsonAnswer({ packages: [], 'metadata-url': '/p2/%package%.json' })
    const name = /^\/p2\/(.+)\.json$/.exec(path)?.[1] ?? ''
    const versions = this.versions.get(name)
    if (versions) return jsonAnswer({ packages: { [name.replace('~dev', '')]: versions } })
    const body = this.files.get(path)
    return body ? { headers: { 'Content-Type': 'application/zip' }, body } : NOT_FOUND
  }
}

/** An app with one upstream, whose archives are the bytes that a test wants. */
export class MirrorBench {
  private constructor(
    public app: TestApp,
    readonly server: UpstreamServer,
    private readonly offered: Offer,
    private readonly options: BenchOptions,
    /** Id of the repository. */
    readonly id: string,
  ) {}

  static async start(options: BenchOptions = {}): Promise<MirrorBench> {
    const offered = new Offer()
    const server = await startUpstream(({ path }) => offered.answer(path), options.server)
    const app = await TestApp.start(options.environment, undefined, options.overrides)
    const json = { url: server.url, vcs_type: 'composer', ...options.repository }
    const added = await app.ask('/api/repositories', { json })
    if (added.status !== 201) throw new Error(`no upstream: ${await added.text()}`)
    const { id } = (await added.json()) as { id: string }
    await app.synced(id)
    return new MirrorBench(app, server, offered, options, id)
  }

  /** What the upstream has beside its documents, by path. */
  get files(): Map<string, Uint8Array> {
    return this.offered.files
  }

  /** Paths that were asked of the upstream and are no metadata. */
  get fetched(): string[] {
    return this.server.log.requests.map(({ path }) => path).filter((path) => !isMetadata(path))
  }

  /** Documents that were asked of the upstream. */
  get read(): string[] {
    return this.server.log.requests.map(({ path }) => path).filter((path) => path.startsWith('/p2/'))
  }

  /** Puts an archive on the upstream and a version into its documents; returns the address here, path and query. */
  offer(bytes: Uint8Array, { name = 'acme/lib', version = '1.0.0', dist = {} }: OfferedVersion = {}): string {
    const path = `/archives/${name}-${version.replaceAll('/', '-')}.zip`
    this.files.set(path, bytes)
    const complete = { type: 'zip', url: this.server.url + path, reference: 'a'.repeat(40), ...dist }
    const branch = version.startsWith('dev-')
    const document = branch ? `${name}~dev` : name
    const entry = {
      name,
      version,
      version_normalized: branch ? version : `${version}.0`,
      time: '2025-01-01T00:00:00+00:00',
      dist: complete,
    }
    this.offered.versions.set(document, [entry, ...(this.offered.versions.get(document) ?? [])])
    const read = readUpstreamDist(JSON.stringify(complete))
    if (read === null) throw new Error('no address can be made of this dist')
    return distPath(name, version, read)
  }

  /** Takes every version out of the documents; archives stay. */
  forget(): void {
    for (const name of this.offered.versions.keys()) this.offered.versions.set(name, [])
  }

  /** Another process on the same data, as after a restart; `environment` adds to that of the start. */
  async restart(environment: Record<string, string> = {}): Promise<void> {
    const { directory } = this.app
    await this.app.stop(true)
    this.app = await TestApp.start({ ...this.options.environment, ...environment }, directory, this.options.overrides)
  }

  /** What the repository says was refused. */
  async issues(): Promise<{ ref: string; reason: string }[]> {
    const shown = await this.app.ask(`/api/repositories/${this.id}`)
    return ((await shown.json()) as { issues: { ref: string; reason: string }[] }).issues
  }

  async stop(): Promise<void> {
    await this.app.stop()
    await this.server.stop()
  }
}

function isMetadata(path: string): boolean {
  return path === '/packages.json' || path.startsWith('/p2/')
}

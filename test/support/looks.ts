import { TestApp } from './app.ts'
import type { ShownRepository } from './broker.ts'
import { createGitRepository } from './git-repository.ts'
import { library } from './packages.ts'
import { type Packagist, type PackagistOptions, startPackagist } from './upstream/packagist.ts'

/** An upstream as tests of looks see it. */
export interface ShownUpstream extends ShownRepository {
  error_code: string | null
  last_synced_at: number | null
  next_sync_at: number
}

/** A look in the history. */
export interface ShownLook {
  state: string
  added: string[]
  changed: string[]
  removed: string[]
  error: string | null
}

/** An app with an upstream that goes by its clock: what looks at the upstream find out. */
export class LookTest {
  private constructor(
    public app: TestApp,
    public packagist: Packagist,
  ) {}

  /** Starts both; the upstream has psr/log and psr/cache unless said otherwise. */
  static async start(options: PackagistOptions = {}, environment: Record<string, string> = {}): Promise<LookTest> {
    const app = await TestApp.start(environment)
    const packages = ['psr/log', 'psr/cache'].map((name) => ({ name, versions: ['1.0.0'] }))
    const packagist = await startPackagist({ packages, now: () => app.clock.now * 1000, ...options })
    return new LookTest(app, packagist)
  }

  /** Adds the upstream and waits for the first look. */
  async add(spec: Record<string, unknown> = {}): Promise<ShownUpstream> {
    return (await this.app.addRepository(this.packagist.url, { vcs_type: 'composer', ...spec })) as ShownUpstream
  }

  /** Looks at it now. */
  async look(id: string): Promise<ShownUpstream> {
    return (await this.app.sync(id)) as ShownUpstream
  }

  /** What the newest look found. */
  async newest(id: string): Promise<ShownLook> {
    const [sync] = (await (await this.app.ask(`/api/repositories/${id}/syncs`)).json()) as ShownLook[]
    if (!sync) throw new Error('there is no sync')
    return sync
  }

  /** Versions of a package as a client gets them; the status where it gets none. */
  async versions(name: string): Promise<string[] | number> {
    const response = await this.app.ask(`/p2/${name}.json`)
    if (response.status !== 200) return response.status
    const { packages } = (await response.json()) as { packages: Record<string, Record<string, unknown>> }
    return Object.keys(packages[name] ?? {})
  }

  /** The root document, and its date in Unix milliseconds. */
  async root(token?: string): Promise<{ body: Record<string, string[]>; date: number }> {
    const response = await this.app.ask('/packages.json', token === undefined ? {} : { token })
    const date = Date.parse(response.headers.get('last-modified') ?? '')
    return { body: (await response.json()) as Record<string, string[]>, date }
  }

  /** Adds a git repository that owns this name. */
  async own(name: string): Promise<ShownRepository> {
    const path = this.app.path(`${name.replace('/', '-')}.git`)
    createGitRepository(path, { commits: [library(name, 'one', { tags: ['1.0.0'] })] })
    return this.app.addRepository(path)
  }

  /** Continues with the same data in another process's place. */
  async restart(): Promise<void> {
    await this.app.stop(true)
    const { now } = this.app.clock
    this.app = await TestApp.start({}, this.app.directory)
    this.app.clock.now = now
  }

  /** The upstream's address with other things behind it. */
  async replaceUpstream(options: PackagistOptions): Promise<void> {
    const port = Number(new URL(this.packagist.url).port)
    await this.packagist.stop()
    this.packagist = await startPackagist({ port, now: () => this.app.clock.now * 1000, ...options })
  }

  async stop(): Promise<void> {
    await this.app.stop()
    await this.packagist.stop()
  }
}

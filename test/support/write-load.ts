import type { RunningServer } from './binary.ts'
import type { TestGitRepository } from './git-repository.ts'
import { Management } from './management.ts'
import { library } from './packages.ts'
import { libraryZip } from './zip-builder.ts'

/** What a server said it had done. */
interface Acknowledged {
  readonly tokens: string[]
  /** Uploaded versions. */
  readonly uploads: string[]
  /** Versions of the git repository whose sync was finished. */
  readonly tags: string[]
}

/** Writes of every kind at a server, one after another in three lines, until it is stopped. */
export class WriteLoad {
  readonly acknowledged: Acknowledged = { tokens: [], uploads: [], tags: [] }
  private running = true
  private readonly lines: Promise<void>[]
  private readonly api: Management

  private constructor(
    private readonly server: RunningServer,
    private readonly key: string,
    private readonly source: { readonly repository: TestGitRepository; readonly id: string },
    private readonly artifacts: string,
  ) {
    this.api = new Management(server.url, key)
    this.lines = [
      this.line((n) => this.makeToken(n)),
      this.line((n) => this.upload(n)),
      this.line((n) => this.release(n)),
    ]
  }

  /** Begins. `url` is where the server finds the git repository. */
  static async start(
    server: RunningServer,
    key: string,
    repository: TestGitRepository,
    url: string,
  ): Promise<WriteLoad> {
    const api = new Management(server.url, key)
    const { id } = await api.addRepository(url, { archives: 'all' })
    const artifacts = (await api.call('POST', '/api/repositories', { vcs_type: 'artifact' })) as { id: string }
    return new WriteLoad(server, key, { repository, id }, artifacts.id)
  }

  /** What was acknowledged so far; what comes later is not in it. */
  snapshot(): Acknowledged {
    const { tokens, uploads, tags } = this.acknowledged
    return { tokens: [...tokens], uploads: [...uploads], tags: [...tags] }
  }

  /** Resolves when each line has written this often more. Throws what a line failed with. */
  async progress(times: number): Promise<void> {
    const { tokens, uploads, tags } = this.snapshot()
    const lists = () => [this.acknowledged.tokens, this.acknowledged.uploads, this.acknowledged.tags]
    const wanted = [tokens, uploads, tags].map((list) => list.length + times)
    while (lists().some((list, at) => list.length < (wanted[at] ?? 0))) {
      await Promise.race([Bun.sleep(5), ...this.lines])
      if (!this.running) throw new Error('The load has ended.')
    }
  }

  /** Ends it. Throws what a line failed with. */
  async stop(): Promise<void> {
    this.running = false
    await Promise.all(this.lines)
  }

  private async line(step: (n: number) => Promise<void>): Promise<void> {
    for (let n = 1; this.running; n++) await step(n)
  }

  private async makeToken(n: number): Promise<void> {
    this.acknowledged.tokens.push(await this.api.token({ description: `${n}` }))
  }

  private async upload(n: number): Promise<void> {
    const version = `1.0.${n}`
    const response = await fetch(`${this.server.url}/api/repositories/${this.artifacts}/artifacts`, {
      method: 'PUT',
      body: libraryZip({ name: 'acme/built', version }, `${n}`),
      headers: { Authorization: `Bearer ${this.key}` },
    })
    if (response.status !== 201) throw new Error(`upload: ${response.status} ${await response.text()}`)
    this.acknowledged.uploads.push(version)
  }

  private async release(n: number): Promise<void> {
    const version = `2.0.${n}`
    this.source.repository.commit(library('acme/lib', version, { tags: [version] }))
    await this.api.sync(this.source.id)
    this.acknowledged.tags.push(version)
  }
}

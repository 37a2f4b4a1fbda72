import { createHash, randomBytes } from 'node:crypto'
import type { RunningServer } from './binary.ts'
import type { TestGitRepository } from './git-repository.ts'
import { Management } from './management.ts'
import { library } from './packages.ts'
import { manifestEntry, zipOf } from './zip-builder.ts'

type Upload = { readonly version: string; readonly bytes: Buffer<ArrayBuffer> }
type Versions = Record<string, { readonly dist: { readonly url: string } }>

/** Every third token is revoked again. */
const REVOKED = 3

/**
 * Writes of every kind at once at servers that are killed while they come, and what was acknowledged: tokens made and
 * revoked, uploads, syncs of a git repository, archives built for the first time.
 */
export class CrashLoad {
  private readonly tokens: string[] = []
  private readonly revoked: string[] = []
  /** SHA-256 by version. */
  private readonly uploads = new Map<string, string>()
  private readonly tags: string[] = []
  private readonly archives = new Map<string, string>()
  private repositories = { git: '', artifacts: '' }
  private unanswered: Upload | null = null
  private made = 0
  private ending = false
  private clients = 0

  constructor(
    private readonly key: string,
    private readonly source: { readonly repository: TestGitRepository; readonly url: string },
  ) {}

  /** How much of everything was acknowledged. */
  get counts() {
    const { tokens, revoked, uploads, tags, archives } = this
    return {
      tokens: tokens.length,
      revoked: revoked.length,
      uploads: uploads.size,
      syncs: tags.length,
      archives: archives.size,
    }
  }

  /** Sets up the repositories that are written to. */
  async prepare(server: RunningServer): Promise<void> {
    const api = new Management(server.url, this.key)
    const { id: git } = await api.addRepository(this.source.url)
    const { id: artifacts } = (await api.call('POST', '/api/repositories', { vcs_type: 'artifact' })) as { id: string }
    this.repositories = { git, artifacts }
  }

  /** Writes for `ms` milliseconds, and kills the server in the middle of it. Throws what it answered wrongly. */
  async crash(server: RunningServer, ms: number): Promise<void> {
    this.ending = false
    const api = new Management(server.url, this.key)
    const lines = [
      this.line(() => this.makeToken(api)),
      this.line(() => this.upload(server.url)),
      this.line(() => this.release(api)),
      this.line(() => this.buildArchive(server.url)),
    ]
    await Promise.race([Bun.sleep(ms), ...lines])
    this.ending = true
    await server.kill()
    await Promise.all(lines)
  }

  /** Throws unless everything that was acknowledged is there; `recent` looks only at the newest of each. */
  async check(server: RunningServer, recent = Number.POSITIVE_INFINITY): Promise<void> {
    for (const token of this.tokens.slice(-recent)) await this.expectStatus(server.url, token, 200)
    for (const token of this.revoked.slice(-Math.min(recent, 8))) await this.expectStatus(server.url, token, 401)
    const built = await this.versions(server.url, 'acme/built')
    for (const [version, digest] of [...this.uploads].slice(-recent)) {
      const path = built[version]?.dist.url
      if (path === undefined) throw new Error(`the upload ${version} was acknowledged and is lost`)
      expectSame(version, digest, await this.download(server.url, new URL(path).pathname))
    }
    const released = await this.versions(server.url, 'acme/lib')
    for (const tag of this.tags) if (!released[tag]) throw new Error(`the sync of ${tag} was acknowledged and is lost`)
    for (const [path, digest] of [...this.archives].slice(-recent)) {
      expectSame(path, digest, await this.download(server.url, path))
    }
  }

  private async line(step: () => Promise<void>): Promise<void> {
    try {
      while (!this.ending) await step()
    } catch (error) {
      if (!this.ending || String(error).includes('answered')) throw error
    }
  }

  private async makeToken(api: Management): Promise<void> {
    const made = (await api.call('POST', '/api/tokens', { permissions: 'readonly' })) as { id: string; token: string }
    this.made += 1
    if (this.made % REVOKED !== 0) {
      this.tokens.push(made.token)
      return
    }
    // Whether it is revoked nobody knows until that is acknowledged.
    await api.call('DELETE', `/api/tokens/${made.id}`)
    this.revoked.push(made.token)
  }

  private async upload(url: string): Promise<void> {
    const version = `1.0.${this.uploads.size}`
    // One that was not answered is sent again as it was: whether or not it arrived, the answer is a success.
    const upload = this.unanswered ?? { version, bytes: zip(version) }
    this.unanswered = upload
    const { artifacts } = this.repositories
    const headers = { Authorization: `Bearer ${this.key}` }
    const body = upload.bytes
    const response = await fetch(`${url}/api/repositories/${artifacts}/artifacts`, { method: 'PUT', body, headers })
    if (!response.ok) throw new Error(`an upload was answered ${response.status} ${await response.text()}`)
    this.uploads.set(upload.version, sha256(upload.bytes))
    this.unanswered = null
  }

  private async release(api: Management): Promise<void> {
    this.made += 1
    // One of its own each time: whether the one before it was synced, nobody knows after a crash.
    const tag = `2.0.${this.made}`
    this.source.repository.commit(library('acme/lib', tag, { tags: [tag] }))
    await api.sync(this.repositories.git)
    this.tags.push(tag)
  }

  /** Archives that nobody has wanted so far, while there are any. */
  private async buildArchive(url: string): Promise<void> {
    const tag = this.tags.find((name) => !this.archives.has(archive(name)))
    if (tag === undefined) return Bun.sleep(5)
    const bytes = await this.download(url, archive(tag))
    this.archives.set(archive(tag), sha256(bytes))
  }

  private async download(url: string, path: string): Promise<Uint8Array> {
    const response = await fetch(url + path, { headers: { Authorization: `Bearer ${this.key}` } })
    if (!response.ok) throw new Error(`${path} was answered ${response.status} ${await response.text()}`)
    return response.bytes()
  }

  private async versions(url: string, name: string): Promise<Versions> {
    const response = await fetch(`${url}/p2/${name}.json`, { headers: { Authorization: `Bearer ${this.key}` } })
    if (response.status === 404) return {}
    return ((await response.json()) as { packages: Record<string, Versions> }).packages[name] ?? {}
  }

  private async expectStatus(url: string, token: string, status: number): Promise<void> {
    // Each from an address of its own, or the limit of failed sign-ins would answer.
    this.clients += 1
    const client = `10.${this.clients >> 16}.${(this.clients >> 8) & 255}.${this.clients & 255}`
    const headers = { Authorization: `Bearer ${token}`, 'X-Forwarded-For': client }
    const response = await fetch(`${url}/packages.json`, { headers })
    if (response.status !== status) throw new Error(`a token is answered ${response.status} in place of ${status}`)
  }
}

const archive = (tag: string) => `/dist/acme/lib/${tag}.zip`

function zip(version: string): Buffer<ArrayBuffer> {
  return zipOf([manifestEntry({ name: 'acme/built', version }), { name: 'data.bin', content: randomBytes(300_000) }])
}

function expectSame(what: string, digest: string, bytes: Uint8Array): void {
  if (sha256(bytes) !== digest) throw new Error(`${what} has other bytes than before`)
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

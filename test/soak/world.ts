import { createHash, createHmac } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { Installation, type RunningServer } from '../support/binary.ts'
import { GitFront } from '../support/git-front.ts'
import { type GitServer, startGitServer } from '../support/git-http-server.ts'
import { createGitRepository, type TestGitRepository } from '../support/git-repository.ts'
import { libraryFiles } from '../support/packages.ts'
import { GitPackageModel, Model } from './model.ts'
import { Random } from './random.ts'

const PACKAGES = 5
const ADMIN = 'soak-administrator-token-of-the-environment'
const SECRET = 'soak-webhook-secret-0123456789'
const PATIENCE_MS = 60_000
const LOOK_MS = 25

/** A server, the git repositories it reads, and the model of what must be true of both. */
export class World {
  readonly model = new Model()
  readonly repositories: TestGitRepository[] = []
  uploadsId = ''
  readerToken = ''
  kills = 0
  private marks = 0
  private server: RunningServer | null = null

  private constructor(
    readonly installation: Installation,
    readonly git: GitServer,
    readonly front: GitFront,
    readonly random: Random,
  ) {}

  /** Starts everything; `seed` makes the same operations again. */
  static async open(seed: number): Promise<World> {
    const installation = await Installation.create({
      ADMIN_TOKEN: ADMIN,
      SYNC_INTERVAL: '86400',
      TRUST_PROXY: '127.0.0.0/8',
    })
    const root = join(installation.directory, '..', 'git')
    mkdirSync(root)
    const git = await startGitServer({ root })
    const world = new World(installation, git, new GitFront(git.url), new Random(seed))
    await world.start()
    await world.fill(root)
    return world
  }

  get url(): string {
    return this.running.url
  }

  get pid(): number {
    return this.running.pid
  }

  /** The git repository that a package comes from. */
  gitOf(entry: GitPackageModel): TestGitRepository {
    const repository = this.repositories[this.model.packages.indexOf(entry)]
    if (!repository) throw new Error(`${entry.name} has no repository`)
    return repository
  }

  private get running(): RunningServer {
    if (this.server === null) throw new Error('the server does not run')
    return this.server
  }

  async start(): Promise<void> {
    this.server = await this.installation.serve()
  }

  /** Ends the server as a crash does, and starts it again. */
  async kill(): Promise<void> {
    this.kills++
    await this.running.kill()
    await this.start()
  }

  /** Stops the server as a person does, and starts it again. Throws when it did not end well. */
  async restart(): Promise<void> {
    const code = await this.running.stop()
    if (code !== 0) throw new Error(`the server ended with ${code}`)
    await this.start()
  }

  async close(): Promise<void> {
    await this.server?.kill()
    await this.front.stop()
    await this.git.stop()
    await this.installation.remove()
  }

  /** Sends a request as the administrator, or as `token`. */
  ask(path: string, init: RequestInit & { token?: string | null } = {}): Promise<Response> {
    const { token = ADMIN, ...rest } = init
    const headers = new Headers(rest.headers)
    if (token !== null) headers.set('Authorization', `Bearer ${token}`)
    if (typeof rest.body === 'string') headers.set('Content-Type', 'application/json')
    return fetch(this.url + path, { ...rest, headers })
  }

  /** The JSON of an answer that must be good. */
  async json<Value>(path: string, init: RequestInit = {}): Promise<Value> {
    const response = await this.ask(path, init)
    if (!response.ok) throw new Error(`${init.method ?? 'GET'} ${path}: ${response.status} ${await response.text()}`)
    return (await response.json()) as Value
  }

  /** Looks at a repository until no job of it is left. Returns its status. */
  async idle(id: string): Promise<string> {
    for (const until = Date.now() + PATIENCE_MS; Date.now() < until; await Bun.sleep(LOOK_MS)) {
      const { progress, status } = await this.json<{ progress: unknown; status: string }>(`/api/repositories/${id}`)
      if (progress === null) return status
    }
    throw new Error(`repository ${id} is still being synced`)
  }

  /** Has a package read without faults, and tells the model. */
  async settle(entry: GitPackageModel): Promise<void> {
    this.front.fault = null
    await this.idle(entry.repositoryId)
    await this.json(`/api/repositories/${entry.repositoryId}/sync`, { method: 'POST' })
    const status = await this.idle(entry.repositoryId)
    if (status !== 'active') throw new Error(`${entry.name} is ${status} after a sync without faults`)
    entry.synced()
  }

  /** Files that are like no others. */
  files(name: string): Record<string, string> {
    return libraryFiles(name, `mark ${this.marks++} ${this.random.next()}`)
  }

  /** Tells of a push as a host does. */
  async deliver(entry: GitPackageModel): Promise<Response> {
    const body = JSON.stringify({
      ref: 'refs/heads/main',
      after: String(this.marks++),
      repository: { id: 1, full_name: entry.name },
    })
    const signature = createHmac('sha256', SECRET).update(body).digest('hex')
    return this.ask(`/webhooks/${entry.repositoryId}`, {
      method: 'POST',
      token: null,
      body,
      headers: {
        'X-GitHub-Event': 'push',
        'X-GitHub-Delivery': crypto.randomUUID(),
        'X-Hub-Signature-256': `sha256=${signature}`,
      },
    })
  }

  private async fill(root: string): Promise<void> {
    for (let index = 0; index < PACKAGES; index++) {
      const name = `soak/lib-${index}`
      const repository = createGitRepository(join(root, `lib-${index}.git`), { commits: [{ files: this.files(name) }] })
      this.repositories.push(repository)
      const body = { url: `${this.front.url}/lib-${index}.git`, vcs_type: 'git', webhook_secret: SECRET }
      const { id } = await this.json<{ id: string }>('/api/repositories', {
        method: 'POST',
        body: JSON.stringify(body),
      })
      const entry = new GitPackageModel(name, id)
      entry.head = repository.resolve('main')
      this.model.packages.push(entry)
      await this.idle(id)
      entry.synced()
    }
    const uploads = JSON.stringify({ vcs_type: 'artifact' })
    this.uploadsId = (await this.json<{ id: string }>('/api/repositories', { method: 'POST', body: uploads })).id
    const reader = JSON.stringify({ permissions: 'readonly', rate_limit_max: 0 })
    this.readerToken = (await this.json<{ token: string }>('/api/tokens', { method: 'POST', body: reader })).token
  }
}

/** SHA-256, hex. */
export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

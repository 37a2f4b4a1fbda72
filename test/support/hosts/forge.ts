import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type GitServer, startGitServer } from '../git-http-server.ts'
import { createGitRepository, type TestGitRepository } from '../git-repository.ts'
import { library } from '../packages.ts'
import type { DoubleRepository, HostDouble } from './host-double.ts'

/** Where the API of a host is, where it says that its repositories are, and what stands before their paths there. */
interface Places {
  /** Path below the address of the forge, and whether the double has it too. */
  readonly api: string
  readonly stripped?: boolean
  readonly web: readonly string[]
  readonly git?: string
  /** Origins that stand for the forge at a host that is one of its kind. */
  readonly cloud?: { readonly api: string; readonly web: string }
}

const PLACES: Readonly<Record<string, Places>> = {
  GitHub: { api: '/api/v3', stripped: true, web: ['https://github.example'] },
  GitLab: { api: '/api/v4', web: ['https://gitlab.example'] },
  Gitea: { api: '/api/v1', web: ['https://gitea.example'] },
  'Bitbucket Data Center': { api: '/rest/api/latest', web: ['https://bitbucket.example'], git: '/scm' },
  'Bitbucket Cloud': {
    api: '/2.0',
    web: ['https://octocat@bitbucket.example', 'https://bitbucket.example'],
    cloud: { api: 'https://api.bitbucket.org', web: 'https://bitbucket.org' },
  },
}

/** A whole host on one port: the API of a double, and its repositories behind the real `git http-backend`. */
export class Forge {
  private readonly server: ReturnType<typeof Bun.serve>
  private readonly places: Places
  /** Where the host says that its repositories are, when that is elsewhere. */
  gitOrigin: string | null = null

  private constructor(
    readonly double: HostDouble,
    private readonly directory: string,
    readonly git: GitServer,
  ) {
    this.places = PLACES[double.name] ?? { api: '', web: [] }
    this.server = Bun.serve({ hostname: '127.0.0.1', port: 0, fetch: (request) => this.answer(request) })
  }

  static async start(double: HostDouble, auth?: { user: string; password: string }): Promise<Forge> {
    const directory = mkdtempSync(join(tmpdir(), 'package-broker-forge-'))
    const git = await startGitServer({ root: directory, ...(auth ? { auth } : {}) })
    return new Forge(double, directory, git)
  }

  /** Where it listens. */
  get origin(): string {
    return `http://127.0.0.1:${this.server.port}`
  }

  /** The address of the owner, as a browser shows it. */
  get ownerUrl(): string {
    return `${this.places.cloud?.web ?? this.origin}/${this.double.owner}`
  }

  /** A `fetch` for programs that ask at the host's own names. */
  readonly fetch = ((input: string | URL | Request, init?: RequestInit) => {
    const { api, web } = this.places.cloud ?? { api: this.origin, web: this.origin }
    const address = String(input instanceof Request ? input.url : input)
    const found = [api, web].find((origin) => address.startsWith(`${origin}/`)) ?? ''
    return fetch(found === '' ? address : this.origin + address.slice(found.length), init)
  }) as typeof fetch

  /** Adds a repository with a package, to the listing and for git. */
  addPackage(name: string, facts: Partial<DoubleRepository> = {}): DoubleRepository {
    const packageName = `acme/${name.toLowerCase()}`
    this.repository(name).commit(library(packageName, 'one', { tags: ['1.0.0'] }))
    return this.double.add(name, facts)
  }

  /** Adds a repository that is no package. */
  addOther(name: string, facts: Partial<DoubleRepository> = {}): DoubleRepository {
    this.repository(name).commit({ files: { 'README.md': '# Site' } })
    return this.double.add(name, facts)
  }

  /** Adds a repository without a commit. */
  addEmpty(name: string): DoubleRepository {
    this.repository(name)
    return this.double.add(name)
  }

  /** The repository of this name for git, made when there is none. */
  repository(name: string): TestGitRepository {
    return createGitRepository(join(this.directory, `${this.double.pathOf(name)}.git`), { commits: [] })
  }

  async stop(): Promise<void> {
    await this.server.stop(true)
    await this.git.stop()
    rmSync(this.directory, { recursive: true, force: true })
    await this.double.stop()
  }

  private async answer(request: Request): Promise<Response> {
    const { pathname, search } = new URL(request.url)
    const { api, stripped, git = '' } = this.places
    const body = request.method === 'GET' ? undefined : await request.arrayBuffer()
    const pass = (base: string, path: string) =>
      fetch(base + path + search, { method: request.method, headers: request.headers, body, redirect: 'manual' })
    if (!pathname.startsWith(`${api}/`)) return pass(this.git.url, pathname.slice(git.length))
    const answer = await pass(this.double.origin, stripped ? pathname.slice(api.length) : pathname)
    const headers = new Headers(answer.headers)
    const link = headers.get('link')
    if (link !== null) headers.set('link', this.renamed(link))
    headers.delete('content-encoding')
    headers.delete('content-length')
    const text = this.renamed(await answer.text())
    return new Response(answer.status === 304 ? null : text, { status: answer.status, headers })
  }

  /** Addresses as the forge has them. */
  private renamed(text: string): string {
    const { api, stripped, web, cloud } = this.places
    const own = cloud ?? { api: this.origin, web: this.origin }
    const named = text.replaceAll(this.double.origin, own.api + (stripped ? api : ''))
    return web.reduce((each, origin) => each.replaceAll(origin, this.gitOrigin ?? own.web), named)
  }
}

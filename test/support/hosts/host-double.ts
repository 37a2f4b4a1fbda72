import type { Host } from '../../../src/sources/hosts/host.ts'
import type { HostType } from '../../../src/sources/hosts/host-credential.ts'
import type { Shapes } from './shapes.ts'

/** A repository as a double keeps it; each says it in the words of its host. */
export interface DoubleRepository {
  id: number
  path: string
  defaultBranch: string | null
  archived: boolean
  fork: boolean
  private: boolean
  description: string | null
  issues: boolean
  /** Unix seconds. */
  pushedAt: number
}

/** One request, as it came. */
export interface SeenRequest {
  readonly method: string
  readonly path: string
  readonly headers: Headers
  readonly body: string
}

/** The stand-in of a host's API on loopback. Every answer it gives is checked against the host's description of it. */
export abstract class HostDouble {
  readonly seen: SeenRequest[] = []
  readonly repositories: DoubleRepository[] = []
  readonly hooks = new Map<string, { url: string; secret: string }>()
  /** Answers instead of the double while it is set. */
  instead: ((request: SeenRequest) => Response | null) | null = null
  pageSize = 2
  /** Answers without a credential. */
  everybody = false
  readonly token: string = 'right-token'
  /** Address of a git server that is reached through this one with the token, as `/acme/lib.git`; null for none. */
  git: string | null = null
  /** Answers git instead of the server while it is set. */
  gitInstead: (() => Response) | null = null
  /** Addresses that git was asked at, newest last. */
  readonly gitPaths: string[] = []
  /** Credentials that git was asked with, newest last: `user:password`, or null for none. */
  readonly gitCredentials: (string | null)[] = []
  private readonly server: ReturnType<typeof Bun.serve>

  /** What the host publishes of its API, and where that begins. */
  protected abstract readonly shapes: Shapes
  protected readonly base: string = ''
  /** Answers that do not have the shape that the host publishes. */
  readonly misshapen: string[] = []

  /** Requests beside pages that a listing takes. */
  readonly lookups: number = 0
  /** Whether it finds repositories by their ids. */
  readonly followsIds: boolean = true
  readonly hasIssues: boolean = true
  /** Whether it knows archived repositories. */
  readonly archives: boolean = true
  /** What `describe` says. */
  abstract readonly name: string
  abstract readonly vcsType: HostType
  /** Where its repositories are, when that is not the address of the double. */
  readonly site: string | null = null
  /** The host as it is opened with the token, or with another one. */
  abstract open(token?: string): Host
  /** The answer of the host to a request with the right credential. */
  protected abstract answer(request: SeenRequest): Response
  protected abstract authorized(headers: Headers): boolean
  /** The refusals of this host, as it words them. */
  abstract readonly refusals: {
    noPermission(): Response
    weakToken(): Response
    limited(seconds: number | null): Response
  }
  /** The owner whose repositories are listed. */
  readonly owner: string = 'acme'
  /** The path of a repository of the owner. */
  pathOf(name: string): string {
    return `${this.owner}/${name}`
  }
  /** Where git finds it below the address of the host. */
  gitPath(repository: Pick<DoubleRepository, 'path'>): string {
    return `/${repository.path}.git`
  }
  /** The same listing with a link to another origin as its next page. */
  abstract strayPage(origin: string): Response

  constructor() {
    this.server = Bun.serve({ hostname: '127.0.0.1', port: 0, fetch: (request) => this.handle(request) })
  }

  get origin(): string {
    return `http://127.0.0.1:${this.server.port}`
  }

  /** Where it says that its repositories are: where they can be had, once git is behind it. */
  protected get web(): string {
    return this.git === null ? `https://${this.vcsType}.example` : (this.site ?? this.origin)
  }

  /** Where it says that its API is. */
  protected get api(): string {
    if (this.git === null || this.site === null) return this.origin
    return this.site === 'https://gitlab.com' ? this.site : this.site.replace('://', '://api.')
  }

  /** Throws when an answer was given that the host would not give. */
  async stop(): Promise<void> {
    await this.server.stop(true)
    if (this.misshapen.length > 0) throw new Error(`${this.name} does not answer so: ${this.misshapen.join('; ')}`)
  }

  /** Adds a repository of the owner; the newest is pushed last. */
  add(name: string, facts: Partial<DoubleRepository> = {}): DoubleRepository {
    const id = this.repositories.length + 101
    const repository: DoubleRepository = {
      id,
      path: this.pathOf(name),
      defaultBranch: 'main',
      archived: false,
      fork: false,
      private: true,
      description: null,
      issues: true,
      pushedAt: 1_700_000_000 + id,
      ...facts,
    }
    this.repositories.push(repository)
    return repository
  }

  /** Repositories of the owner, the one pushed last first. */
  protected newestFirst(): DoubleRepository[] {
    return [...this.repositories].sort((a, b) => b.pushedAt - a.pushedAt)
  }

  private async handle(request: Request): Promise<Response> {
    const { pathname, search } = new URL(request.url)
    if (this.git !== null && /\.git\/(?:info\/refs|git-upload-pack)$/.test(pathname)) return this.passOn(request)
    const seen = {
      method: request.method,
      path: pathname + search,
      headers: request.headers,
      body: await request.text(),
    }
    this.seen.push(seen)
    const instead = this.instead?.(seen) ?? null
    if (instead !== null) return instead
    if (!this.everybody && !this.authorized(request.headers)) return json({ message: 'Bad credentials' }, 401)
    const answer = this.answer(seen)
    this.misshapen.push(...(await this.differences(seen.method, pathname, answer)))
    return answer
  }

  /** How an answer to this path differs from what the host publishes of it. */
  async differences(method: string, pathname: string, answer: Response): Promise<string[]> {
    const text = await answer.clone().text()
    const path = pathname.startsWith(this.base) ? pathname.slice(this.base.length) : pathname
    const json = answer.headers.get('content-type')?.startsWith('application/json') ?? false
    return this.shapes.check({ method, path, status: answer.status, body: json ? JSON.parse(text) : null })
  }

  /** Whether git is let in with this password. */
  protected opensGit(password: string): boolean {
    return password === this.token
  }

  private async passOn(request: Request): Promise<Response> {
    const { pathname, search } = new URL(request.url)
    const basic = request.headers.get('authorization')?.replace(/^Basic /, '')
    const credential = basic === undefined ? null : Buffer.from(basic, 'base64').toString()
    this.gitCredentials.push(credential)
    this.gitPaths.push(pathname)
    if (this.gitInstead !== null) return this.gitInstead()
    const opened = this.everybody || (credential !== null && this.opensGit(credential.replace(/^[^:]*:/, '')))
    if (!opened) return new Response('login first', { status: 401 })
    const body = request.method === 'GET' ? {} : { body: await request.arrayBuffer() }
    const headers = new Headers(request.headers)
    headers.delete('authorization')
    return fetch(this.git + pathname.replace(/^\/scm/, '') + search, { method: request.method, headers, ...body })
  }
}

/** An answer with a JSON body. */
export function json(value: unknown, status = 200, headers: Record<string, string> = {}): Response {
  return Response.json(value, { status, headers })
}

/** A date as hosts write it. */
export function date(seconds: number): string {
  return new Date(seconds * 1000).toISOString()
}

/** The page of a list that a query asks for, and whether another follows. */
export function pageOf<T>(items: readonly T[], page: number, size: number): { items: T[]; more: boolean } {
  return { items: items.slice((page - 1) * size, page * size), more: items.length > page * size }
}

import { type KeyObject, verify } from 'node:crypto'
import { githubHost } from '../../../src/sources/hosts/github.ts'
import type { Host } from '../../../src/sources/hosts/host.ts'
import { egress } from '../../sources/support.ts'
import { type DoubleRepository, date, HostDouble, json, pageOf, type SeenRequest } from './host-double.ts'
import { Shapes } from './shapes.ts'

const shapes = await Shapes.load('github')

/** GitHub, with answers of the shapes of its OpenAPI description. */
export class GithubDouble extends HostDouble {
  readonly name = 'GitHub'
  protected readonly shapes = shapes
  readonly vcsType = 'github'
  /** Scopes of a classic token, as every answer names them. */
  scopes = 'repo, admin:repo_hook'
  /** The key of the app that is installed as 5678; null for none. */
  appKey: KeyObject | null = null
  /** Installation tokens that are good, the newest last. */
  readonly installationTokens: string[] = []
  private made = 0

  readonly refusals = {
    noPermission: () => json({ message: 'Must have admin rights to Repository.' }, 403),
    weakToken: () =>
      json({ message: 'Resource not accessible by personal access token' }, 403, {
        'X-Accepted-GitHub-Permissions': 'metadata=read',
      }),
    limited: (seconds: number | null) =>
      json({ message: 'API rate limit exceeded for user ID 1.' }, 403, {
        'X-RateLimit-Remaining': '0',
        ...(seconds === null ? {} : { 'Retry-After': String(seconds) }),
      }),
  }

  open(token: string = this.token): Host {
    return githubHost({ http: egress('127.0.0.0/8'), base: this.origin, token: async () => token, isApp: false })
  }

  strayPage(origin: string): Response {
    return json([], 200, { Link: `<${origin}/orgs/acme/repos?page=2>; rel="next"` })
  }

  protected authorized(headers: Headers): boolean {
    const bearer = (headers.get('authorization') ?? '').replace(/^Bearer /, '')
    return this.opensGit(bearer) || this.isJwt(bearer)
  }

  override differences(method: string, pathname: string, answer: Response): Promise<string[]> {
    return super.differences(method, pathname.replace(/^\/api\/v3/, ''), answer)
  }

  protected override opensGit(password: string): boolean {
    return password === this.token || this.installationTokens.includes(password)
  }

  private isJwt(text: string): boolean {
    const [head = '', claims = '', signature = ''] = text.split('.')
    const signed = Buffer.from(`${head}.${claims}`)
    return this.appKey !== null && verify('RSA-SHA256', signed, this.appKey, Buffer.from(signature, 'base64url'))
  }

  protected answer(request: SeenRequest): Response {
    const url = new URL(request.path, this.origin)
    const { searchParams } = url
    // github.com has its API on a name of its own, an Enterprise Server below a path.
    const pathname = url.pathname.replace(/^\/api\/v3/, '')
    const headers = {
      'X-OAuth-Scopes': this.scopes,
      'X-RateLimit-Remaining': '4999',
      'X-RateLimit-Reset': '1800000000',
    }
    const missing = () => json({ message: 'Not Found', documentation_url: 'https://docs.github.com/rest' }, 404)
    if (pathname === '/app/installations/5678/access_tokens') {
      this.made += 1
      this.installationTokens.push(`ghs_${this.made}`)
      return json({ token: `ghs_${this.made}`, expires_at: date(Date.now() / 1000 + 3_600) }, 201)
    }
    if (pathname === '/installation/repositories') return json({ total_count: 0, repositories: [] })
    if (pathname === '/user') return json(shapes.make('public-user', { login: 'octocat' }), 200, headers)
    if (pathname.endsWith('/hooks') && request.method === 'POST') return this.addHook(request)
    if (pathname.includes('/hooks/')) {
      return this.hooks.delete(pathname.split('/').at(-1) ?? '') ? new Response(null, { status: 204 }) : missing()
    }
    if (pathname === `/orgs/${this.owner}/repos`)
      return this.list(request, Number(searchParams.get('page') ?? 1), headers)
    const [, id] = /^\/repositories\/(\d+)$/.exec(pathname) ?? []
    const found = this.repositories.find((each) => (id ? String(each.id) === id : pathname === `/repos/${each.path}`))
    return found === undefined ? missing() : json(shapes.make('full-repository', this.said(found)), 200, headers)
  }

  private list(request: SeenRequest, page: number, headers: Record<string, string>): Response {
    const etag = `W/"${Bun.hash(JSON.stringify(this.repositories))}"`
    if (request.headers.get('if-none-match') === etag) return new Response(null, { status: 304, headers })
    const { items, more } = pageOf(this.newestFirst(), page, this.pageSize)
    const prefix = request.path.startsWith('/api/v3/') ? '/api/v3' : ''
    const next = `<${this.api}${prefix}/orgs/${this.owner}/repos?page=${page + 1}>; rel="next"`
    return json(
      items.map((each) => shapes.make('minimal-repository', this.said(each))),
      200,
      {
        ...headers,
        ETag: etag,
        ...(more ? { Link: next } : {}),
      },
    )
  }

  private addHook(request: SeenRequest): Response {
    const { config, events } = JSON.parse(request.body)
    const id = this.hooks.size + 1
    this.hooks.set(String(id), { url: config.url, secret: config.secret })
    return json(shapes.make('hook', { id, events, config: { ...config, secret: '********' } }), 201)
  }

  private said(repository: DoubleRepository): Record<string, unknown> {
    return {
      id: repository.id,
      name: repository.path.split('/').at(-1),
      full_name: repository.path,
      html_url: `${this.web}/${repository.path}`,
      clone_url: `${this.web}/${repository.path}.git`,
      default_branch: repository.defaultBranch ?? 'main',
      archived: repository.archived,
      fork: repository.fork,
      private: repository.private,
      visibility: repository.private ? 'private' : 'public',
      description: repository.description,
      has_issues: repository.issues,
      pushed_at: date(repository.pushedAt),
    }
  }
}

import { gitlabHost } from '../../../src/sources/hosts/gitlab.ts'
import type { Host } from '../../../src/sources/hosts/host.ts'
import { egress } from '../../sources/support.ts'
import { type DoubleRepository, HostDouble, json, pageOf, type SeenRequest } from './host-double.ts'
import { Shapes } from './shapes.ts'

const shapes = await Shapes.load('gitlab')

/** GitLab, with answers as its REST API documentation shows them. The owner is a sub-group. */
export class GitlabDouble extends HostDouble {
  readonly name = 'GitLab'
  protected readonly shapes = shapes
  protected override readonly base = '/api/v4'
  readonly vcsType = 'gitlab'
  override readonly owner = 'acme/php'
  scopes = ['read_api', 'read_repository']
  /** Whether it knows signing tokens. */
  signs = true

  readonly refusals = {
    noPermission: () => json({ message: '403 Forbidden' }, 403),
    weakToken: () =>
      json(
        {
          error: 'insufficient_scope',
          error_description: 'The request requires higher privileges',
          scope: 'api read_api',
        },
        403,
      ),
    limited: (seconds: number | null) =>
      new Response('Retry later\n', {
        status: 429,
        headers: seconds === null ? {} : { 'Retry-After': String(seconds) },
      }),
  }

  open(token: string = this.token): Host {
    return gitlabHost({ http: egress('127.0.0.0/8'), base: `${this.origin}/api/v4`, authorization: `Bearer ${token}` })
  }

  strayPage(origin: string): Response {
    return json([], 200, { Link: `<${origin}/api/v4/groups/acme/projects?page=2>; rel="next"` })
  }

  protected authorized(headers: Headers): boolean {
    return headers.get('authorization') === `Bearer ${this.token}`
  }

  protected answer(request: SeenRequest): Response {
    const { pathname, searchParams } = new URL(request.path, this.origin)
    const path = pathname.replace('/api/v4', '')
    if (path === '/personal_access_tokens/self') {
      return json({
        id: 4,
        name: 'broker',
        revoked: false,
        scopes: this.scopes,
        user_id: 3,
        active: true,
        expires_at: '2030-01-01',
      })
    }
    if (path.endsWith('/hooks') && request.method === 'POST') return this.addHook(request)
    if (path.includes('/hooks/') && this.hooks.delete(path.split('/').at(-1) ?? ''))
      return new Response(null, { status: 204 })
    if (path === `/groups/${encodeURIComponent(this.owner)}/projects`) return this.list(request, searchParams, path)
    const key = decodeURIComponent(/^\/projects\/([^/]+)$/.exec(path)?.[1] ?? '')
    const found = this.repositories.find((each) => key === String(each.id) || key === each.path)
    return found === undefined ? json({ message: '404 Project Not Found' }, 404) : json(this.said(found))
  }

  private list(request: SeenRequest, query: URLSearchParams, path: string): Response {
    const page = Number(query.get('page') ?? 1)
    const etag = `W/"${Bun.hash(JSON.stringify(this.repositories))}"`
    if (request.headers.get('if-none-match') === etag) return new Response(null, { status: 304 })
    const { items, more } = pageOf(this.newestFirst(), page, this.pageSize)
    query.set('page', String(page + 1))
    const link = `<${this.api}/api/v4${path}?${query}>; rel="next", <${this.api}/api/v4${path}>; rel="first"`
    return json(
      items.map((each) => this.said(each)),
      200,
      { ETag: etag, ...(more ? { Link: link } : {}) },
    )
  }

  private addHook(request: SeenRequest): Response {
    const { url, token, signing_token: signing } = JSON.parse(request.body)
    const id = this.hooks.size + 1
    this.hooks.set(String(id), { url, secret: token ?? signing })
    const present = signing !== undefined && this.signs
    return json(
      { id, url, push_events: true, tag_push_events: true, ...(present ? { signing_token_present: true } : {}) },
      201,
    )
  }

  private said(repository: DoubleRepository): Record<string, unknown> {
    return {
      id: repository.id,
      path_with_namespace: repository.path,
      web_url: `${this.web}/${repository.path}`,
      http_url_to_repo: `${this.web}/${repository.path}.git`,
      default_branch: repository.defaultBranch,
      empty_repo: false,
      archived: repository.archived,
      visibility: repository.private ? 'private' : 'public',
      description: repository.description,
      issues_enabled: repository.issues,
      ...(repository.fork ? { forked_from_project: { id: 1 } } : {}),
    }
  }
}

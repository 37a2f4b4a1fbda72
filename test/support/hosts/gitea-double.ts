import { giteaHost } from '../../../src/sources/hosts/gitea.ts'
import type { Host } from '../../../src/sources/hosts/host.ts'
import { egress } from '../../sources/support.ts'
import { type DoubleRepository, date, HostDouble, json, pageOf, type SeenRequest } from './host-double.ts'
import { Shapes } from './shapes.ts'

const shapes = await Shapes.load('gitea')

/** Gitea, with answers of the shapes of its API description. */
export class GiteaDouble extends HostDouble {
  readonly name = 'Gitea'
  protected readonly shapes = shapes
  protected override readonly base = '/api/v1'
  readonly vcsType = 'gitea'
  override readonly lookups = 1

  readonly refusals = {
    noPermission: () => json({ message: 'user should have a permission to access to this repo' }, 403),
    weakToken: () => json({ message: 'token does not have at least one of required scope(s): [read:repository]' }, 403),
    limited: (seconds: number | null) =>
      new Response('', { status: 429, headers: seconds === null ? {} : { 'Retry-After': String(seconds) } }),
  }

  open(token: string = this.token): Host {
    return giteaHost({ http: egress('127.0.0.0/8'), base: `${this.origin}/api/v1`, authorization: `token ${token}` })
  }

  strayPage(origin: string): Response {
    return json({ id: 7, data: [] }, 200, { Link: `<${origin}/api/v1/repos/search?page=2>; rel="next"` })
  }

  protected authorized(headers: Headers): boolean {
    return headers.get('authorization') === `token ${this.token}`
  }

  protected answer(request: SeenRequest): Response {
    const { pathname, searchParams } = new URL(request.path, this.origin)
    const path = pathname.replace('/api/v1', '')
    if (path === '/user') return json(shapes.make('User', { id: 1, login: 'octocat' }))
    if (path === `/users/${this.owner}`) return json(shapes.make('User', { id: 7, login: this.owner }))
    if (path === '/repos/search') return this.search(searchParams)
    if (path.endsWith('/hooks') && request.method === 'POST') return this.addHook(request)
    if (path.includes('/hooks/') && this.hooks.delete(path.split('/').at(-1) ?? ''))
      return new Response(null, { status: 204 })
    const [, id] = /^\/repositories\/(\d+)$/.exec(path) ?? []
    const found = this.repositories.find((each) => (id ? String(each.id) === id : path === `/repos/${each.path}`))
    return found === undefined ? json({ message: 'not found' }, 404) : json(this.said(found))
  }

  private search(query: URLSearchParams): Response {
    const page = Number(query.get('page') ?? 1)
    const all = query.get('uid') === '7' ? this.newestFirst() : []
    const { items, more } = pageOf(all, page, this.pageSize)
    query.set('page', String(page + 1))
    return json({ ok: true, data: items.map((each) => this.said(each)) }, 200, {
      'X-Total-Count': String(all.length),
      ...(more ? { Link: `<${this.origin}/api/v1/repos/search?${query}>; rel="next"` } : {}),
    })
  }

  private addHook(request: SeenRequest): Response {
    const { config, events, type } = JSON.parse(request.body)
    const id = this.hooks.size + 1
    this.hooks.set(String(id), { url: config.url, secret: config.secret })
    return json(shapes.make('Hook', { id, type, events, config: { url: config.url, content_type: 'json' } }), 201)
  }

  private said(repository: DoubleRepository): Record<string, unknown> {
    return shapes.make('Repository', {
      id: repository.id,
      full_name: repository.path,
      html_url: `${this.web}/${repository.path}`,
      clone_url: `${this.web}/${repository.path}.git`,
      default_branch: repository.defaultBranch ?? 'main',
      empty: repository.defaultBranch === null,
      archived: repository.archived,
      fork: repository.fork,
      private: repository.private,
      internal: false,
      description: repository.description ?? '',
      has_issues: repository.issues,
      updated_at: date(repository.pushedAt),
    })
  }
}

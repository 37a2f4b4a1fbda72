import { bitbucketCloudHost } from '../../../src/sources/hosts/bitbucket-cloud.ts'
import type { Host } from '../../../src/sources/hosts/host.ts'
import { egress } from '../../sources/support.ts'
import { type DoubleRepository, date, HostDouble, json, pageOf, type SeenRequest } from './host-double.ts'
import { Shapes } from './shapes.ts'

const shapes = await Shapes.load('bitbucket-cloud')

/** Bitbucket Cloud, with answers as its documentation shows them. */
export class BitbucketCloudDouble extends HostDouble {
  readonly name = 'Bitbucket Cloud'
  protected readonly shapes = shapes
  protected override readonly base = '/2.0'
  readonly vcsType = 'bitbucket'
  override readonly site: string = 'https://bitbucket.org'
  override readonly archives = false

  readonly refusals = {
    noPermission: () => json({ type: 'error', error: { message: 'You may not access this repository.' } }, 403),
    weakToken: () =>
      json(
        {
          type: 'error',
          error: {
            message: 'Your credentials lack one or more required privilege scopes.',
            detail: { granted: ['account'], required: ['repository'] },
          },
        },
        403,
      ),
    limited: (seconds: number | null) =>
      json({ type: 'error', error: { message: 'Rate limit for this resource has been exceeded' } }, 429, {
        ...(seconds === null ? {} : { 'Retry-After': String(seconds) }),
      }),
  }

  open(token: string = this.token): Host {
    return bitbucketCloudHost({
      http: egress('127.0.0.0/8'),
      base: `${this.origin}/2.0`,
      authorization: `Bearer ${token}`,
    })
  }

  strayPage(origin: string): Response {
    return json({ pagelen: 100, values: [], next: `${origin}/2.0/repositories/acme?page=2` })
  }

  protected authorized(headers: Headers): boolean {
    return headers.get('authorization') === `Bearer ${this.token}`
  }

  protected answer(request: SeenRequest): Response {
    const { pathname, searchParams } = new URL(request.path, this.origin)
    const path = decodeURIComponent(pathname.replace('/2.0', ''))
    if (path === `/repositories/${this.owner}`) return this.list(searchParams)
    if (path.endsWith('/hooks') && request.method === 'POST') return this.addHook(request)
    if (path.includes('/hooks/') && this.hooks.delete(path.split('/').at(-1) ?? ''))
      return new Response(null, { status: 204 })
    const found = this.repositories.find((each) =>
      [`/repositories/${each.path}`, `/repositories/${this.owner}/${uuid(each.id)}`].includes(path),
    )
    if (found !== undefined) return json(this.said(found))
    return json({ type: 'error', error: { message: `Repository ${path} not found` } }, 404)
  }

  private list(query: URLSearchParams): Response {
    const since = /^updated_on>(.+)$/.exec(query.get('q') ?? '')?.[1]
    const after = since === undefined ? 0 : Date.parse(since) / 1000
    const page = Number(query.get('page') ?? 1)
    const changed = this.newestFirst().filter(({ pushedAt }) => pushedAt > after)
    const { items, more } = pageOf(changed, page, this.pageSize)
    query.set('page', String(page + 1))
    return json({
      pagelen: this.pageSize,
      values: items.map((each) => this.said(each)),
      ...(more ? { next: `${this.api}/2.0/repositories/${this.owner}?${query}` } : {}),
    })
  }

  private addHook(request: SeenRequest): Response {
    const { url, secret, events } = JSON.parse(request.body)
    const id = uuid(this.hooks.size + 1)
    this.hooks.set(id, { url, secret })
    return json({ type: 'webhook_subscription', uuid: id, url, events, active: true, secret_set: true }, 201)
  }

  private said(repository: DoubleRepository): Record<string, unknown> {
    const page = `${this.web}/${repository.path}`
    return {
      type: 'repository',
      uuid: uuid(repository.id),
      full_name: repository.path,
      is_private: repository.private,
      description: repository.description ?? '',
      has_issues: repository.issues,
      updated_on: date(repository.pushedAt),
      mainbranch: repository.defaultBranch === null ? null : { type: 'branch', name: repository.defaultBranch },
      parent: repository.fork ? { type: 'repository', full_name: 'other/lib' } : null,
      links: {
        html: { href: page },
        clone: [
          { name: 'https', href: `${page.replace('://', '://octocat@')}.git` },
          { name: 'ssh', href: `git@bitbucket.example:${repository.path}.git` },
        ],
      },
    }
  }
}

/** As Bitbucket writes ids: in braces. */
function uuid(id: number): string {
  return `{00000000-0000-4000-8000-${String(id).padStart(12, '0')}}`
}

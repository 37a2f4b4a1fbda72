import { bitbucketDataCenterHost } from '../../../src/sources/hosts/bitbucket-data-center.ts'
import type { Host } from '../../../src/sources/hosts/host.ts'
import { egress } from '../../sources/support.ts'
import { type DoubleRepository, HostDouble, json, type SeenRequest } from './host-double.ts'
import { Shapes } from './shapes.ts'

const AUTHORISATION = 'com.atlassian.bitbucket.AuthorisationException'

const shapes = await Shapes.load('bitbucket-data-center')

/** Bitbucket Data Center, with answers as its documentation shows them. */
export class BitbucketDataCenterDouble extends HostDouble {
  readonly name = 'Bitbucket Data Center'
  protected readonly shapes = shapes
  protected override readonly base = '/rest/api/latest'
  readonly vcsType = 'bitbucket'
  override readonly owner = 'ACME'
  override readonly followsIds = false
  override readonly hasIssues = false

  readonly refusals = {
    noPermission: () => refused(401, 'You are not permitted to access this resource', AUTHORISATION),
    weakToken: () => refused(403, 'The access token has insufficient permissions', AUTHORISATION),
    limited: (seconds: number | null) =>
      new Response('', { status: 429, headers: seconds === null ? {} : { 'Retry-After': String(seconds) } }),
  }

  open(token: string = this.token): Host {
    return bitbucketDataCenterHost({
      http: egress('127.0.0.0/8'),
      base: `${this.origin}/rest/api/latest`,
      authorization: `Bearer ${token}`,
    })
  }

  override gitPath(repository: { path: string }): string {
    return `/scm/${repository.path}.git`
  }

  /** Its pages are numbers, so there is no link that could lead away; a listing may only go in a circle. */
  strayPage(): Response {
    return json({ values: [], isLastPage: false, nextPageStart: 1 })
  }

  protected authorized(headers: Headers): boolean {
    return headers.get('authorization') === `Bearer ${this.token}`
  }

  protected answer(request: SeenRequest): Response {
    const { pathname, searchParams } = new URL(request.path, this.origin)
    const path = pathname.replace('/rest/api/latest', '')
    if (path === `/projects/${this.owner}/repos`) return this.list(Number(searchParams.get('start')))
    if (path.endsWith('/webhooks') && request.method === 'POST') return this.addHook(request)
    if (path.includes('/webhooks/') && this.hooks.delete(path.split('/').at(-1) ?? ''))
      return new Response(null, { status: 204 })
    const [, slug, rest] = /^\/projects\/ACME\/repos\/([^/]+)(\/default-branch)?$/.exec(path) ?? []
    const found = this.repositories.find((each) => each.path === `ACME/${slug}`)
    if (found === undefined)
      return refused(
        404,
        `Repository ACME/${slug} does not exist.`,
        'com.atlassian.bitbucket.repository.NoSuchRepositoryException',
      )
    if (rest === undefined) return json(this.said(found))
    return found.defaultBranch === null
      ? new Response(null, { status: 204 })
      : json({ id: `refs/heads/${found.defaultBranch}`, displayId: found.defaultBranch, type: 'BRANCH' })
  }

  private list(start: number): Response {
    const values = this.repositories.slice(start, start + this.pageSize).map((each) => this.said(each))
    const end = start + values.length
    const isLastPage = end >= this.repositories.length
    return json({
      size: values.length,
      limit: this.pageSize,
      start,
      isLastPage,
      values,
      nextPageStart: isLastPage ? null : end,
    })
  }

  private addHook(request: SeenRequest): Response {
    const { url, configuration, events } = JSON.parse(request.body)
    const id = this.hooks.size + 1
    this.hooks.set(String(id), { url, secret: configuration.secret })
    return json({ id, name: 'Composer repository', url, events, active: true, configuration: {} }, 201)
  }

  private said(repository: DoubleRepository): Record<string, unknown> {
    const [key = '', slug = ''] = repository.path.split('/')
    return {
      id: repository.id,
      slug,
      name: slug,
      project: { key, id: 1 },
      public: !repository.private,
      archived: repository.archived,
      ...(repository.description === null ? {} : { description: repository.description }),
      ...(repository.fork ? { origin: { id: 1, slug: 'lib' } } : {}),
      links: {
        clone: [
          { href: `ssh://git@dc.example:7999/${key}/${slug}.git`, name: 'ssh' },
          { href: `${this.web}/scm/${key}/${slug}.git`, name: 'http' },
        ],
        self: [{ href: `${this.web}/projects/${key}/repos/${slug}/browse` }],
      },
    }
  }
}

function refused(status: number, message: string, exceptionName: string): Response {
  return json({ errors: [{ context: null, message, exceptionName }] }, status)
}

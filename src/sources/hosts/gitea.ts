import { messageOf } from '../../errors.ts'
import { cleanText } from '../../git/failure.ts'
import type { UpstreamHttp } from '../upstream-http.ts'
import { hostFailureReason } from './failure.ts'
import { Fields } from './fields.ts'
import type { CredentialCheck, Host, ListedRepository, OwnerProbe, RepositoryFacts, RepositoryKey } from './host.ts'
import { type ApiAnswer, HostApi, type ReadRefusal } from './host-api.ts'
import { encodedPath, nextLink, pages } from './paging.ts'
import { giteaPage } from './source-page.ts'

/** Gitea answers no more than 50 at once unless it is set up to; the parameter is `limit`. */
const PAGE = 50

/** Gitea and Forgejo by the API v1. `base` ends in `/api/v1`; `authorization` is that of `hostCredential`. */
export function giteaHost(options: { http: UpstreamHttp; base: string; authorization: string | null }): Host {
  const { http, base } = options
  const authorization = options.authorization === null ? {} : { Authorization: options.authorization }
  const headers = { Accept: 'application/json' }
  return new GiteaHost(
    new HostApi({ http, base, headers, authorization: async () => authorization, readRefusal: readGiteaRefusal }),
  )
}

class GiteaHost implements Host {
  constructor(private readonly api: HostApi) {}

  async facts(repository: RepositoryKey, signal: AbortSignal): Promise<RepositoryFacts> {
    const { path, id } = repository
    const address = id === null ? `/repos/${encodedPath(path)}` : `/repositories/${encodeURIComponent(id)}`
    const { json } = await this.api.send({ path: address, wanted: `read the repository ${path}`, signal })
    const fields = Fields.of(this.api.where, json)
    const webUrl = fields.url('html_url')
    return {
      ...identity(fields),
      visibility: fields.flag('private') ? 'private' : fields.flag('internal') ? 'internal' : 'public',
      description: fields.optionalText('description'),
      webUrl,
      issuesUrl: fields.flag('has_issues') ? `${webUrl}/issues` : null,
    }
  }

  async *listRepositories(owner: string, signal: AbortSignal): AsyncGenerator<readonly ListedRepository[]> {
    const wanted = `list the repositories of ${owner}`
    const first = searchPath(await this.ownerId(owner, signal), 'sort=id&order=asc')
    yield* pages(first, this.api.where, async (path) => {
      const answer = await this.api.send({ path, wanted, signal })
      return { items: this.found(answer), next: nextLink(answer.headers) }
    })
  }

  /** Gitea knows no conditional requests: what changed last, and how many there are, tells whether anything did. */
  async probeOwner(owner: string, validator: string | null, signal: AbortSignal): Promise<OwnerProbe> {
    const known = /^(\d{1,15}) /.exec(validator ?? '')?.[1]
    const ownerId = known ?? (await this.ownerId(owner, signal))
    const path = searchPath(ownerId, 'sort=updated&order=desc')
    const answer = await this.api.send({ path, wanted: `list the repositories of ${owner}`, signal })
    const repositories = this.found(answer)
    const [newest] = repositories
    const total = answer.headers.get('x-total-count')?.slice(0, 20) ?? ''
    const now = `${ownerId} ${total} ${newest?.id ?? ''} ${newest?.pushedAt ?? ''}`
    return now === validator ? { state: 'unchanged' } : { state: 'changed', validator: now, repositories }
  }

  async checkCredential(signal: AbortSignal): Promise<CredentialCheck> {
    const login = await this.login(signal)
    let missing: string | null = null
    try {
      await this.api.send({ path: '/repos/search?limit=1', wanted: 'read repositories', signal })
    } catch (error) {
      if (hostFailureReason(error) !== 'scope') throw error
      missing = messageOf(error)
    }
    return { login, scopes: null, expiresAt: null, missing }
  }

  async registerWebhook(repository: RepositoryKey, hook: { url: string; secret: string }, signal: AbortSignal) {
    const { json } = await this.api.send({
      method: 'POST',
      path: `/repos/${encodedPath(repository.path)}/hooks`,
      body: {
        type: 'gitea',
        active: true,
        events: ['push', 'create', 'delete', 'repository'],
        config: { url: hook.url, content_type: 'json', secret: hook.secret },
      },
      wanted: `add a webhook to ${repository.path} (administrator of the repository, scope “write:repository”)`,
      signal,
    })
    return Fields.of(this.api.where, json).id('id')
  }

  async removeWebhook(repository: RepositoryKey, webhookId: string, signal: AbortSignal): Promise<void> {
    const path = `/repos/${encodedPath(repository.path)}/hooks/${encodeURIComponent(webhookId)}`
    await this.api.remove({ path, wanted: `remove the webhook of ${repository.path}`, signal })
  }

  sourcePage(repository: RepositoryFacts, ref: { name: string; commit: string }): string {
    return giteaPage(repository.webUrl, ref)
  }

  budget() {
    return this.api.budget
  }

  /** Null for a token that may read repositories and not its user. */
  private async login(signal: AbortSignal): Promise<string | null> {
    try {
      const { json } = await this.api.send({ path: '/user', wanted: 'read its user', signal })
      return Fields.of(this.api.where, json).text('login')
    } catch (error) {
      if (hostFailureReason(error) !== 'scope') throw error
      return null
    }
  }

  private async ownerId(owner: string, signal: AbortSignal): Promise<string> {
    const path = `/users/${encodeURIComponent(owner)}`
    const { json } = await this.api.send({ path, wanted: `look for ${owner}`, signal })
    return Fields.of(this.api.where, json).id('id')
  }

  private found(answer: ApiAnswer): ListedRepository[] {
    const list = Fields.of(this.api.where, answer.json).list('data', PAGE)
    return list.map((fields) => ({
      ...identity(fields),
      fork: fields.flag('fork'),
      pushedAt: fields.optionalDate('updated_at'),
    }))
  }
}

function searchPath(ownerId: string, order: string): string {
  return `/repos/search?uid=${ownerId}&exclusive=true&${order}&limit=${PAGE}`
}

function identity(fields: Fields) {
  return {
    id: fields.id('id'),
    path: fields.text('full_name'),
    cloneUrl: fields.url('clone_url'),
    defaultBranch: fields.flag('empty') ? null : fields.optionalText('default_branch'),
    archived: fields.flag('archived'),
  }
}

/** What Gitea means by a refusal: its message names the scopes in brackets. */
const readGiteaRefusal: ReadRefusal = ({ status, body }, wanted) => {
  if (status !== 403 || !body.has('message')) return null
  const message = cleanText(body.optionalText('message') ?? '')
  if (!/required scope/i.test(message)) return null
  const needed = /\[([\w:, -]{1,200})\]/.exec(message)?.[1] ?? 'read:repository'
  return { reason: 'scope', sentence: `The token is too weak to ${wanted}: it needs the scope ${needed}.` }
}

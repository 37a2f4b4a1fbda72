import { cleanText } from '../../git/failure.ts'
import type { UpstreamHttp } from '../upstream-http.ts'
import { hostFailure, hostFailureReason } from './failure.ts'
import { Fields } from './fields.ts'
import type { CredentialCheck, Host, ListedRepository, OwnerProbe, RepositoryFacts, RepositoryKey } from './host.ts'
import { type ApiAnswer, HostApi, type ReadRefusal } from './host-api.ts'
import { nextLink, pages } from './paging.ts'
import { gitlabPage } from './source-page.ts'

const PAGE = 100

/**
 * GitLab, gitlab.com or self-managed, by the REST API v4. `base` ends in `/api/v4`; `authorization` is that of
 * `hostCredential`, null for a stranger.
 */
export function gitlabHost(options: { http: UpstreamHttp; base: string; authorization: string | null }): Host {
  const { http, base } = options
  const authorization = options.authorization === null ? {} : { Authorization: options.authorization }
  const headers = { Accept: 'application/json' }
  return new GitlabHost(
    new HostApi({ http, base, headers, authorization: async () => authorization, readRefusal: readGitlabRefusal }),
  )
}

class GitlabHost implements Host {
  constructor(private readonly api: HostApi) {}

  async facts(repository: RepositoryKey, signal: AbortSignal): Promise<RepositoryFacts> {
    const wanted = `read the project ${repository.path}`
    const { json } = await this.api.send({ path: `/projects/${projectOf(repository)}`, wanted, signal })
    const fields = Fields.of(this.api.where, json)
    const known = identity(fields)
    if (known.defaultBranch === null && !fields.flag('empty_repo')) {
      throw hostFailure(
        'scope',
        `The credential may see the project ${repository.path} but not its code: it needs the role Reporter and the scope “read_api”.`,
      )
    }
    const webUrl = fields.url('web_url')
    return {
      ...known,
      visibility: visibilityOf(fields),
      description: fields.optionalText('description'),
      webUrl,
      issuesUrl: fields.flag('issues_enabled') ? `${webUrl}/-/issues` : null,
    }
  }

  async *listRepositories(owner: string, signal: AbortSignal): AsyncGenerator<readonly ListedRepository[]> {
    const first = await this.firstPage(owner, 'order_by=id&sort=asc', null, signal)
    yield this.listed(first)
    const next = nextLink(first.headers)
    if (next === null) return
    yield* pages(next, this.api.where, async (path) => {
      const answer = await this.api.send({ path, wanted: `list the projects of ${owner}`, signal })
      return { items: this.listed(answer), next: nextLink(answer.headers) }
    })
  }

  async probeOwner(owner: string, validator: string | null, signal: AbortSignal): Promise<OwnerProbe> {
    const answer = await this.firstPage(owner, 'order_by=last_activity_at&sort=desc', validator, signal)
    if (answer.status === 304) return { state: 'unchanged' }
    return { state: 'changed', validator: answer.headers.get('etag'), repositories: this.listed(answer) }
  }

  async checkCredential(signal: AbortSignal): Promise<CredentialCheck> {
    const { json } = await this.api.send({ path: '/personal_access_tokens/self', wanted: 'be recognised', signal })
    const fields = Fields.of(this.api.where, json)
    const scopes = fields.texts('scopes', 100)
    const reads = scopes.includes('api') || scopes.includes('read_api')
    return {
      login: fields.optionalText('name'),
      scopes,
      expiresAt: fields.optionalDate('expires_at'),
      missing: reads ? null : 'The token may not ask the API about projects: it needs the scope “read_api”.',
    }
  }

  /** A secret of the form `whsec_…` becomes the signing token, any other the secret token. */
  async registerWebhook(repository: RepositoryKey, hook: { url: string; secret: string }, signal: AbortSignal) {
    const signs = hook.secret.startsWith('whsec_')
    const secret = signs ? { signing_token: hook.secret } : { token: hook.secret }
    const { json } = await this.api.send({
      method: 'POST',
      path: `/projects/${projectOf(repository)}/hooks`,
      body: { url: hook.url, push_events: true, tag_push_events: true, enable_ssl_verification: true, ...secret },
      wanted: `add a webhook to ${repository.path} (the role Maintainer and the scope “api”)`,
      signal,
    })
    const fields = Fields.of(this.api.where, json)
    const id = fields.id('id')
    if (!signs || fields.flag('signing_token_present')) return id
    // A GitLab that does not know signing tokens drops them in silence, and would send what nobody can verify.
    await this.removeWebhook(repository, id, signal)
    throw hostFailure('refused', `${this.api.where} knows no signing tokens; use a secret token for its webhooks.`)
  }

  async removeWebhook(repository: RepositoryKey, webhookId: string, signal: AbortSignal): Promise<void> {
    const path = `/projects/${projectOf(repository)}/hooks/${encodeURIComponent(webhookId)}`
    await this.api.remove({ path, wanted: `remove the webhook of ${repository.path}`, signal })
  }

  sourcePage(repository: RepositoryFacts, ref: { name: string; commit: string }): string {
    return gitlabPage(repository.webUrl, ref)
  }

  budget() {
    return this.api.budget
  }

  /** An owner is a group, with its sub-groups, or when there is none a user. */
  private async firstPage(owner: string, order: string, validator: string | null, signal: AbortSignal) {
    const headers: Record<string, string> = validator === null ? {} : { 'If-None-Match': validator }
    const ask = (path: string) => this.api.send({ path, headers, wanted: `list the projects of ${owner}`, signal })
    const name = encodeURIComponent(owner)
    const query = `${order}&per_page=${PAGE}`
    try {
      return await ask(`/groups/${name}/projects?include_subgroups=true&with_shared=false&${query}`)
    } catch (error) {
      if (hostFailureReason(error) !== 'missing' || owner.includes('/')) throw error
      return ask(`/users/${name}/projects?${query}`)
    }
  }

  private listed(answer: ApiAnswer): ListedRepository[] {
    return Fields.list(this.api.where, answer.json, PAGE).map((fields) => ({
      ...identity(fields),
      fork: fields.has('forked_from_project'),
      // GitLab has only last_activity_at, which lags and misses pushes.
      pushedAt: null,
    }))
  }
}

/** Composer encodes dots too: a router in front may take what follows one for a format. */
function projectOf({ path, id }: RepositoryKey): string {
  return encodeURIComponent(id ?? path).replaceAll('.', '%2E')
}

function identity(fields: Fields) {
  return {
    id: fields.id('id'),
    path: fields.text('path_with_namespace'),
    cloneUrl: fields.url('http_url_to_repo'),
    defaultBranch: fields.optionalText('default_branch'),
    archived: fields.flag('archived'),
  }
}

function visibilityOf(fields: Fields): RepositoryFacts['visibility'] {
  const visibility = fields.optionalText('visibility')
  return visibility === 'public' || visibility === 'internal' ? visibility : 'private'
}

/** What GitLab means by a refusal (GitLab: REST API troubleshooting). */
const readGitlabRefusal: ReadRefusal = ({ status, body }, wanted) => {
  if (status !== 403 || !body.has('error')) return null
  if (body.optionalText('error') !== 'insufficient_scope') return null
  const needed = cleanText(body.optionalText('scope') ?? 'api').split(' ')
  const names = needed.map((scope) => `“${scope}”`).join(' or ')
  return { reason: 'scope', sentence: `The token is too weak to ${wanted}: it needs the scope ${names}.` }
}

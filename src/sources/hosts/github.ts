import type { UpstreamHttp } from '../upstream-http.ts'
import { hostFailureReason } from './failure.ts'
import { Fields } from './fields.ts'
import { readGithubRefusal, scopes } from './github-refusal.ts'
import type { CredentialCheck, Host, ListedRepository, OwnerProbe, RepositoryFacts, RepositoryKey } from './host.ts'
import { type ApiAnswer, HostApi } from './host-api.ts'
import { encodedPath, nextLink, pages } from './paging.ts'
import { githubPage } from './source-page.ts'

const PAGE = 100

/** How GitHub is let in: a token that stays, or one that is made when it is wanted (GitHub App). */
export interface GithubOptions {
  readonly http: UpstreamHttp
  /** `https://api.github.com`, or `https://HOST/api/v3` of an Enterprise Server. */
  readonly base: string
  /** Null asks as a stranger. */
  readonly token: ((signal: AbortSignal) => Promise<string>) | null
  /** True for a GitHub App, which is no user and lists what it is installed in. */
  readonly isApp: boolean
}

/** GitHub and GitHub Enterprise Server by the REST API (GitHub: REST API, version 2022-11-28). */
export function githubHost(options: GithubOptions): Host {
  const { token } = options
  const api = new HostApi({
    http: options.http,
    base: options.base,
    headers: { Accept: 'application/vnd.github+json', 'X-GitHub-Api-Version': '2022-11-28' },
    authorization: async (signal) => (token === null ? {} : { Authorization: `Bearer ${await token(signal)}` }),
    readRefusal: readGithubRefusal,
  })
  return new GithubHost(api, options.isApp)
}

class GithubHost implements Host {
  constructor(
    private readonly api: HostApi,
    private readonly isApp: boolean,
  ) {}

  async facts(repository: RepositoryKey, signal: AbortSignal): Promise<RepositoryFacts> {
    const wanted = `read the repository ${repository.path}`
    const { json } = await this.api.send({ path: addressOf(repository), wanted, signal })
    const fields = Fields.of(this.api.where, json)
    const webUrl = fields.url('html_url')
    return {
      ...identity(fields),
      visibility: visibilityOf(fields),
      description: fields.optionalText('description'),
      webUrl,
      issuesUrl: fields.flag('has_issues') ? `${webUrl}/issues` : null,
    }
  }

  async *listRepositories(owner: string, signal: AbortSignal): AsyncGenerator<readonly ListedRepository[]> {
    const first = await this.firstPage(owner, null, signal)
    yield this.listed(first.answer)
    const next = nextLink(first.answer.headers)
    if (next === null) return
    yield* pages(next, this.api.where, async (path) => {
      const answer = await this.api.send({ path, wanted: first.wanted, signal })
      return { items: this.listed(answer), next: nextLink(answer.headers) }
    })
  }

  async probeOwner(owner: string, validator: string | null, signal: AbortSignal): Promise<OwnerProbe> {
    const { answer } = await this.firstPage(owner, validator, signal)
    if (answer.status === 304) return { state: 'unchanged' }
    return { state: 'changed', validator: answer.headers.get('etag'), repositories: this.listed(answer) }
  }

  async checkCredential(signal: AbortSignal): Promise<CredentialCheck> {
    const path = this.isApp ? '/installation/repositories?per_page=1' : '/user'
    const answer = await this.api.send({ path, wanted: 'be recognised', signal })
    const granted = answer.headers.get('x-oauth-scopes')
    const names = granted === null ? null : scopes(granted)
    const login = this.isApp ? null : Fields.of(this.api.where, answer.json).text('login')
    const expires = Date.parse(answer.headers.get('github-authentication-token-expiration') ?? '')
    const weak = names !== null && !names.includes('repo')
    return {
      login,
      scopes: names,
      expiresAt: Number.isNaN(expires) ? null : Math.floor(expires / 1000),
      missing: weak ? 'The token reads public repositories only: private ones need the scope “repo”.' : null,
    }
  }

  async registerWebhook(repository: RepositoryKey, hook: { url: string; secret: string }, signal: AbortSignal) {
    const { json } = await this.api.send({
      method: 'POST',
      path: `/repos/${encodedPath(repository.path)}/hooks`,
      body: {
        name: 'web',
        events: ['push', 'create', 'delete', 'repository'],
        config: { url: hook.url, content_type: 'json', secret: hook.secret, insecure_ssl: '0' },
      },
      wanted: `add a webhook to ${repository.path} (“Webhooks: write”, or the scope “admin:repo_hook”)`,
      signal,
    })
    return Fields.of(this.api.where, json).id('id')
  }

  async removeWebhook(repository: RepositoryKey, webhookId: string, signal: AbortSignal): Promise<void> {
    const path = `/repos/${encodedPath(repository.path)}/hooks/${encodeURIComponent(webhookId)}`
    await this.api.remove({ path, wanted: `remove the webhook of ${repository.path}`, signal })
  }

  sourcePage(repository: RepositoryFacts, ref: { name: string; commit: string }): string {
    return githubPage(repository.webUrl, ref)
  }

  budget() {
    return this.api.budget
  }

  /** An app lists what it is installed in; an owner is an organisation or, when there is none, a user. */
  private async firstPage(owner: string, validator: string | null, signal: AbortSignal) {
    const wanted = `list the repositories of ${owner}`
    const headers: Record<string, string> = validator === null ? {} : { 'If-None-Match': validator }
    const ask = (path: string) => this.api.send({ path, headers, wanted, signal })
    const order = `sort=pushed&direction=desc&per_page=${PAGE}`
    if (this.isApp) return { wanted, answer: await ask(`/installation/repositories?per_page=${PAGE}`) }
    const name = encodeURIComponent(owner)
    try {
      return { wanted, answer: await ask(`/orgs/${name}/repos?type=all&${order}`) }
    } catch (error) {
      if (hostFailureReason(error) !== 'missing') throw error
      return { wanted, answer: await ask(`/users/${name}/repos?type=all&${order}`) }
    }
  }

  private listed(answer: ApiAnswer): ListedRepository[] {
    const { where } = this.api
    const list = this.isApp
      ? Fields.of(where, answer.json).list('repositories', PAGE)
      : Fields.list(where, answer.json, PAGE)
    return list.map((fields) => ({
      ...identity(fields),
      fork: fields.flag('fork'),
      pushedAt: fields.optionalDate('pushed_at'),
    }))
  }
}

function addressOf({ path, id }: RepositoryKey): string {
  return id === null ? `/repos/${encodedPath(path)}` : `/repositories/${encodeURIComponent(id)}`
}

function identity(fields: Fields) {
  return {
    id: fields.id('id'),
    path: fields.text('full_name'),
    cloneUrl: fields.url('clone_url'),
    defaultBranch: fields.optionalText('default_branch'),
    archived: fields.flag('archived'),
  }
}

function visibilityOf(fields: Fields): RepositoryFacts['visibility'] {
  if (fields.optionalText('visibility') === 'internal') return 'internal'
  return fields.flag('private') ? 'private' : 'public'
}

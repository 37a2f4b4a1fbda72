import { cleanText } from '../../git/failure.ts'
import type { UpstreamHttp } from '../upstream-http.ts'
import { hostFailureReason } from './failure.ts'
import { Fields } from './fields.ts'
import type { CredentialCheck, Host, ListedRepository, OwnerProbe, RepositoryFacts, RepositoryKey } from './host.ts'
import { type ApiAnswer, HostApi, type ReadRefusal } from './host-api.ts'
import { encodedPath, pages } from './paging.ts'
import { bitbucketCloudPage } from './source-page.ts'

const PAGE = 100

/**
 * Bitbucket Cloud by the REST API 2.0. `base` is `https://api.bitbucket.org/2.0`; `authorization` is that of
 * `hostCredential`, null for a stranger.
 */
export function bitbucketCloudHost(options: { http: UpstreamHttp; base: string; authorization: string | null }): Host {
  const { http, base } = options
  const authorization = options.authorization === null ? {} : { Authorization: options.authorization }
  const headers = { Accept: 'application/json' }
  return new BitbucketCloudHost(
    new HostApi({ http, base, headers, authorization: async () => authorization, readRefusal: readBitbucketRefusal }),
  )
}

class BitbucketCloudHost implements Host {
  constructor(private readonly api: HostApi) {}

  async facts(repository: RepositoryKey, signal: AbortSignal): Promise<RepositoryFacts> {
    const wanted = `read the repository ${repository.path}`
    const { json } = await this.api.send({ path: addressOf(repository), wanted, signal })
    const fields = Fields.of(this.api.where, json)
    const webUrl = fields.object('links').object('html').url('href')
    return {
      ...identity(fields),
      visibility: fields.flag('is_private') ? 'private' : 'public',
      description: fields.optionalText('description'),
      webUrl,
      issuesUrl: fields.flag('has_issues') ? `${webUrl}/issues` : null,
    }
  }

  async *listRepositories(owner: string, signal: AbortSignal): AsyncGenerator<readonly ListedRepository[]> {
    const wanted = `list the repositories of ${owner}`
    yield* pages(`${workspace(owner)}?sort=created_on&pagelen=${PAGE}`, this.api.where, async (path) => {
      const answer = await this.api.send({ path, wanted, signal })
      return { items: this.listed(answer), next: Fields.of(this.api.where, answer.json).optionalText('next') }
    })
  }

  /** Bitbucket knows no conditional requests: it is asked for what changed after the last change known. */
  async probeOwner(owner: string, validator: string | null, signal: AbortSignal): Promise<OwnerProbe> {
    const since = validator === null ? '' : `q=${encodeURIComponent(`updated_on>${validator}`)}&`
    const path = `${workspace(owner)}?${since}sort=-updated_on&pagelen=${PAGE}`
    const answer = await this.api.send({ path, wanted: `list the repositories of ${owner}`, signal })
    const [newest] = Fields.of(this.api.where, answer.json).list('values', PAGE)
    if (newest === undefined && validator !== null) return { state: 'unchanged' }
    return {
      state: 'changed',
      validator: newest?.optionalText('updated_on') ?? null,
      repositories: this.listed(answer),
    }
  }

  /** An access token belongs to a repository, project or workspace, and has no user to name. */
  async checkCredential(signal: AbortSignal): Promise<CredentialCheck> {
    try {
      const answer = await this.api.send({ path: '/user', wanted: 'read its user', signal })
      const login = Fields.of(this.api.where, answer.json).optionalText('display_name')
      return { login, scopes: null, expiresAt: null, missing: null }
    } catch (error) {
      const reason = hostFailureReason(error)
      if (reason !== 'scope' && reason !== 'permission' && reason !== 'missing') throw error
      return { login: null, scopes: null, expiresAt: null, missing: null }
    }
  }

  async registerWebhook(repository: RepositoryKey, hook: { url: string; secret: string }, signal: AbortSignal) {
    const { json } = await this.api.send({
      method: 'POST',
      path: `${addressOf(repository)}/hooks`,
      body: {
        description: 'Composer repository',
        url: hook.url,
        secret: hook.secret,
        active: true,
        events: ['repo:push', 'repo:updated'],
      },
      wanted: `add a webhook to ${repository.path} (scope “write:webhook:bitbucket”, or “webhook” of an access token)`,
      signal,
    })
    return Fields.of(this.api.where, json).text('uuid')
  }

  async removeWebhook(repository: RepositoryKey, webhookId: string, signal: AbortSignal): Promise<void> {
    const path = `${addressOf(repository)}/hooks/${encodeURIComponent(webhookId)}`
    await this.api.remove({ path, wanted: `remove the webhook of ${repository.path}`, signal })
  }

  sourcePage(repository: RepositoryFacts, ref: { name: string; commit: string }): string {
    return bitbucketCloudPage(repository.webUrl, ref)
  }

  budget() {
    return this.api.budget
  }

  private listed(answer: ApiAnswer): ListedRepository[] {
    return Fields.of(this.api.where, answer.json)
      .list('values', PAGE)
      .map((fields) => ({
        ...identity(fields),
        fork: fields.has('parent'),
        pushedAt: fields.optionalDate('updated_on'),
      }))
  }
}

function workspace(owner: string): string {
  return `/repositories/${encodeURIComponent(owner)}`
}

/** The UUID takes the place of the name within the workspace. */
function addressOf({ path, id }: RepositoryKey): string {
  if (id === null) return `/repositories/${encodedPath(path)}`
  return `${workspace(path.split('/')[0] ?? '')}/${encodeURIComponent(id)}`
}

function identity(fields: Fields) {
  const clones = fields.object('links').list('clone', 10)
  const https = clones.find((each) => each.optionalText('name') === 'https')
  return {
    id: fields.text('uuid'),
    path: fields.text('full_name'),
    cloneUrl: withoutUser((https ?? Fields.of('Bitbucket', {})).text('href')),
    defaultBranch: fields.optionalObject('mainbranch')?.optionalText('name') ?? null,
    // Bitbucket Cloud does not know archived repositories.
    archived: false,
  }
}

/** Bitbucket puts the name of whoever asks into the address. */
function withoutUser(address: string): string {
  return address.replace(/^(https?:\/\/)[^/@]*@/, '$1')
}

/** What Bitbucket means by a refusal: `error.detail.required` names the scopes. */
const readBitbucketRefusal: ReadRefusal = ({ status, body }, wanted) => {
  if (status === 410) return { reason: 'refused', sentence: `Bitbucket has retired this way to ${wanted}.` }
  const required = body.optionalObject('error')?.optionalObject('detail')?.texts('required', 20) ?? []
  if (status !== 403 || required.length === 0) return null
  const names = required.map((scope) => `“${cleanText(scope)}”`).join(' or ')
  return { reason: 'scope', sentence: `The token is too weak to ${wanted}: it needs the scope ${names}.` }
}

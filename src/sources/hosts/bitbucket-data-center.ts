import { cleanText } from '../../git/failure.ts'
import type { UpstreamHttp } from '../upstream-http.ts'
import { hostFailure, hostFailureReason } from './failure.ts'
import { Fields } from './fields.ts'
import type { CredentialCheck, Host, ListedRepository, OwnerProbe, RepositoryFacts, RepositoryKey } from './host.ts'
import { type ApiAnswer, HostApi, type ReadRefusal } from './host-api.ts'
import { pages } from './paging.ts'
import { bitbucketDataCenterPage } from './source-page.ts'

const PAGE = 100

/**
 * Bitbucket Data Center by its REST API. `base` ends in `/rest/api/latest`; `authorization` is that of `hostCredential`,
 * null for a stranger. The path of a repository is the key of its project and its slug.
 */
export function bitbucketDataCenterHost(options: {
  http: UpstreamHttp
  base: string
  authorization: string | null
}): Host {
  const { http, base } = options
  const authorization = options.authorization === null ? {} : { Authorization: options.authorization }
  const headers = { Accept: 'application/json' }
  return new BitbucketDataCenterHost(
    new HostApi({ http, base, headers, authorization: async () => authorization, readRefusal: readDataCenterRefusal }),
  )
}

class BitbucketDataCenterHost implements Host {
  constructor(private readonly api: HostApi) {}

  /** The API finds nothing by id: another repository that took the path is told by its id, and is not this one. */
  async facts(repository: RepositoryKey, signal: AbortSignal): Promise<RepositoryFacts> {
    const wanted = `read the repository ${repository.path}`
    const { json } = await this.api.send({ path: addressOf(repository.path), wanted, signal })
    const fields = Fields.of(this.api.where, json)
    const known = identity(fields)
    if (repository.id !== null && repository.id !== known.id) {
      throw hostFailure(
        'missing',
        `Another repository has the path ${repository.path} now; give the new address of this one.`,
      )
    }
    return {
      ...known,
      defaultBranch: await this.defaultBranch(repository.path, signal),
      visibility: fields.flag('public') ? 'public' : 'private',
      description: fields.optionalText('description'),
      webUrl: linkOf(fields, 'self').replace(/\/browse$/, ''),
      issuesUrl: null,
    }
  }

  async *listRepositories(owner: string, signal: AbortSignal): AsyncGenerator<readonly ListedRepository[]> {
    yield* pages(listPath(owner, 0), this.api.where, async (path) => {
      const answer = await this.api.send({ path, wanted: `list the repositories of ${owner}`, signal })
      return { items: this.listed(answer), next: this.nextPage(owner, answer) }
    })
  }

  /** The API has neither dates nor conditional requests: one page is asked for, and compared with the one known. */
  async probeOwner(owner: string, validator: string | null, signal: AbortSignal): Promise<OwnerProbe> {
    const wanted = `list the repositories of ${owner}`
    const answer = await this.api.send({ path: listPath(owner, 0), wanted, signal })
    const now = new Bun.CryptoHasher('sha256').update(JSON.stringify(answer.json)).digest('hex')
    return now === validator
      ? { state: 'unchanged' }
      : { state: 'changed', validator: now, repositories: this.listed(answer) }
  }

  async checkCredential(signal: AbortSignal): Promise<CredentialCheck> {
    const answer = await this.api.send({ path: '/repos?limit=1', wanted: 'read repositories', signal })
    const login = answer.headers.get('x-ausername')
    const missing = login === null ? 'The host did not recognise the credential and answers as to a stranger.' : null
    return { login: login === null ? null : cleanText(decodedName(login)), scopes: null, expiresAt: null, missing }
  }

  async registerWebhook(repository: RepositoryKey, hook: { url: string; secret: string }, signal: AbortSignal) {
    const { json } = await this.api.send({
      method: 'POST',
      path: `${addressOf(repository.path)}/webhooks`,
      body: {
        name: 'Composer repository',
        url: hook.url,
        active: true,
        configuration: { secret: hook.secret },
        events: ['repo:refs_changed', 'repo:modified'],
      },
      wanted: `add a webhook to ${repository.path} (permission “Repository admin”)`,
      signal,
    })
    return Fields.of(this.api.where, json).id('id')
  }

  async removeWebhook(repository: RepositoryKey, webhookId: string, signal: AbortSignal): Promise<void> {
    const path = `${addressOf(repository.path)}/webhooks/${encodeURIComponent(webhookId)}`
    await this.api.remove({ path, wanted: `remove the webhook of ${repository.path}`, signal })
  }

  sourcePage(repository: RepositoryFacts, ref: { name: string; commit: string }): string {
    return bitbucketDataCenterPage(repository.webUrl, ref)
  }

  budget() {
    return this.api.budget
  }

  /** Null for a repository without commits. */
  private async defaultBranch(path: string, signal: AbortSignal): Promise<string | null> {
    const wanted = `read the default branch of ${path}`
    try {
      const { json } = await this.api.send({ path: `${addressOf(path)}/default-branch`, wanted, signal })
      return json === null ? null : Fields.of(this.api.where, json).optionalText('displayId')
    } catch (error) {
      if (hostFailureReason(error) !== 'missing') throw error
      return null
    }
  }

  private nextPage(owner: string, answer: ApiAnswer): string | null {
    const fields = Fields.of(this.api.where, answer.json)
    return fields.has('nextPageStart') && !fields.flag('isLastPage')
      ? listPath(owner, fields.id('nextPageStart'))
      : null
  }

  private listed(answer: ApiAnswer): ListedRepository[] {
    return Fields.of(this.api.where, answer.json)
      .list('values', PAGE)
      .map((fields) => ({ ...identity(fields), defaultBranch: null, fork: fields.has('origin'), pushedAt: null }))
  }
}

function listPath(owner: string, start: number | string): string {
  return `/projects/${encodeURIComponent(owner)}/repos?limit=${PAGE}&start=${start}`
}

/** `KEY/slug`, with `scm/` before it in addresses for git. */
function addressOf(path: string): string {
  const [slug = '', key = ''] = path.split('/').reverse()
  return `/projects/${encodeURIComponent(key)}/repos/${encodeURIComponent(slug)}`
}

function identity(fields: Fields) {
  return {
    id: fields.id('id'),
    path: `${fields.object('project').text('key')}/${fields.text('slug')}`,
    cloneUrl: linkOf(fields, 'clone').replace(/^(https?:\/\/)[^/@]*@/, '$1'),
    archived: fields.flag('archived'),
  }
}

/** The first link of a kind that is one of http. */
function linkOf(fields: Fields, kind: string): string {
  const links = fields.object('links').list(kind, 20)
  const found = links.find((link) => /^https?:/.test(link.optionalText('href') ?? ''))
  return (found ?? Fields.of('Bitbucket', {})).text('href')
}

/** User names come encoded as in a query. */
function decodedName(text: string): string {
  return new URLSearchParams(`name=${text}`).get('name') ?? text
}

/** What Data Center means by a refusal: 401 is for who is known too, and then says so in the name of its exception. */
const readDataCenterRefusal: ReadRefusal = ({ status, body }, wanted) => {
  if (status !== 401 && status !== 403) return null
  const [error] = body.objects('errors', 20)
  const exception = error?.optionalText('exceptionName') ?? ''
  if (!exception.endsWith('AuthorisationException')) return null
  const message = cleanText(error?.optionalText('message') ?? '')
  if (/token/i.test(message)) {
    return {
      reason: 'scope',
      sentence: `The token is too weak to ${wanted}: it needs the permission “Repository read” or more.`,
    }
  }
  return { reason: 'permission', sentence: `The credential may not ${wanted}.` }
}

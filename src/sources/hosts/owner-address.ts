import { AppError } from '../../errors.ts'
import { parseGitUrl } from '../../git/url.ts'
import type { HostType } from './host-credential.ts'
import type { HostAddress } from './open-host.ts'

/** An owner of repositories at a host. */
export interface OwnerAddress {
  /** Where the API is; its `path` is the owner, as `Host.listRepositories` takes it. */
  readonly host: HostAddress
  /** A text that is equal for every spelling of the same owner. */
  readonly key: string
}

/**
 * The API behind the address of a user, organisation, group with its sub-groups, workspace or project, as a browser shows
 * it. Throws AppError('invalid') with `details.fields` for anything else.
 */
export function ownerAddress(host: HostType, url: string): OwnerAddress {
  const parsed = checkedUrl(url)
  const parts = parsed.path.split('/').filter((part) => part !== '')
  const address = addressOf(host, new URL(parsed.url), withoutPrefix(host, parts))
  return { host: address, key: `${host} ${address.apiBase} ${address.path.toLowerCase()}` }
}

/** `acme`, `acme/php`: how a host names the owner in the paths of its repositories. */
export function isOf(owner: string, path: string): boolean {
  return path.toLowerCase().startsWith(`${owner.toLowerCase()}/`)
}

function addressOf(host: HostType, { origin, hostname }: URL, parts: readonly string[]): HostAddress {
  const owner = parts.at(-1)
  if (owner === undefined) throw invalid('The address names no owner, as in https://github.com/acme.')
  const below = [origin, ...parts.slice(0, -1)].join('/')
  const only = () => {
    if (parts.length > 1) throw invalid('The address of an owner has one name, as in https://github.com/acme.')
  }
  switch (host) {
    case 'github':
      only()
      return {
        apiBase: hostname === 'github.com' ? 'https://api.github.com' : `${origin}/api/v3`,
        path: owner,
        cloud: false,
      }
    case 'gitlab':
      return { apiBase: `${origin}/api/v4`, path: parts.join('/'), cloud: false }
    case 'gitea':
      return { apiBase: `${below}/api/v1`, path: owner, cloud: false }
    case 'bitbucket':
      if (hostname !== 'bitbucket.org') return { apiBase: `${below}/rest/api/latest`, path: owner, cloud: false }
      only()
      return { apiBase: 'https://api.bitbucket.org/2.0', path: owner, cloud: true }
  }
}

/** Pages of owners have a word before the name at some hosts, which is none of it. */
function withoutPrefix(host: HostType, parts: readonly string[]): readonly string[] {
  if (host === 'github' && parts[0] === 'orgs') return parts.slice(1)
  if (host === 'gitlab' && parts[0] === 'groups') return parts.slice(1)
  const word = host === 'bitbucket' ? parts.at(-2) : undefined
  const last = parts.at(-1) ?? ''
  if (word === 'projects' || word === 'scm') return [...parts.slice(0, -2), last]
  // A person's own repositories are in a project of Data Center that is named after them.
  return word === 'users' ? [...parts.slice(0, -2), `~${last}`] : parts
}

function checkedUrl(url: string) {
  let parsed: ReturnType<typeof parseGitUrl>
  try {
    parsed = parseGitUrl(url)
  } catch (error) {
    throw invalid(error instanceof AppError ? error.message : 'This is not a valid URL.')
  }
  if (parsed.kind !== 'http') throw invalid('The address of an owner begins with https:// or http://.')
  return parsed
}

function invalid(sentence: string): AppError {
  return new AppError('invalid', sentence, { details: { fields: { url: sentence } } })
}

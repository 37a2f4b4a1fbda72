import { AppError, isAppError } from '../errors.ts'
import { localRepositoryPath } from '../git/local-path.ts'
import { localTransport } from '../git/local-transport.ts'
import { type GitHttpSend, SmartHttpTransport } from '../git/smart-http.ts'
import { sshTransport } from '../git/ssh-transport.ts'
import type { GitTransport } from '../git/transport.ts'
import { type GitUrl, normalizedGitUrl, parseGitUrl } from '../git/url.ts'
import type { CredentialType } from './credentials.ts'
import { gitSource } from './git.ts'
import type { GithubApps } from './hosts/github-apps.ts'
import { HOST_TYPES, hostCredential, isHostType } from './hosts/host-credential.ts'
import { hostAddress } from './hosts/open-host.ts'
import type { KnownServers } from './known-servers.ts'
import type { Source, SourceAddress, SourceCredentials } from './source.ts'
import type { BoundCredentials, UpstreamHttp } from './upstream-http.ts'

/** Kinds of source that can be added, as `vcs_type` names them. */
export const VCS_TYPES = ['git', ...HOST_TYPES] as const

/** What opening a source takes. */
export interface OpenParts {
  readonly http: UpstreamHttp
  readonly githubApps: GithubApps
  /** What git servers are known to do, by origin. */
  readonly gitServers?: KnownServers
  readonly localRoots: readonly string[]
}

/**
 * Opens the source of an address: the only switch on its kind. Nothing is read yet.
 * Throws AppError('invalid') or AppError('upstream') for an address that is not allowed.
 */
export async function openSource(address: SourceAddress, parts: OpenParts): Promise<Source> {
  const url = parseGitUrl(address.url)
  if (url.kind === 'file') return gitSource(localTransport(localRepositoryPath(address.url, parts.localRoots)))
  if (url.kind === 'ssh') return gitSource(sshTo(await parts.http.addressOf(url.host), url, address))
  const transport = new SmartHttpTransport(url.url, senderTo(url.url, address, parts))
  return gitSource(transport, parts.gitServers?.of(new URL(url.url).origin))
}

/** Sends with the credential; a token of a GitHub App may end while a repository is read, and is asked for each time. */
function senderTo(url: string, { vcsType, credentials }: SourceAddress, parts: OpenParts): GitHttpSend {
  if (credentials.type !== 'github_app') {
    const bound = httpCredentials(url, vcsType, credentials)
    return (request) => parts.http.send(request, bound)
  }
  const { token, http } = parts.githubApps.open(credentials, hostAddress('github', url).apiBase, parts.http)
  return async (request) => http.send(request, basic(url, 'x-access-token', await token(request.signal)))
}

/**
 * The address of a new repository, and the text that is equal for every spelling of it.
 * Throws AppError('invalid') for an address that cannot be used, or not with this kind of credential.
 */
export function checkSourceUrl(
  url: string,
  credentialType: CredentialType,
  roots: readonly string[],
): { url: string; urlKey: string } {
  try {
    const parsed = parseGitUrl(url)
    if (parsed.kind === 'file') localRepositoryPath(url, roots)
    if ((parsed.kind === 'ssh') !== (credentialType === 'ssh_key'))
      throw new AppError('invalid', wrongCredentials(parsed.kind))
    return { url, urlKey: repositoryKey(url) }
  } catch (error) {
    if (!isAppError(error, 'invalid')) throw error
    throw new AppError('invalid', error.message, { details: { fields: { url: error.message } } })
  }
}

/** The text that is equal for every spelling of the address of a repository. Throws AppError('invalid') for no address. */
export function repositoryKey(url: string): string {
  return normalizedGitUrl(url)
}

function wrongCredentials(kind: 'http' | 'ssh' | 'file'): string {
  if (kind === 'ssh') return 'An ssh address needs credential_type ssh_key and the private key in auth_credentials.'
  return 'credential_type ssh_key belongs to an ssh address, like git@host:path.'
}

/** ssh to the address that was checked: were the name resolved again, it could mean another machine by then. */
function sshTo(host: string, url: Extract<GitUrl, { kind: 'ssh' }>, address: SourceAddress): GitTransport {
  if (address.credentials.type !== 'ssh_key') throw new AppError('invalid', wrongCredentials('ssh'))
  const { privateKey } = address.credentials
  return sshTransport({ url: { ...url, host }, privateKey, hostKey: address.hostKey, onHostKey: address.onHostKey })
}

/**
 * Credentials as headers for the origin of `url`; null for none, for those that are not for HTTP, and for a GitHub App,
 * whose tokens change. Throws AppError('invalid') for a form that its host has retired.
 */
export function httpCredentials(url: string, vcsType: string, credentials: SourceCredentials): BoundCredentials | null {
  const { origin } = new URL(url)
  const known = isHostType(vcsType) ? hostCredential(vcsType, credentials) : null
  switch (credentials.type) {
    case 'token':
      return basic(url, known?.gitUser ?? tokenUser(url), credentials.token)
    case 'http_basic':
      return basic(url, known?.gitUser ?? credentials.username, credentials.password)
    case 'bearer':
      return { origin, headers: { Authorization: `Bearer ${credentials.token}` } }
    case 'custom_header':
      return { origin, headers: { [credentials.name]: credentials.value } }
    default:
      return null
  }
}

function basic(url: string, user: string, password: string): BoundCredentials {
  const authorization = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
  return { origin: new URL(url).origin, headers: { Authorization: authorization } }
}

/** The user name beside a token where the kind of host is not told: most hosts take any (git over HTTP knows only Basic). */
function tokenUser(url: string): string {
  return new URL(url).hostname === 'bitbucket.org' ? 'x-token-auth' : 'oauth2'
}

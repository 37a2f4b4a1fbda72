import { AppError, isAppError } from '../errors.ts'
import { localRepositoryPath } from '../git/local-path.ts'
import { localTransport } from '../git/local-transport.ts'
import { SmartHttpTransport } from '../git/smart-http.ts'
import { sshTransport } from '../git/ssh-transport.ts'
import type { GitTransport } from '../git/transport.ts'
import { type GitUrl, normalizedGitUrl, parseGitUrl } from '../git/url.ts'
import type { CredentialType } from './credentials.ts'
import { gitSource } from './git.ts'
import type { Source, SourceAddress, SourceCredentials } from './source.ts'
import type { BoundCredentials, UpstreamHttp } from './upstream-http.ts'

/** Kinds of source that can be added, as `vcs_type` names them. */
export const VCS_TYPES = ['git', 'github', 'gitlab', 'bitbucket', 'gitea'] as const

/** What opening a source takes. */
export interface OpenParts {
  readonly http: UpstreamHttp
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
  const bound = httpCredentials(url.url, address.vcsType, address.credentials)
  return gitSource(new SmartHttpTransport(url.url, (request) => parts.http.send(request, bound)))
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
    return { url, urlKey: normalizedGitUrl(url) }
  } catch (error) {
    if (!isAppError(error, 'invalid')) throw error
    throw new AppError('invalid', error.message, { details: { fields: { url: error.message } } })
  }
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

/** Credentials as headers for the origin of `url`; null for none, and for those that are not for HTTP. */
export function httpCredentials(url: string, vcsType: string, credentials: SourceCredentials): BoundCredentials | null {
  const { origin } = new URL(url)
  const basic = (user: string, password: string) => ({
    origin,
    headers: { Authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` },
  })
  switch (credentials.type) {
    case 'token':
      return basic(tokenUser(vcsType, url), credentials.token)
    case 'http_basic':
      return basic(credentials.username, credentials.password)
    case 'bearer':
      return { origin, headers: { Authorization: `Bearer ${credentials.token}` } }
    case 'custom_header':
      return { origin, headers: { [credentials.name]: credentials.value } }
    default:
      return null
  }
}

/** The user name a host wants beside a token (git over HTTP knows only Basic). */
function tokenUser(vcsType: string, url: string): string {
  if (vcsType === 'github') return 'x-access-token'
  if (vcsType === 'bitbucket' || new URL(url).hostname === 'bitbucket.org') return 'x-token-auth'
  return 'oauth2'
}

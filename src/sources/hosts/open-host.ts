import { AppError } from '../../errors.ts'
import { parseGitUrl } from '../../git/url.ts'
import type { SourceCredentials } from '../source.ts'
import type { UpstreamHttp } from '../upstream-http.ts'
import { bitbucketCloudHost } from './bitbucket-cloud.ts'
import { bitbucketDataCenterHost } from './bitbucket-data-center.ts'
import { giteaHost } from './gitea.ts'
import { githubHost } from './github.ts'
import type { GithubApps } from './github-apps.ts'
import { gitlabHost } from './gitlab.ts'
import type { Host } from './host.ts'
import { type HostType, hostCredential } from './host-credential.ts'

/** Where the API of a host is, and what it calls the repository. */
export interface HostAddress {
  /** Without a slash at the end. */
  readonly apiBase: string
  /** As `RepositoryKey.path`. */
  readonly path: string
  /** True for bitbucket.org, whose API is another than that of Data Center. */
  readonly cloud: boolean
}

/**
 * The API behind the address of a repository, http(s) or ssh. A GitLab below a path cannot be told from groups, so it has
 * to be at the root of its host. Throws AppError('invalid') for an address without owner and name, or of no host.
 */
export function hostAddress(host: HostType, url: string): HostAddress {
  const parsed = parseGitUrl(url)
  if (parsed.kind === 'file') throw invalid('A directory on this machine has no API; choose vcs_type git.')
  const parts = parsed.path
    .replace(/\.git$/, '')
    .split('/')
    .filter((part) => part !== '')
  if (parts.length < 2) throw invalid('The address names no owner and repository, as in https://host.example/acme/lib.')
  const origin = parsed.kind === 'http' ? new URL(parsed.url).origin : `https://${parsed.host}`
  const { hostname } = new URL(origin)
  const path = parts.join('/')
  const last = parts.slice(-2).join('/')
  const below = (count: number) => [origin, ...parts.slice(0, parts.length - count)].join('/')
  switch (host) {
    case 'github':
      return { apiBase: hostname === 'github.com' ? 'https://api.github.com' : `${origin}/api/v3`, path, cloud: false }
    case 'gitlab':
      return { apiBase: `${origin}/api/v4`, path, cloud: false }
    case 'gitea':
      return { apiBase: `${below(2)}/api/v1`, path: last, cloud: false }
    case 'bitbucket': {
      if (hostname === 'bitbucket.org') return { apiBase: 'https://api.bitbucket.org/2.0', path, cloud: true }
      const http = parsed.kind === 'http' && parts.at(-3) === 'scm'
      return { apiBase: `${http ? below(3) : origin}/rest/api/latest`, path: last, cloud: false }
    }
  }
}

/**
 * Opens the API of a host: the only switch on its kind. Nothing is asked yet. Throws AppError('invalid') for a credential
 * that is none for this host.
 */
export function openHost(
  host: HostType,
  address: HostAddress,
  credentials: SourceCredentials,
  http: UpstreamHttp,
  githubApps: GithubApps,
): Host {
  const base = address.apiBase
  if (host === 'github' && credentials.type === 'github_app') {
    const { token, http: watched } = githubApps.open(credentials, base, http)
    return githubHost({ http: watched, base, token, isApp: true })
  }
  const authorization = hostCredential(host, credentials)?.apiAuthorization ?? null
  switch (host) {
    case 'github': {
      const token = authorization?.replace(/^Bearer /, '')
      return githubHost({ http, base, token: token === undefined ? null : async () => token, isApp: false })
    }
    case 'gitlab':
      return gitlabHost({ http, base, authorization })
    case 'gitea':
      return giteaHost({ http, base, authorization })
    case 'bitbucket':
      return (address.cloud ? bitbucketCloudHost : bitbucketDataCenterHost)({ http, base, authorization })
  }
}

function invalid(sentence: string): AppError {
  return new AppError('invalid', sentence, { details: { fields: { url: sentence } } })
}

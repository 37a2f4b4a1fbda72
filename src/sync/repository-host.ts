import type { SecretBox } from '../auth/secret-box.ts'
import { hostPlace } from '../sources/host-place.ts'
import type { GithubApps } from '../sources/hosts/github-apps.ts'
import type { Host } from '../sources/hosts/host.ts'
import { type HostType, hostCredential, isHostType } from '../sources/hosts/host-credential.ts'
import { type HostAddress, hostAddress, openHost } from '../sources/hosts/open-host.ts'
import type { SourceCredentials } from '../sources/source.ts'
import type { UpstreamHttp } from '../sources/upstream-http.ts'
import type { RepositoryRow } from '../store/repositories.ts'
import type { HostBudgets } from './host-budgets.ts'
import { placeFinder } from './job-place.ts'
import { apiPlace, notedHttp } from './noted-http.ts'
import { storedCredentialsOf } from './repository-source.ts'

/** The API of the host of a repository, and what the host calls the repository. */
export interface RepositoryHost {
  readonly host: Host
  readonly address: HostAddress
  /** Whether the credential is one for the API: without one, and with one for git only, it is asked as by a stranger. */
  readonly known: boolean
}

/** Opens the API of the host of a stored repository; null for one of plain git, whose address is all there is. */
export type OpenRepositoryHost = (row: RepositoryRow) => RepositoryHost | null

/** What it takes to open hosts. */
export function hostOpener(parts: {
  secretBox: SecretBox
  http: UpstreamHttp
  githubApps: GithubApps
  budgets: HostBudgets
  now: () => number
}): OpenRepositoryHost {
  const placeOf = placeFinder(parts.secretBox)
  return ({ vcsType, url, ...row }) => {
    if (!isHostType(vcsType)) return null
    const address = hostAddress(vcsType, url)
    const credentials = storedCredentialsOf(parts.secretBox, row)
    const server = hostPlace(address.apiBase)
    const http = notedHttp(parts.http, parts, apiPlace(placeOf({ ...row, url }), server), server)
    const host = openHost(vcsType, address, credentials, http, parts.githubApps)
    return { address, host, known: isForApi(vcsType, credentials) }
  }
}

function isForApi(host: HostType, credentials: SourceCredentials): boolean {
  if (credentials.type === 'github_app') return true
  return (hostCredential(host, credentials)?.apiAuthorization ?? null) !== null
}

import type { SecretBox } from '../auth/secret-box.ts'
import { restoreCredentials } from '../sources/credentials.ts'
import { hostPlace } from '../sources/host-place.ts'
import type { GithubApps } from '../sources/hosts/github-apps.ts'
import type { Host } from '../sources/hosts/host.ts'
import { openHost } from '../sources/hosts/open-host.ts'
import { ownerAddress } from '../sources/hosts/owner-address.ts'
import { openSource } from '../sources/open.ts'
import type { Source, SourceCredentials } from '../sources/source.ts'
import type { UpstreamHttp } from '../sources/upstream-http.ts'
import { type DiscoveryRow, discoveryCredentialsPlace } from '../store/discoveries.ts'
import type { HostBudgets } from './host-budgets.ts'
import { credentialMark } from './job-place.ts'
import { apiPlace, notedHttp } from './noted-http.ts'

/** The host of a discovery, opened with its credential. */
export interface DiscoveryHost {
  readonly host: Host
  /** As the host names the owner in the paths of its repositories. */
  readonly owner: string
  /** Opens a repository by git. Nothing is read yet. Throws AppError. */
  openSource(cloneUrl: string): Promise<Source>
}

/** Opens the host of a stored discovery. Throws AppError('invalid') for a credential that the host does not take any more. */
export type OpenDiscoveryHost = (row: DiscoveryRow) => DiscoveryHost

/** What it takes to open hosts of discoveries. `now` gives Unix seconds. */
export function discoveryHostOpener(parts: {
  secretBox: SecretBox
  http: UpstreamHttp
  githubApps: GithubApps
  budgets: HostBudgets
  now: () => number
}): OpenDiscoveryHost {
  const { githubApps, secretBox } = parts
  return (row) => {
    const { host: address } = ownerAddress(row.vcsType, row.url)
    const credentials = credentialsOf(secretBox, row)
    const host = hostPlace(row.url)
    const mark = credentialMark(secretBox, host, row.credentials, discoveryCredentialsPlace(row.id))
    const place = { host, credential: mark }
    const api = hostPlace(address.apiBase)
    const noted = notedHttp(parts.http, parts, apiPlace(place, api), api)
    return {
      host: openHost(row.vcsType, address, credentials, noted, githubApps),
      owner: address.path,
      openSource: (url) =>
        openSource(
          { url, vcsType: row.vcsType, credentials, hostKey: null, onHostKey: async () => {} },
          // A host may not lead into the directories of this machine.
          { http: notedHttp(parts.http, parts, place, host), githubApps, localRoots: [] },
        ),
    }
  }
}

function credentialsOf(secretBox: SecretBox, row: DiscoveryRow): SourceCredentials {
  if (row.credentials === null) return { type: 'none' }
  return restoreCredentials(secretBox.open(row.credentials, discoveryCredentialsPlace(row.id)))
}

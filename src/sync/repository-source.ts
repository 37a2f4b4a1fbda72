import type { SecretBox } from '../auth/secret-box.ts'
import { restoreCredentials } from '../sources/credentials.ts'
import type { GithubApps } from '../sources/hosts/github-apps.ts'
import type { KnownServers } from '../sources/known-servers.ts'
import { httpCredentials, openSource } from '../sources/open.ts'
import type { Source, SourceCredentials } from '../sources/source.ts'
import type { BoundCredentials, UpstreamHttp } from '../sources/upstream-http.ts'
import { credentialsPlace, type RepositoryRow, type RepositoryTable } from '../store/repositories.ts'
import type { HostBudgets } from './host-budgets.ts'
import { placeFinder } from './job-place.ts'
import { notedHttp } from './noted-http.ts'

/** Opens the source of a stored repository, its credentials unsealed. */
export type OpenRepositorySource = (row: RepositoryRow) => Promise<Source>

/** What it takes to open sources. `now` gives Unix seconds. */
export function sourceOpener(parts: {
  secretBox: SecretBox
  http: UpstreamHttp
  githubApps: GithubApps
  gitServers?: KnownServers
  repositories: RepositoryTable
  localRoots: readonly string[]
  budgets: HostBudgets
  now: () => number
}): OpenRepositorySource {
  const placeOf = placeFinder(parts.secretBox)
  return (row) => {
    const place = placeOf(row)
    const http = notedHttp(parts.http, parts, place, place.host)
    return openSource(
      {
        url: row.url,
        vcsType: row.vcsType,
        credentials: storedCredentialsOf(parts.secretBox, row),
        hostKey: row.hostKey,
        onHostKey: (hostKey) => parts.repositories.pinHostKey(row, hostKey),
      },
      { ...parts, http },
    )
  }
}

/** Opens the sealed credentials of stored repositories as headers for their servers; null for none. */
export function credentialsOpener(secretBox: SecretBox): (row: RepositoryRow) => BoundCredentials | null {
  return (row) => httpCredentials(row.url, row.vcsType, storedCredentialsOf(secretBox, row))
}

/** The credentials of a stored repository, unsealed. */
export function storedCredentialsOf(
  secretBox: SecretBox,
  row: Pick<RepositoryRow, 'id' | 'credentials'>,
): SourceCredentials {
  if (row.credentials === null) return { type: 'none' }
  return restoreCredentials(secretBox.open(row.credentials, credentialsPlace(row.id)))
}

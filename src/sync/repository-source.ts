import type { SecretBox } from '../auth/secret-box.ts'
import { restoreCredentials } from '../sources/credentials.ts'
import { openSource } from '../sources/open.ts'
import type { Source } from '../sources/source.ts'
import type { UpstreamHttp } from '../sources/upstream-http.ts'
import { credentialsPlace, type RepositoryRow, type RepositoryTable } from '../store/repositories.ts'

/** Opens the source of a stored repository, its credentials unsealed. */
export type OpenRepositorySource = (row: RepositoryRow) => Promise<Source>

/** What it takes to open sources. `now` gives Unix seconds. */
export function sourceOpener(parts: {
  secretBox: SecretBox
  http: UpstreamHttp
  repositories: RepositoryTable
  localRoots: readonly string[]
  now: () => number
}): OpenRepositorySource {
  return (row) =>
    openSource(
      {
        url: row.url,
        vcsType: row.vcsType,
        credentials:
          row.credentials === null
            ? { type: 'none' }
            : restoreCredentials(parts.secretBox.open(row.credentials, credentialsPlace(row.id))),
        hostKey: row.hostKey,
        onHostKey: (hostKey) => parts.repositories.pinHostKey(row, hostKey),
      },
      { http: parts.http, localRoots: parts.localRoots },
    )
}

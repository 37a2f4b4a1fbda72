import type { SecretBox } from '../auth/secret-box.ts'
import type { Host } from '../sources/hosts/host.ts'
import type { HostType } from '../sources/hosts/host-credential.ts'
import { type HostAddress, hostAddress, openHost } from '../sources/hosts/open-host.ts'
import type { UpstreamHttp } from '../sources/upstream-http.ts'
import type { RepositoryRow } from '../store/repositories.ts'
import { storedCredentialsOf } from './repository-source.ts'

/** The API of the host of a repository, and what the host calls the repository. */
export interface RepositoryHost {
  readonly host: Host
  readonly address: HostAddress
}

/** Opens the API of the host of a stored repository; null for one of plain git, whose address is all there is. */
export type OpenRepositoryHost = (row: RepositoryRow) => RepositoryHost | null

/** What it takes to open hosts. */
export function hostOpener(parts: { secretBox: SecretBox; http: UpstreamHttp }): OpenRepositoryHost {
  return (row) => {
    if (!isHostType(row.vcsType)) return null
    const address = hostAddress(row.vcsType, row.url)
    return { address, host: openHost(row.vcsType, address, storedCredentialsOf(parts.secretBox, row), parts.http) }
  }
}

function isHostType(vcsType: string): vcsType is HostType {
  return (HOST_TYPES as readonly string[]).includes(vcsType)
}

const HOST_TYPES = ['github', 'gitlab', 'bitbucket', 'gitea'] as const satisfies readonly HostType[]

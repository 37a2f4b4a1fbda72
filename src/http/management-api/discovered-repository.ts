import type { Static } from 'elysia'
import type { SecretBox } from '../../auth/secret-box.ts'
import { recording } from '../../store/audit.ts'
import type { Alongside } from '../../store/database.ts'
import { type DiscoveryRow, discoveryCredentialsPlace } from '../../store/discoveries.ts'
import { newId } from '../../store/ids.ts'
import { credentialsPlace, type RepositoryRow } from '../../store/repositories.ts'
import { newRepository } from './new-repository.ts'
import type { NewRepository } from './repository-fields.ts'
import { repositorySettings } from './shown-repository.ts'

/**
 * The rows of a repository that a discovery adds: those that `POST /api/repositories` would make of its settings, and the entry of
 * the audit, whose actor is the discovery. `now` gives Unix seconds. Throws AppError('invalid').
 */
export function discoveredRepository(
  parts: { readonly secretBox: SecretBox; readonly localRoots: readonly string[]; readonly now: () => number },
  discovery: DiscoveryRow,
  url: string,
): { readonly row: RepositoryRow; readonly alongside: Alongside } {
  const at = parts.now()
  const body = { ...discovery.template, url, vcs_type: discovery.vcsType } as Static<typeof NewRepository>
  const id = newId('repo')
  const row = {
    ...newRepository(parts, id, body, at).row,
    credentialType: discovery.credentialType,
    credentials: sealedFor(parts.secretBox, discovery, id),
    discoveryId: discovery.id,
  }
  const alongside = recording({
    at,
    actor: discovery.id,
    action: 'repository.create',
    subject: row.id,
    before: null,
    after: repositorySettings(row, null),
    // The log names the look by it.
    requestId: discovery.claimedBy ?? discovery.id,
    address: null,
  })
  return { row, alongside }
}

function sealedFor(secretBox: SecretBox, { id, credentials }: DiscoveryRow, repositoryId: string): string | null {
  if (credentials === null) return null
  return secretBox.seal(secretBox.open(credentials, discoveryCredentialsPlace(id)), credentialsPlace(repositoryId))
}

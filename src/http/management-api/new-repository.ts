import type { Static } from 'elysia'
import type { SecretBox } from '../../auth/secret-box.ts'
import { parseCredentials, storedCredentials } from '../../sources/credentials.ts'
import { checkSourceUrl } from '../../sources/open.ts'
import { credentialsPlace, NEVER_SYNCED, type RepositoryRow } from '../../store/repositories.ts'
import { ARTIFACT, artifactRepository } from './artifact-repository.ts'
import type { NewRepository } from './repository-fields.ts'
import { wrongField } from './request-body.ts'

/**
 * The row of a new repository, due for its first sync `now` (Unix seconds) unless it takes uploads.
 * Throws AppError('invalid') with `details.fields`.
 */
export function newRepositoryRow(
  parts: { readonly secretBox: SecretBox; readonly localRoots: readonly string[] },
  id: string,
  body: Static<typeof NewRepository>,
  now: number,
): RepositoryRow {
  if (body.vcs_type === ARTIFACT) return artifactRepository(id, body, now)
  if (body.url === undefined) throw wrongField('url', 'needs the address of the repository')
  const credentialType = body.credential_type ?? 'none'
  const { url, urlKey } = checkSourceUrl(body.url, credentialType, parts.localRoots)
  const credentials = parseCredentials(credentialType, body.auth_credentials)
  return {
    id,
    url,
    urlKey,
    vcsType: body.vcs_type,
    credentialType,
    credentials:
      credentials.type === 'none' ? null : parts.secretBox.seal(storedCredentials(credentials), credentialsPlace(id)),
    packageFilter: body.package_filter ?? null,
    syncInterval: body.sync_interval ?? null,
    archives: body.archives ?? 'lazy',
    exposeSource: body.expose_source ?? false,
    status: 'pending',
    ...NEVER_SYNCED,
    nextSyncAt: now,
    createdAt: now,
    updatedAt: now,
  }
}

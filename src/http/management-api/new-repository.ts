import type { Static } from 'elysia'
import type { SecretBox } from '../../auth/secret-box.ts'
import { COMPOSER } from '../../mirror/upstream-address.ts'
import { checkCredentialType, parseCredentialsFor, storedCredentials } from '../../sources/credentials.ts'
import { credentialsPlace, NEVER_SYNCED, type RepositoryRow } from '../../store/repositories.ts'
import type { UpstreamSettings } from '../../store/upstreams.ts'
import { ARTIFACT, artifactRepository } from './artifact-repository.ts'
import { checkedManifestPaths, refuseManifestPaths } from './manifest-paths.ts'
import { checkedAddress } from './repository-address.ts'
import type { NewRepository } from './repository-fields.ts'
import { wrongField } from './request-body.ts'
import { newUpstream, refuseEagerArchives, refuseUpstreamFields } from './upstream-settings.ts'
import { newWebhookSecret } from './webhook-secret.ts'

/** What is stored of a new repository. */
export interface NewRepositoryRows {
  readonly row: RepositoryRow
  /** Null for one that is no upstream. */
  readonly upstream: UpstreamSettings | null
}

/**
 * The rows of a new repository. Throws AppError('invalid') with `details.fields`.
 */
export function newRepository(...[parts, id, body, now]: Parameters<typeof newRepositoryRow>): NewRepositoryRows {
  const row = newRepositoryRow(parts, id, body, now)
  if (row.vcsType === COMPOSER) {
    refuseEagerArchives(row.archives)
    refuseManifestPaths(row.composerJsonPaths, COMPOSER)
    return { row, upstream: newUpstream(body) }
  }
  refuseUpstreamFields(body)
  return { row, upstream: null }
}

/** The row of a new repository, due for its first sync `now` (Unix seconds) unless it takes uploads. */
function newRepositoryRow(
  parts: { readonly secretBox: SecretBox; readonly localRoots: readonly string[] },
  id: string,
  body: Static<typeof NewRepository>,
  now: number,
): RepositoryRow {
  if (body.vcs_type === ARTIFACT) return artifactRepository(id, body, now)
  if (body.url === undefined) throw wrongField('url', 'needs the address of the repository')
  const credentialType = body.credential_type ?? 'none'
  checkCredentialType(body.vcs_type, credentialType)
  const { url, urlKey } = checkedAddress(body.url, body.vcs_type, credentialType, parts.localRoots)
  const credentials = parseCredentialsFor(body.vcs_type, credentialType, body.auth_credentials)
  return {
    id,
    url,
    urlKey,
    vcsType: body.vcs_type,
    credentialType,
    credentials:
      credentials.type === 'none' ? null : parts.secretBox.seal(storedCredentials(credentials), credentialsPlace(id)),
    packageFilter: body.package_filter ?? null,
    composerJsonPaths: checkedManifestPaths(body.composer_json_paths),
    webhookSecret: newWebhookSecret(parts.secretBox, id, body),
    discoveryId: null,
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

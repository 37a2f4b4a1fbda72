import { AppError } from '../../errors.ts'
import { NEVER_SYNCED, type RepositoryRow } from '../../store/repositories.ts'
import { wrongField } from './request-body.ts'

/** The kind of repository that takes uploads instead of reading a source. */
export const ARTIFACT = 'artifact'

/** What a new repository may say, as far as it matters here. */
interface NewRepositoryFields {
  readonly url?: string
  readonly credential_type?: string
  readonly auth_credentials?: unknown
  readonly package_filter?: unknown
  readonly composer_json_paths?: unknown
  readonly sync_interval?: unknown
  readonly archives?: string
  readonly expose_source?: boolean
  readonly webhook_secret?: string | null
}

/**
 * The row of a new repository for uploads. It has no source, so it is active at once and never read; `url` is only a
 * label. Throws AppError('invalid') for fields that have no meaning without a source.
 */
export function artifactRepository(id: string, fields: NewRepositoryFields, now: number): RepositoryRow {
  for (const [field, pointless] of Object.entries({
    credential_type: (fields.credential_type ?? 'none') !== 'none',
    auth_credentials: (fields.auth_credentials ?? null) !== null,
    package_filter: (fields.package_filter ?? null) !== null,
    composer_json_paths: (fields.composer_json_paths ?? null) !== null,
    sync_interval: (fields.sync_interval ?? null) !== null,
    archives: (fields.archives ?? 'lazy') !== 'lazy',
    expose_source: fields.expose_source === true,
    webhook_secret: (fields.webhook_secret ?? null) !== null,
  })) {
    if (pointless) throw wrongField(field, 'has no meaning for vcs_type artifact, which reads no source')
  }
  const url = fields.url ?? `artifact:${id}`
  if (/[\p{C}\p{Zl}\p{Zp}]/u.test(url)) throw wrongField('url', 'must not contain control characters')
  return {
    id,
    url,
    urlKey: `artifact:${url.trim().toLowerCase()}`,
    vcsType: ARTIFACT,
    credentialType: 'none',
    credentials: null,
    packageFilter: null,
    composerJsonPaths: null,
    webhookSecret: null,
    discoveryId: null,
    syncInterval: null,
    archives: 'lazy',
    exposeSource: false,
    status: 'active',
    ...NEVER_SYNCED,
    nextSyncAt: null,
    createdAt: now,
    updatedAt: now,
  }
}

/** Throws AppError('conflict') for a repository that has no source to read. */
export function refuseSync(row: RepositoryRow): void {
  if (row.vcsType !== ARTIFACT) return
  throw new AppError(
    'conflict',
    `Repository ${row.id} takes uploads and has no source to sync; upload a version with PUT /api/repositories/${row.id}/artifacts.`,
  )
}

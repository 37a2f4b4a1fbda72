import type { Static } from 'elysia'
import type { SecretBox } from '../../auth/secret-box.ts'
import { AppError } from '../../errors.ts'
import { COMPOSER } from '../../mirror/upstream-address.ts'
import {
  type CredentialType,
  checkCredentialType,
  parseCredentials,
  parseCredentialsFor,
  storedCredentials,
} from '../../sources/credentials.ts'
import { credentialsPlace, type RepositoryChange, type RepositoryRow } from '../../store/repositories.ts'
import type { UpstreamRow, UpstreamSettings } from '../../store/upstreams.ts'
import { ARTIFACT, artifactRepository } from './artifact-repository.ts'
import { checkedManifestPaths, refuseManifestPaths } from './manifest-paths.ts'
import { checkedAddress } from './repository-address.ts'
import type { RepositoryPatch } from './repository-fields.ts'
import { wrongField } from './request-body.ts'
import { changedUpstream, refuseEagerArchives, refuseUpstreamFields } from './upstream-settings.ts'
import { changedWebhookSecret } from './webhook-secret.ts'

/** What working out a change takes. */
export interface RepositoryChangeParts {
  readonly secretBox: SecretBox
  readonly localRoots: readonly string[]
  /** When a repository is looked at next because of its interval, in Unix seconds. */
  readonly nextLookAt: (row: Pick<RepositoryRow, 'syncInterval' | 'lastSyncedAt'>) => number
}

/** What a body changes of a repository, and what follows from it. */
export interface PlannedChange {
  /** Empty when everything named is as it was. */
  readonly change: RepositoryChange
  /** The source is to be read again. */
  readonly resync: boolean
  /** Documents of its packages show something else now. */
  readonly republished: boolean
  /** Another credential was given, which no record shows. */
  readonly credential: boolean
  /** Settings of an upstream that become others. */
  readonly upstream: Partial<UpstreamSettings>
  /** It is asked at another address, or as somebody else. */
  readonly moved: boolean
}

/** A repository as it is stored; `upstream` is null for one that is none. */
export interface StoredRepository {
  readonly row: RepositoryRow
  readonly upstream: UpstreamRow | null
}

type Patch = Static<typeof RepositoryPatch>

/** Works out what a body changes. `now` in Unix seconds. Throws AppError('invalid') with `details.fields`. */
export function plannedChange(
  parts: RepositoryChangeParts,
  { row, upstream }: StoredRepository,
  patch: Patch,
  now: number,
): PlannedChange {
  if (upstream === null) refuseUpstreamFields(patch)
  else refuseMeaningless(patch)
  if (row.vcsType === ARTIFACT) return relabelled(row, patch, now)
  const credential = changedCredential(parts.secretBox, row, patch)
  const address = changedAddress(parts, row, patch, credential !== null)
  const filter = differing(row.packageFilter, patch.package_filter)
  const paths = differing(row.composerJsonPaths, patch.composer_json_paths)
  const interval = differing(row.syncInterval, patch.sync_interval)
  const exposed = differing(row.exposeSource, patch.expose_source)
  const archives = differing(row.archives, patch.archives)
  // Whoever forgets a key expects another machine behind the address, or another key on it.
  const forget = (credential !== null || address !== null || patch.host_key === null) && row.hostKey !== null
  const read = credential !== null || address !== null || forget || filter !== undefined || paths !== undefined
  const syncInterval = interval === undefined ? row.syncInterval : interval
  return {
    change: {
      ...address,
      ...credential,
      ...(forget ? { hostKey: null } : {}),
      ...(filter === undefined ? {} : { packageFilter: filter }),
      ...(paths === undefined ? {} : { composerJsonPaths: checkedManifestPaths(paths), refsDigest: unlisted() }),
      ...(interval === undefined ? {} : { syncInterval, nextSyncAt: parts.nextLookAt({ ...row, syncInterval }) }),
      ...(archives === undefined ? {} : { archives }),
      // The host of the old address goes on notifying, which is the caller's to end.
      ...(address !== null && address.urlKey !== row.urlKey && row.webhookId !== null ? { webhookId: null } : {}),
      ...(exposed === undefined ? {} : { exposeSource: exposed }),
      ...changedWebhookSecret(parts.secretBox, row, patch.webhook_secret),
      // The scheduler sees to it should the process end before the sync is queued.
      ...(read ? { failures: 0, nextSyncAt: now } : {}),
    },
    // A sync under way ends with the interval that it began with.
    resync: read || (interval !== undefined && row.status === 'syncing'),
    republished: exposed !== undefined || (address !== null && row.exposeSource),
    credential: credential !== null,
    upstream: upstream === null ? {} : changedUpstream(upstream, patch),
    moved: address !== null || credential !== null,
  }
}

/** What a body of an upstream must not name. */
function refuseMeaningless(patch: Patch): void {
  refuseEagerArchives(patch.archives)
  refuseManifestPaths(patch.composer_json_paths, COMPOSER)
  if (patch.host_key === null) throw wrongField('host_key', 'has no meaning for vcs_type composer')
}

/** The new value, or undefined when none is named or it is the old one. */
function differing<Value>(before: Value, named: Value | undefined): Value | undefined {
  return named === before ? undefined : named
}

function relabelled(row: RepositoryRow, patch: Patch, now: number): PlannedChange {
  if (patch.host_key === null) throw wrongField('host_key', 'has no meaning for vcs_type artifact')
  const { url, urlKey } = artifactRepository(row.id, { url: row.url, ...patch }, now)
  const change = url === row.url ? {} : { url, urlKey }
  return { change, resync: false, republished: false, credential: false, upstream: {}, moved: false }
}

function changedCredential(secretBox: SecretBox, row: RepositoryRow, patch: Patch) {
  const type = patch.credential_type ?? (row.credentialType as CredentialType)
  checkCredentialType(row.vcsType, type)
  if (type === row.credentialType && (patch.auth_credentials === undefined || type === 'none')) {
    parseCredentials('none', type === 'none' ? patch.auth_credentials : undefined)
    return null
  }
  const credentials = parseCredentialsFor(row.vcsType, type, patch.auth_credentials)
  if (credentials.type === 'none') return { credentialType: type, credentials: null }
  return {
    credentialType: type,
    credentials: secretBox.seal(storedCredentials(credentials), credentialsPlace(row.id)),
  }
}

function changedAddress(parts: RepositoryChangeParts, row: RepositoryRow, patch: Patch, newCredential: boolean) {
  if (patch.url === undefined && !newCredential) return null
  const type = patch.credential_type ?? (row.credentialType as CredentialType)
  const { url, urlKey } = checkedAddress(patch.url ?? row.url, row.vcsType, type, parts.localRoots)
  if (url === row.url) return null
  // Else a stored credential could be had by pointing its repository at a server of one's own.
  if (row.credentials !== null && !newCredential && type !== 'ssh_key' && originOf(url) !== originOf(row.url)) {
    throw wrongField('auth_credentials', 'has to be given again, because the new address is on another server')
  }
  return { url, urlKey, refsDigest: unlisted() }
}

/** A digest that no listing has, and that no sync under way was made from: what it read must not be saved. */
function unlisted(): string {
  return `cleared ${crypto.randomUUID()}`
}

function originOf(url: string): string {
  return URL.canParse(url) ? new URL(url).origin : ''
}

/** Throws AppError('conflict') when a row is not any more what a change of address or secrets was worked out from. */
export function refuseStale(planned: RepositoryRow, stored: RepositoryRow): void {
  const same = (['url', 'credentials', 'webhookSecret', 'webhookId'] as const).every(
    (column) => planned[column] === stored[column],
  )
  if (same) return
  throw new AppError('conflict', `Repository ${stored.id} was changed by somebody else at the same time; try again.`)
}

import type { Static } from 'elysia'
import type { SecretBox } from '../../auth/secret-box.ts'
import {
  type CredentialType,
  checkCredentialType,
  parseCredentials,
  parseCredentialsFor,
  storedCredentials,
} from '../../sources/credentials.ts'
import { type HostType, hostCredential } from '../../sources/hosts/host-credential.ts'
import { ownerAddress } from '../../sources/hosts/owner-address.ts'
import {
  type DiscoveryChange,
  type DiscoveryRow,
  discoveryCredentialsPlace,
  NEVER_LOOKED,
  type Resealed,
} from '../../store/discoveries.ts'
import { credentialsPlace } from '../../store/repositories.ts'
import { type DiscoveryPatch, type NewDiscovery, templateOf } from './discovery-fields.ts'
import { wrongField } from './request-body.ts'

type Patch = Static<typeof DiscoveryPatch>

/** The row of a new discovery, due for its first look `now` (Unix seconds). Throws AppError('invalid') with `details.fields`. */
export function newDiscovery(
  secretBox: SecretBox,
  id: string,
  body: Static<typeof NewDiscovery>,
  now: number,
): DiscoveryRow {
  const { key } = ownerAddress(body.vcs_type, body.url)
  const type = body.credential_type ?? 'none'
  const stored = ownerCredential(body.vcs_type, type, body.auth_credentials)
  return {
    id,
    vcsType: body.vcs_type,
    url: body.url.replace(/\/{1,16}$/, ''),
    urlKey: key,
    credentialType: type,
    credentials: stored === null ? null : secretBox.seal(stored, discoveryCredentialsPlace(id)),
    include: body.include ?? null,
    exclude: body.exclude ?? null,
    includeArchived: body.include_archived ?? false,
    includeForks: body.include_forks ?? false,
    template: templateOf(body),
    interval: body.interval ?? null,
    ...NEVER_LOOKED,
    nextLookAt: now,
    createdAt: now,
    updatedAt: now,
  }
}

/** What a body changes of a discovery. */
export interface PlannedDiscoveryChange {
  /** Empty when everything named is as it was. */
  readonly change: DiscoveryChange
  /** The text of another credential, null for none; undefined when it stays. */
  readonly credential: string | null | undefined
}

/** Works out what a body changes. Throws AppError('invalid') with `details.fields`. */
export function plannedDiscoveryChange(secretBox: SecretBox, row: DiscoveryRow, patch: Patch): PlannedDiscoveryChange {
  const credential = changedCredential(row, patch)
  const template = { ...row.template, ...templateOf(patch) }
  const named: DiscoveryChange = {
    ...(patch.include === undefined ? {} : { include: patch.include }),
    ...(patch.exclude === undefined ? {} : { exclude: patch.exclude }),
    ...(patch.include_archived === undefined ? {} : { includeArchived: patch.include_archived }),
    ...(patch.include_forks === undefined ? {} : { includeForks: patch.include_forks }),
    ...(patch.interval === undefined ? {} : { interval: patch.interval }),
  }
  const differing = Object.entries(named).filter(([field, value]) => row[field as keyof DiscoveryRow] !== value)
  return {
    change: {
      ...Object.fromEntries(differing),
      ...(Bun.deepEquals(template, row.template) ? {} : { template }),
      ...(credential === undefined
        ? {}
        : {
            credentialType: patch.credential_type ?? row.credentialType,
            credentials: credential === null ? null : secretBox.seal(credential, discoveryCredentialsPlace(row.id)),
          }),
    },
    credential,
  }
}

/**
 * The repositories of a discovery that get its new credential: those that had the old one. One that was given a credential
 * of its own keeps it.
 */
export function resealed(
  secretBox: SecretBox,
  discovery: DiscoveryRow,
  repositories: readonly { id: string; credentials: string | null }[],
  credential: { readonly type: string; readonly text: string | null },
): Resealed[] {
  const before = opened(secretBox, discovery.credentials, discoveryCredentialsPlace(discovery.id))
  return repositories
    .filter((row) => opened(secretBox, row.credentials, credentialsPlace(row.id)) === before)
    .map((row) => ({
      id: row.id,
      sealed: row.credentials,
      credentialType: credential.type,
      credentials: credential.text === null ? null : secretBox.seal(credential.text, credentialsPlace(row.id)),
    }))
}

function opened(secretBox: SecretBox, sealed: string | null, place: string): string | null {
  return sealed === null ? null : secretBox.open(sealed, place)
}

function changedCredential(row: DiscoveryRow, patch: Patch): string | null | undefined {
  const type = patch.credential_type ?? (row.credentialType as CredentialType)
  if (type === row.credentialType && (patch.auth_credentials === undefined || type === 'none')) {
    parseCredentials('none', type === 'none' ? patch.auth_credentials : undefined)
    return undefined
  }
  return ownerCredential(row.vcsType, type, patch.auth_credentials)
}

/** The text to seal of a credential that opens the API of a host; null for none. */
function ownerCredential(vcsType: HostType, type: CredentialType, value: unknown): string | null {
  checkCredentialType(vcsType, type)
  if (type === 'ssh_key') throw wrongField('credential_type', 'ssh_key opens no list of repositories; give a token')
  const credentials = parseCredentialsFor(vcsType, type, value)
  if (credentials.type === 'none') return null
  const known = hostCredential(vcsType, credentials)
  if (known?.apiAuthorization === null) {
    throw wrongField('auth_credentials', `needs a token that may ask the API; a ${known.form} opens git only`)
  }
  return storedCredentials(credentials)
}

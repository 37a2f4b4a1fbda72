import { type Constraint, matchesConstraint } from '../composer/constraint.ts'
import { asObject, jsonValue, type RawFields } from '../composer/json.ts'
import { normalizeVersion } from '../composer/version-parser.ts'
import { AppError } from '../errors.ts'
import type { OfferedPackage, OfferedVersion } from './broker.ts'
import type { LockedPackage } from './lock-file.ts'

/** A version that is wanted, found at the server. */
export interface SelectedVersion extends OfferedVersion {
  /** Lower-case full name. */
  readonly name: string
  /** SHA-1 that whoever wants it expects; '' when no archive is as good as another. */
  readonly expected: string
}

/** Fields that lead past the export, or that only a client may write. */
const DROPPED = ['notification-url', 'transport-options', 'installation-source', 'source']

/**
 * The version that a lock file names. One that its document no longer names, such as an earlier commit of a branch, is
 * taken as the lock file describes it, when its archive was ours. Throws AppError('not_found' | 'conflict').
 */
export function lockedVersion(locked: LockedPackage, offered: OfferedPackage | null): SelectedVersion {
  const { name, version, reference } = locked
  if (offered === null) throw new AppError('not_found', 'the package is unknown here')
  const normalized = normalizeVersion(version)
  const same = offered.versions.filter((one) => one.version === version || one.versionNormalized === normalized)
  const found = same.find((one) => reference === '' || one.reference === '' || one.reference === reference)
  const expected = locked.dist?.shasum ?? ''
  if (found) {
    const given = found.dist?.shasum ?? ''
    if (expected !== '' && given !== '' && expected !== given) {
      throw new AppError('conflict', `its archive has the SHA-1 ${given} here, and ${expected} in the lock file`)
    }
    return { ...found, name, expected }
  }
  const earlier = earlierVersion(locked)
  if (earlier) return { ...earlier, name, expected }
  throw new AppError(
    'not_found',
    same.length > 0
      ? `the version is offered here with the reference ${same[0]?.reference}, and not with ${reference}`
      : 'the version is not offered here: it does not exist, is withdrawn, withheld for its age, or filtered',
  )
}

/** The versions that fulfil a constraint; without one, all releases. */
export function matchingVersions(
  name: string,
  constraint: Constraint | null,
  offered: OfferedPackage | null,
): SelectedVersion[] {
  if (offered === null) throw new AppError('not_found', 'the package is unknown here')
  const found = offered.versions.filter((one) =>
    constraint === null ? !one.dev : matchesConstraint(constraint, one.versionNormalized),
  )
  if (found.length === 0) throw new AppError('not_found', 'no version that is offered here fulfils the constraint')
  return found.map((one) => ({ ...one, name, expected: '' }))
}

function earlierVersion(locked: LockedPackage): OfferedVersion | null {
  const { version, reference, dist } = locked
  const versionNormalized = normalizeVersion(version)
  const address = addressHere(locked)
  if (dist === null || versionNormalized === null || address === null) return null
  const described = asObject(jsonValue(locked.fields.get('dist')))
  const type = typeof described?.type === 'string' ? described.type : 'zip'
  const fields = new Map(locked.fields)
  for (const field of DROPPED) fields.delete(field)
  return {
    ...{ version, versionNormalized, reference },
    dev: versionNormalized.startsWith('dev-') || versionNormalized.endsWith('-dev'),
    dist: { address, type, shasum: dist.shasum },
    fields: withNormalized(fields, versionNormalized),
  }
}

/**
 * Path and query of an archive as this server writes them, when they name it for ever. Only these are asked for, and of
 * this server: the host may be any of the names it has.
 */
function addressHere({ name, reference, dist }: LockedPackage): string | null {
  const url = dist !== null && URL.canParse(dist.url) ? new URL(dist.url) : null
  const at = url?.pathname.indexOf(`/dist/${name}/`) ?? -1
  if (url === null || at < 0) return null
  const named = url.searchParams.get('reference')
  const isFixed = named === null ? url.searchParams.has('dist') : named === reference
  return isFixed ? url.pathname.slice(at) + url.search : null
}

function withNormalized(fields: RawFields, normalized: string): RawFields {
  return new Map([...fields, ['version_normalized', JSON.stringify(normalized)]])
}

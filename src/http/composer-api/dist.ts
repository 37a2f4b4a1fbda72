import type { ArchiveFile } from '../../archives/archive-index.ts'
import { type Caller, limitsVersions, maySee, refusalOf, type Scope, type ScopedVersion } from '../../auth/scope.ts'
import { packageNameProblem } from '../../composer/package-name.ts'
import { normalizeVersion } from '../../composer/version-parser.ts'
import { AppError, isAppError } from '../../errors.ts'
import { DIST_ENDING } from '../../mirror/dist-address.ts'
import type { PackageCatalog } from '../../store/catalog.ts'
import type { PackageTable, PublishedReference } from '../../store/packages.ts'
import type { PolicyCatalog } from '../../store/policy-catalog.ts'
import { type PublishedArchiveParts, publishedArchive } from '../published-archive.ts'
import { refuseListed } from './blocked-versions.ts'

/** Which archive is asked for, as the path and query say. */
export interface DistRequest {
  readonly name: string
  readonly version: string
  /** Ending of the file's name, after the dot. */
  readonly ending: string
  readonly reference: string | null
  /** What an archive of an upstream is named by; null for one of an owned package. */
  readonly dist: string | null
}

/** What finding an archive takes. */
export interface DistParts extends PublishedArchiveParts {
  readonly catalog: PackageCatalog
  readonly packages: PackageTable
  readonly policies: PolicyCatalog
}

/**
 * Reads `/dist/{vendor}/{package}/{version}.zip[?reference=…]`, and `…/{version}.{ending}?dist=…` for an archive of an
 * upstream. Throws AppError('not_found') for any other form.
 */
export function parseDistRequest(url: URL): DistRequest {
  const [, , vendor = '', name = '', ...rest] = url.pathname.split('/')
  const file = decode(rest.join('/'))
  const full = `${decode(vendor)}/${decode(name)}`.toLowerCase()
  const [reference, dist] = [url.searchParams.get('reference'), url.searchParams.get('dist')]
  const known = [reference, dist].every((id) => id === null || /^[0-9a-f]{40}$/.test(id))
  const ending = (dist === null ? /\.(zip)$/ : DIST_ENDING).exec(file)?.[1] ?? ''
  if (packageNameProblem(full) !== null || ending === '' || file.length > 500 || !known) throw noSuchArchive()
  return { name: full, version: file.slice(0, -ending.length - 1), ending, reference, dist }
}

/**
 * The archive of a version, built from its commit when it is not on disk. A version that can move is asked for with its
 * reference, and every reference ever published for the package is found.
 * Throws AppError('forbidden') outside the caller's scope, existing or not, and on a filter list; AppError('not_found'); AppError('upstream').
 */
export async function findArchive(
  parts: DistParts,
  caller: Caller,
  request: DistRequest,
): Promise<{ archive: ArchiveFile; version: ScopedVersion }> {
  const { scope } = caller
  const { name } = request
  refuseOutside(scope, name)
  const published = await publishedFiles(parts, request)
  if (!published || refusalOf(scope, name, published) !== null) throw unavailable(scope, name)
  await refuseBlocked(parts, name, published)
  const archive = await publishedArchive(parts, published, caller.actor).catch((error: unknown) => {
    throw isAppError(error, 'upstream') ? unread(request, published, error) : error
  })
  if (!archive) throw unavailable(scope, name)
  return { archive, version: published }
}

/** A client shows the sentence alone: it says that this server knows the version, and what it is waiting for. */
function unread({ name }: DistRequest, { version }: PublishedReference, error: AppError): AppError {
  const { details } = error
  const sentence = `The archive of ${name} ${version} is not stored here yet, and its repository cannot be read now: ${error.message}`
  return new AppError('upstream', sentence, error.cause === undefined ? { details } : { details, cause: error.cause })
}

/** Throws AppError('forbidden') for a package outside the scope, existing or not. */
export function refuseOutside(scope: Scope, name: string): void {
  if (!maySee(scope, name)) throw new AppError('forbidden', `This token does not cover the package ${name}.`)
}

/**
 * Refuses what is on a filter list that blocks, under the name that is asked for or any other name of the same commit:
 * they are the same files. Whatever changes a list counts in the revision of the catalog, so that no archive that was
 * found before is remembered. Throws AppError('forbidden').
 */
async function refuseBlocked(parts: DistParts, name: string, published: PublishedReference): Promise<void> {
  const entries = parts.policies.filtersOf(name).filter(({ blocks }) => blocks)
  const packageId = parts.catalog.get(name)?.id
  if (entries.length === 0 || packageId === undefined) return
  const same = await parts.packages.versionsAt(packageId, published.reference)
  for (const version of [published, ...same]) refuseListed(entries, name, version)
}

/** The error for a version that is not there. For a scope that limits versions one that is not there and one that it does not cover are the same thing. */
export function unavailable(scope: Scope, name: string): AppError {
  if (!limitsVersions(scope, name)) return noSuchArchive()
  return new AppError(
    'forbidden',
    `This token has no such version of ${name}: the version is outside its constraint, was released after its updates end, or does not exist.`,
  )
}

async function publishedFiles(parts: DistParts, request: DistRequest): Promise<PublishedReference | null> {
  const entry = parts.catalog.get(request.name)
  if (!entry) return null
  if (request.reference !== null) return parts.packages.publishedReference(entry.id, request.reference)
  return parts.packages.publishedVersion(entry.id, request.version, normalizeVersion(request.version))
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw noSuchArchive()
  }
}

/** The error for an archive that is not there. */
export function noSuchArchive(): AppError {
  return new AppError('not_found', 'There is no such archive here: the package, version or reference is unknown.')
}

import type { ArchiveFile } from '../../archives/archive-index.ts'
import { type Caller, limitsVersions, maySee, refusalOf, type Scope, type ScopedVersion } from '../../auth/scope.ts'
import { packageNameProblem } from '../../composer/package-name.ts'
import { normalizeVersion } from '../../composer/version-parser.ts'
import { AppError } from '../../errors.ts'
import type { PackageCatalog } from '../../store/catalog.ts'
import type { PackageTable, PublishedReference } from '../../store/packages.ts'
import { type PublishedArchiveParts, publishedArchive } from '../published-archive.ts'

/** Which archive is asked for, as the path and query say. */
export interface DistRequest {
  readonly name: string
  readonly version: string
  readonly reference: string | null
}

/** What finding an archive takes. */
export interface DistParts extends PublishedArchiveParts {
  readonly catalog: PackageCatalog
  readonly packages: PackageTable
}

/** Reads `/dist/{vendor}/{package}/{version}.zip[?reference=…]`. Throws AppError('not_found') for any other form. */
export function parseDistRequest(url: URL): DistRequest {
  const [, , vendor = '', name = '', ...rest] = url.pathname.split('/')
  const file = decode(rest.join('/'))
  const full = `${decode(vendor)}/${decode(name)}`.toLowerCase()
  const reference = url.searchParams.get('reference')
  const known = reference === null || /^[0-9a-f]{40}$/.test(reference)
  if (packageNameProblem(full) !== null || !file.endsWith('.zip') || file.length > 500 || !known) throw noSuchArchive()
  return { name: full, version: file.slice(0, -'.zip'.length), reference }
}

/**
 * The archive of a version, built from its commit when it is not on disk. A version that can move is asked for with its
 * reference, and every reference ever published for the package is found.
 * Throws AppError('forbidden') outside the caller's scope, existing or not; AppError('not_found'); AppError('upstream').
 */
export async function findArchive(
  parts: DistParts,
  caller: Caller,
  request: DistRequest,
): Promise<{ file: ArchiveFile; version: ScopedVersion }> {
  const { scope } = caller
  const { name } = request
  if (!maySee(scope, name)) throw new AppError('forbidden', `This token does not cover the package ${name}.`)
  const published = await publishedFiles(parts, request)
  if (!published || refusalOf(scope, name, published) !== null) throw unavailable(scope, name)
  const file = await publishedArchive(parts, published)
  if (!file) throw unavailable(scope, name)
  return { file, version: published }
}

/** For a scope that limits versions one that is not there and one that it does not cover are the same thing. */
function unavailable(scope: Scope, name: string): AppError {
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

function noSuchArchive(): AppError {
  return new AppError('not_found', 'There is no such archive here: the package, version or reference is unknown.')
}

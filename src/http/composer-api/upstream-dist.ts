import type { ArchiveFile } from '../../archives/archive-index.ts'
import { IncomingArchive } from '../../archives/incoming-archive.ts'
import { type Caller, refusalOf, type ScopedVersion } from '../../auth/scope.ts'
import { AppError } from '../../errors.ts'
import type { MirroredArchives } from '../../mirror/mirrored-archives.ts'
import type { PackageCatalog } from '../../store/catalog.ts'
import { needsWholeArchive } from './archive-response.ts'
import { type DistRequest, noSuchArchive, type RefusalParts, refuseOutside, refuseUnsafe, unavailable } from './dist.ts'

/** What finding an archive of an upstream takes. */
export interface UpstreamDistParts extends RefusalParts {
  readonly catalog: PackageCatalog
  readonly mirroredArchives: MirroredArchives
}

/** Longest wait for the first byte, in milliseconds: a little shorter than a silent connection lasts. */
const LONGEST_WAIT_MS = 240_000

/**
 * An archive of an upstream by its id: complete, or as soon as there is something of it to send. Of a name that is owned
 * or claimed here only what is stored is given; no upstream is asked about it.
 * Throws AppError('forbidden') outside the caller's scope, existing or not; AppError('not_found'); AppError('upstream');
 * AppError('unavailable') when there is too much to do, and what the store of archives throws.
 */
export async function findUpstreamArchive(
  parts: UpstreamDistParts,
  caller: Caller,
  request: Request,
  { name, version, dist: id }: DistRequest & { readonly dist: string },
): Promise<{ archive: ArchiveFile | IncomingArchive; version: ScopedVersion }> {
  const { scope } = caller
  refuseOutside(scope, name)
  const ask = !isOwned(parts.catalog, name)
  const found = await parts.mirroredArchives.find(
    { name, id, version, ask },
    (facts) => refusalOf(scope, name, facts) === null,
  )
  if (!found) throw unavailable(scope, name)
  refuseUnsafe(parts, name, found.facts)
  const held = await parts.mirroredArchives.get(found)
  if (!held) throw noSuchArchive()
  const archive = held instanceof IncomingArchive ? await readable(held, request) : held
  return { archive, version: found.facts }
}

function isOwned(catalog: PackageCatalog, name: string): boolean {
  return catalog.get(name) !== null || catalog.claimsVendor(name.slice(0, name.indexOf('/')))
}

async function readable(incoming: IncomingArchive, request: Request): Promise<ArchiveFile | IncomingArchive> {
  const ready = needsWholeArchive(request) ? incoming.finished() : incoming.started()
  return (await soonEnough(ready)) ?? incoming
}

async function soonEnough<T>(promise: Promise<T>): Promise<T> {
  let timer: Timer | undefined
  const late = new Promise<never>((_, reject) => {
    const sentence = 'The archive is still being fetched; try again in a minute.'
    timer = setTimeout(() => reject(new AppError('unavailable', sentence)), LONGEST_WAIT_MS)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

import type { ArchiveFile } from '../../archives/archive-index.ts'
import { IncomingArchive } from '../../archives/incoming-archive.ts'
import { type Caller, refusalOf, type ScopedVersion } from '../../auth/scope.ts'
import { MALWARE, readFilterLists } from '../../composer/filter-list.ts'
import { isAppError } from '../../errors.ts'
import type { MirroredArchives } from '../../mirror/mirrored-archives.ts'
import type { Mirror, MirroredDocument } from '../../mirror/upstream.ts'
import type { PackageCatalog } from '../../store/catalog.ts'
import type { PolicyCatalog } from '../../store/policy-catalog.ts'
import { soonEnough } from '../soon-enough.ts'
import { needsWholeArchive } from './archive-response.ts'
import { refuseListed } from './blocked-versions.ts'
import { type DistRequest, noSuchArchive, refuseOutside, unavailable } from './dist.ts'

/** What finding an archive of an upstream takes. */
export interface UpstreamDistParts {
  readonly policies: PolicyCatalog
  readonly mirror: Mirror
  readonly catalog: PackageCatalog
  readonly mirroredArchives: MirroredArchives
}

/**
 * An archive of an upstream by its id: complete, or as soon as there is something of it to send. Of a name that is owned
 * or claimed here only what is stored is given; no upstream is asked about it.
 * Throws AppError('forbidden') outside the caller's scope, existing or not, and on a filter list; AppError('not_found'); AppError('upstream');
 * AppError('unavailable') when there is too much to do, and what the store of archives throws.
 */
export async function findUpstreamArchive(
  parts: UpstreamDistParts,
  caller: Caller,
  request: Request,
  { name, version, dist: id }: DistRequest & { readonly dist: string },
): Promise<{ archive: ArchiveFile | IncomingArchive; version: ScopedVersion; judgedBy: MirroredDocument | null }> {
  const { scope } = caller
  refuseOutside(scope, name)
  const ask = !isOwned(parts.catalog, name)
  const found = await parts.mirroredArchives.find(
    { name, id, version, ask },
    (facts) => refusalOf(scope, name, facts) === null,
  )
  if (!found) throw unavailable(scope, name)
  const judgedBy = await refuseFiltered(parts, name, found.facts, ask)
  const held = await parts.mirroredArchives.get(found, caller.actor)
  if (!held) throw noSuchArchive()
  const archive = held instanceof IncomingArchive ? await readable(held, request) : held
  return { archive, version: found.facts, judgedBy }
}

/**
 * Refuses what is on a filter list of this server that blocks, or on the list of malware of the upstream, as far as it
 * can be asked: an archive that is stored stays to be had when it is not. Throws AppError('forbidden'). The document that
 * was looked at, or null.
 */
async function refuseFiltered(
  { policies, mirror }: UpstreamDistParts,
  name: string,
  version: ScopedVersion,
  ask: boolean,
): Promise<MirroredDocument | null> {
  refuseListed(policies.filtersOf(name), name, version)
  const document = ask ? await knownDocument(mirror, name) : null
  const lists = readFilterLists(document?.filter == null ? null : JSON.parse(document.filter))
  const malware = (lists.get(MALWARE) ?? []).map((entry) => ({ ...entry, list: MALWARE, blocks: true }))
  refuseListed(malware, name, version)
  return document
}

async function knownDocument(mirror: Mirror, name: string): Promise<MirroredDocument | null> {
  try {
    return await mirror.document(name, false)
  } catch (error) {
    if (isAppError(error, 'upstream')) return null
    throw error
  }
}

function isOwned(catalog: PackageCatalog, name: string): boolean {
  return catalog.get(name) !== null || catalog.claimsVendor(name.slice(0, name.indexOf('/')))
}

async function readable(incoming: IncomingArchive, request: Request): Promise<ArchiveFile | IncomingArchive> {
  const ready = needsWholeArchive(request) ? incoming.finished() : incoming.started()
  return (await soonEnough(ready)) ?? incoming
}

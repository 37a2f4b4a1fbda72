import { limitsVersions, maySee, type Scope } from '../../auth/scope.ts'
import type { PackageCatalog } from '../../store/catalog.ts'
import type { MetadataChange, MetadataChangeTable } from '../../store/metadata-changes.ts'

/** What answering about changes takes. */
export interface ChangesParts {
  readonly changes: MetadataChangeTable
  readonly catalog: PackageCatalog
}

/** 1/10,000 seconds in a second: the unit of stamps (Packagist: PackageController::metadataChangesAction). */
const UNITS = 10_000
/** The earliest stamp that is one: a smaller number is in another unit, or none. */
const EARLIEST = 15_850_612_240_000
/** Above this many changes a follower does better to start anew. */
const MOST = 100_000
/** Changes read at once. */
const PAGE = 10_000
/**
 * What a follower waits for before it believes a document: a `Last-Modified` that is no earlier. Views that are limited
 * to some versions are dated long before, so nothing is to be waited for.
 */
const NO_WAIT = 1

/** Stamp to begin with: from now on. `now` in Unix milliseconds. */
export function stampOf(now: number): number {
  return Math.floor((now * UNITS) / 1_000)
}

/** Reads `since`. Null for what is no stamp. */
export function readStamp(text: string | null): number | null {
  const stamp = /^\d{14,15}$/.test(text ?? '') ? Number(text) : 0
  return stamp >= EARLIEST ? stamp : null
}

/**
 * What changed since a stamp, as far as the scope covers it: the stamp to go on from tells of nothing else either. Each
 * update names both documents of a package, since each is read by itself.
 */
export async function changesSince({ changes, catalog }: ChangesParts, scope: Scope, since: number) {
  const visible: MetadataChange[] = []
  for (let from = since; ; ) {
    const found = await changes.since(from, PAGE)
    for (const change of found) if (maySee(scope, change.name)) visible.push(change)
    if (found.length < PAGE) break
    from = (found.at(-1)?.stamp ?? from) + 1
  }
  const latest = visible.at(-1)?.stamp ?? since - 1
  const actions: Action[] =
    visible.length > MOST
      ? [{ type: 'resync', package: '*', time: secondsOf(latest) }]
      : visible.flatMap((change) => actionsOf(change, timeOf(change, scope, catalog)))
  return { actions, timestamp: latest + 1 }
}

interface Action {
  readonly type: 'update' | 'delete' | 'resync'
  readonly package: string
  /** Unix seconds. */
  readonly time: number
}

function actionsOf({ name, kind }: MetadataChange, time: number): Action[] {
  if (kind === 'delete') return [{ type: kind, package: name, time }]
  return [name, `${name}~dev`].map((document) => ({ type: kind, package: document, time }))
}

function timeOf({ name, stamp }: MetadataChange, scope: Scope, catalog: PackageCatalog): number {
  if (limitsVersions(scope, name)) return NO_WAIT
  return Math.min(secondsOf(stamp), catalog.get(name)?.modifiedAt ?? Number.POSITIVE_INFINITY)
}

function secondsOf(stamp: number): number {
  return Math.floor(stamp / UNITS)
}

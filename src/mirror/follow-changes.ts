import { dueBefore, type LoggedDocument, type UpstreamLogTable } from '../store/upstream-log.ts'
import type { ChangeLog } from './change-log.ts'
import type { Upstream } from './upstream.ts'
import type { UpstreamReader } from './upstream-reader.ts'

/** What it takes to follow the log of an upstream. */
export interface FollowParts {
  readonly log: UpstreamLogTable
  readonly reader: Pick<UpstreamReader, 'changes'>
  /** Has the database looked at again for documents of these names, or all for null. */
  readonly forget: (repositoryId: string, names: ReadonlySet<string> | null) => Promise<void>
  /** Unix seconds. */
  readonly now: () => number
}

/** Documents that became due, and packages that are gone, as the log names them. */
export interface Followed {
  readonly changed: readonly string[]
  readonly removed: readonly string[]
}

/**
 * What is read again each time, in 1/10,000 seconds. Upstreams are served by caches that may still give a document from
 * before its change: one that was fetched meanwhile and is older than its line in the log becomes due once more.
 */
const READ_AGAIN = 600 * 10_000

/**
 * Reads the log on from where it was read up to, and makes due what it names of the documents known here. The first
 * time, and after more changes than the log remembers, that is every document. Null for an upstream without a log.
 * Throws what `changes` throws.
 */
export async function followChanges(
  { log, reader, forget, now }: FollowParts,
  upstream: Upstream,
  signal: AbortSignal,
): Promise<Followed | null> {
  const read = await log.read(upstream.id)
  const changes = await reader.changes(read === null ? null : read - READ_AGAIN, signal)
  if (changes === null) {
    await log.leave(upstream)
    return null
  }
  const named = namedIn(changes.actions)
  const all = read === null || named.resync
  const names = new Set([...named.updates.keys(), ...named.deletes].map(packageOf))
  // What was read and is not written yet counts too; what is in memory is older than what is noted here.
  await forget(upstream.id, all ? null : names)
  const known = await log.known(upstream.id, [...names])
  const fresh = known.filter(({ checkedAt }) => checkedAt > dueBefore(upstream.freshFor, now()))
  const changed = fresh.filter((document) => isOlder(document, named.updates.get(keyOf(document))))
  const gone = new Set(known.flatMap(({ name, held }) => (held && named.deletes.has(name) ? name : [])))
  const due = all ? ('all' as const) : changed
  await log.note(upstream, { due, gone: [...gone], read: changes.timestamp }, now())
  await forget(upstream.id, all ? null : names)
  return { changed: changed.map(keyOf), removed: [...gone] }
}

/** Documents that were written, with the last time of each; packages that were deleted; whether that is all. */
function namedIn(actions: ChangeLog['actions']) {
  const updates = new Map<string, number>()
  const deletes = new Set<string>()
  for (const action of actions) {
    if (action.type === 'delete') deletes.add(action.package)
    else updates.set(action.package, Math.max(action.time, updates.get(action.package) ?? 0))
  }
  return { updates, deletes, resync: actions.some(({ type }) => type === 'resync') }
}

/** Two changes in one second have one time: what was asked for in that second may be the first of them. */
function isOlder({ lastModified, checkedAt }: LoggedDocument, time: number | undefined): boolean {
  if (time === undefined) return false
  const seconds = Date.parse(lastModified ?? '') / 1000
  return Number.isNaN(seconds) || seconds < time || checkedAt <= time
}

function keyOf({ name, dev }: LoggedDocument): string {
  return dev ? `${name}~dev` : name
}

function packageOf(key: string): string {
  return key.endsWith('~dev') ? key.slice(0, -'~dev'.length) : key
}

import { matchesAny, namePatterns } from '../composer/name-pattern.ts'
import { AppError } from '../errors.ts'
import type { ListedRepository } from '../sources/hosts/host.ts'
import type { DiscoveredRow } from '../store/discovered-repositories.ts'
import type { DiscoveryRow } from '../store/discoveries.ts'

/** Why a repository is not added. Those that a later look must not ask about again are told by these very words. */
export const REASON = {
  noManifest: 'Its default branch has no composer.json.',
  empty: 'It is empty, or has no default branch.',
  archived: 'It is archived.',
  fork: 'It is a fork.',
  notIncluded: 'None of the globs in include matches it.',
  excluded: 'A glob in exclude matches it.',
  removed: 'It was removed here; add it by its address to have it again.',
  gone: 'The host does not list it any more; what is stored of it stays.',
} as const

const EXISTING = 'It exists already as '

/** Why a repository is not added that somebody added before. */
export function existingReason(repositoryId: string): string {
  return `${EXISTING}${repositoryId}.`
}

/** What a listing means, as far as it can be told without asking. */
export interface LookPlan {
  /** What is known of these repositories now. */
  readonly settled: readonly DiscoveredRow[]
  /** Whether these have a composer.json has to be asked. */
  readonly unsettled: readonly ListedRepository[]
  /** Known ones that are not in the listing. */
  readonly gone: readonly DiscoveredRow[]
  /** Repositories here to which something was pushed since the last look. */
  readonly pushed: readonly string[]
}

/** Compares a listing with what is known. `now` in Unix seconds. */
export function planLook(
  discovery: DiscoveryRow,
  listed: readonly ListedRepository[],
  known: ReadonlyMap<string, DiscoveredRow>,
  now: number,
): LookPlan {
  const settled: DiscoveredRow[] = []
  const unsettled: ListedRepository[] = []
  const pushed: string[] = []
  const seen = new Set<string>()
  for (const one of listed) {
    // A listing that changes while it is read may name one twice.
    if (seen.has(one.id)) continue
    seen.add(one.id)
    const before = known.get(one.id) ?? null
    const row = settledRow(discovery, one, before, now)
    if (row === null) unsettled.push(one)
    else settled.push(row)
    if (before?.repositoryId != null && wasPushed(one, before)) pushed.push(before.repositoryId)
  }
  const gone = [...known.values()]
    .filter((row) => !seen.has(row.hostId))
    .map((row): DiscoveredRow => ({ ...row, state: 'gone', reason: row.reason ?? REASON.gone }))
  return { settled, unsettled, gone, pushed }
}

/** True when the host says that something was pushed since the repository was last looked at. */
export function wasPushed(listed: ListedRepository, before: DiscoveredRow): boolean {
  return listed.pushedAt !== null && listed.pushedAt !== before.pushedAt
}

/**
 * Throws AppError('upstream') when a listing has lost most of what it had: a token that lost its access lists nothing, and
 * says nothing else either.
 */
export function refuseVanished(listed: readonly ListedRepository[], known: ReadonlyMap<string, DiscoveredRow>): void {
  const before = [...known.values()].filter(({ state }) => state !== 'gone').length
  if (before === 0 || (listed.length > 0 && listed.length * 2 >= before)) return
  throw new AppError(
    'upstream',
    `The host lists ${listed.length} repositories where it had ${before}; nothing was changed. If that is right, look once with accept_removals.`,
    { details: { reason: 'repositories_vanished' } },
  )
}

/** What became of a repository. */
export function discovered(
  discovery: DiscoveryRow,
  listed: ListedRepository,
  outcome: Pick<DiscoveredRow, 'state' | 'reason' | 'repositoryId'>,
  now: number,
): DiscoveredRow {
  const { id: hostId, path, cloneUrl, pushedAt } = listed
  return { discoveryId: discovery.id, hostId, path, cloneUrl, pushedAt, seenAt: now, ...outcome }
}

/** The new row of a repository; null when it has to be asked whether it has a composer.json. */
function settledRow(
  discovery: DiscoveryRow,
  listed: ListedRepository,
  before: DiscoveredRow | null,
  now: number,
): DiscoveredRow | null {
  const row = (outcome: Pick<DiscoveredRow, 'state' | 'reason' | 'repositoryId'>) =>
    discovered(discovery, listed, outcome, now)
  const repositoryId = before?.repositoryId ?? null
  if (repositoryId !== null) {
    const linked = before?.reason?.startsWith(EXISTING) === true
    return row({ state: linked ? 'skipped' : 'added', reason: linked ? (before?.reason ?? null) : null, repositoryId })
  }
  const reason = reasonToSkip(discovery, listed, before)
  return reason === null ? null : row({ state: 'skipped', reason, repositoryId })
}

function reasonToSkip(discovery: DiscoveryRow, listed: ListedRepository, before: DiscoveredRow | null): string | null {
  // Somebody removed it from here, and would not want it back at every look.
  if (before?.state === 'added' || before?.reason === REASON.removed) return REASON.removed
  const path = listed.path.toLowerCase()
  const include = namePatterns(discovery.include)
  if (include.length > 0 && !matchesAny(include, path)) return REASON.notIncluded
  if (matchesAny(namePatterns(discovery.exclude), path)) return REASON.excluded
  if (listed.archived && !discovery.includeArchived) return REASON.archived
  if (listed.fork && !discovery.includeForks) return REASON.fork
  const asked = before?.reason === REASON.noManifest || before?.reason === REASON.empty
  const unchanged = listed.pushedAt !== null && listed.pushedAt === before?.pushedAt
  return asked && unchanged ? (before?.reason ?? null) : null
}

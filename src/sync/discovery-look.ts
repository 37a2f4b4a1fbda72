import { AppError, isAppError, messageOf } from '../errors.ts'
import type { ListedRepository } from '../sources/hosts/host.ts'
import { isOf } from '../sources/hosts/owner-address.ts'
import { manifestGlobs } from '../sources/manifest-paths.ts'
import type { Alongside } from '../store/database.ts'
import type { DiscoveredRepositoryTable, DiscoveredRow } from '../store/discovered-repositories.ts'
import type { DiscoveryRow } from '../store/discoveries.ts'
import type { HostRepositoryTable, ListedHere } from '../store/host-repositories.ts'
import type { RepositoryRow } from '../store/repositories.ts'
import type { DiscoveryHost, OpenDiscoveryHost } from './discovery-host.ts'
import { discovered, existingReason, planLook, REASON, refuseVanished } from './discovery-plan.ts'
import { inParallel } from './in-parallel.ts'
import { PRIORITY, type SyncQueue } from './queue.ts'

/** The rows of a repository that a discovery adds. `alongside` records it in the same transaction. Throws AppError('invalid'). */
export type NewDiscovered = (
  discovery: DiscoveryRow,
  url: string,
) => { readonly row: RepositoryRow; readonly alongside: Alongside }

/** What a look works with. `now` gives Unix seconds. */
export interface LookParts {
  readonly discovered: DiscoveredRepositoryTable
  readonly hostRepositories: Pick<HostRepositoryTable, 'askAgainWhereOther'>
  readonly queue: Pick<SyncQueue, 'request'>
  readonly openHost: OpenDiscoveryHost
  readonly newRepository: NewDiscovered
  readonly now: () => number
}

/** Repositories that are asked at once whether they have a composer.json. */
const ASKED_AT_ONCE = 4
/** First syncs that begin per second. */
const FIRST_SYNCS_PER_SECOND = 5

/** What a look did. */
export interface Looked {
  readonly listed: number
  readonly added: number
  readonly failed: number
  readonly gone: readonly DiscoveredRow[]
}

/**
 * Lists everything of an owner and adds what is new and has a composer.json. What is gone from the listing is told, and to
 * be noted at the end. Throws AppError('upstream') when the listing cannot be read, and changes nothing then.
 */
export async function lookAtOwner(parts: LookParts, claim: DiscoveryRow, signal: AbortSignal): Promise<Looked> {
  const opened = parts.openHost(claim)
  const listed = await listOwner(opened, signal)
  const known = await parts.discovered.all(claim.id)
  if (!claim.acceptRemovals) refuseVanished(listed, known)
  const plan = planLook(claim, listed, known, parts.now())
  // First the syncs, then the note that they are not needed any more.
  const changed = await parts.hostRepositories.askAgainWhereOther(listedHere(listed, known))
  await requestSyncs(parts, [...plan.pushed, ...changed])
  await parts.discovered.save(claim, plan.settled)
  const { added, failed } = await settle(parts, claim, opened, plan.unsettled, signal)
  return { listed: listed.length, added, failed, gone: plan.gone }
}

/** Of a listing, what is a repository here. */
export function listedHere(
  listed: readonly ListedRepository[],
  known: ReadonlyMap<string, DiscoveredRow>,
): readonly ListedHere[] {
  return listed.flatMap(({ id, path, archived }) => {
    const repositoryId = known.get(id)?.repositoryId ?? null
    return repositoryId === null ? [] : [{ repositoryId, path, archived }]
  })
}

/** Asks for the syncs of repositories that changed at their host. */
export async function requestSyncs({ queue }: Pick<LookParts, 'queue'>, ids: readonly string[]): Promise<void> {
  for (const id of ids) await queue.request(id, PRIORITY.probe)
}

/** Adds those that have a composer.json, and notes of each what became of it, one by one. */
export async function settle(
  parts: LookParts,
  claim: DiscoveryRow,
  opened: DiscoveryHost,
  repositories: readonly ListedRepository[],
  signal: AbortSignal,
): Promise<{ added: number; failed: number }> {
  const count = { added: 0, failed: 0 }
  await inParallel(ASKED_AT_ONCE, repositories, signal, async (listed, stop) => {
    const delay = Math.floor(count.added / FIRST_SYNCS_PER_SECOND)
    const state = await settleOne({ parts, claim, opened, delay, signal: stop }, listed)
    if (state === 'added') count.added += 1
    if (state === 'failed') count.failed += 1
  })
  return count
}

async function listOwner({ host, owner }: DiscoveryHost, signal: AbortSignal): Promise<ListedRepository[]> {
  const all: ListedRepository[] = []
  for await (const page of host.listRepositories(owner, signal)) all.push(...page)
  // A GitHub App lists all that it is installed in, and a user's listing has those of others.
  const own = all.filter(({ path }) => isOf(owner, path))
  if (own.length > 0 || all.length === 0) return own
  const sentence = `The host lists repositories of others for ${owner}, such as ${all[0]?.path}: it may have another name now.`
  throw new AppError('upstream', sentence, { details: { reason: 'owner_renamed' } })
}

interface Settling {
  readonly parts: LookParts
  readonly claim: DiscoveryRow
  readonly opened: DiscoveryHost
  /** Seconds before its first sync. */
  readonly delay: number
  readonly signal: AbortSignal
}

async function settleOne(settling: Settling, listed: ListedRepository): Promise<DiscoveredRow['state']> {
  const { parts, claim, opened, delay, signal } = settling
  const note = async (state: DiscoveredRow['state'], reason: string, repositoryId: string | null = null) => {
    await parts.discovered.save(claim, [discovered(claim, listed, { state, reason, repositoryId }, parts.now())])
    return state
  }
  try {
    refuseOtherServer(claim, listed)
    const { row, alongside } = parts.newRepository(claim, listed.cloneUrl)
    const existing = (await parts.discovered.existing([row.urlKey])).get(row.urlKey)
    if (existing) return note('skipped', existingReason(existing.id), existing.id)
    const reason = await reasonWithoutManifest(opened, row, signal)
    if (reason !== null) return note('skipped', reason)
    const found = discovered(claim, listed, { state: 'added', reason: null, repositoryId: row.id }, parts.now())
    const other = await parts.discovered.add(claim, { ...row, nextSyncAt: parts.now() + delay }, found, alongside)
    if (other) return note('skipped', existingReason(other.id), other.id)
    await parts.queue.request(row.id, PRIORITY.first, { delay })
    return 'added'
  } catch (error) {
    if (!isAppError(error) || endsLook(error)) throw error
    return note('failed', messageOf(error))
  }
}

/** What is true of every other repository as well, or of the look itself. */
function endsLook(error: AppError): boolean {
  return error.kind === 'conflict' || error.kind === 'disk_full' || error.details.reason === 'rate_limited'
}

/** A credential goes to the server that it was given for, whatever the host says. */
function refuseOtherServer(claim: DiscoveryRow, { cloneUrl }: ListedRepository): void {
  if (claim.credentials === null || new URL(cloneUrl).origin === new URL(claim.url).origin) return
  throw new AppError(
    'invalid',
    `Its address for git, ${cloneUrl}, is on another server than ${claim.url}, for which the credential was given.`,
  )
}

/** Why a repository has no packages: a few requests by git, one when it is empty. Null when its default branch has a composer.json. */
async function reasonWithoutManifest(
  { openSource }: DiscoveryHost,
  { url, composerJsonPaths }: RepositoryRow,
  signal: AbortSignal,
): Promise<string | null> {
  const source = await openSource(url)
  try {
    const { refs, defaultBranch } = await source.refs(signal)
    const head = refs.find(({ name }) => name === `refs/heads/${defaultBranch}`)
    if (defaultBranch === null || head === undefined) return REASON.empty
    const globs = manifestGlobs(composerJsonPaths)
    const found = (await source.manifests([head.commit], globs, new Set(), signal)).get(head.commit)
    // What cannot be read is told by its sync.
    return found !== undefined && found.problem === null && found.files.length === 0 ? REASON.noManifest : null
  } finally {
    await source.close()
  }
}

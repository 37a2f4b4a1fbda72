import { isAppError } from '../errors.ts'
import type { Logger } from '../observability/logger.ts'
import type { ListedRepository } from '../sources/hosts/host.ts'
import { isOf } from '../sources/hosts/owner-address.ts'
import type { DiscoveredRow } from '../store/discovered-repositories.ts'
import type { DiscoveryRow, DiscoveryTable } from '../store/discoveries.ts'
import type { DiscoveryClaimTable } from '../store/discovery-claims.ts'
import { ClaimLoop } from './claim-loop.ts'
import { lookFailure } from './discovery-failure.ts'
import { type LookParts, listedHere, requestSyncs } from './discovery-look.ts'
import { REASON, wasPushed } from './discovery-plan.ts'

/** Owners asked at once. */
const CONCURRENCY = 2
/** Repositories in a page of a host: of GitHub, and at least. */
const ONE_PAGE = 100
const FULL_PAGE = 50

/** What probes work with. `interval` is in seconds. */
export interface DiscoveryProbesParts
  extends Pick<LookParts, 'discovered' | 'hostRepositories' | 'queue' | 'openHost' | 'now'> {
  readonly discoveries: DiscoveryTable
  readonly discoveryClaims: DiscoveryClaimTable
  readonly interval: number
  /** Called when a discovery is due for a look. */
  readonly wakeLooks: () => void
  readonly logger: Logger
}

/** The loop that asks after owners: one request each, which costs little when nothing changed. */
export function discoveryProbes(parts: DiscoveryProbesParts): ClaimLoop<DiscoveryRow> {
  return new ClaimLoop({
    name: 'asking after an owner',
    concurrency: CONCURRENCY,
    logger: parts.logger,
    claim: () => {
      const now = parts.now()
      return parts.discoveryClaims.claimProbe(now, Math.round(now + parts.interval * (0.85 + 0.3 * Math.random())))
    },
    async work(claim, signal) {
      try {
        await probe(parts, claim, signal)
      } catch (error) {
        if (signal.aborted) return
        const log = isAppError(error) ? parts.logger.warn : parts.logger.error
        log('an owner could not be asked after', { discovery: claim.id, error })
        await parts.discoveryClaims.failProbe(claim, lookFailure(error, claim, parts.now()))
      }
    },
  })
}

async function probe(parts: DiscoveryProbesParts, claim: DiscoveryRow, signal: AbortSignal): Promise<void> {
  const { host, owner } = parts.openHost(claim)
  const found = await host.probeOwner(owner, claim.validator, signal)
  let { validator } = claim
  if (found.state === 'changed') {
    validator = found.validator
    const listed = found.repositories.filter(({ path }) => isOf(owner, path))
    await followChanges(parts, claim, listed)
  }
  // Where nothing is dated, an unchanged page says nothing of pushes.
  const dated = found.state === 'unchanged' ? claim.lastProbedAt !== null : found.repositories.every(isDated)
  const tells = dated && (await isNewestFirst(parts, claim))
  await parts.discoveryClaims.noteProbed(claim.id, { validator, lastProbedAt: tells ? parts.now() : null })
}

/** A GitHub App gets a listing in no order, so that its first page tells of everything only while it is the only one. */
async function isNewestFirst({ discovered }: DiscoveryProbesParts, claim: DiscoveryRow): Promise<boolean> {
  if (claim.credentialType !== 'github_app') return true
  const { found = 0, gone = 0 } = (await discovered.counts([claim.id])).get(claim.id) ?? {}
  return found - gone < ONE_PAGE
}

/** Queues what something was pushed to, and what has another name or was archived. What is new, and what may have become a package, is for a look. */
async function followChanges(
  parts: DiscoveryProbesParts,
  claim: DiscoveryRow,
  listed: readonly ListedRepository[],
): Promise<void> {
  const known = await parts.discovered.all(claim.id)
  const moved = listed.flatMap((one) => {
    const row = known.get(one.id)
    return row !== undefined && wasPushed(one, row) ? [{ one, row }] : []
  })
  const here = moved.flatMap(({ row }) => row.repositoryId ?? [])
  const changed = await parts.hostRepositories.askAgainWhereOther(listedHere(listed, known))
  await requestSyncs(parts, [...here, ...changed])
  const settled = moved.filter(({ row }) => !isAskedAgain(row))
  await parts.discovered.notePushed(claim.id, new Map(settled.map(({ one }) => [one.id, one.pushedAt ?? 0])))
  // Of a full page that moved as a whole, more may have moved behind it.
  const beyond = listed.length >= FULL_PAGE && moved.length === listed.length
  const wanted = beyond || settled.length < moved.length || listed.some((one) => isBack(known.get(one.id)))
  if (!wanted) return
  await parts.discoveries.requestLook(claim.id, parts.now())
  parts.wakeLooks()
}

function isBack(row: DiscoveredRow | undefined): boolean {
  return row === undefined || row.state === 'gone'
}

/** A repository without composer.json that somebody works on is asked again; one that is left out anyway is not. */
function isAskedAgain({ repositoryId, reason }: DiscoveredRow): boolean {
  return repositoryId === null && (reason === REASON.empty || reason === REASON.noManifest)
}

function isDated({ pushedAt }: ListedRepository): boolean {
  return pushedAt !== null
}

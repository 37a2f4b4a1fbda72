import { isAppError } from '../errors.ts'
import type { Logger } from '../observability/logger.ts'
import type { ListedRepository } from '../sources/hosts/host.ts'
import { isOf } from '../sources/hosts/owner-address.ts'
import type { DiscoveredRow } from '../store/discovered-repositories.ts'
import type { DiscoveryRow, DiscoveryTable } from '../store/discoveries.ts'
import type { DiscoveryClaimTable } from '../store/discovery-claims.ts'
import { ClaimLoop } from './claim-loop.ts'
import { lookFailure } from './discovery-failure.ts'
import { type LookParts, requestSyncs } from './discovery-look.ts'
import { REASON, wasPushed } from './discovery-plan.ts'

/** Owners asked at once. */
const CONCURRENCY = 2

/** What probes work with. `interval` is in seconds. */
export interface DiscoveryProbesParts extends Pick<LookParts, 'discovered' | 'queue' | 'openHost' | 'now'> {
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
  await parts.discoveryClaims.noteProbed(claim.id, { validator, lastProbedAt: dated ? parts.now() : null })
}

/** Queues what something was pushed to. What is new, and what may have become a package, is for a look. */
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
  const here = moved.filter(({ row }) => row.repositoryId !== null)
  await requestSyncs(
    parts,
    here.flatMap(({ row }) => row.repositoryId ?? []),
  )
  await parts.discovered.notePushed(claim.id, new Map(here.map(({ one }) => [one.id, one.pushedAt ?? 0])))
  const everythingMoved = listed.length > 1 && moved.length === listed.length
  const mayBePackage = moved.some(({ row }) => row.repositoryId === null && isAskedAgain(row))
  const wanted = everythingMoved || mayBePackage || listed.some((one) => !known.has(one.id))
  if (!wanted) return
  await parts.discoveries.requestLook(claim.id, parts.now())
  parts.wakeLooks()
}

/** Repositories without composer.json that somebody works on are asked again; those that are left out anyway are not. */
function isAskedAgain({ reason }: DiscoveredRow): boolean {
  return reason === REASON.empty || reason === REASON.noManifest
}

function isDated({ pushedAt }: ListedRepository): boolean {
  return pushedAt !== null
}

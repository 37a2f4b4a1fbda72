import { isAppError, messageOf } from '../errors.ts'
import type { Logger } from '../observability/logger.ts'
import type { DiscoveryRow } from '../store/discoveries.ts'
import type { DiscoveryClaimTable } from '../store/discovery-claims.ts'
import { ClaimLoop } from './claim-loop.ts'
import { lookFailure } from './discovery-failure.ts'
import { type LookParts, lookAtOwner } from './discovery-look.ts'

/** How long a look is this worker's without a sign of life, and how often it gives one. */
const LEASE = 90
const RENEW_MS = 20_000
/** Looks at once. */
const CONCURRENCY = 2
/** Between two listings of everything, in seconds. */
const INTERVAL = 6 * 3_600
/** After a look that could not read some of the repositories. */
const INTERVAL_AFTER_FAILURES = 3_600

/** What looks work with. */
export interface DiscoveryLooksParts extends LookParts {
  readonly discoveryClaims: DiscoveryClaimTable
  readonly logger: Logger
}

/** The loop that looks at owners when they are due. */
export function discoveryLooks(parts: DiscoveryLooksParts): ClaimLoop<DiscoveryRow> {
  return new ClaimLoop({
    name: 'a look at an owner',
    concurrency: CONCURRENCY,
    logger: parts.logger,
    claim: () => {
      const now = parts.now()
      return parts.discoveryClaims.claimLook(`look-${crypto.randomUUID()}`, now, now + LEASE)
    },
    work: (claim, signal) => look(parts, claim, signal),
  })
}

async function look(parts: DiscoveryLooksParts, claim: DiscoveryRow, stopping: AbortSignal): Promise<void> {
  const lost = new AbortController()
  const timer = setInterval(() => void renew(parts, claim, lost), RENEW_MS)
  try {
    await lookAndFinish(parts, claim, AbortSignal.any([stopping, lost.signal]))
  } catch (error) {
    if (stopping.aborted) return await parts.discoveryClaims.releaseLook(claim, parts.now())
    await noteFailure(parts, claim, error)
  } finally {
    clearInterval(timer)
  }
}

async function lookAndFinish(parts: DiscoveryLooksParts, claim: DiscoveryRow, signal: AbortSignal): Promise<void> {
  const { listed, added, failed, gone } = await lookAtOwner(parts, claim, signal)
  const interval = claim.interval ?? INTERVAL
  const seconds = failed > 0 ? Math.min(interval, INTERVAL_AFTER_FAILURES) : interval
  const nextLookAt = Math.round(parts.now() + seconds * (0.85 + 0.3 * Math.random()))
  await parts.discovered.finishLook(claim, { gone, nextLookAt }, parts.now())
  const found = { discovery: claim.id, look: claim.claimedBy, listed, added, failed, gone: gone.length }
  parts.logger.info('an owner was looked at', found)
}

async function noteFailure(parts: DiscoveryLooksParts, claim: DiscoveryRow, error: unknown): Promise<void> {
  const fields = { discovery: claim.id, look: claim.claimedBy, error: error instanceof Error ? error : String(error) }
  const log = isAppError(error) ? parts.logger.warn : parts.logger.error
  log('an owner could not be looked at', fields)
  await parts.discoveryClaims.failLook(claim, lookFailure(error, claim, parts.now()), parts.now())
}

async function renew(parts: DiscoveryLooksParts, claim: DiscoveryRow, lost: AbortController): Promise<void> {
  try {
    if (!(await parts.discoveryClaims.renewLook(claim, parts.now() + LEASE))) {
      lost.abort(new Error('Another worker has taken over this look, or its discovery is gone.'))
    }
  } catch (error) {
    parts.logger.warn('a claim could not be renewed', { discovery: claim.id, error: messageOf(error) })
  }
}

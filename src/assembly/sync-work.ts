import type { Foundation } from '../foundation.ts'
import { RepositoryFeed } from '../http/management-api/repository-feed.ts'
import { lookAtUpstream } from '../mirror/look.ts'
import { COMPOSER } from '../mirror/upstream-address.ts'
import { moveEarlier } from '../store/move-earlier.ts'
import type { RepositoryRow } from '../store/repositories.ts'
import { credentialCheck, ownerCredentialCheck } from '../sync/credential-check.ts'
import { discoveryHostOpener } from '../sync/discovery-host.ts'
import type { HostBudgets } from '../sync/host-budgets.ts'
import { HostFacts } from '../sync/host-facts.ts'
import { placeFinder } from '../sync/job-place.ts'
import { SyncQueue } from '../sync/queue.ts'
import { hostOpener } from '../sync/repository-host.ts'
import { sourceOpener } from '../sync/repository-source.ts'
import { lookInterval, nextLook } from '../sync/schedule.ts'
import { Scheduler } from '../sync/scheduler.ts'
import { syncRepository } from '../sync/sync-repository.ts'
import type { Parts } from './parts.ts'

/** What the queue works with beside the parts. */
interface QueueParts extends Parts {
  readonly openSource: ReturnType<typeof sourceOpener>
  readonly budgets: HostBudgets
}

/** When a repository that was looked at at `since` is looked at next, both in Unix seconds. */
type NextLook = (
  row: Pick<RepositoryRow, 'syncInterval' | 'lastWebhookAt' | 'discoveryId'>,
  since: number,
) => Promise<number>

/** Everything that keeps repositories equal to their sources, and what tells of it. */
export function openSyncWork(parts: Parts) {
  const { tables, config, now, logger } = parts
  const openSource = sourceOpener({ ...parts, ...tables, localRoots: config.localRepositoryRoots })
  const queue = createQueue({ ...parts, openSource })
  const moveAll = (seconds: number) => moveEarlier(parts.db, seconds)
  const scheduler = new Scheduler({ repositories: tables.repositories, queue, now, moveEarlier: moveAll, logger })
  return { openSource, queue, scheduler, feed: openFeed(parts, queue) }
}

/** The queue of syncs, and what its workers do. */
function createQueue(parts: QueueParts): SyncQueue {
  const { tables, config, now, logger, catalog, budgets, upstreamSet } = parts
  const nextLookAt = nextLookFinder(parts)
  const sync = syncParts(parts, nextLookAt)
  const look = {
    ...tables,
    ...{ set: upstreamSet, mirror: parts.mirror, now, logger, claimedVendors: () => catalog.claimedVendors() },
    nextLookAt: (row: RepositoryRow, interval: number | null) =>
      nextLookAt(interval === null ? row : { ...row, syncInterval: row.syncInterval ?? interval }, now()),
  }
  return new SyncQueue({
    jobs: tables.jobs,
    holds: tables.jobHolds,
    repositories: tables.repositories,
    placeOf: placeFinder(parts.secretBox),
    budgets,
    async work({ repositoryId, acceptRemovals }, report, signal) {
      const request = { repositoryId, acceptRemovals, report, signal }
      const { vcsType } = (await tables.repositories.find(repositoryId)) ?? {}
      return vcsType === COMPOSER ? lookAtUpstream(look, request) : syncRepository(sync, request)
    },
    onDone: () => catalog.refresh(),
    concurrency: config.syncConcurrency,
    now,
    logger,
  })
}

function syncParts(parts: QueueParts, nextLookAt: NextLook) {
  const { tables, archives, openSource, now, logger } = parts
  return {
    repositories: tables.repositories,
    state: tables.syncState,
    openSource,
    hostFacts: new HostFacts({ ...parts, ...tables, openHost: hostOpener(parts) }),
    archives: {
      known: (repositoryId: string) => tables.archives.shasums(repositoryId),
      build: async (...[place, source, asker]: Parameters<Parameters<typeof syncRepository>[0]['archives']['build']>) =>
        (await archives.get(place, (stop) => source.snapshot(place.reference, place.path, stop), asker)).sha1,
    },
    nextLookAt: (row: RepositoryRow) => nextLookAt(row, now()),
    now,
    logger,
  }
}

/** Finds when repositories are looked at, by what tells of their changes beside that. */
function nextLookFinder({ tables, config, now }: Foundation): NextLook {
  return async (row, since) => {
    const watched = { ...row, probedAt: await tables.repositories.probedAt(row) }
    return nextLook(lookInterval(watched, config.syncInterval, now()), since)
  }
}

/** What tells clients of the syncs of the queue. */
function openFeed({ tables, verifier, now, logger }: Parts, queue: SyncQueue): RepositoryFeed {
  const { repositories, jobs } = tables
  const feed = new RepositoryFeed({ repositories, jobs, verifier, now, logger })
  queue.watch((repositoryId) => feed.wake(repositoryId))
  return feed
}

/** What adding and changing a repository goes by. */
export function repositoryRules(base: Foundation & { readonly budgets: HostBudgets }) {
  const { config, now } = base
  return {
    localRoots: config.localRepositoryRoots,
    nextLookAt: (row: Pick<RepositoryRow, 'syncInterval' | 'lastSyncedAt'>) =>
      Math.max(now(), nextLook(row.syncInterval ?? config.syncInterval, row.lastSyncedAt ?? now())),
    checkCredential: credentialCheck(hostOpener(base), base),
    checkOwnerCredential: ownerCredentialCheck(discoveryHostOpener(base), base),
  }
}

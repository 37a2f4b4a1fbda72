import type { Foundation } from '../foundation.ts'
import { lookAtUpstream } from '../mirror/look.ts'
import { COMPOSER } from '../mirror/upstream-address.ts'
import type { RepositoryRow } from '../store/repositories.ts'
import { credentialCheck } from '../sync/credential-check.ts'
import { SyncQueue } from '../sync/queue.ts'
import { hostOpener } from '../sync/repository-host.ts'
import type { sourceOpener } from '../sync/repository-source.ts'
import { nextLook } from '../sync/schedule.ts'
import { syncRepository } from '../sync/sync-repository.ts'
import type { Parts } from './parts.ts'

/** The queue of syncs, and what its workers do. */
export function createQueue(parts: Parts & { openSource: ReturnType<typeof sourceOpener> }): SyncQueue {
  const { tables, archives, config, now, logger, catalog, openSource, upstreamSet } = parts
  const sync = {
    repositories: tables.repositories,
    state: tables.syncState,
    openSource,
    archives: {
      known: (repositoryId: string) => tables.archives.shasums(repositoryId),
      build: async (
        ...[place, source, signal]: Parameters<Parameters<typeof syncRepository>[0]['archives']['build']>
      ) => (await archives.get(place, (stop) => source.snapshot(place.reference, place.path, stop), signal)).sha1,
    },
    syncInterval: config.syncInterval,
    now,
    logger,
  }
  const look = {
    ...tables,
    ...{ set: upstreamSet, mirror: parts.mirror, now, logger, claimedVendors: () => catalog.claimedVendors() },
    nextLookAt: (row: RepositoryRow, interval: number | null) => nextLook(row, interval ?? config.syncInterval, now()),
  }
  return new SyncQueue({
    jobs: tables.jobs,
    repositories: tables.repositories,
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

/** What adding and changing a repository goes by. */
export function repositoryRules(base: Foundation) {
  const { config, now } = base
  return {
    localRoots: config.localRepositoryRoots,
    nextLookAt: (row: Pick<RepositoryRow, 'syncInterval' | 'lastSyncedAt'>) =>
      Math.max(now(), nextLook(row, config.syncInterval, row.lastSyncedAt ?? now())),
    checkCredential: credentialCheck(hostOpener(base), base),
  }
}

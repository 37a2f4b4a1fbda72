import type { Foundation } from '../foundation.ts'
import { discoveredRepository } from '../http/management-api/discovered-repository.ts'
import { discoveryHostOpener } from '../sync/discovery-host.ts'
import type { HostBudgets } from '../sync/host-budgets.ts'
import { type Discoveries, openDiscoveries } from '../sync/open-discoveries.ts'
import type { SyncQueue } from '../sync/queue.ts'

/** What looks at owners; nothing runs yet. */
export function discoveriesOf(
  base: Foundation & { readonly queue: SyncQueue; readonly budgets: HostBudgets },
): Discoveries {
  const { tables, config, now, logger, secretBox, queue } = base
  const rows = { secretBox, localRoots: config.localRepositoryRoots, now }
  return openDiscoveries({
    ...{ ...tables, queue, now, logger, probeInterval: config.probeInterval },
    openHost: discoveryHostOpener(base),
    newRepository: (discovery, url) => discoveredRepository(rows, discovery, url),
  })
}

import type { DiscoveryTable } from '../store/discoveries.ts'
import { type DiscoveryLooksParts, discoveryLooks } from './discovery-looks.ts'
import { discoveryProbes } from './discovery-probe.ts'

/** What looks at owners, and asks after them in between. */
export interface Discoveries {
  /** Begins to look at owners that are due, and no more. */
  startLooks(): void
  /** Begins to ask after them as well. */
  start(): void
  /** Looks whether an owner is due now. */
  wake(): void
  /** Ends what is under way; it is begun again by the next process. */
  stop(): Promise<void>
}

/** `probeInterval` is in seconds, 0 for no probes. */
export function openDiscoveries(
  parts: DiscoveryLooksParts & { readonly discoveries: DiscoveryTable; readonly probeInterval: number },
): Discoveries {
  const looks = discoveryLooks(parts)
  const probes = discoveryProbes({ ...parts, interval: parts.probeInterval, wakeLooks: () => looks.wake() })
  return {
    startLooks: () => looks.start(),
    start() {
      looks.start()
      if (parts.probeInterval > 0) probes.start()
    },
    wake: () => looks.wake(),
    async stop() {
      await Promise.all([looks.stop(), probes.stop()])
    },
  }
}

import type { GitCapabilities } from '../git/capabilities.ts'
import type { ServerMemory } from '../git/server-memory.ts'

/** Milliseconds after which a server is asked again, and servers remembered at most. */
const LONGEST_MS = 3_600_000
const MOST = 1_000

/**
 * What servers said they can do, by their origin: every repository of a host says the same of `ls-refs`, so that a look
 * at one that did not change is one request. What only some repositories of a host can do, filters, is asked of each.
 */
export class KnownServers {
  private readonly servers = new Map<string, { readonly capabilities: GitCapabilities; readonly until: number }>()

  /** `clock` gives milliseconds. */
  constructor(private readonly clock: () => number = () => performance.now()) {}

  /** The memory of the server with this origin, as `new URL(…).origin` gives it. */
  of(origin: string): ServerMemory {
    return {
      recall: () => {
        const known = this.servers.get(origin)
        return known !== undefined && known.until > this.clock() ? known.capabilities : null
      },
      remember: (capabilities) => {
        this.servers.delete(origin)
        this.servers.set(origin, { capabilities, until: this.clock() + LONGEST_MS })
        const [oldest] = this.servers.keys()
        if (this.servers.size > MOST && oldest !== undefined) this.servers.delete(oldest)
      },
      forget: () => void this.servers.delete(origin),
    }
  }
}

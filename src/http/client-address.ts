import { isIP } from 'node:net'
import { type NetworkList, plainAddress } from '../networks.ts'
import type { PeerOf } from './base-url.ts'

/**
 * Finds the address of the client behind a request: the peer, or, when that is a trusted proxy, the right-most entry of
 * `X-Forwarded-For` that is none. What stands left of it was written by the client itself and says nothing.
 */
export function clientAddressFinder({ trustProxy, peerOf }: { trustProxy: NetworkList; peerOf: PeerOf }): PeerOf {
  return (request) => {
    const peer = peerOf(request)
    if (peer === null || !trustProxy.includes(peer)) return peer === null ? null : plainAddress(peer)
    let client = peer
    const hops = request.headers.get('x-forwarded-for')?.split(',') ?? []
    for (const hop of hops.reverse()) {
      const address = addressIn(hop.trim())
      if (address === null) break
      client = address
      if (!trustProxy.includes(address)) break
    }
    return plainAddress(client)
  }
}

/** The address in one entry, where some proxies add a port; null when there is none. */
function addressIn(hop: string): string | null {
  const bare =
    /^\[([0-9a-f:.]{2,45})\](?::\d{1,5})?$/i.exec(hop)?.[1] ?? /^([\d.]{7,15}):\d{1,5}$/.exec(hop)?.[1] ?? hop
  return isIP(bare) === 0 ? null : bare
}

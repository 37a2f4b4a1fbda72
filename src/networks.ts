import { BlockList, isIP } from 'node:net'
import { AppError } from './errors.ts'

/** A set of IP networks that can be asked whether it holds an address. */
export interface NetworkList {
  /** The CIDRs it was made from, for display. */
  readonly cidrs: readonly string[]
  /** True when the textual IPv4 or IPv6 address lies inside one of the networks; false for anything that is no address. */
  includes(address: string): boolean
}

/**
 * Reads a comma-separated list of CIDRs or single addresses; `*` stands for every address.
 * Throws AppError('invalid') that names the entry that is wrong.
 */
export function parseNetworks(text: string): NetworkList {
  const entries = text
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '')
  return networkList(entries.flatMap((entry) => (entry === '*' ? ['0.0.0.0/0', '::/0'] : [entry])))
}

/** The same for a list of CIDRs. Throws AppError('invalid') that names the entry that is wrong. */
export function networkList(cidrs: readonly string[]): NetworkList {
  const list = new BlockList()
  for (const cidr of cidrs) addNetwork(list, cidr)
  return {
    cidrs,
    includes(address) {
      const plain = plainAddress(address)
      const version = isIP(plain)
      return version !== 0 && list.check(plain, version === 4 ? 'ipv4' : 'ipv6')
    },
  }
}

/** An address without brackets, zone or the IPv4-mapped IPv6 form, so that one network has one spelling. */
export function plainAddress(address: string): string {
  const bare = address.replace(/^\[|\]$/g, '').replace(/%.*$/, '')
  const mapped = /^::ffff:(\d{1,3}(?:\.\d{1,3}){3})$/i.exec(bare)
  return mapped?.[1] ?? bare
}

function addNetwork(list: BlockList, cidr: string): void {
  const slash = cidr.indexOf('/')
  const address = slash === -1 ? cidr : cidr.slice(0, slash)
  const version = isIP(address)
  const longest = version === 6 ? 128 : 32
  const prefix = slash === -1 ? longest : Number(cidr.slice(slash + 1))
  const digits = slash === -1 || /^\d{1,3}$/.test(cidr.slice(slash + 1))
  if (version === 0 || !digits || prefix > longest) {
    throw new AppError('invalid', `“${cidr}” is not a network; write it like 10.0.0.0/8, fd00::/8 or 192.0.2.7.`)
  }
  list.addSubnet(address, prefix, version === 6 ? 'ipv6' : 'ipv4')
}

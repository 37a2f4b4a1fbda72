import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { AppError } from '../errors.ts'
import { type NetworkList, networkList, plainAddress } from '../networks.ts'

/*
 * Networks that are not the public internet: a repository address may point there only when the operator allows it.
 * One list for each family, because a list takes an IPv4 address for the IPv6 one that it is mapped to.
 */
const NOT_PUBLIC_4 = networkList([
  ...['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12', '192.0.0.0/24'],
  ...['192.0.2.0/24', '192.88.99.0/24', '192.168.0.0/16', '198.18.0.0/15', '198.51.100.0/24', '203.0.113.0/24'],
  ...['224.0.0.0/4', '240.0.0.0/4'],
])
/** Only 2000::/3 is public; inside of it Teredo and the like, documentation, and 6to4 lead elsewhere. */
const NOT_PUBLIC_6 = networkList([
  ...['::/3', '4000::/2', '8000::/1', '2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20'],
])

/** Finds the addresses of a host name. */
export type Resolve = (host: string) => Promise<string[]>

/** The system's resolver. */
export const systemResolve: Resolve = async (host) => (await lookup(host, { all: true })).map((entry) => entry.address)

/**
 * The address to connect to for a host: every address it resolves to must be public or inside `allowed`, so that a name
 * with one harmless and one internal address does not pass by luck.
 * Throws AppError('upstream') with `reason: 'address_refused'` or `'unreachable'`.
 */
export async function checkedAddress(host: string, allowed: NetworkList, resolve: Resolve): Promise<string> {
  const bare = host.replace(/^\[|\]$/g, '')
  const addresses = isIP(bare) ? [bare] : await resolved(bare, resolve)
  for (const address of addresses) {
    if (refused(address, allowed)) {
      throw new AppError(
        'upstream',
        `${host} is at ${address}, which is not on the public internet; add that network to ALLOWED_NETWORKS if it is meant.`,
        { details: { reason: 'address_refused' } },
      )
    }
  }
  const [first] = addresses
  if (first === undefined) throw unknownHost(host)
  return first
}

function refused(address: string, allowed: NetworkList): boolean {
  const plain = plainAddress(address)
  if (allowed.includes(plain)) return false
  const version = isIP(plain)
  return version === 4 ? NOT_PUBLIC_4.includes(plain) : version !== 6 || NOT_PUBLIC_6.includes(plain)
}

async function resolved(host: string, resolve: Resolve): Promise<string[]> {
  try {
    return await resolve(host)
  } catch (error) {
    throw unknownHost(host, error)
  }
}

function unknownHost(host: string, cause?: unknown): AppError {
  return new AppError('upstream', `The name ${host} cannot be resolved.`, { details: { reason: 'unreachable' }, cause })
}

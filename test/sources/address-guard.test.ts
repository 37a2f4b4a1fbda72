import { describe, expect, test } from 'bun:test'
import { parseNetworks } from '../../src/networks.ts'
import { checkedAddress } from '../../src/sources/address-guard.ts'
import { failureOf } from '../store/support.ts'

const NOTHING = parseNetworks('')
const unused = () => Promise.reject(new Error('must not be asked'))

/** `ok`, or the reason of the refusal. */
async function verdict(host: string, allowed = NOTHING, addresses?: string[]): Promise<string> {
  const resolve = addresses === undefined ? unused : async () => addresses
  return checkedAddress(host, allowed, resolve).then(
    () => 'ok',
    (error: { details?: { reason?: string } }) => error.details?.reason ?? 'unexpected',
  )
}

const REFUSED = [
  ...['0.0.0.0', '0.1.2.3', '10.0.0.1', '10.255.255.255', '100.64.0.1', '100.127.255.255', '127.0.0.1', '127.255.0.1'],
  ...['169.254.169.254', '172.16.0.1', '172.31.255.255', '192.0.0.1', '192.0.2.1', '192.88.99.1', '192.168.1.1'],
  ...['198.18.0.1', '198.19.255.255', '198.51.100.1', '203.0.113.1', '224.0.0.1', '239.255.255.255', '240.0.0.1'],
  ...['255.255.255.255', '::', '::1', '::ffff:127.0.0.1', '::ffff:7f00:1', '::127.0.0.1', '::7f00:1'],
  ...['64:ff9b::7f00:1', '64:ff9b:1::1', '100::1', '2001::1', '2001:1ff::1', '2001:db8::1', '2002:7f00:1::', '3fff::1'],
  ...['4000::1', '5f00::1', 'fc00::1', 'fd00::1', 'fdff::1', 'fe80::1', 'fe80::1%eth0', 'fec0::1', 'ff02::1'],
]

const PUBLIC = [
  ...[
    '1.1.1.1',
    '8.8.8.8',
    '9.255.255.255',
    '11.0.0.0',
    '100.63.255.255',
    '100.128.0.0',
    '126.255.255.255',
    '128.0.0.0',
  ],
  ...[
    '169.253.255.255',
    '169.255.0.0',
    '172.15.255.255',
    '172.32.0.0',
    '191.255.255.255',
    '192.0.1.0',
    '192.167.255.255',
  ],
  ...[
    '192.169.0.0',
    '198.17.255.255',
    '198.20.0.0',
    '203.0.114.0',
    '223.255.255.255',
    '2606:4700::1111',
    '2a00::1',
    '2001:4860::8888',
    '::ffff:8.8.8.8',
  ],
]

describe('the address guard', () => {
  test.each(REFUSED)('refuses %s, as it is and behind a name', async (address) => {
    expect(await verdict(address.includes(':') ? `[${address}]` : address)).toBe('address_refused')
    expect(await verdict('host.example.org', NOTHING, [address])).toBe('address_refused')
  })

  test.each(PUBLIC)('lets %s pass', async (address) => {
    expect(await verdict(address.includes(':') ? `[${address}]` : address)).toBe('ok')
    expect(await verdict('host.example.org', NOTHING, [address])).toBe('ok')
  })

  test('refuses a name with one public and one internal address, in either order', async () => {
    expect(await verdict('two.example.org', NOTHING, ['8.8.8.8', '10.0.0.1'])).toBe('address_refused')
    expect(await verdict('two.example.org', NOTHING, ['fd00::1', '2a00::1'])).toBe('address_refused')
  })

  test('refuses what a resolver gives that is no address', async () => {
    expect(await verdict('odd.example.org', NOTHING, ['not an address'])).toBe('address_refused')
    expect(await verdict('none.example.org', NOTHING, [])).toBe('unreachable')
    const failing = checkedAddress('gone.example.org', NOTHING, () => Promise.reject(new Error('ENOTFOUND')))
    expect(await failureOf(failing)).toMatchObject({
      kind: 'upstream',
      message: expect.stringContaining('gone.example.org'),
    })
  })

  test.each([
    ['127.0.0.0/8', '127.0.0.1', 'ok'],
    ['127.0.0.0/8', '10.0.0.1', 'address_refused'],
    ['10.1.2.3', '10.1.2.3', 'ok'],
    ['10.1.2.3', '10.1.2.4', 'address_refused'],
    ['fd00::/8', '[fd12::1]', 'ok'],
    ['fd00::/8', '[fe80::1]', 'address_refused'],
    ['*', '169.254.169.254', 'ok'],
    ['*', '[::1]', 'ok'],
    ['10.0.0.0/8', '[::ffff:10.0.0.1]', 'ok'],
  ])('with %s allowed, %s is %s', async (allowed, host, expected) => {
    expect(await verdict(host, parseNetworks(allowed))).toBe(expected)
  })

  test('connects to the address it checked', async () => {
    expect(await checkedAddress('host.example.org', NOTHING, async () => ['8.8.8.8', '1.1.1.1'])).toBe('8.8.8.8')
  })
})

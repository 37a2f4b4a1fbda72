/** Ways to write an address that is not on the public internet, most of them this machine's own. */
const IPV4 = [
  ...['127.0.0.1', '127.1', '127.0.1', '127.0.0.1.', '127.0.0.2', '127.255.255.254', '2130706433', '017700000001'],
  ...['0x7f000001', '0x7F.0.0.1', '0x7f.1', '0177.0.0.1', '0177.1', '0177.0x0.0.1', '127.0.0x1'],
  ...['0', '0.0.0.0', '0x0', '00000', '0.0', '0.1.2.3'],
  // Digits and dots that browsers read as plain ones.
  ...['１２７.0.0.1', '127。0。0。1', '127．0．0．1', '①②⑦.0.0.1', '𝟏𝟐𝟕.0.0.1', '%31%32%37.0.0.1', '127%2e0%2e0%2e1'],
  ...[
    '10.0.0.1',
    '10.1',
    '0xa.1',
    '167772161',
    '172.16.0.1',
    '172.31.255.254',
    '192.168.0.1',
    '192.168.1',
    '3232235777',
  ],
  ...[
    '169.254.169.254',
    '169.254.43518',
    '0xa9fea9fe',
    '2852039166',
    '0251.0376.0251.0376',
    '100.64.0.1',
    '100.100.100.200',
  ],
  ...['192.0.0.192', '192.0.2.1', '192.88.99.1', '198.18.0.1', '198.51.100.1', '203.0.113.1', '224.0.0.1', '240.0.0.1'],
  ...['255.255.255.255', '4294967295'],
]
const IPV6 = [
  ...['[::1]', '[::]', '[0:0:0:0:0:0:0:1]', '[0000:0000:0000:0000:0000:0000:0000:0001]', '[::ffff:127.0.0.1]'],
  ...[
    '[::ffff:7f00:1]',
    '[0:0:0:0:0:ffff:127.0.0.1]',
    '[::ffff:a9fe:a9fe]',
    '[::127.0.0.1]',
    '[::7f00:1]',
    '[::ffff:0:7f00:1]',
  ],
  // NAT64, 6to4 and Teredo carry an address of IPv4.
  ...[
    '[64:ff9b::7f00:1]',
    '[64:ff9b::127.0.0.1]',
    '[64:ff9b:1::7f00:1]',
    '[2002:7f00:1::]',
    '[2002:a9fe:a9fe::1]',
    '[2001:0:7f00:1::1]',
  ],
  ...['[fc00::1]', '[fd00::1]', '[fd00:ec2::254]', '[fe80::1]', '[fec0::1]', '[ff02::1]', '[100::1]', '[2001:db8::1]'],
]
/** Names of this machine, and one that somebody else's resolver says is. */
const NAMES = ['localhost', 'LOCALHOST', 'localhost.', 'loc%61lhost', 'ｌocalhost', 'inside.example', 'both.example']

/** Hosts as they stand in an address. */
export const HOSTS_INSIDE: readonly string[] = [...IPV4, ...IPV6, ...NAMES]

/** What the resolver of a test says: names under `.example` are public but for those that lead inside. */
export async function resolveInside(host: string): Promise<string[]> {
  if (host === 'inside.example') return ['127.0.0.1']
  if (host === 'both.example') return ['8.8.8.8', '127.0.0.1']
  if (host.endsWith('.example') || host === 'github.com' || host === 'api.github.com') return ['8.8.8.8']
  if (/^localhost\.?$/i.test(host)) return ['127.0.0.1', '::1']
  throw new Error('ENOTFOUND')
}

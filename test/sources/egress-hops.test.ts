import { describe, expect, test } from 'bun:test'
import { generateKeyPairSync } from 'node:crypto'
import { parseNetworks } from '../../src/networks.ts'
import { InstallationTokens } from '../../src/sources/hosts/github-app.ts'
import { hostAddress, openHost } from '../../src/sources/hosts/open-host.ts'
import { type BoundCredentials, createUpstreamHttp, type UpstreamHttp } from '../../src/sources/upstream-http.ts'
import { githubApps, soon, source } from './support.ts'

/** One connection that was made: to which address, with which headers. */
interface Connection {
  readonly url: string
  readonly headers: Headers
}

/** A network of names and of what each address answers; nothing is connected to. */
class Network {
  readonly connections: Connection[] = []
  readonly resolved: string[] = []
  readonly http: UpstreamHttp

  /** `names`: the answers of the resolver, in turn, the last one for ever. `redirects`: path → Location. */
  constructor(
    private readonly names: Readonly<Record<string, readonly (readonly string[])[]>>,
    private readonly redirects: Readonly<Record<string, string>> = {},
    private readonly status = 302,
  ) {
    const connect = async (input: string | URL | Request, init?: RequestInit) => {
      const url = new URL(String(input))
      this.connections.push({ url: url.href, headers: new Headers(init?.headers) })
      const location = this.redirects[url.pathname]
      return location === undefined
        ? new Response('{}')
        : new Response(null, { status: this.status, headers: { location } })
    }
    this.http = createUpstreamHttp({
      allowedNetworks: parseNetworks('10.1.0.0/16'),
      fetch: Object.assign(connect, { preconnect: fetch.preconnect }) as typeof fetch,
      resolve: async (host) => {
        const answers = this.names[host] ?? []
        const asked = this.resolved.filter((each) => each === host).length
        this.resolved.push(host)
        return [...(answers[Math.min(asked, answers.length - 1)] ?? [])]
      },
    })
  }

  async get(url: string, credentials: BoundCredentials | null = null): Promise<string> {
    return reason(this.http.send({ method: 'GET', url, headers: {}, signal: soon() }, credentials))
  }
}

async function reason(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'ok',
    (error) => error?.details?.reason ?? String(error),
  )
}

const PUBLIC = ['8.8.8.8']

describe('the address is checked on every hop, after the name was resolved', () => {
  test.each(['http', 'https'])('%s: a redirect to a name inside', async (scheme) => {
    const network = new Network(
      { 'a.example': [PUBLIC], 'b.example': [['10.0.0.5']] },
      { '/x': `${scheme}://b.example/y` },
    )
    expect(await network.get(`${scheme}://a.example/x`)).toBe('address_refused')
    expect(network.connections.length).toBe(1)
  })

  test.each(['http', 'https'])('%s: a name that means another machine by the next hop', async (scheme) => {
    const network = new Network({ 'a.example': [PUBLIC, ['169.254.169.254']] }, { '/x': '/latest/meta-data' })
    expect(await network.get(`${scheme}://a.example/x`)).toBe('address_refused')
    expect(network.resolved).toEqual(['a.example', 'a.example'])
    expect(network.connections.length).toBe(1)
  })

  test('a name with one address outside and one inside', async () => {
    const network = new Network(
      { 'a.example': [PUBLIC], 'b.example': [['8.8.4.4', '127.0.0.1']] },
      { '/x': 'http://b.example/y' },
    )
    expect(await network.get('http://a.example/x')).toBe('address_refused')
  })

  test.each([
    ...['127.0.0.1', '127.1', '2130706433', '0x7f000001', '0177.0.0.1', '127.0.0.1.'],
    ...['0.0.0.0', '10.0.0.1', '100.64.0.1', '169.254.169.254', '172.16.0.1', '192.168.0.1', '198.18.0.1', '224.0.0.1'],
    ...['255.255.255.255', '[::]', '[::1]', '[::ffff:127.0.0.1]', '[::ffff:a00:1]', '[::127.0.0.1]', '[fe80::1]'],
    ...['[fc00::1]', '[fd12:3456::1]', '[fec0::1]', '[ff02::1]'],
    // NAT64, 6to4 and Teredo carry an address of IPv4 inside.
    ...[
      '[64:ff9b::7f00:1]',
      '[64:ff9b::169.254.169.254]',
      '[64:ff9b:1::a00:1]',
      '[2002:7f00:1::]',
      '[2002:a9fe:a9fe::1]',
    ],
    ...['[2001:0:7f00:1::1]', '[2001:db8::1]', '[100::1]', '[3fff::1]'],
  ])('a redirect to %s', async (host) => {
    const network = new Network({ 'a.example': [PUBLIC] }, { '/x': `http://${host}/y` })
    expect(await network.get('http://a.example/x')).toBe('address_refused')
    expect(network.connections.length).toBe(1)
  })

  test('a network that is allowed is reached, at the address that was checked', async () => {
    const network = new Network({ 'a.example': [['10.1.2.3']] })
    expect(await network.get('http://a.example/x')).toBe('ok')
    expect(network.connections[0]?.url).toBe('http://10.1.2.3/x')
    expect(network.connections[0]?.headers.get('host')).toBe('a.example')
  })
})

describe('credentials belong to their origin', () => {
  const NAMES = { 'a.example': [PUBLIC], 'b.example': [PUBLIC] }
  const secret = (name: string): BoundCredentials => ({ origin: 'https://a.example', headers: { [name]: 'canary' } })

  test.each(['Authorization', 'PRIVATE-TOKEN', 'X-Api-Key', 'Cookie'])('%s, hop by hop', async (name) => {
    const network = new Network(NAMES, {
      '/1': '/2',
      '/2': 'https://A.example:443/3',
      '/3': 'https://a.example:8443/4',
      '/4': 'https://b.example/5',
    })
    expect(await network.get('https://a.example/1', secret(name))).toBe('ok')
    expect(network.connections.map(({ headers }) => headers.get(name))).toEqual([
      'canary',
      'canary',
      'canary',
      null,
      null,
    ])
  })

  test.each(['https://b.example/1', 'http://a.example/1', 'https://a.example.b.example/1'])(
    'not to %s, asked for at once',
    async (url) => {
      const network = new Network({ ...NAMES, 'a.example.b.example': [PUBLIC] })
      expect(await network.get(url, secret('Authorization'))).toBe('ok')
      expect(network.connections[0]?.headers.get('authorization')).toBeNull()
    },
  )

  test('what stands in an address of a redirect is not sent as one', async () => {
    const network = new Network(NAMES, { '/1': 'https://ann:canary@b.example/2' })
    expect(await network.get('https://a.example/1')).toBe('ok')
    expect(network.connections.at(-1)?.url).toBe('https://b.example/2')
  })

  test('a body with a secret stays with its host', async () => {
    for (const status of [307, 308]) {
      const network = new Network(NAMES, { '/1': 'https://b.example/2' }, status)
      const request = {
        method: 'POST' as const,
        url: 'https://a.example/1',
        headers: {},
        body: new TextEncoder().encode('canary'),
        sameOrigin: true,
        signal: soon(),
      }
      expect(await reason(network.http.send(request, null))).toBe('protocol')
      expect(network.connections.length).toBe(1)
    }
  })
})

describe('every way out is guarded', () => {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const pem = privateKey.export({ type: 'pkcs1', format: 'pem' }).toString()
  const URL = 'https://git.example/acme/lib.git'
  const hook = { url: 'https://broker.example/webhooks/1', secret: 'canary' }
  const key = { path: 'acme/lib', id: null }
  const hosts = (http: UpstreamHttp) =>
    openHost('gitea', hostAddress('gitea', URL), { type: 'token', token: 'canary' }, http, githubApps(http))

  const WAYS: readonly (readonly [string, (http: UpstreamHttp) => Promise<unknown>])[] = [
    ['git over http', async (http) => (await source(URL, { http })).refs(soon())],
    ['git over ssh', (http) => source('git@git.example:acme/lib.git', { http })],
    ['facts', (http) => hosts(http).facts(key, soon())],
    ['a listing', (http) => hosts(http).probeOwner('acme', null, soon())],
    ['a check of the credential', (http) => hosts(http).checkCredential(soon())],
    ['a webhook that is registered', (http) => hosts(http).registerWebhook(key, hook, soon())],
    ['a webhook that is removed', (http) => hosts(http).removeWebhook(key, '7', soon())],
    [
      'a token of a GitHub App',
      (http) => {
        const app = { appId: '1', installationId: '2', privateKey: pem }
        return new InstallationTokens(app, http, 'https://git.example/api/v3', () => 1_700_000_000).get(soon())
      },
    ],
  ]

  test.each(WAYS)('%s', async (_, ask) => {
    const network = new Network({ 'git.example': [['192.168.1.7']] })
    expect(await reason(ask(network.http))).toBe('address_refused')
    expect([network.resolved, network.connections]).toEqual([['git.example'], []])
  })

  test.each(WAYS.filter(([name]) => name !== 'git over ssh'))('%s, from one request to the next', async (_, ask) => {
    const network = new Network({ 'git.example': [PUBLIC, ['127.0.0.1']] })
    await reason(ask(network.http))
    const connected = network.connections.length
    expect(await reason(ask(network.http))).toBe('address_refused')
    expect(network.connections.length).toBe(connected)
  })
})

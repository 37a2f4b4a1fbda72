import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { generateKeyPairSync } from 'node:crypto'
import { HOSTS_INSIDE, resolveInside } from '../support/address-corpus.ts'
import { TestApp } from '../support/app.ts'
import { until } from '../support/discoveries.ts'
import { fromGithub, signedAsGithub } from '../support/webhooks.ts'

/*
 * Without ALLOWED_NETWORKS nothing leads to a network that is not the public internet: a listener on this machine's
 * addresses counts who comes, and a stand-in for the public internet counts what is asked for elsewhere.
 */

setDefaultTimeout(120_000)

let app: TestApp
let port = 0
const listeners: { stop(force?: boolean): void }[] = []
let connections = 0
/** Requests beyond the public internet. */
const elsewhere: string[] = []
/** Requests to the public internet, as `host path`. */
const asked: string[] = []
/** Answers of the public internet, by host and then path; other paths are 404. */
const internet = new Map<string, (path: string) => Response>()

const direct = globalThis.fetch
async function publicInternet(input: string | URL | Request, init?: RequestInit): Promise<Response> {
  const url = new URL(String(input))
  const host = new Headers(init?.headers).get('host') ?? url.host
  if (url.hostname !== '8.8.8.8' && !url.hostname.endsWith('.example') && !/(?:^|\.)github\.com$/.test(url.hostname)) {
    elsewhere.push(url.href)
    return direct(input, init)
  }
  asked.push(`${host} ${url.pathname}`)
  return internet.get(host)?.(url.pathname) ?? new Response('{}', { status: 404 })
}

beforeAll(async () => {
  const socket = {
    data() {},
    open() {
      connections += 1
    },
  }
  const first = Bun.listen({ hostname: '0.0.0.0', port: 0, socket })
  listeners.push(first)
  port = first.port
  try {
    listeners.push(Bun.listen({ hostname: '::1', port, socket }))
  } catch {
    // A machine without IPv6.
  }
})

afterAll(() => {
  for (const listener of listeners) listener.stop(true)
})

// One for each test: a host that failed for one is left alone for a while.
beforeEach(async () => {
  app = await TestApp.start({ ALLOWED_NETWORKS: '', SYNC_CONCURRENCY: '16', LOG_LEVEL: 'error' }, undefined, {
    fetch: Object.assign(publicInternet, { preconnect: direct.preconnect }) as typeof fetch,
    resolve: resolveInside,
  })
})

afterEach(() => app?.stop())

/** How many connections there were, and requests elsewhere; a connection of before would still be counted now. */
async function reached(): Promise<{ connections: number; elsewhere: string[] }> {
  const own = await Bun.connect({ hostname: '127.0.0.1', port, socket: { data() {} } })
  await until(
    () => connections,
    (count) => count > 0,
  )
  own.end()
  const others = connections - 1
  connections = 0
  return { connections: others, elsewhere: elsewhere.splice(0) }
}
const NOWHERE = { connections: 0, elsewhere: [] }

/** Adds each and waits until nothing is under way. How many were taken, and how many of those were read. */
async function added(path: string, bodies: readonly object[]): Promise<{ taken: number; read: number }> {
  let taken = 0
  for (const json of bodies) taken += (await app.ask(path, { json })).status === 201 ? 1 : 0
  const rows = await until(
    async () =>
      (await (await app.ask(`${path}?limit=1000`)).json()) as {
        status: string
        progress?: unknown
        looking?: boolean
        next_look_at?: number | null
      }[],
    (all) =>
      all.every(
        ({ progress = null, looking = false, next_look_at: next = null }) =>
          progress === null && !looking && !(next !== null && next <= app.now()),
      ),
  )
  return { taken, read: rows.filter(({ status }) => status === 'active').length }
}

test('the corpus is large enough', () => {
  expect(new Set(HOSTS_INSIDE).size).toBeGreaterThan(60)
})

describe('an address of a repository', () => {
  test.each(['git', 'gitea', 'gitlab', 'github', 'bitbucket', 'composer'])('of type %s', async (type) => {
    const tricks = [`8.8.8.8@127.0.0.1:${port}`, `127.0.0.1:${port}#@8.8.8.8`, `8.8.8.8:80\\@127.0.0.1:${port}`]
    const urls = [...HOSTS_INSIDE.map((host) => `${host}:${port}`), ...tricks].map(
      (host) => `http://${host}/acme/lib.git`,
    )
    const found = await added(
      '/api/repositories',
      urls.map((url) => ({ url, vcs_type: type })),
    )
    // The plain spellings are taken: an operator may allow the network later.
    expect(found.taken).toBeGreaterThan(5)
    expect(found.read).toBe(0)
    expect(await reached()).toEqual(NOWHERE)
  })

  test('over ssh', async () => {
    const urls = HOSTS_INSIDE.map((host) => `ssh://git@${host}:${port}/acme/lib.git`)
    expect(
      (
        await added(
          '/api/repositories',
          urls.map((url) => ({ url, vcs_type: 'git' })),
        )
      ).read,
    ).toBe(0)
    expect(await reached()).toEqual(NOWHERE)
  })

  test('of a GitHub App, which has to ask for a token', async () => {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const private_key = privateKey.export({ type: 'pkcs1', format: 'pem' }).toString()
    const auth_credentials = { app_id: '1', installation_id: '2', private_key }
    const bodies = HOSTS_INSIDE.map((host) => ({
      url: `http://${host}:${port}/acme/app.git`,
      ...{ vcs_type: 'github', credential_type: 'github_app', auth_credentials },
    }))
    expect((await added('/api/repositories', bodies)).read).toBe(0)
    expect(await reached()).toEqual(NOWHERE)
  })

  test('of an owner whose repositories are looked for', async () => {
    const bodies = ['gitea', 'gitlab', 'github', 'bitbucket'].flatMap((vcs_type) =>
      HOSTS_INSIDE.map((host) => ({ url: `http://${host}:${port}/acme`, vcs_type })),
    )
    expect((await added('/api/discoveries', bodies)).read).toBe(0)
    expect(await reached()).toEqual(NOWHERE)
  })
})

describe('what somebody on the public internet answers', () => {
  const to = (index: number, scheme = 'http') => `${scheme}://${HOSTS_INSIDE[index]}:${port}/inside`

  test('a redirect of git and of an API', async () => {
    for (const [index] of HOSTS_INSIDE.entries()) {
      const location = to(index, index % 2 === 0 ? 'http' : 'https')
      internet.set(
        `r${index}.example`,
        () => new Response(null, { status: index % 3 === 0 ? 301 : 307, headers: { location } }),
      )
    }
    asked.length = 0
    const types = ['git', 'gitea', 'composer']
    const bodies = HOSTS_INSIDE.map((_, index) => ({
      url: `http://r${index}.example/acme/lib.git`,
      vcs_type: types[index % 3],
    }))
    expect(await added('/api/repositories', bodies)).toEqual({ taken: bodies.length, read: 0 })
    expect(asked.length).toBeGreaterThanOrEqual(bodies.length)
    expect(await reached()).toEqual(NOWHERE)
  })

  test('addresses in the root document of an upstream', async () => {
    for (const [index] of HOSTS_INSIDE.entries()) {
      const url = to(index)
      const root = {
        ...{
          packages: [],
          'metadata-url': `${url}/p2/%package%.json`,
          search: `${url}/s?q=%query%`,
          list: `${url}/list`,
        },
        ...{
          'providers-api': `${url}/%package%`,
          'metadata-changes-url': `${url}/changes`,
          'notify-batch': `${url}/n`,
        },
        'security-advisories': { metadata: true, 'api-url': `${url}/advisories` },
        mirrors: [{ 'dist-url': `${url}/%package%`, preferred: true }],
      }
      internet.set(`u${index}.example`, (path) =>
        path === '/packages.json' ? Response.json(root) : new Response('', { status: 404 }),
      )
    }
    const bodies = HOSTS_INSIDE.map((_, index) => ({ url: `http://u${index}.example`, vcs_type: 'composer' }))
    expect((await added('/api/repositories', bodies)).taken).toBe(bodies.length)
    for (const path of [
      '/p2/other/lib.json',
      '/search.json?q=other',
      '/packages/list.json?filter=other/*',
      '/providers/other/lib.json',
    ]) {
      await (await app.ask(path)).text()
    }
    await (await app.ask('/api/security-advisories?packages[]=other/lib')).text()
    expect(await reached()).toEqual(NOWHERE)
  })

  test('addresses of archives in its documents', async () => {
    const versions = HOSTS_INSIDE.flatMap((_, index) =>
      ['http', 'https', 'ftp'].map((scheme, at) => ({
        ...{ name: 'other/lib', version: `${index}.${at}.0`, version_normalized: `${index}.${at}.0.0` },
        dist: { type: 'zip', url: to(index, scheme), reference: 'f'.repeat(40), shasum: '' },
      })),
    )
    internet.set('dists.example', (path) => {
      if (path === '/packages.json') return Response.json({ packages: [], 'metadata-url': '/p2/%package%.json' })
      return path === '/p2/other/lib.json'
        ? Response.json({ packages: { 'other/lib': versions } })
        : new Response('', { status: 404 })
    })
    await added('/api/repositories', [{ url: 'http://dists.example', vcs_type: 'composer', priority: 100 }])
    const { packages } = (await (await app.ask('/p2/other/lib.json')).json()) as {
      packages: Record<string, Record<string, { dist: { url: string } | null }>>
    }
    const shown = Object.values(packages['other/lib'] ?? {}).flatMap(({ dist }) => (dist ? [dist.url] : []))
    expect(shown.length).toBeGreaterThan(60)
    const statuses = new Set<number>()
    for (const url of shown) statuses.add((await app.ask(new URL(url).pathname + new URL(url).search)).status)
    expect([...statuses].filter((status) => status < 400)).toEqual([])
    expect(await reached()).toEqual(NOWHERE)
  })
})

describe('what is told by others', () => {
  test('addresses in a webhook', async () => {
    const secret = 'canary-webhook-secret-51d0'
    const made = await app.ask('/api/repositories', {
      json: { url: 'https://github.com/acme/hooked.git', vcs_type: 'github', webhook_secret: secret },
    })
    const { id } = (await made.json()) as { id: string }
    await app.synced(id)
    for (const [index, host] of HOSTS_INSIDE.entries()) {
      const url = `http://${host}:${port}/hook.git`
      const repository = {
        id: 1,
        full_name: 'acme/hooked',
        clone_url: url,
        ssh_url: url,
        url,
        html_url: url,
        hooks_url: url,
      }
      const { headers } = fromGithub({ secret, id: `delivery-${index}` })
      const delivery = signedAsGithub(
        secret,
        headers,
        JSON.stringify({ ref: 'refs/heads/main', repository, compare: url }),
      )
      expect((await app.ask(`/webhooks/${id}`, { method: 'POST', token: null, ...delivery })).status).toBe(202)
    }
    expect(await reached()).toEqual(NOWHERE)
  })

  test('addresses of packages that were updated', async () => {
    for (const host of HOSTS_INSIDE) {
      await app.ask('/api/update-package', { json: { repository: `http://${host}:${port}/unknown.git` } })
    }
    expect(await reached()).toEqual(NOWHERE)
  })

  test('a look at the installation, which asks the hosts of its repositories', async () => {
    // It asks twenty of them.
    const some = HOSTS_INSIDE.filter((_, index) => index % 5 === 0)
    await added(
      '/api/repositories',
      some.map((host) => ({ url: `http://${host}:${port}/acme/lib.git`, vcs_type: 'git' })),
    )
    const findings = (await (await app.ask('/api/doctor')).json()) as { check: string; state: string }[]
    expect(findings.filter(({ check }) => check.includes(`:${port}`)).length).toBeGreaterThan(5)
    expect(await reached()).toEqual(NOWHERE)
  })
})

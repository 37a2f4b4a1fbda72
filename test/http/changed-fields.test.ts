import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test'
import type { Broker } from '../support/broker.ts'
import { type GitServer, startGitServer } from '../support/git-http-server.ts'
import { createGitRepository } from '../support/git-repository.ts'
import { library, libraryFiles } from '../support/packages.ts'
import { startBroker } from '../support/start-broker.ts'

/* Every field that PATCH takes, of tokens and of repositories: what is shown of it, what it brings about, what is recorded. */

const RELEASED = 1_700_000_000
const SECRET = 'canary-credential-7d10'

type Shown = Record<string, unknown> & { id: string }

let app: Broker
let closed: GitServer

beforeAll(async () => {
  app = await startBroker()
  createGitRepository(app.path('lib.git'), {
    commits: [
      library('acme/lib', 'one', { tags: ['1.0.0'], date: RELEASED }),
      library('acme/lib', 'two', { tags: ['2.0.0'], date: RELEASED + 86_400 }),
    ],
  })
  await app.addRepository(app.path('lib.git'))
  closed = await startGitServer({ root: app.path(''), auth: { user: 'ann', password: SECRET } })
})

afterAll(async () => {
  await closed?.stop()
  await app?.stop()
})

async function json<Body = Shown>(path: string, request: Parameters<Broker['ask']>[1] = {}): Promise<Body> {
  const response = await app.ask(path, request)
  const body = await response.text()
  expect({ path, status: response.status, body }).toMatchObject({ status: 200 })
  return JSON.parse(body) as Body
}

/** What changes by itself, or with every change. */
const RESTLESS = [
  ...['updated_at', 'last_used_at', 'last_client'],
  ...['status', 'error_code', 'error_message', 'progress', 'next_sync_at', 'last_synced_at'],
  ...['packages', 'versions', 'issues'],
]

const settled = (shown: Shown) => Object.fromEntries(Object.entries(shown).filter(([name]) => !RESTLESS.includes(name)))

/** Changes one thing and makes sure that it is shown, that nothing else changed, and that the audit tells of it. */
async function change(place: string, subject: Shown, patch: object, shown: object = patch): Promise<Shown> {
  const after = await json(place, { method: 'PATCH', json: patch })
  expect<object>(settled(after)).toEqual({ ...settled(subject), ...shown })
  expect(await json(place)).toMatchObject(shown)
  const [entry] = await json<{ action: string; before: object; after: object }[]>(
    `/api/audit?subject=${subject.id}&limit=1`,
  )
  const kind = place.split('/')[2] === 'tokens' ? 'token' : 'repository'
  const before = Object.fromEntries(Object.keys(shown).map((name) => [name, subject[name]]))
  expect(entry).toMatchObject({ action: `${kind}.update`, before, after: shown })
  return after
}

describe('a token', () => {
  let subject: Shown
  let value: string

  beforeEach(async () => {
    const { token, ...shown } = (await app.token()) as unknown as Shown & { token: string }
    subject = shown
    value = token
  })

  const status = async (path: string) => (await app.ask(path, { token: value })).status
  const limit = async () => (await app.ask('/packages.json', { token: value })).headers.get('x-ratelimit-limit')
  const patch = async (body: object, shown: object = body) => {
    subject = await change(`/api/tokens/${subject.id}`, subject, body, shown)
  }
  const versions = async () => {
    const { packages } = await json<{ packages: Record<string, object> }>('/p2/acme/lib.json', { token: value })
    return Object.keys(packages['acme/lib'] ?? {})
  }

  test('description', () => patch({ description: 'Customer 1042' }))

  test('permissions', async () => {
    expect(await status('/api/repositories')).toBe(403)
    await patch({ permissions: 'write' })
    expect(await status('/api/repositories')).toBe(200)
    await patch({ permissions: 'readonly' })
    expect(await status('/api/repositories')).toBe(403)
  })

  test('expires_at: ends it, renews it, and null is for ever', async () => {
    const end = app.now() + 2
    await patch({ expires_at: end })
    await app.passTo(end)
    const refused = await app.ask('/packages.json', { token: value })
    expect({ status: refused.status, body: await refused.json() }).toMatchObject({
      status: 401,
      body: { code: 'TOKEN_EXPIRED' },
    })
    await patch({ expires_at: end + 3_600 })
    expect(await status('/packages.json')).toBe(200)
    await patch({ expires_at: null })
    expect(await status('/packages.json')).toBe(200)
  })

  test('allowed_package_prefixes', async () => {
    expect(await status('/p2/acme/lib.json')).toBe(200)
    await patch({ allowed_package_prefixes: ['Globex/'] }, { allowed_package_prefixes: ['globex/'] })
    expect(await status('/p2/acme/lib.json')).toBe(404)
  })

  test('allowed_packages', async () => {
    await patch({ allowed_packages: [{ name: 'acme/lib', constraint: '^1.0' }] })
    expect(await versions()).toEqual(['1.0.0'])
  })

  test('updates_until', async () => {
    expect(await versions()).toEqual(['2.0.0', '1.0.0'])
    await patch({ updates_until: RELEASED })
    expect(await versions()).toEqual(['1.0.0'])
  })

  test('rate_limit_max', async () => {
    expect(await limit()).toBe('1000')
    await patch({ rate_limit_max: 7 })
    expect(await limit()).toBe('7')
    await patch({ rate_limit_max: null })
    expect(await limit()).toBe('1000')
  })

  test('metadata', async () => {
    const customer = `cus_${subject.id}`
    await patch({ metadata: { customer_id: customer, plan: 'gold' } })
    const found = await json<Shown[]>(`/api/tokens?customer_id=${customer}&plan=gold`)
    expect(found.map(({ id }) => id)).toEqual([subject.id])
    await patch({ metadata: {} })
    expect(await json<Shown[]>(`/api/tokens?customer_id=${customer}`)).toEqual([])
  })

  test.each([
    [{}, 'permissions'],
    [{ description: 'x'.repeat(501) }, 'description'],
    [{ permissions: 'admin' }, 'permissions'],
    [{ expires_at: 1 }, 'expires_at'],
    [{ expires_at: '2030-01-01' }, 'expires_at'],
    [{ allowed_package_prefixes: ['acme'] }, 'allowed_package_prefixes.0'],
    [{ allowed_packages: [{ name: 'acme' }] }, 'allowed_packages'],
    [{ allowed_packages: [{ name: 'acme/lib', constraint: '^^1' }] }, 'allowed_packages'],
    [{ allowed_packages: [{ name: 'acme/lib' }, { name: 'Acme/Lib' }] }, 'allowed_packages'],
    [{ updates_until: -1 }, 'updates_until'],
    [{ rate_limit_max: 1.5 }, 'rate_limit_max'],
    [{ metadata: { plan: 1 } }, 'metadata.plan'],
    [{ token: 'pb_mine' }, 'token'],
    [{ id: 'tok_mine' }, 'id'],
    [{ created_at: 1 }, 'created_at'],
  ])('%p changes nothing', async (body, field) => {
    const response = await app.ask(`/api/tokens/${subject.id}`, { method: 'PATCH', json: body })
    expect(response.status).toBe(400)
    const { code, details } = (await response.json()) as { code: string; details: { fields: object } }
    expect(code).toBe('INVALID_REQUEST')
    if (Object.keys(body).length > 0) expect(Object.keys(details.fields)).toEqual([field])
    expect(settled(await json(`/api/tokens/${subject.id}`))).toEqual(settled(subject))
  })
})

describe('a repository', () => {
  let subject: Shown
  let number = 0

  beforeEach(async () => {
    number += 1
    createGitRepository(app.path(`tool-${number}.git`), {
      commits: [{ files: libraryFiles(`acme/tool-${number}`, 'one'), tags: ['1.0.0'] }],
    })
    const { id } = await app.addRepository(app.path(`tool-${number}.git`))
    subject = await json(`/api/repositories/${id}`)
  })

  const patch = async (body: object, shown: object = body) => {
    subject = await change(`/api/repositories/${subject.id}`, subject, body, shown)
  }

  /** A change that is followed by a sync, whose progress is shown. */
  async function patchAndSync(body: object, shown: object = body) {
    await patch(body, shown)
    expect(subject.progress).not.toBeNull()
    return app.synced(subject.id)
  }

  test('url', async () => {
    createGitRepository(app.path(`moved-${number}.git`), {
      commits: [{ files: libraryFiles(`acme/tool-${number}`, 'moved'), tags: ['3.0.0'] }],
    })
    const url = app.path(`moved-${number}.git`)
    expect(await patchAndSync({ url })).toMatchObject({ status: 'active', versions: 2 })
    const documents = await json<{ packages: Record<string, object> }>(`/p2/acme/tool-${number}.json`)
    expect(Object.keys(documents.packages[`acme/tool-${number}`] ?? {})).toEqual(['3.0.0'])
  })

  test('credential_type and auth_credentials', async () => {
    const url = `${closed.url}/tool-${number}.git`
    const credential = { credential_type: 'http_basic', auth_credentials: { username: 'ann', password: SECRET } }
    const shown = { url, credential_type: 'http_basic', has_credentials: true }
    const synced = await patchAndSync({ url, ...credential }, shown)
    expect(synced).toMatchObject({ status: 'active', versions: 2 })
    expect(JSON.stringify([synced, await json('/api/audit'), ...app.logged])).not.toContain(SECRET)
  })

  test('package_filter', async () => {
    const package_filter = 'other/*, else/*'
    expect(await patchAndSync({ package_filter })).toMatchObject({
      error_code: 'no_packages',
      versions: 0,
    })
  })

  test('composer_json_paths', async () => {
    const composer_json_paths = 'packages/*, composer.json'
    expect(await patchAndSync({ composer_json_paths })).toMatchObject({ status: 'active', versions: 2 })
    expect(await patchAndSync({ composer_json_paths: 'lib/*/composer.json' })).toMatchObject({
      error_code: 'no_packages',
      versions: 0,
    })
    expect(await patchAndSync({ composer_json_paths: null })).toMatchObject({ status: 'active', versions: 2 })
  })

  test('sync_interval', async () => {
    const before = Number(subject.next_sync_at)
    await patch({ sync_interval: 100_000 })
    expect(Number(subject.next_sync_at)).toBeGreaterThan(before + 50_000)
  })

  test('archives', () => patch({ archives: 'tags' }))

  test('expose_source', async () => {
    const source = async () => {
      const { packages } = await json<{ packages: Record<string, Record<string, { source?: unknown }>> }>(
        `/p2/acme/tool-${number}.json`,
      )
      return packages[`acme/tool-${number}`]?.['1.0.0']?.source
    }
    expect(await source()).toBeUndefined()
    await patch({ expose_source: true })
    expect(await source()).toMatchObject({ type: 'git', url: app.path(`tool-${number}.git`) })
  })

  test.each([
    [{ url: 'ext::sh' }, 'url'],
    [{ vcs_type: 'github' }, 'vcs_type'],
    [{ credential_type: 'password' }, 'credential_type'],
    [{ credential_type: 'http_basic', auth_credentials: 'no-colon' }, 'auth_credentials'],
    [{ package_filter: 5 }, 'package_filter'],
    [{ composer_json_paths: '' }, 'composer_json_paths'],
    [{ composer_json_paths: '/packages/*' }, 'composer_json_paths'],
    [{ composer_json_paths: 'packages/*/' }, 'composer_json_paths'],
    [{ composer_json_paths: 'a/../b' }, 'composer_json_paths'],
    [{ composer_json_paths: 'a,,b' }, 'composer_json_paths'],
    [{ composer_json_paths: 'a\\b' }, 'composer_json_paths'],
    [{ composer_json_paths: 'x'.repeat(501) }, 'composer_json_paths'],
    [{ composer_json_paths: Array(21).fill('a').join(',') }, 'composer_json_paths'],
    [{ sync_interval: 9 }, 'sync_interval'],
    [{ archives: 'never' }, 'archives'],
    [{ expose_source: 'yes' }, 'expose_source'],
    [{ host_key: 'ssh-ed25519 AAAA' }, 'host_key'],
    [{ status: 'active' }, 'status'],
  ])('%p changes nothing', async (body, field) => {
    const response = await app.ask(`/api/repositories/${subject.id}`, { method: 'PATCH', json: body })
    expect(response.status).toBe(400)
    const { details } = (await response.json()) as { details: { fields: object } }
    expect(Object.keys(details.fields)).toEqual([field])
    expect(await json(`/api/repositories/${subject.id}`)).toEqual(subject)
  })
})

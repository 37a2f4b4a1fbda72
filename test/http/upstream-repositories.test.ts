import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test'
import { TestApp } from '../support/app.ts'
import type { ShownRepository } from '../support/broker.ts'
import { createGitRepository } from '../support/git-repository.ts'
import { library } from '../support/packages.ts'
import { stored } from '../support/stored.ts'

const SECRET = 'canary-credential-7d20b1'

/** What is shown of an upstream of which nothing is set. */
const USUAL = {
  vcs_type: 'composer',
  credential_type: 'none',
  has_credentials: false,
  package_filter: null,
  package_deny: null,
  priority: 0,
  fresh_for: 60,
  stale_if_error: 2_592_000,
  minimum_release_age: 0,
  release_age_exceptions: null,
  release_age_passes_fixes: false,
  sync_interval: null,
  archives: 'lazy',
  expose_source: false,
}

type Shown = ShownRepository & typeof USUAL & { url: string; updated_at: number }

interface Refusal {
  error: string
  details: { fields: Record<string, string>; id?: string }
}

let app: TestApp
let count = 0

beforeAll(async () => {
  app = await TestApp.start()
})

beforeEach(() => {
  count += 1
})

afterAll(() => app?.stop())

async function add(json: Record<string, unknown>): Promise<{ status: number; body: Shown & Refusal }> {
  const url = `http://127.0.0.1:9/upstream-${count}`
  const response = await app.ask('/api/repositories', { json: { url, vcs_type: 'composer', ...json } })
  return { status: response.status, body: (await response.json()) as never }
}

async function patch(id: string, json: unknown): Promise<{ status: number; body: Shown & Refusal }> {
  const response = await app.ask(`/api/repositories/${id}`, { method: 'PATCH', json })
  return { status: response.status, body: (await response.json()) as never }
}

async function shown(id: string): Promise<Shown> {
  return (await (await app.ask(`/api/repositories/${id}`)).json()) as Shown
}

describe('an upstream', () => {
  test('is added with what is usual, and shown alone and in the list', async () => {
    const { status, body } = await add({})
    expect({ status, body }).toMatchObject({ status: 201, body: { ...USUAL, packages: 0, versions: 0, issues: [] } })
    expect(await shown(body.id)).toMatchObject(USUAL)
    const list = (await (await app.ask('/api/repositories')).json()) as Shown[]
    expect(list.find(({ id }) => id === body.id)).toMatchObject(USUAL)
  })

  test('has all settings that were given', async () => {
    const settings = {
      package_filter: 'symfony/*, psr/*',
      package_deny: 'symfony/thanks',
      priority: 7,
      fresh_for: 0,
      stale_if_error: 60,
      minimum_release_age: 86_400,
      release_age_exceptions: 'psr/*',
      release_age_passes_fixes: true,
      sync_interval: 300,
      expose_source: true,
    }
    const { body } = await add(settings)
    expect(await shown(body.id)).toMatchObject({ ...USUAL, ...settings })
  })

  test.each([
    ['https://Repo.Example.ORG/packages.json', 'https://repo.example.org'],
    ['https://repo.example.org/private/', 'https://repo.example.org/private'],
    ['http://repo.example.org:8080/a/B/packages.json', 'http://repo.example.org:8080/a/B'],
  ])('at %s is stored as %s, once', async (url, kept) => {
    const { status, body } = await add({ url })
    expect({ status, url: body.url }).toEqual({ status: 201, url: kept })
    const again = await add({ url: `${kept}/packages.json` })
    expect({ status: again.status, id: again.body.details.id }).toEqual({ status: 409, id: body.id })
    await app.ask(`/api/repositories/${body.id}`, { method: 'DELETE' })
  })

  test('may have the address of a git repository', async () => {
    const url = `http://127.0.0.1:9/both-${count}`
    expect((await add({ url, vcs_type: 'git' })).status).toBe(201)
    expect((await add({ url })).status).toBe(201)
  })

  test.each([
    [{ url: 'git@example.org:acme/lib.git' }, 'url'],
    [{ url: 'file:///srv/satis' }, 'url'],
    [{ url: `https://ann:${SECRET}@repo.example.org` }, 'url'],
    [{ url: `https://repo.example.org/?token=${SECRET}` }, 'url'],
    [{ url: undefined }, 'url'],
    [{ archives: 'all' }, 'archives'],
    [{ priority: 1.5 }, 'priority'],
    [{ priority: '7' }, 'priority'],
    [{ fresh_for: -1 }, 'fresh_for'],
    [{ minimum_release_age: 31_536_001 }, 'minimum_release_age'],
    [{ release_age_passes_fixes: 'yes' }, 'release_age_passes_fixes'],
    [{ credential_type: 'token', auth_credentials: SECRET }, 'credential_type'],
    [{ credential_type: 'ssh_key', auth_credentials: SECRET }, 'credential_type'],
    [{ credential_type: 'custom_header', auth_credentials: `Host: ${SECRET}` }, 'auth_credentials'],
    [{ credential_type: 'bearer', auth_credentials: `${SECRET}\r\nX-More: 1` }, 'auth_credentials'],
  ])('with %p is refused, naming %p', async (json, field) => {
    const { status, body } = await add(json)
    expect({ status, fields: Object.keys(body.details?.fields ?? {}) }).toEqual({ status: 400, fields: [field] })
    expect(JSON.stringify(body)).not.toContain(SECRET)
  })

  test('is told what a token is called for it, and a git repository likewise', async () => {
    expect((await add({ credential_type: 'token', auth_credentials: SECRET })).body.error).toContain('bearer')
    for (const type of ['bearer', 'custom_header']) {
      const { status, body } = await add({ vcs_type: 'git', credential_type: type, auth_credentials: `X: ${SECRET}` })
      expect({ status, error: body.error }).toMatchObject({ status: 400, error: expect.stringContaining('token') })
    }
  })

  test('is changed by what a body names, and by the same values not at all', async () => {
    const { id } = (await add({ priority: 3 })).body
    const before = await app.synced(id)
    app.clock.now += 5
    const same = await patch(id, { priority: 3, package_deny: null, fresh_for: 60, archives: 'lazy' })
    expect({ status: same.status, body: same.body }).toEqual({ status: 200, body: before as never })
    const { status, body } = await patch(id, { priority: -3, package_deny: 'evil/*', minimum_release_age: 60 })
    expect({ status, body }).toEqual({
      status: 200,
      body: {
        ...before,
        priority: -3,
        package_deny: 'evil/*',
        minimum_release_age: 60,
        updated_at: app.clock.now,
      } as never,
    })
  })

  test.each([
    [{ archives: 'tags' }, 'archives'],
    [{ host_key: null }, 'host_key'],
    [{ url: 'ext::sh -c id' }, 'url'],
    [{ credential_type: 'token', auth_credentials: SECRET }, 'credential_type'],
  ])('cannot be changed by %p, naming %p', async (json, field) => {
    const { id } = (await add({})).body
    const { status, body } = await patch(id, json)
    expect({ status, fields: Object.keys(body.details.fields) }).toEqual({ status: 400, fields: [field] })
  })

  test('takes its credential to no other server', async () => {
    const { id } = (await add({ credential_type: 'bearer', auth_credentials: SECRET })).body
    const path = `http://127.0.0.1:9/moved-${count}`
    expect((await patch(id, { url: path })).status).toBe(200)
    const { status, body } = await patch(id, { url: `http://127.0.0.1:10/moved-${count}` })
    expect({ status, fields: Object.keys(body.details.fields) }).toEqual({ status: 400, fields: ['auth_credentials'] })
    const again = { credential_type: 'custom_header', auth_credentials: { name: 'X-Key', value: SECRET } }
    const moved = await patch(id, { url: `http://127.0.0.1:10/moved-${count}`, ...again })
    expect(moved).toMatchObject({ status: 200, body: { credential_type: 'custom_header', has_credentials: true } })
    expect(JSON.stringify(moved.body)).not.toContain(SECRET)
  })

  test('is on record with its settings, and its credential nowhere', async () => {
    const { id } = (await add({ credential_type: 'http_basic', auth_credentials: `ann:${SECRET}`, priority: 2 })).body
    await patch(id, { priority: 5 })
    await app.synced(id)
    const [row] = await stored(app, 'SELECT credentials FROM repositories WHERE id = ?', id)
    expect(String(row?.credentials)).toStartWith('v1.')
    await app.ask(`/api/repositories/${id}`, { method: 'DELETE' })
    const entries = await (await app.ask(`/api/audit?subject=${id}`)).json()
    expect(entries).toMatchObject([
      { action: 'repository.delete', before: { vcs_type: 'composer', priority: 5 }, after: null },
      { action: 'repository.update', before: { priority: 2 }, after: { priority: 5, fresh_for: 60 } },
      { action: 'repository.create', after: { priority: 2, has_credentials: true, credential_type: 'http_basic' } },
    ])
    expect(JSON.stringify([row, entries])).not.toContain(SECRET)
    expect(app.logged.join('\n')).not.toContain(SECRET)
  })
})

describe('settings of an upstream elsewhere', () => {
  test.each([
    { priority: 1 },
    { package_deny: 'acme/*' },
    { minimum_release_age: 60 },
    { release_age_passes_fixes: false },
  ])('%p is refused for git and for uploads', async (setting) => {
    const [field = ''] = Object.keys(setting)
    const { path } = createGitRepository(app.path(`lib-${count}.git`), { commits: [library(`acme/l${count}`, 'one')] })
    for (const json of [
      { url: path, vcs_type: 'git' },
      { vcs_type: 'artifact', url: `uploads ${count}` },
    ]) {
      const refused = await add({ ...json, ...setting })
      expect({ status: refused.status, fields: Object.keys(refused.body.details.fields) }).toEqual({
        status: 400,
        fields: [field],
      })
      const { id } = (await add(json)).body
      expect((await patch(id, setting)).status).toBe(400)
      expect(await shown(id)).toMatchObject({ [field]: null })
    }
  })
})

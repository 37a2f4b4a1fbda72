import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { join } from 'node:path'
import { TestApp } from '../support/app.ts'
import type { ShownRepository } from '../support/broker.ts'
import { type GitServer, startGitServer } from '../support/git-http-server.ts'
import { createGitRepository, type TestGitRepository } from '../support/git-repository.ts'
import { library } from '../support/packages.ts'
import { stored } from '../support/stored.ts'

setDefaultTimeout(30_000)

const SECRET = 'canary-credential-5ec2e7'

interface Shown extends ShownRepository {
  url: string
  credential_type: string
  has_credentials: boolean
  host_key: string | null
  package_filter: string | null
  sync_interval: number | null
  archives: string
  expose_source: boolean
  next_sync_at: number
  updated_at: number
}

let app: TestApp
let closed: GitServer
let open: GitServer
let source: TestGitRepository
let repository: Shown
let count = 0

beforeAll(async () => {
  app = await TestApp.start()
  const root = join(app.directory, 'repositories')
  closed = await startGitServer({ root, auth: { user: 'ann', password: SECRET } })
  open = await startGitServer({ root })
})

beforeEach(async () => {
  count += 1
  source = createGitRepository(app.path(`lib-${count}.git`), {
    commits: [library(`acme/lib-${count}`, 'one', { tags: ['1.0.0'] })],
  })
  repository = (await app.addRepository(source.path)) as Shown
})

afterAll(async () => {
  await closed?.stop()
  await open?.stop()
  await app?.stop()
})

async function patch(
  json: unknown,
  id = repository.id,
): Promise<{ status: number; body: Shown & { details: { fields: object } } }> {
  const response = await app.ask(`/api/repositories/${id}`, { method: 'PATCH', json })
  return { status: response.status, body: (await response.json()) as never }
}

async function shown(): Promise<Shown> {
  return (await (await app.ask(`/api/repositories/${repository.id}`)).json()) as Shown
}

async function syncs(id = repository.id): Promise<{ state: string }[]> {
  return (await (await app.ask(`/api/repositories/${id}/syncs`)).json()) as never
}

describe('a change', () => {
  test('sets what it names and nothing else, and needs no sync for it', async () => {
    app.clock.now += 5
    const { status, body } = await patch({ archives: 'tags' })
    expect(status).toBe(200)
    expect<unknown>(body).toEqual({ ...repository, archives: 'tags', updated_at: app.clock.now })
    expect(await syncs()).toHaveLength(1)
  })

  test('to the same values is none', async () => {
    app.clock.now += 5
    const same = { url: source.path, archives: 'lazy', package_filter: null, expose_source: false, host_key: null }
    const { status, body } = await patch({ ...same, credential_type: 'none', sync_interval: null })
    expect({ status, body }).toMatchObject({ status: 200, body: { updated_at: repository.updated_at, progress: null } })
  })

  test.each([
    [{}, undefined],
    [{ vcs_type: 'github' }, 'vcs_type'],
    [{ nonsense: 1 }, 'nonsense'],
    [{ url: 'ext::sh -c id' }, 'url'],
    [{ url: 'git@example.org:acme/lib.git' }, 'url'],
    [{ sync_interval: 1 }, 'sync_interval'],
    [{ archives: 'none' }, 'archives'],
    [{ host_key: 'ssh-ed25519 AAAA' }, 'host_key'],
    [{ credential_type: 'token' }, 'auth_credentials'],
    [{ auth_credentials: SECRET }, 'auth_credentials'],
    [{ status: 'active' }, 'status'],
  ])('%p is refused, naming %p', async (json, field) => {
    const { status, body } = await patch(json)
    expect(status).toBe(400)
    if (field !== undefined) expect(Object.keys(body.details.fields)).toEqual([field])
    expect(JSON.stringify(body)).not.toContain(SECRET)
    expect(await shown()).toEqual(repository)
  })

  test('of what does not exist is 404', async () => {
    expect((await patch({ archives: 'tags' }, 'repo_none')).status).toBe(404)
  })

  test('there is no PUT', async () => {
    const response = await app.ask(`/api/repositories/${repository.id}`, { method: 'PUT', json: {} })
    expect(response.status).toBe(405)
  })
})

describe('another address', () => {
  test('is read at once, also where it offers the same refs', async () => {
    const copy = app.path(`copy-${count}.git`)
    source.git(['clone', '--quiet', '--mirror', source.path, copy])
    const { status, body } = await patch({ url: copy })
    expect({ status, url: body.url }).toEqual({ status: 200, url: copy })
    expect(body.progress).not.toBeNull()
    expect((await app.synced(repository.id)) as Shown).toMatchObject({ status: 'active', url: copy, versions: 2 })
    expect((await syncs()).map(({ state }) => state)).toEqual(['done', 'done'])
  })

  test('counts also for a sync under way, which saves nothing of the old one', async () => {
    createGitRepository(app.path(`old-${count}.git`), {
      commits: [library(`acme/old-${count}`, 'old', { tags: ['9.0.0'] })],
    })
    const gate = Promise.withResolvers<void>()
    const asked = Promise.withResolvers<void>()
    const slow = Bun.serve({
      hostname: '127.0.0.1',
      port: 0,
      async fetch(request) {
        asked.resolve()
        await gate.promise
        const { pathname, search } = new URL(request.url)
        const body = request.method === 'POST' ? { body: await request.arrayBuffer() } : {}
        return fetch(`${open.url}${pathname}${search}`, { method: request.method, headers: request.headers, ...body })
      },
    })
    const url = `http://127.0.0.1:${slow.port}/old-${count}.git`
    const created = (await (await app.ask('/api/repositories', { json: { url, vcs_type: 'git' } })).json()) as Shown
    await asked.promise
    await app.ask(`/api/repositories/${repository.id}`, { method: 'DELETE' })
    expect((await patch({ url: source.path }, created.id)).status).toBe(200)
    gate.resolve()
    expect(await app.synced(created.id)).toMatchObject({ status: 'active', packages: 1, versions: 2, issues: [] })
    await slow.stop(true)
    const names = await stored(app, 'SELECT name FROM packages WHERE repository_id = ?', created.id)
    expect(names).toEqual([{ name: `acme/lib-${count}` }])
    const history = (await syncs(created.id)) as unknown
    expect(history).toMatchObject([{ state: 'done' }, { state: 'failed', added: [] }])
  })

  test('of another repository is 409 with its id', async () => {
    const other = createGitRepository(app.path(`other-${count}.git`), { commits: [] })
    const { id } = await app.addRepository(other.path)
    const { status, body } = await patch({ url: `file://${other.path}` })
    expect<unknown>({ status, details: body.details }).toEqual({ status: 409, details: { id } })
    const again = await app.ask('/api/repositories', { json: { url: `${other.path}/`, vcs_type: 'git' } })
    expect(again.status).toBe(409)
    expect(await again.json()).toMatchObject({ details: { id } })
  })

  test('is not given a credential that was meant for another server', async () => {
    const credentials = { credential_type: 'http_basic', auth_credentials: `ann:${SECRET}` }
    await patch({ url: `${closed.url}/lib-${count}.git`, ...credentials })
    expect(await app.synced(repository.id)).toMatchObject({ status: 'active' })
    const { status, body } = await patch({ url: `${open.url}/lib-${count}.git` })
    expect(status).toBe(400)
    expect(Object.keys(body.details.fields)).toEqual(['auth_credentials'])
    expect((await patch({ url: `${closed.url}/lib-${count}` })).status).toBe(200)
    expect(await app.synced(repository.id)).toMatchObject({ status: 'active' })
    const { body: moved } = await patch({ url: `${open.url}/lib-${count}.git`, credential_type: 'none' })
    expect(moved).toMatchObject({ has_credentials: false, credential_type: 'none' })
    expect(await app.synced(repository.id)).toMatchObject({ status: 'active' })
  })

  test('shows in the documents of its packages when the source is exposed', async () => {
    await patch({ expose_source: true })
    const before = await document()
    await patch({ url: `file://${source.path}` })
    const after = await document()
    expect(after.url).toBe(`file://${source.path}`)
    expect(Date.parse(after.modified)).toBeGreaterThan(Date.parse(before.modified))
  })
})

describe('another credential', () => {
  test('is used at once and mends a repository that was refused', async () => {
    const created = await app.addRepository(`${closed.url}/lib-${count}.git`)
    expect(created).toMatchObject({ status: 'error', error_code: 'auth' })
    const { body } = await patch({ credential_type: 'http_basic', auth_credentials: `ann:${SECRET}` }, created.id)
    expect(body).toMatchObject({ credential_type: 'http_basic', has_credentials: true })
    expect(body.progress).not.toBeNull()
    expect(await app.synced(created.id)).toMatchObject({ error_code: expect.not.stringMatching('auth') })
    await patch({ auth_credentials: { username: 'ann', password: 'wrong' } }, created.id)
    expect(await app.synced(created.id)).toMatchObject({ status: 'error', error_code: 'auth' })
  })
})

describe('the pinned key of an ssh host', () => {
  const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPinnedKeyOfATest00000000000000000000000000'
  const pin = () => stored(app, 'UPDATE repositories SET host_key = ? WHERE id = ?', KEY, repository.id)

  test.each([
    ['null', () => ({ host_key: null })],
    ['another address', () => ({ url: `file://${source.path}` })],
  ])('is forgotten with %s', async (_how, json) => {
    await pin()
    expect((await shown()).host_key).toBe(KEY)
    const { body } = await patch(json())
    expect(body.host_key).toBeNull()
    await app.synced(repository.id)
    expect(await syncs()).toHaveLength(2)
  })

  test('stays with any other change', async () => {
    await pin()
    expect((await shown()).host_key).toBe(KEY)
    expect((await patch({ archives: 'all', sync_interval: 60, package_filter: 'acme/*' })).body.host_key).toBe(KEY)
  })
})

describe('another filter, exposure or interval', () => {
  test('a filter is applied at once and can be taken back', async () => {
    await patch({ package_filter: 'other/*' })
    expect(await app.synced(repository.id)).toMatchObject({ status: 'error', error_code: 'no_packages', versions: 0 })
    await patch({ package_filter: null })
    expect(await app.synced(repository.id)).toMatchObject({ status: 'active', versions: 2 })
  })

  test('exposure dates the documents anew, within one second too', async () => {
    const hidden = await document()
    expect(hidden.url).toBeNull()
    await patch({ expose_source: true })
    const exposed = await document(hidden.modified)
    expect(exposed).toMatchObject({ status: 200, url: source.path })
    await patch({ expose_source: false })
    const again = await document(exposed.modified)
    expect(again).toMatchObject({ status: 200, url: null })
    const dates = [hidden, exposed, again].map(({ modified }) => Date.parse(modified))
    expect(dates).toEqual([...new Set(dates)].sort((left, right) => left - right))
    const revisions = await stored(app, 'SELECT revision FROM packages')
    expect(new Set(revisions.map((row) => JSON.stringify(row))).size).toBe(revisions.length)
    expect(await syncs()).toHaveLength(1)
  })

  test('an interval counts from the last look', async () => {
    const lastSynced = app.clock.now
    expect((await patch({ sync_interval: 100_000 })).body.next_sync_at - lastSynced).toBeWithin(85_000, 115_001)
    app.clock.now += 1_000
    expect((await patch({ sync_interval: 10_000 })).body.next_sync_at - lastSynced).toBeWithin(8_500, 11_501)
    expect((await patch({ sync_interval: 10 })).body.next_sync_at).toBe(app.clock.now)
    expect(await syncs()).toHaveLength(1)
  })
})

interface Document {
  packages: Record<string, Record<string, { source?: { url: string } }>>
}

async function document(since?: string): Promise<{ status: number; modified: string; url: string | null }> {
  const headers = since === undefined ? {} : { headers: { 'If-Modified-Since': since } }
  const response = await app.ask(`/p2/acme/lib-${count}.json`, headers)
  const body = (await response.json().catch(() => null)) as Document | null
  const version = body?.packages[`acme/lib-${count}`]?.['1.0.0']
  return {
    status: response.status,
    modified: response.headers.get('last-modified') ?? '',
    url: version?.source?.url ?? null,
  }
}

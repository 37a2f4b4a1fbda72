import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { TestApp } from '../support/app.ts'
import { discover, foundBy, looked, type ShownDiscovery, shown, until } from '../support/discoveries.ts'
import { Forge } from '../support/hosts/forge.ts'
import { GiteaDouble } from '../support/hosts/gitea-double.ts'
import { stored } from '../support/stored.ts'

const NOWHERE = 'http://127.0.0.1:1'

let app: TestApp
let forge: Forge
let count = 0

beforeAll(async () => {
  app = await TestApp.start()
  const double = new GiteaDouble()
  forge = await Forge.start(double, { user: 'oauth2', password: double.token })
  forge.addPackage('lib')
  forge.addPackage('tool')
})

afterAll(async () => {
  await app?.stop()
  await forge?.stop()
})

async function create(spec: Record<string, unknown>, headers: Record<string, string> = {}) {
  count += 1
  const json = { url: `${NOWHERE}/owner-${count}`, vcs_type: 'gitea', ...spec }
  const response = await app.ask('/api/discoveries', { json, headers })
  return { status: response.status, body: (await response.json()) as ShownDiscovery & Record<string, unknown> }
}

const change = async (id: string, json: unknown) => {
  const response = await app.ask(`/api/discoveries/${id}`, { method: 'PATCH', json })
  return { status: response.status, body: await response.json() }
}

describe('a discovery', () => {
  test('is shown with everything set and nothing secret', async () => {
    const spec = {
      ...{ credential_type: 'token', auth_credentials: 'canary-token', include: 'acme/php-*', exclude: '*-demo' },
      ...{ include_archived: true, include_forks: true, interval: 600 },
      ...{ package_filter: 'acme/*', sync_interval: 60, archives: 'all', expose_source: true },
    }
    const { status, body } = await create(spec)
    const { auth_credentials: _, ...visible } = spec
    expect(status).toBe(201)
    expect(body).toMatchObject({ ...visible, status: 'pending', has_credentials: true, found: 0, added: 0 })
    const again = await (await app.ask(`/api/discoveries/${body.id}`)).text()
    expect(again).toContain(body.id)
    expect(again).not.toContain('canary-token')
    const audit = await (await app.ask(`/api/audit?subject=${body.id}`)).text()
    expect(audit).toContain('discovery.create')
    expect(audit).not.toContain('canary-token')
  })

  test.each([
    ['url', { url: 'https://github.com', vcs_type: 'github' }],
    ['url', { url: 'https://github.com/acme/lib', vcs_type: 'github' }],
    ['url', { url: 'git@github.com:acme', vcs_type: 'github' }],
    ['url', { url: 'https://me:secret@github.com/acme', vcs_type: 'github' }],
    ['vcs_type', { vcs_type: 'git' }],
    ['interval', { interval: 59 }],
    ['archives', { archives: 'some' }],
    ['credential_type', { credential_type: 'ssh_key', auth_credentials: 'x' }],
    ['credential_type', { credential_type: 'bearer', auth_credentials: 'x' }],
    ['auth_credentials', { credential_type: 'token' }],
    ['auth_credentials', { vcs_type: 'github', credential_type: 'token', auth_credentials: 'ghs_abc' }],
    ['auth_credentials', { vcs_type: 'gitlab', credential_type: 'http_basic', auth_credentials: 'u:gldt-abc' }],
  ])('with a wrong %s is refused: %p', async (field, spec) => {
    const { status, body } = await create(spec)
    expect(status).toBe(400)
    expect(Object.keys((body.details as { fields: object }).fields)).toEqual([field])
  })

  test('of an owner that is looked at already is refused, whatever the spelling', async () => {
    const { body } = await create({ url: `${NOWHERE}/Same/` })
    const { status, body: second } = await create({ url: `${NOWHERE}/same` })
    expect({ status, details: second.details }).toEqual({ status: 409, details: { id: body.id } })
  })

  test('is made once for one Idempotency-Key', async () => {
    const url = `${NOWHERE}/once`
    const key = { 'Idempotency-Key': 'once' }
    const [first, second] = [await create({ url }, key), await create({ url }, key)]
    expect([first.status, second.status, second.body.id]).toEqual([201, 201, first.body.id])
  })

  test('that does not exist is 404 on every route', async () => {
    for (const path of ['', '/repositories', '/look']) {
      const method = path === '/look' ? 'POST' : 'GET'
      expect((await app.ask(`/api/discoveries/disc_none${path}`, { method })).status).toBe(404)
    }
  })

  test('lists are paged', async () => {
    await create({})
    const first = await app.ask('/api/discoveries?limit=1')
    expect(first.headers.get('link')).toContain('cursor=disc_')
    expect(Number(first.headers.get('x-total-count'))).toBeGreaterThan(1)
  })
})

describe('a discovery that found something', () => {
  let view: ShownDiscovery
  beforeAll(async () => {
    const token = { credential_type: 'token', auth_credentials: forge.double.token }
    view = await discover(app, { url: forge.ownerUrl, vcs_type: 'gitea', ...token })
  })

  test('shows it page by page, and by state', async () => {
    expect(view).toMatchObject({ status: 'active', found: 2, added: 2 })
    const path = `/api/discoveries/${view.id}/repositories`
    const page = await app.ask(`${path}?limit=1`)
    expect(((await page.json()) as { path: string }[]).map((row) => row.path)).toEqual(['acme/lib'])
    expect(page.headers.get('x-total-count')).toBe('2')
    const next = /<http:\/\/localhost([^>]+)>/.exec(page.headers.get('link') ?? '')?.[1] ?? ''
    expect(((await (await app.ask(next)).json()) as { path: string }[]).map((row) => row.path)).toEqual(['acme/tool'])
    expect(await foundBy(app, view.id, '?state=skipped')).toEqual({})
    expect((await app.ask(`${path}?state=lost`)).status).toBe(400)
  })

  test('the audit says which discovery added a repository', async () => {
    const { lib } = await foundBy(app, view.id)
    const entries = (await (await app.ask(`/api/audit?subject=${lib?.repository_id}`)).json()) as { actor: string }[]
    expect(entries).toMatchObject([{ action: 'repository.create', actor: view.id, address: null }])
  })

  test('another credential becomes that of its repositories, but for one that has its own', async () => {
    const { lib, tool } = await foundBy(app, view.id)
    for (const found of [lib, tool]) await app.synced(found?.repository_id ?? '')
    forge.double.everybody = true
    const own = { method: 'PATCH', json: { auth_credentials: 'own-token' } }
    expect((await app.ask(`/api/repositories/${tool?.repository_id}`, own)).status).toBe(200)
    forge.double.everybody = false
    await app.synced(tool?.repository_id ?? '')
    Object.assign(forge.double, { token: 'new-token' })
    forge.git.auth = { user: 'oauth2', password: 'new-token' }
    const { status } = await change(view.id, { auth_credentials: 'new-token' })
    expect(status).toBe(200)
    expect(await app.synced(lib?.repository_id ?? '')).toMatchObject({ status: 'active' })
    expect(await looked(app, view.id)).toMatchObject({ status: 'active' })
    await app.ask(`/api/repositories/${tool?.repository_id}/sync`, { method: 'POST' })
    expect(await app.synced(tool?.repository_id ?? '')).toMatchObject({ status: 'error' })
  })

  test('other filters and settings have it looked at again; the same ones change nothing', async () => {
    const before = (await stored(app, 'SELECT count(*) AS entries FROM audit_entries'))[0]?.entries
    expect((await change(view.id, { include: null, include_forks: false })).status).toBe(200)
    expect((await stored(app, 'SELECT count(*) AS entries FROM audit_entries'))[0]?.entries).toBe(before)
    forge.addPackage('late')
    const changed = await change(view.id, { exclude: '*/late', archives: 'tags' })
    expect(changed).toMatchObject({ status: 200, body: { exclude: '*/late', archives: 'tags' } })
    await until(
      () => foundBy(app, view.id),
      ({ late }) => late?.reason === 'A glob in exclude matches it.',
    )
    await change(view.id, { exclude: null })
    const { late } = await until(
      () => foundBy(app, view.id),
      (rows) => rows.late?.state === 'added',
    )
    expect(await app.synced(late?.repository_id ?? '')).toMatchObject({ archives: 'tags' })
  })

  test('leaves its repositories when it is removed', async () => {
    const { lib } = await foundBy(app, view.id)
    const response = await app.ask(`/api/discoveries/${view.id}`, { method: 'DELETE' })
    expect(response.status).toBe(200)
    expect((await app.ask(`/api/discoveries/${view.id}`)).status).toBe(404)
    expect(await app.synced(lib?.repository_id ?? '')).toMatchObject({ packages: 1 })
    const [row] = await stored(app, `SELECT discovery_id FROM repositories WHERE id = '${lib?.repository_id}'`)
    expect(row).toEqual({ discovery_id: null })
    expect(await shown(app, view.id)).toMatchObject({ code: 'NOT_FOUND' })
  })
})

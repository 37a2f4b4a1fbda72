import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { TestApp } from '../support/app.ts'
import { discover, foundBy, lookAgain, looked, type ShownDiscovery, shown, until } from '../support/discoveries.ts'
import { Forge } from '../support/hosts/forge.ts'
import { GithubDouble } from '../support/hosts/github-double.ts'
import { library } from '../support/packages.ts'
import { stored } from '../support/stored.ts'

let app: TestApp
let forge: Forge
let double: GithubDouble

beforeEach(async () => {
  double = new GithubDouble()
  forge = await Forge.start(double)
  app = await TestApp.start()
})

afterEach(async () => {
  await app.stop()
  await forge.stop()
})

const start = (spec: Record<string, unknown> = {}) =>
  discover(app, {
    ...{ url: forge.ownerUrl, vcs_type: 'github', credential_type: 'token', auth_credentials: double.token },
    ...spec,
  })

/** Requests by git for a repository so far. */
const askedFor = (name: string) => forge.git.requests.filter(({ path }) => path.includes(`/${name}.git`)).length

interface ShownRepository {
  host: { archived: boolean } | null
}

async function repositories(): Promise<{ url: string }[]> {
  return (await (await app.ask('/api/repositories')).json()) as { url: string }[]
}

/** Takes a repository out of the listing. */
function unlist(name: string) {
  const at = double.repositories.findIndex(({ path }) => path.endsWith(`/${name}`))
  return double.repositories.splice(at, 1)
}

describe('a repository', () => {
  test('is left out by globs', async () => {
    for (const name of ['php-lib', 'php-demo', 'site']) forge.addPackage(name)
    const view = await start({ include: 'acme/PHP-*', exclude: '*-demo,acme/none' })
    expect(view).toMatchObject({ found: 3, added: 1 })
    expect(await foundBy(app, view.id)).toMatchObject({
      'php-lib': { state: 'added' },
      'php-demo': { state: 'skipped', reason: 'A glob in exclude matches it.' },
      site: { state: 'skipped', reason: 'None of the globs in include matches it.' },
    })
    expect(askedFor('php-demo') + askedFor('site')).toBe(0)
  })

  test('of forks and archived ones is taken when it is wanted', async () => {
    forge.addPackage('copy', { fork: true })
    forge.addPackage('old', { archived: true })
    expect(await start({ include_archived: true, include_forks: true })).toMatchObject({ added: 2 })
  })

  test('that was archived is asked about with the next look, and once', async () => {
    const lib = forge.addPackage('lib')
    const { id } = await start()
    const repository = (await foundBy(app, id)).lib?.repository_id ?? ''
    await app.synced(repository)
    lib.archived = true
    const asked = () => double.seen.filter(({ path }) => path.startsWith('/repositories/')).length
    const before = asked()
    await lookAgain(app, id)
    const state = async () => (await (await app.ask(`/api/repositories/${repository}`)).json()) as ShownRepository
    await until(state, ({ host }) => host?.archived === true)
    expect(await app.synced(repository)).toMatchObject({ status: 'active' })
    await lookAgain(app, id)
    await app.synced(repository)
    expect(asked() - before).toBe(1)
  })

  test('without composer.json is asked again only when something was pushed', async () => {
    const site = forge.addOther('site')
    forge.addPackage('lib')
    const { id } = await start()
    const asked = askedFor('site')
    expect(asked).toBeGreaterThan(0)
    await lookAgain(app, id)
    expect(askedFor('site')).toBe(asked)
    forge.repository('site').commit(library('acme/site', 'one', { from: 'main' }))
    site.pushedAt += 60
    expect(await lookAgain(app, id)).toMatchObject({ added: 2, skipped: 0 })
  })

  test('with a composer.json elsewhere is found by composer_json_paths', async () => {
    forge.repository('mono').commit({ files: { 'packages/a/composer.json': '{"name":"acme/a"}' } })
    double.add('mono')
    const { id, skipped } = await start()
    expect(skipped).toBe(1)
    const json = { composer_json_paths: 'packages/*/composer.json' }
    await app.ask(`/api/discoveries/${id}`, { method: 'PATCH', json })
    await until(
      () => looked(app, id),
      ({ added }) => added === 1,
    )
    const { mono } = await foundBy(app, id)
    expect(await app.synced(mono?.repository_id ?? '')).toMatchObject({ ...json, packages: 1 })
  })

  test('that is here already is linked, and not added twice', async () => {
    forge.addPackage('lib')
    const { id } = await app.addRepository(`${forge.origin}/acme/lib`)
    const view = await start()
    expect(view).toMatchObject({ found: 1, skipped: 1 })
    const linked = { state: 'skipped', reason: `It exists already as ${id}.`, repository_id: id }
    expect(await foundBy(app, view.id)).toMatchObject({ lib: linked })
    await lookAgain(app, view.id)
    expect(await foundBy(app, view.id)).toMatchObject({ lib: linked })
    expect(await repositories()).toHaveLength(1)
  })

  test('that was renamed is followed, and not added twice', async () => {
    const lib = forge.addPackage('lib')
    const { id } = await start()
    const before = await foundBy(app, id)
    forge.repository('library').commit(library('acme/lib', 'one'))
    lib.path = 'acme/library'
    expect(await lookAgain(app, id)).toMatchObject({ found: 1, added: 1 })
    const { library: after } = await foundBy(app, id)
    expect(after).toMatchObject({ path: 'acme/library', repository_id: before.lib?.repository_id ?? '' })
    expect(await repositories()).toHaveLength(1)
  })

  test('that is gone is told and stays; it is one of them again when it is back', async () => {
    for (const name of ['one', 'two', 'three']) forge.addPackage(name)
    const { id } = await start()
    const { two } = await foundBy(app, id)
    await app.synced(two?.repository_id ?? '')
    const taken = unlist('two')
    expect(await lookAgain(app, id)).toMatchObject({ found: 3, added: 2, gone: 1 })
    const { two: gone } = await foundBy(app, id, '?state=gone')
    expect(gone).toMatchObject({ repository_id: two?.repository_id ?? '', reason: expect.stringContaining('stays') })
    expect((await app.ask('/p2/acme/two.json')).status).toBe(200)
    double.repositories.push(...taken)
    expect(await lookAgain(app, id)).toMatchObject({ found: 3, added: 3, gone: 0 })
    expect(await repositories()).toHaveLength(3)
  })

  test('that somebody removed here does not come back by itself', async () => {
    forge.addPackage('lib')
    const { id } = await start()
    const { lib } = await foundBy(app, id)
    await app.ask(`/api/repositories/${lib?.repository_id}`, { method: 'DELETE' })
    for (const _ of [1, 2]) expect(await lookAgain(app, id)).toMatchObject({ added: 0, skipped: 1 })
    expect((await foundBy(app, id)).lib?.reason).toStartWith('It was removed here')
  })

  test('whose address is on another server gets no credential', async () => {
    forge.addPackage('lib')
    const asked: string[] = []
    const fetch = (request: Request) => {
      asked.push(request.url)
      return new Response('', { status: 500 })
    }
    const elsewhere = Bun.serve({ hostname: '127.0.0.1', port: 0, fetch })
    forge.gitOrigin = `http://127.0.0.1:${elsewhere.port}`
    const view = await start()
    await elsewhere.stop(true)
    expect(view).toMatchObject({ added: 0, failed: 1 })
    expect((await foundBy(app, view.id)).lib?.reason).toContain('on another server')
    expect(asked).toEqual([])
  })

  test('that cannot be read is told, and the others are added', async () => {
    forge.addPackage('lib')
    double.add('broken')
    const view = await start()
    expect(view).toMatchObject({ status: 'active', added: 1, failed: 1 })
    expect(view.next_look_at ?? 0).toBeLessThanOrEqual(app.clock.now + 3_600 * 1.15)
    expect((await foundBy(app, view.id)).broken?.reason?.length).toBeGreaterThan(10)
    forge.repository('broken').commit(library('acme/broken', 'one'))
    expect(await lookAgain(app, view.id)).toMatchObject({ added: 2, failed: 0 })
  })
})

describe('a listing', () => {
  test('that is suddenly empty, or lost more than half, changes nothing until somebody means it', async () => {
    for (const name of ['one', 'two', 'three']) forge.addPackage(name)
    const { id } = await start()
    const taken = double.repositories.splice(0, 2)
    const vanished = { status: 'error', error_code: 'repositories_vanished', added: 3, gone: 0 }
    expect(await lookAgain(app, id)).toMatchObject(vanished)
    double.repositories.splice(0)
    const view = await lookAgain(app, id)
    expect(view).toMatchObject(vanished)
    expect(view.error_message).toContain('lists 0 repositories where it had 3')
    expect(view.next_look_at).toBeGreaterThan(app.clock.now)
    expect(await lookAgain(app, id, '?accept_removals=true')).toMatchObject({ status: 'active', gone: 3 })
    double.repositories.push(...taken)
    expect(await lookAgain(app, id)).toMatchObject({ status: 'active', added: 2, gone: 1 })
    expect(await repositories()).toHaveLength(3)
  })

  test('of others is taken for the sign that the owner has another name', async () => {
    double.add('lib', { path: 'other/lib' })
    expect(await start()).toMatchObject({ status: 'error', error_code: 'owner_renamed', found: 0 })
  })

  test('that is refused waits for another credential', async () => {
    forge.addPackage('lib')
    const { id } = await start()
    double.instead = () => Response.json({ message: 'Bad credentials' }, { status: 401 })
    const view = await lookAgain(app, id)
    expect(view).toMatchObject({ status: 'error', error_code: 'auth', next_look_at: null })
    expect(view.error_message).toContain('does not accept the credential')
    double.seen.length = 0
    app.clock.now += 86_400
    await lookAtNothing()
    expect(double.seen.filter(({ path }) => path.startsWith('/orgs/acme/'))).toEqual([])
    double.instead = null
    await app.ask(`/api/discoveries/${view.id}`, { method: 'PATCH', json: { auth_credentials: double.token } })
    expect(await looked(app, view.id)).toMatchObject({ status: 'active', error_code: null, added: 1 })
  })

  test('is not begun with a credential that the host refuses, nor goes on with one', async () => {
    const spec = { url: `${double.origin}/acme`, vcs_type: double.vcsType, credential_type: 'token' }
    const refused = await app.ask('/api/discoveries', { json: { ...spec, auth_credentials: 'wrong-token' } })
    expect(refused.status).toBe(400)
    expect(await refused.json()).toMatchObject({
      details: { fields: { auth_credentials: expect.stringContaining('does not accept the credential') } },
    })
    const { id } = await start()
    const change = await app.ask(`/api/discoveries/${id}`, { method: 'PATCH', json: { auth_credentials: 'wrong' } })
    expect(change.status).toBe(400)
    expect(await lookAgain(app, id)).toMatchObject({ status: 'active' })
    double.instead = () => new Response('down', { status: 503 })
    const unsure = await app.ask(`/api/discoveries/${id}`, { method: 'PATCH', json: { auth_credentials: 'other' } })
    expect(unsure.status).toBe(200)
  })

  test('has the hosts of its repositories asked again with another credential', async () => {
    forge.addPackage('lib')
    const { id } = await start()
    const repository = (await foundBy(app, id)).lib?.repository_id ?? ''
    await app.synced(repository)
    const refusal = async () =>
      ((await (await app.ask(`/api/repositories/${repository}`)).json()) as { host_error: object | null }).host_error
    double.instead = () => Response.json({ message: 'Bad credentials' }, { status: 401 })
    app.clock.now += 2 * 86_400
    await app.sync(repository)
    expect(await refusal()).toMatchObject({ code: 'auth' })
    double.instead = null
    await app.ask(`/api/discoveries/${id}`, { method: 'PATCH', json: { auth_credentials: double.token } })
    await app.sync(repository)
    expect(await refusal()).toBeNull()
  })

  test('that meets a rate limit waits until that ends, and says when', async () => {
    forge.addPackage('lib')
    double.instead = () => double.refusals.limited(600)
    const view = await start()
    expect(view).toMatchObject({ status: 'error', error_code: 'rate_limited' })
    expect(view.next_look_at).toBeGreaterThanOrEqual(app.clock.now + 600)
    expect(view.next_look_at).toBeLessThanOrEqual(app.clock.now + 661)
    double.instead = null
    app.clock.now = view.next_look_at ?? 0
    expect(await until(() => shown(app, view.id), isActive)).toMatchObject({ added: 1, error_message: null })
  })

  test('is read again after its interval', async () => {
    const { id, next_look_at: next } = await start({ interval: 600 })
    expect(next).toBeGreaterThan(app.clock.now + 500)
    expect(next).toBeLessThan(app.clock.now + 700)
    forge.addPackage('late')
    app.clock.now = next ?? 0
    await until(
      () => shown(app, id),
      ({ added }) => added === 1,
    )
  })
})

const isActive = ({ status, looking }: ShownDiscovery) => status === 'active' && !looking

/** Has another discovery looked at, after which whatever was due has been looked at as well. */
async function lookAtNothing(): Promise<void> {
  const { id } = await discover(app, { url: `${forge.origin}/nobody`, vcs_type: 'github' })
  await stored(app, 'DELETE FROM discoveries WHERE id = ?', id)
}

import { afterEach, describe, expect, test } from 'bun:test'
import { TestApp } from '../support/app.ts'
import { discover, foundBy, looked, shown, until } from '../support/discoveries.ts'
import { BitbucketCloudDouble } from '../support/hosts/bitbucket-cloud-double.ts'
import { BitbucketDataCenterDouble } from '../support/hosts/bitbucket-data-center-double.ts'
import { Forge } from '../support/hosts/forge.ts'
import { GiteaDouble } from '../support/hosts/gitea-double.ts'
import { GithubDouble } from '../support/hosts/github-double.ts'
import { GitlabDouble } from '../support/hosts/gitlab-double.ts'
import type { HostDouble } from '../support/hosts/host-double.ts'
import { library } from '../support/packages.ts'
import { stored } from '../support/stored.ts'

const ends: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

const INTERVAL = 200

/** An app that runs its whole clock, with a discovery that has looked once at what `fill` adds. */
async function probing(double: HostDouble, vcsType: string, fill: (forge: Forge) => void, spec: object = {}) {
  double.pageSize = vcsType === 'gitea' ? 50 : 100
  const forge = await Forge.start(double)
  ends.push(() => forge.stop())
  fill(forge)
  const overrides = { fetch: forge.fetch, resolve: async () => ['127.0.0.1'] }
  const app = await TestApp.start({ PROBE_INTERVAL: String(INTERVAL), SYNC_INTERVAL: '86400' }, undefined, overrides)
  ends.push(() => app.stop())
  const credential = { credential_type: 'token', auth_credentials: double.token }
  const { id } = await discover(app, { url: forge.ownerUrl, vcs_type: vcsType, ...credential, ...spec })
  for (const row of Object.values(await foundBy(app, id, '?state=added')))
    if (row.repository_id) await app.synced(row.repository_id)
  await app.listen()
  return { app, forge, id }
}

/** Lets an interval pass and waits for the probe, which moves the time of the next one. Returns the requests that it took. */
async function probe(app: TestApp, double: HostDouble, id: string): Promise<number> {
  const dueAt = async () =>
    Number((await stored(app, 'SELECT next_probe_at AS at FROM discoveries WHERE id = ?', id))[0]?.at)
  const before = double.seen.length
  app.clock.now = Math.max(app.clock.now + 1, (await dueAt()) || 0)
  await until(dueAt, (at) => at > app.clock.now)
  const now = app.clock.now
  await until(
    () => shown(app, id),
    ({ last_probed_at: at, status, looking }) => !looking && (at === now || status === 'error'),
  )
  return double.seen.length - before
}

const HOSTS = [
  ['github', GithubDouble],
  ['gitea', GiteaDouble],
  ['bitbucket', BitbucketCloudDouble],
] as const

describe.each(HOSTS)('asking after an owner at %s', (vcsType, Double) => {
  test('costs one request for 500 repositories, and only what was pushed to is synced', async () => {
    const double = new Double()
    const { app, forge, id } = await probing(
      double,
      vcsType,
      (filled) => {
        for (let at = 0; at < 497; at++) double.add(`site-${at}`)
        for (const name of ['one', 'two', 'three']) filled.addPackage(name)
      },
      { exclude: '*/site-*' },
    )
    // The first probe has nothing to compare with yet.
    expect(await probe(app, double, id)).toBeLessThanOrEqual(2)
    const git = forge.git.requests.length
    expect(await probe(app, double, id)).toBe(1)
    expect(await probe(app, double, id)).toBe(1)
    expect(forge.git.requests.length).toBe(git)

    const { one, two } = await foundBy(app, id, '?state=added')
    const syncs = async (repositoryId = '') =>
      ((await (await app.ask(`/api/repositories/${repositoryId}/syncs`)).json()) as unknown[]).length
    const before = [await syncs(one?.repository_id ?? ''), await syncs(two?.repository_id ?? '')]
    forge.repository('one').commit(library('acme/one', 'two', { from: 'main', tags: ['2.0.0'] }))
    for (const each of double.repositories) if (each.path.endsWith('/one')) each.pushedAt = 1_800_000_000
    for (const each of double.repositories) if (each.path.endsWith('/site-7')) each.pushedAt = 1_800_000_001
    expect(await probe(app, double, id)).toBe(1)
    const document = async () => (await app.ask('/p2/acme/one.json')).text()
    expect(await until(document, (text) => text.includes('"2.0.0"'))).toContain('"2.0.0"')
    expect(await syncs(one?.repository_id ?? '')).toBe((before[0] ?? 0) + 1)
    expect(await syncs(two?.repository_id ?? '')).toBe(before[1] ?? 0)
    // Nobody listed everything for that, and nobody does when it is quiet again.
    expect(await probe(app, double, id)).toBe(1)
  })
})

test('what is new is added by a look, and what becomes a package as well', async () => {
  const double = new GithubDouble()
  const { app, forge, id } = await probing(double, 'github', (filled) => {
    filled.addPackage('lib')
    filled.addOther('site')
  })
  await probe(app, double, id)
  forge.addPackage('late', { pushedAt: 1_800_000_000 })
  await probe(app, double, id)
  await until(
    () => shown(app, id),
    ({ added }) => added === 2,
  )
  await looked(app, id)
  forge.repository('site').commit(library('acme/site', 'one', { from: 'main' }))
  for (const each of double.repositories) if (each.path.endsWith('/site')) each.pushedAt = 1_800_000_100
  await probe(app, double, id)
  await until(
    () => shown(app, id),
    ({ added }) => added === 3,
  )
})

test('one that has another name, or was archived, is asked about at once', async () => {
  const double = new GithubDouble()
  const { app, forge, id } = await probing(double, 'github', (filled) => {
    for (const name of ['lib', 'tool']) filled.addPackage(name)
  })
  const { tool } = await foundBy(app, id)
  await probe(app, double, id)
  forge.repository('renamed').commit(library('acme/tool', 'one', { tags: ['1.0.0'] }))
  for (const each of double.repositories) {
    if (each.path === 'acme/lib') each.archived = true
    else each.path = 'acme/renamed'
  }
  await probe(app, double, id)
  const document = async () => (await app.ask('/p2/acme/lib.json')).text()
  expect(await until(document, (text) => text.includes('"abandoned"'))).toContain('"abandoned":true')
  const moved = async () =>
    (await (await app.ask(`/api/repositories/${tool?.repository_id}`)).json()) as { url: string }
  expect(await until(moved, ({ url }) => url.endsWith('/renamed.git'))).toMatchObject({ status: 'active', versions: 2 })
})

test('a host without dates tells of new repositories only, and its discovery does not count as asked after', async () => {
  const double = new BitbucketDataCenterDouble()
  const { app, forge, id } = await probing(double, 'bitbucket', (filled) => filled.addPackage('lib'))
  forge.addPackage('late')
  await until(
    () => shown(app, id),
    ({ added }) => added === 2,
  )
  expect(await shown(app, id)).toMatchObject({ status: 'active', last_probed_at: null })
})

test('GitLab, which has no dependable dates, is not asked', async () => {
  const gitlab = new GitlabDouble()
  const { app, id } = await probing(gitlab, 'gitlab', (filled) => filled.addPackage('lib'))
  const asked = gitlab.seen.length
  // Another owner is asked after meanwhile, so that there was time.
  const other = new GithubDouble()
  const forge = await Forge.start(other)
  ends.push(() => forge.stop())
  forge.addPackage('lib')
  const credential = { credential_type: 'token', auth_credentials: other.token }
  const { id: second } = await discover(app, { url: forge.ownerUrl, vcs_type: 'github', ...credential })
  app.clock.now += INTERVAL * 2
  await probe(app, other, second)
  expect(gitlab.seen.length).toBe(asked)
  expect(await shown(app, id)).toMatchObject({ last_probed_at: null })
})

test('a refusal is shown, and nobody asks again until there is another credential', async () => {
  const double = new GithubDouble()
  const { app, id } = await probing(double, 'github', (filled) => filled.addPackage('lib'))
  await probe(app, double, id)
  Object.assign(double, { token: 'other-token' })
  await probe(app, double, id)
  expect(await shown(app, id)).toMatchObject({ status: 'error', error_code: 'auth', next_look_at: null })
  await app.ask(`/api/discoveries/${id}`, { method: 'PATCH', json: { auth_credentials: 'other-token' } })
  expect(await looked(app, id)).toMatchObject({ status: 'active', error_code: null })
})

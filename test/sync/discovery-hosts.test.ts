import { afterEach, describe, expect, test } from 'bun:test'
import { TestApp } from '../support/app.ts'
import { discover, foundBy, until } from '../support/discoveries.ts'
import { BitbucketCloudDouble } from '../support/hosts/bitbucket-cloud-double.ts'
import { BitbucketDataCenterDouble } from '../support/hosts/bitbucket-data-center-double.ts'
import { Forge } from '../support/hosts/forge.ts'
import { GiteaDouble } from '../support/hosts/gitea-double.ts'
import { GithubDouble } from '../support/hosts/github-double.ts'
import { GitlabDouble } from '../support/hosts/gitlab-double.ts'

const ends: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

const HOSTS = [
  ['github', GithubDouble, 'x-access-token'],
  ['gitlab', GitlabDouble, 'oauth2'],
  ['bitbucket', BitbucketCloudDouble, 'x-token-auth'],
  ['bitbucket', BitbucketDataCenterDouble, 'x-token-auth'],
  ['gitea', GiteaDouble, 'oauth2'],
] as const

interface Root {
  'available-packages': string[]
}

describe.each(HOSTS)('every repository of an owner at %s', (vcsType, Double, user) => {
  test(`${Double.name}: page after page, those with a composer.json become repositories and packages`, async () => {
    const double = new Double()
    const forge = await Forge.start(double, { user, password: double.token })
    ends.push(() => forge.stop())
    for (const name of ['one', 'two', 'three', 'four']) forge.addPackage(name)
    forge.addOther('site')
    forge.addEmpty('nothing')
    forge.addPackage('copy', { fork: true })
    forge.addPackage('old', { archived: true })
    const app = await TestApp.start({}, undefined, { fetch: forge.fetch, resolve: async () => ['127.0.0.1'] })
    ends.push(() => app.stop())

    const credential = { credential_type: 'token', auth_credentials: double.token }
    const view = await discover(app, { url: forge.ownerUrl, vcs_type: vcsType, ...credential, archives: 'tags' })

    const added = double.archives ? 4 : 5
    expect(view).toMatchObject({ status: 'active', error_code: null, found: 8, added, skipped: 8 - added, failed: 0 })
    const rows = await foundBy(app, view.id)
    expect(rows.one).toMatchObject({ state: 'added', reason: null, path: double.pathOf('one') })
    expect(rows.site).toMatchObject({ state: 'skipped', reason: 'Its default branch has no composer.json.' })
    expect(rows.nothing).toMatchObject({ state: 'skipped', reason: 'It is empty, or has no default branch.' })
    expect(rows.copy).toMatchObject({ state: 'skipped', reason: 'It is a fork.' })
    if (double.archives) expect(rows.old).toMatchObject({ state: 'skipped', reason: 'It is archived.' })
    expect(await app.synced(rows.one?.repository_id ?? '')).toMatchObject({
      status: 'active',
      packages: 1,
      archives: 'tags',
    })
    const names = async () => ((await (await app.ask('/packages.json')).json()) as Root)['available-packages']
    expect(await until(names, ({ length }) => length === added)).toContain('acme/four')
    // More than one page was asked for, and no token went into an address.
    expect(double.seen.length).toBeGreaterThan(3)
    expect(app.logged.join('\n')).not.toContain(double.token)
  })
})

import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { DOUBLES } from '../support/hosts/doubles.ts'
import { GithubDouble } from '../support/hosts/github-double.ts'
import type { DoubleRepository } from '../support/hosts/host-double.ts'
import { type HostedView, HostStage } from '../support/hosts/host-stage.ts'
import { library, libraryFiles } from '../support/packages.ts'

setDefaultTimeout(30_000)

/** Longer than a day and what chance adds to it. */
const DAY = 30

let count = 0

for (const Double of DOUBLES) {
  describe(`facts of ${Double.name}`, () => {
    let stage: HostStage
    let hosted: DoubleRepository
    let name: string

    beforeAll(async () => {
      stage = await HostStage.start(new Double())
    })
    afterAll(() => stage?.stop())
    beforeEach(() => {
      count += 1
      name = `acme/lib-${count}`
      stage.double.instead = null
      stage.double.gitInstead = null
      hosted = repository(name)
    })

    function repository(packageName: string, more: Record<string, unknown> = {}): DoubleRepository {
      const commits = [{ files: libraryFiles(packageName, 'one', more), tags: ['1.0.0'] }]
      mkdirSync(dirname(stage.app.path(`${stage.double.pathOf('x')}.git`)), { recursive: true })
      return stage.repository(packageName.replace('acme/', ''), { commits }).hosted
    }

    async function p2(of = name) {
      const response = await stage.app.ask(`/p2/${of}.json`)
      const { packages } = (await response.json()) as {
        packages: Record<string, Record<string, { abandoned?: unknown }>>
      }
      return { modified: response.headers.get('last-modified'), abandoned: packages[of]?.['1.0.0']?.abandoned }
    }

    test('are shown, and asked for once a day', async () => {
      const added = await stage.add(hosted)
      expect(added).toMatchObject({ status: 'active', host_error: null })
      expect(added.host).toMatchObject({
        path: hosted.path,
        visibility: 'private',
        archived: false,
        default_branch: 'main',
        checked_at: stage.app.clock.now,
      })
      stage.double.seen.length = 0
      for (const hours of [1, 10, 12]) expect((await stage.syncAfter(hours, added)).status).toBe('active')
      expect(stage.factsAsked()).toEqual([])
      await stage.syncAfter(DAY, added)
      await stage.syncAfter(1, added)
      expect(stage.factsAsked()).toHaveLength(1)
    })

    test('an archived repository has abandoned packages, until it is no longer archived', async () => {
      const other = repository(`${name}-replaced`, { abandoned: 'acme/other' })
      const alive = repository(`${name}-alive`, { abandoned: false })
      const added = await stage.add(hosted)
      const others = [await stage.add(other), await stage.add(alive)]
      const before = await p2()
      expect(before.abandoned).toBeUndefined()
      for (const each of [hosted, other, alive]) each.archived = true
      await stage.syncAfter(DAY, added)
      for (const each of others) await stage.syncAfter(0, each)
      const after = await p2()
      expect(after.abandoned).toBe(stage.double.archives ? true : undefined)
      expect(after.modified === before.modified).toBe(!stage.double.archives)
      expect((await p2(`${name}-replaced`)).abandoned).toBe('acme/other')
      expect((await p2(`${name}-alive`)).abandoned).toBe(false)
      const [listed] = (await (await stage.app.ask(`/api/packages?repo_id=${added.id}`)).json()) as object[]
      expect(listed).toMatchObject({ abandoned: stage.double.archives })
      await stage.syncAfter(1, added)
      expect(await p2()).toEqual(after)
      hosted.archived = false
      await stage.syncAfter(DAY, added)
      expect((await p2()).abandoned).toBeUndefined()
    })

    test('a package without a description has that of its repository in lists, and nowhere else', async () => {
      hosted.description = 'As the host describes it'
      const silent = repository(`${name}-silent`, { description: undefined })
      silent.description = 'As the host describes it'
      const ids = [await stage.add(hosted), await stage.add(silent)].map(({ id }) => id)
      const shown = async (place: string) => (await (await stage.app.ask(place)).json()) as Record<string, unknown>[]
      const lists = await Promise.all(ids.map((id) => shown(`/api/packages?repo_id=${id}`)))
      expect(lists.map(([listed]) => listed?.description)).toEqual([`Library ${name}`, 'As the host describes it'])
      expect(await shown(`/api/packages/${lists[1]?.[0]?.id}`)).toMatchObject({
        description: 'As the host describes it',
      })
      expect(await (await stage.app.ask(`/p2/${name}-silent.json`)).text()).not.toContain('As the host')
    })

    test('a repository that was renamed is followed by its id, and never another one at its old address', async () => {
      const added = await stage.add(hosted)
      stage.rename(hosted, `renamed-${count}`)
      const stranger = repository(name, { description: 'a stranger' })
      stage.double.gitPaths.length = 0
      const after = await stage.syncAfter(DAY, added)
      if (!stage.double.followsIds) {
        expect(after).toMatchObject({ url: added.url, host_error: { code: 'missing' } })
        return
      }
      expect(after).toMatchObject({ status: 'active', url: stage.url(hosted), host: { path: hosted.path } })
      expect(stage.double.gitPaths.filter((path) => path.includes(stranger.path))).toEqual([])
      const audit = await stage.app.ask(`/api/audit?subject=${added.id}&action=repository.move`)
      expect(await audit.json()).toMatchObject([
        { actor: 'sync', before: { url: added.url }, after: { url: after.url }, address: null },
      ])
      expect(stage.app.logged.join('\n')).toContain('repository moved')
    })

    test('one that git does not find any more is looked for at once', async () => {
      const added = await stage.add(hosted)
      stage.rename(hosted, `moved-${count}`)
      const after = await stage.syncAfter(1, added)
      if (stage.double.followsIds) expect(after).toMatchObject({ status: 'active', url: stage.url(hosted) })
      else expect(after).toMatchObject({ status: 'error', error_code: 'missing', url: added.url })
    })

    test('an address that another repository has here is reported, and the sync goes on', async () => {
      if (!stage.double.followsIds) return
      const added = await stage.add(hosted)
      const taken = await stage.add({ path: stage.double.pathOf(`taken-${count}`) })
      hosted.path = stage.double.pathOf(`taken-${count}`)
      const after = await stage.syncAfter(DAY, added)
      expect(after).toMatchObject({ status: 'active', url: added.url, host_error: { code: 'moved' } })
      expect(after.host_error?.message).toContain(taken.id)
    })

    test('a host that does not answer fails no sync, and is asked again after an hour', async () => {
      const added = await stage.add(hosted)
      stage.double.instead = () => new Response('<h1>Bad Gateway</h1>', { status: 502 })
      stage.double.seen.length = 0
      const after = await stage.syncAfter(DAY, added)
      expect(after).toMatchObject({ status: 'active', host: added.host, host_error: { code: 'unreachable' } })
      await stage.syncAfter(0.5, added)
      expect(stage.factsAsked()).toHaveLength(1)
      stage.double.instead = null
      expect(await stage.syncAfter(1, added)).toMatchObject({ status: 'active', host_error: null })
      expect(stage.app.logged.join('\n')).toContain('gave no answer')
    })

    test('another credential has the host asked again', async () => {
      const added = await stage.add(hosted)
      stage.double.seen.length = 0
      const json = { auth_credentials: stage.double.token }
      await stage.app.ask(`/api/repositories/${added.id}`, { method: 'PATCH', json })
      expect(((await stage.app.synced(added.id)) as HostedView).host).not.toBeNull()
      // Once for the credential, once for the sync.
      expect(stage.factsAsked()).toHaveLength(2)
    })

    test('a refusal of git is explained by the host', async () => {
      const added = await stage.add(hosted)
      stage.double.gitInstead = () => new Response('', { status: 401 })
      const cases: [string, (() => Response) | null, RegExp][] = [
        ['permission', stage.double.refusals.noPermission, /may not/],
        ['scope', stage.double.refusals.weakToken, /needs/],
        ['auth', () => Response.json({ message: 'Bad credentials' }, { status: 401 }), /does not accept/],
        ['scope', null, /shows .* and git does not: it needs/],
      ]
      for (const [code, answer, sentence] of cases) {
        stage.double.instead = answer
        const after = await stage.syncAfter(7, added)
        expect(after).toMatchObject({ status: 'error', error_code: code, versions: 2 })
        expect(after.error_message).toMatch(sentence)
      }
      stage.double.instead = () => new Response('', { status: 503 })
      expect(await stage.syncAfter(7, added)).toMatchObject({ status: 'error', error_code: 'auth' })
      stage.double.instead = null
      stage.double.gitInstead = () => new Response('', { status: 404 })
      stage.double.repositories.splice(stage.double.repositories.indexOf(hosted), 1)
      expect(await stage.syncAfter(7, added)).toMatchObject({ status: 'error', error_code: 'missing', versions: 2 })
    })
  })
}

test('GitHub tells single sign-on and a takedown apart', async () => {
  const stage = await HostStage.start(new GithubDouble())
  try {
    const { hosted } = stage.repository('lib', { commits: [library('acme/lib', 'one', { tags: ['1.0.0'] })] })
    const added = await stage.add(hosted)
    stage.double.gitInstead = () => new Response('', { status: 403 })
    const headers = { 'X-GitHub-SSO': 'required; url=https://example.org' }
    stage.double.instead = () => Response.json({ message: 'Resource protected' }, { status: 403, headers })
    expect(await stage.syncAfter(7, added)).toMatchObject({
      error_code: 'sso',
      error_message: expect.stringContaining('single sign-on'),
    })
    stage.double.instead = () => Response.json({ message: 'Repository access blocked' }, { status: 451 })
    expect(await stage.syncAfter(7, added)).toMatchObject({
      error_code: 'refused',
      error_message: expect.stringContaining('legal reasons'),
    })
  } finally {
    await stage.stop()
  }
})

test('a repository of plain git has no host to ask', async () => {
  const stage = await HostStage.start(new GithubDouble())
  try {
    const commits = [library('acme/plain', 'one', { tags: ['1.0.0'] })]
    const { hosted } = stage.repository('plain', { commits })
    const added = await stage.add(hosted, { vcs_type: 'git' })
    expect(added).toMatchObject({ status: 'active', host: null, host_error: null })
    expect(stage.double.seen).toEqual([])
  } finally {
    await stage.stop()
  }
})

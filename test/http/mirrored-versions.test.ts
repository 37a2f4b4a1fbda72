import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { MirrorTest } from '../support/mirror.ts'
import { FIRST_RELEASE_AT } from '../support/upstream/packages.ts'

const MINUTE = 60
const DAY = 86_400

let mirror: MirrorTest

beforeEach(async () => {
  mirror = await MirrorTest.start([
    { name: 'up/lib', versions: ['1.0.0', '1.1.0', '2.0.0', { version: 'dev-main', defaultBranch: true }] },
    { name: 'up/branches', versions: ['dev-main'] },
    { name: 'acme/lib', versions: ['9.0.0'] },
  ])
})
afterEach(() => mirror?.stop())

describe('what a token covers', () => {
  test('holds for packages of upstreams: others are not there, and not asked for', async () => {
    await mirror.add()
    const { token } = await mirror.app.token({ allowed_package_prefixes: ['up/lib'] })
    mirror.asked()
    expect((await mirror.document('up/branches.json', token)).status).toBe(404)
    expect(mirror.asked()).toEqual([])
    expect((await mirror.document('up/lib.json', token)).status).toBe(200)
  })

  test('holds for their versions: by constraint and by date of release', async () => {
    await mirror.add()
    const constraint = await mirror.app.token({ allowed_packages: [{ name: 'up/lib', constraint: '^1' }] })
    expect(await mirror.versions('up/lib.json', constraint.token)).toEqual(['1.1.0', '1.0.0'])
    expect(await mirror.versions('up/lib.json?minified=1', constraint.token)).toEqual(['1.1.0', '1.0.0'])
    const dated = await mirror.app.token({ updates_until: FIRST_RELEASE_AT + 2 * 3_600 })
    expect(await mirror.versions('up/lib.json', dated.token)).toEqual(['1.0.0'])
  })
})

describe('the age of releases', () => {
  const published = (version: string, ago: number) => ({
    version,
    releasedAt: FIRST_RELEASE_AT,
    publishedAt: mirror.app.clock.now - ago,
  })

  test('withholds what is younger, by the registry’s date and not the author’s, until it is old enough', async () => {
    mirror.upstream.publish('up/lib', published('2.1.0', DAY))
    await mirror.add(mirror.upstream.url, { minimum_release_age: 7 * DAY })
    const young = await mirror.document('up/lib.json?minified=1')
    expect(young.entries.map((one) => one.version)).toEqual(['2.0.0', '1.1.0', '1.0.0'])
    mirror.app.clock.now += 6 * DAY - MINUTE
    expect(await mirror.versions('up/lib.json')).not.toContain('2.1.0')
    mirror.app.clock.now += MINUTE
    const old = await mirror.document('up/lib.json?minified=1')
    expect(old.entries.map((one) => one.version)).toEqual(['2.1.0', '2.0.0', '1.1.0', '1.0.0'])
    const date = (headers: Headers) => Date.parse(headers.get('last-modified') ?? '')
    expect(date(old.headers)).toBeGreaterThan(date(young.headers))
    expect(old.headers.get('etag')).not.toBe(young.headers.get('etag'))
  })

  test('begins anew with a tag that was moved', async () => {
    await mirror.add(mirror.upstream.url, { minimum_release_age: DAY, fresh_for: 0 })
    expect(await mirror.versions('up/lib.json')).toContain('1.1.0')
    mirror.upstream.removeVersion('up/lib', '1.1.0')
    mirror.upstream.publish('up/lib', { ...published('1.1.0', 0), files: { 'src/Other.php': '<?php // moved' } })
    expect(await mirror.versions('up/lib.json')).toEqual(['2.0.0', '1.0.0'])
  })

  test('lets exceptions pass', async () => {
    mirror.upstream.publish('up/lib', published('2.1.0', 0))
    await mirror.add(mirror.upstream.url, { minimum_release_age: DAY, release_age_exceptions: 'other/*, up/l*' })
    expect(await mirror.versions('up/lib.json')).toContain('2.1.0')
  })

  test('lets a fix pass when it is set so, and only a fix', async () => {
    mirror.upstream.publish('up/lib', published('2.0.1', 0))
    mirror.upstream.publish('up/lib', published('1.2.0', 0))
    mirror.upstream.addAdvisory('up/lib', { affectedVersions: '>=2.0,<2.0.1' })
    const id = await mirror.add(mirror.upstream.url, { minimum_release_age: DAY })
    expect(await mirror.versions('up/lib.json')).not.toContain('2.0.1')
    await mirror.app.ask(`/api/repositories/${id}`, { method: 'PATCH', json: { release_age_passes_fixes: true } })
    const passed = await mirror.versions('up/lib.json')
    expect(passed).toContain('2.0.1')
    expect(passed).not.toContain('1.2.0')
  })
})

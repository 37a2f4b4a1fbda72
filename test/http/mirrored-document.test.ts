import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { createGitRepository } from '../support/git-repository.ts'
import { MirrorTest } from '../support/mirror.ts'
import { library } from '../support/packages.ts'

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

describe('a package of an upstream', () => {
  test('is served with archives from here, and nothing that leads past this server', async () => {
    await mirror.add()
    const minified = await mirror.document('up/lib.json?minified=1')
    expect(minified).toMatchObject({ status: 200, minified: 'composer/2.0' })
    expect(minified.entries.map((one) => one.version)).toEqual(['2.0.0', '1.1.0', '1.0.0'])
    const keyed = await mirror.document('up/lib.json')
    expect(Object.keys(keyed.packages?.['up/lib'] ?? {})).toEqual(['2.0.0', '1.1.0', '1.0.0'])
    for (const one of keyed.entries) {
      expect(one.dist.url).toMatch(/^http:\/\/localhost\/dist\/up\/lib\/\d\.\d\.\d\.zip\?dist=[0-9a-f]{40}$/)
      expect(one.dist.reference).toMatch(/^[0-9a-f]{40}$/)
      expect(one).not.toHaveProperty('source')
      expect(one).not.toHaveProperty('notification-url')
    }
    expect(JSON.stringify([minified, keyed])).not.toContain(mirror.upstream.url)
    expect(await mirror.versions('up/lib~dev.json')).toEqual(['dev-main'])
    expect(await mirror.versions('up/branches.json')).toEqual([])
  })

  test('shows its source when its repository exposes it', async () => {
    await mirror.add(mirror.upstream.url, { expose_source: true })
    const { entries } = await mirror.document('up/lib.json')
    expect(entries[0]).toHaveProperty('source')
  })

  test('is dated anew when what is shown of it was set otherwise', async () => {
    const id = await mirror.add()
    const date = async () => Date.parse((await mirror.document('up/lib.json')).headers.get('last-modified') ?? '')
    for (const settings of [{ expose_source: true }, { minimum_release_age: 1 }, { priority: 3 }]) {
      const then = await date()
      await mirror.app.ask(`/api/repositories/${id}`, { method: 'PATCH', json: settings })
      expect(await date()).toBeGreaterThan(then)
    }
  })

  test('is asked for once, and then only when its copy has aged', async () => {
    await mirror.add(mirror.upstream.url, { fresh_for: 60 })
    mirror.asked()
    await mirror.document('up/lib.json')
    await mirror.document('up/lib.json?minified=1')
    expect(mirror.asked()).toEqual(['GET /p2/up/lib.json'])
    mirror.app.clock.now += MINUTE
    await mirror.document('up/lib.json')
    const again = mirror.upstream.log.matching('/p2/up/lib.json')
    expect(again.map(({ status }) => status)).toEqual([304])
    mirror.asked()
    await mirror.document('up/lib.json')
    expect(mirror.asked()).toEqual([])
  })

  test('is asked for once however many want it', async () => {
    await mirror.add()
    mirror.asked()
    mirror.upstream.delayMs = 50
    const all = await Promise.all(Array.from({ length: 200 }, () => mirror.app.ask('/p2/up/lib.json?minified=1')))
    expect(all.map(({ status }) => status)).toEqual(Array(200).fill(200))
    expect(mirror.asked()).toEqual(['GET /p2/up/lib.json'])
  })

  test('validates like a document of ours, and its date rises with each change', async () => {
    await mirror.add(mirror.upstream.url, { fresh_for: 0 })
    const first = await mirror.document('up/lib.json')
    const date = first.headers.get('last-modified') ?? ''
    const conditional = (since: string) =>
      mirror.app.ask('/p2/up/lib.json', { headers: { 'If-Modified-Since': since } })
    expect((await conditional(date)).status).toBe(304)
    mirror.upstream.publish('up/lib', '2.1.0')
    const changed = await conditional(date)
    expect(changed.status).toBe(200)
    expect(Date.parse(changed.headers.get('last-modified') ?? '')).toBeGreaterThan(Date.parse(date))
    expect(await mirror.versions('up/lib.json')).toContain('2.1.0')
  })

  test('outlives a restart with its upstream unplugged', async () => {
    await mirror.add()
    const before = await mirror.document('up/lib.json?minified=1')
    await mirror.upstream.stop()
    await mirror.restart()
    mirror.app.clock.now += 10 * MINUTE
    const after = await mirror.document('up/lib.json?minified=1')
    expect(after).toMatchObject({ status: 200, entries: before.entries })
    expect(after.headers.get('last-modified')).toBe(before.headers.get('last-modified'))
    await mirror.upstream.start()
  })
})

describe('a failing upstream', () => {
  test('is served from what is known, for as long as it may', async () => {
    await mirror.add(mirror.upstream.url, { fresh_for: 60, stale_if_error: DAY })
    await mirror.document('up/lib.json')
    mirror.upstream.faults.add({ kind: 'status', status: 500, path: '/p2/' })
    mirror.app.clock.now += MINUTE
    expect((await mirror.document('up/lib.json')).status).toBe(200)
    mirror.app.clock.now += DAY
    const gone = await mirror.document('up/lib.json')
    expect(gone.status).toBe(502)
    expect(gone.warning).toContain('127.0.0.1')
  })

  test('is never taken for one that has no such package', async () => {
    await mirror.add()
    const kinds = [
      { kind: 'status', status: 503 },
      { kind: 'status', status: 429, retryAfter: 1 },
      { kind: 'html' },
      { kind: 'invalid-json' },
      { kind: 'reset' },
    ] as const
    for (const [index, fault] of kinds.entries()) {
      const remove = mirror.upstream.faults.add({ ...fault, path: '/p2/up/' })
      const found = await mirror.document(`up/unknown${index}.json`)
      expect({ fault, status: found.status, warned: typeof found.warning }).toEqual({
        fault,
        status: 502,
        warned: 'string',
      })
      remove()
    }
  })

  test('that is slow is answered for with what is known', async () => {
    await mirror.add(mirror.upstream.url, { fresh_for: 60 })
    await mirror.document('up/lib.json')
    mirror.upstream.publish('up/lib', '3.0.0')
    mirror.upstream.faults.add({ kind: 'delay', ms: 2_600, path: '/p2/up/lib.json' })
    mirror.app.clock.now += MINUTE
    expect(await mirror.versions('up/lib.json')).not.toContain('3.0.0')
    await Bun.sleep(1_000)
    expect(await mirror.versions('up/lib.json')).toContain('3.0.0')
  })

  test('that loses a package is believed when it says so twice, ten minutes apart', async () => {
    await mirror.add(mirror.upstream.url, { fresh_for: 60 })
    await mirror.document('up/lib.json')
    mirror.upstream.remove('up/lib')
    for (const [wait, status] of [
      [MINUTE, 200],
      [5 * MINUTE, 200],
      [5 * MINUTE, 404],
      [MINUTE, 404],
    ] as const) {
      mirror.app.clock.now += wait
      expect((await mirror.document('up/lib.json')).status).toBe(status)
    }
  })

  test('that lost a package for a moment changes nothing', async () => {
    await mirror.add(mirror.upstream.url, { fresh_for: 60 })
    await mirror.document('up/lib.json')
    mirror.upstream.faults.add({ kind: 'status', status: 404, path: '/p2/up/lib.json', times: 1 })
    for (const wait of [MINUTE, MINUTE, 11 * MINUTE]) {
      mirror.app.clock.now += wait
      expect((await mirror.document('up/lib.json')).status).toBe(200)
    }
    mirror.upstream.faults.add({ kind: 'status', status: 404, path: '/p2/up/lib.json', times: 1 })
    mirror.app.clock.now += MINUTE
    expect((await mirror.document('up/lib.json')).status).toBe(200)
  })

  test('nobody has a name: that is remembered for a while', async () => {
    await mirror.add()
    mirror.asked()
    expect((await mirror.document('up/none.json')).status).toBe(404)
    expect((await mirror.document('up/none.json')).status).toBe(404)
    expect(mirror.asked()).toEqual(['GET /p2/up/none.json'])
    mirror.upstream.add({ name: 'up/none', versions: ['1.0.0'] })
    mirror.app.clock.now += 5 * MINUTE
    expect((await mirror.document('up/none.json')).status).toBe(200)
  })
})

describe('several upstreams', () => {
  test('are asked by priority, and the first that has a name has it alone', async () => {
    const other = await mirror.another({
      packages: [
        { name: 'up/lib', versions: ['7.0.0'] },
        { name: 'up/more', versions: ['1.0.0'] },
      ],
    })
    await mirror.add(mirror.upstream.url, { priority: 1 })
    await mirror.add(other.url, { priority: 2 })
    expect(await mirror.versions('up/lib.json')).toEqual(['7.0.0'])
    expect(await mirror.versions('up/lib~dev.json')).toEqual([])
    expect(await mirror.versions('up/more.json')).toEqual(['1.0.0'])
    expect(await mirror.versions('up/branches~dev.json')).toEqual(['dev-main'])
  })

  test('one that has only branches of a name has its releases too: none', async () => {
    const other = await mirror.another({ packages: [{ name: 'up/lib', versions: ['dev-main'] }] })
    other.faults.add({ kind: 'status', status: 404, path: /\/p2\/up\/lib\.json/ })
    await mirror.add(other.url, { priority: 1 })
    await mirror.add()
    expect(await mirror.versions('up/lib.json')).toEqual([])
    expect(await mirror.versions('up/lib~dev.json')).toEqual(['dev-main'])
  })

  test('silence of the first one is not its consent', async () => {
    const other = await mirror.another({ packages: [{ name: 'up/first', versions: ['1.0.0'] }] })
    await mirror.add(other.url, { priority: 1 })
    await mirror.add()
    expect(await mirror.versions('up/lib.json')).toHaveLength(3)
    await other.stop()
    expect((await mirror.document('up/branches.json')).status).toBe(502)
    mirror.app.clock.now += 10 * MINUTE
    expect(await mirror.versions('up/lib.json')).toHaveLength(3)
    await mirror.restart()
    expect(await mirror.versions('up/lib.json')).toHaveLength(3)
    await other.start()
  })

  test('are asked for the names that their settings let them be asked for', async () => {
    await mirror.add(mirror.upstream.url, { package_filter: 'up/*', package_deny: 'up/bra*' })
    mirror.asked()
    expect((await mirror.document('acme/lib.json')).status).toBe(404)
    expect((await mirror.document('up/branches~dev.json')).status).toBe(404)
    expect((await mirror.document('up/lib.json')).status).toBe(200)
    expect(mirror.asked()).toEqual(['GET /p2/up/lib.json'])
  })
})

describe('names that are ours', () => {
  test('are never asked for upstream, nor are others of their vendor', async () => {
    await mirror.add()
    createGitRepository(mirror.app.path('lib.git'), { commits: [library('acme/lib', 'one', { tags: ['1.0.0'] })] })
    await mirror.app.addRepository(mirror.app.path('lib.git'))
    mirror.asked()
    expect(await mirror.versions('acme/lib.json')).toEqual(['1.0.0'])
    expect(await mirror.versions('acme/lib~dev.json')).toEqual(['dev-main'])
    for (const name of ['acme/unknown', 'acme/unknown~dev']) expect(await mirror.versions(`${name}.json`)).toEqual([])
    expect(mirror.asked()).toEqual([])
  })

  test('stay closed when they were asked for before they were ours', async () => {
    await mirror.add()
    expect(await mirror.versions('acme/lib.json')).toEqual(['9.0.0'])
    createGitRepository(mirror.app.path('lib.git'), { commits: [library('acme/lib', 'one', { tags: ['1.0.0'] })] })
    await mirror.app.addRepository(mirror.app.path('lib.git'))
    expect(await mirror.versions('acme/lib.json')).toEqual(['1.0.0'])
  })
})

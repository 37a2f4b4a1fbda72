import { afterEach, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { LookTest } from '../support/looks.ts'
import { startSatis } from '../support/upstream/satis.ts'

setDefaultTimeout(30_000)

let bench: LookTest

afterEach(() => bench?.stop())

async function begin(...options: Parameters<typeof LookTest.start>): Promise<void> {
  bench = await LookTest.start(...options)
}

describe('names of upstreams', () => {
  test('of an open one: anything, and for a token no more than its scope', async () => {
    await begin()
    await bench.own('acme/lib')
    const before = await bench.root()
    await bench.add()
    const { body, date } = await bench.root()
    expect(body['available-package-patterns']).toEqual(['acme/*', '*'])
    expect(date).toBeGreaterThan(before.date)
    const { token } = await bench.app.token({
      allowed_package_prefixes: ['psr/'],
      allowed_packages: [{ name: 'foo/bar' }],
    })
    expect((await bench.root(token)).body).toMatchObject({
      'available-packages': ['foo/bar'],
      'available-package-patterns': ['psr/*'],
    })
  })

  test('of one that may be asked for some', async () => {
    await begin()
    const { id } = await bench.add({ package_filter: 'psr/*, symfony/*' })
    expect((await bench.root()).body['available-package-patterns']).toEqual(['psr/*', 'symfony/*'])
    const { date } = await bench.root()
    await bench.app.ask(`/api/repositories/${id}`, { method: 'PATCH', json: { package_deny: 'symfony/*' } })
    const denied = await bench.root()
    expect(denied.body['available-package-patterns']).toEqual(['psr/*'])
    expect(denied.date).toBeGreaterThan(date)
    await bench.app.ask(`/api/repositories/${id}`, { method: 'DELETE' })
    expect((await bench.root()).body['available-package-patterns']).toEqual(['-/-'])
    expect((await bench.root()).date).toBeGreaterThan(denied.date)
  })

  test('of one that says which it has: those, and what came and went is told', async () => {
    const closed: Record<string, unknown> = { 'available-packages': ['psr/log', 'psr/cache', 'acme/lib'] }
    await begin({ root: closed })
    await bench.own('acme/lib')
    const { id } = await bench.add()
    expect(await bench.newest(id)).toMatchObject({ added: ['acme/lib', 'psr/cache', 'psr/log'] })
    const { body, date } = await bench.root()
    expect(body['available-packages']).toEqual(['acme/lib', 'psr/cache', 'psr/log'])
    expect(body['available-package-patterns']).toEqual(['acme/*'])
    const { token } = await bench.app.token({ allowed_package_prefixes: ['psr/l'] })
    expect((await bench.root(token)).body['available-packages']).toEqual(['psr/log'])
    await bench.look(id)
    expect((await bench.root()).date).toBe(date)
    closed['available-packages'] = ['psr/log', 'psr/clock']
    bench.app.clock.now += 3_600
    bench.packagist.publish('psr/log', '3.0.0')
    await bench.replaceUpstream({ root: closed })
    await bench.look(id)
    expect(await bench.newest(id)).toMatchObject({ added: ['psr/clock'], removed: ['acme/lib', 'psr/cache'] })
    expect((await bench.root()).body['available-packages']).toEqual(['acme/lib', 'psr/clock', 'psr/log'])
    expect((await bench.root()).date).toBeGreaterThan(date)
  })
})

test.each(['inline', 'includes', 'providers', 'metadata'] as const)(
  'of Satis in the form %s: those it has',
  async (form) => {
    await begin()
    const packages = ['team/a', 'team/b'].map((name) => ({ name, versions: ['1.0.0'] }))
    const satis = await startSatis({ packages, form })
    try {
      const { id } = (await bench.app.addRepository(satis.url, { vcs_type: 'composer' })) as { id: string }
      expect(await bench.newest(id)).toMatchObject({ state: 'done', added: ['team/a', 'team/b'] })
      expect((await bench.root()).body['available-packages']).toEqual(['team/a', 'team/b'])
      expect(await bench.versions('team/a')).toEqual(['1.0.0'])
    } finally {
      await satis.stop()
    }
  },
)

describe('conflicts', () => {
  async function conflicts(): Promise<unknown> {
    return (await bench.app.ask('/api/conflicts')).json()
  }

  test('are found in the list of an open upstream, which never hears an owned name', async () => {
    await begin({
      packages: [
        { name: 'acme/lib', versions: ['9.0.0'] },
        { name: 'psr/log', versions: ['1.0.0'] },
      ],
    })
    const owner = await bench.own('acme/lib')
    await bench.own('acme/alone')
    const { id, issues } = await bench.add()
    const conflict = {
      name: 'acme/lib',
      repository_id: owner.id,
      upstreams: [{ repository_id: id, url: bench.packagist.url }],
    }
    expect(await conflicts()).toEqual([conflict])
    expect(issues).toEqual([{ ref: 'acme/lib', reason: expect.stringContaining(owner.id) }])
    expect(await bench.versions('acme/lib')).toEqual(['1.0.0'])
    expect(bench.packagist.log.matching(/acme/i)).toEqual([])
    expect(bench.packagist.log.matching('/packages/list.json').map(({ path }) => path)).toEqual(['/packages/list.json'])
  })

  test('come with a vendor that is owned since, from the list that is known', async () => {
    await begin({ packages: [{ name: 'acme/lib', versions: ['9.0.0'] }] })
    await bench.own('globex/lib')
    const { id } = await bench.add()
    expect(await conflicts()).toEqual([])
    await bench.own('acme/lib')
    await bench.look(id)
    expect(await conflicts()).toMatchObject([{ name: 'acme/lib' }])
    expect(bench.packagist.log.matching('/packages/list.json')).toHaveLength(1)
    bench.app.clock.now += 86_400
    await bench.look(id)
    expect(bench.packagist.log.matching('/packages/list.json')).toHaveLength(2)
  })

  test('do not keep an upstream without a readable list from being used', async () => {
    await begin({ root: { list: '/none.json' } })
    await bench.own('acme/lib')
    expect(await bench.add()).toMatchObject({ status: 'active' })
    expect(await conflicts()).toEqual([])
    expect(await bench.versions('psr/log')).toEqual(['1.0.0'])
  })
})

describe('a vendor that is claimed', () => {
  const strangers = {
    packages: ['acme/lib', 'acme/other', 'initech/lib'].map((name) => ({ name, versions: ['99.0.0'] })),
  }
  const heard = () => bench.packagist.log.matching(/acme|initech/i)

  test('by a package is asked nowhere, whatever the name, until that is gone', async () => {
    await begin(strangers)
    const { id } = await bench.own('acme/lib')
    await bench.add()
    for (const name of ['acme/lib', 'acme/lib~dev', 'acme/other', 'acme/none']) await bench.versions(name)
    expect(await bench.versions('acme/other')).toEqual([])
    expect(heard()).toEqual([])
    await bench.app.ask(`/api/repositories/${id}`, { method: 'DELETE' })
    expect(await bench.versions('acme/other')).toEqual(['99.0.0'])
  })

  test('by reservation is asked nowhere, with a package or without', async () => {
    await begin(strangers, { RESERVED_VENDORS: 'acme,initech' })
    const { id } = await bench.own('acme/lib')
    await bench.add()
    await bench.app.ask(`/api/repositories/${id}`, { method: 'DELETE' })
    for (const name of ['acme/lib', 'acme/other', 'initech/lib']) expect(await bench.versions(name)).toEqual([])
    expect(heard()).toEqual([])
    expect((await bench.root()).body['available-package-patterns']).toEqual(['acme/*', 'initech/*', '*'])
  })
})

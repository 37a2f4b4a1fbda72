import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { LookTest } from '../support/looks.ts'
import { stored } from '../support/stored.ts'

setDefaultTimeout(30_000)

const SECRET = 'canary-credential-90b7aa'

let bench: LookTest

afterEach(() => bench?.stop())

async function begin(...options: Parameters<typeof LookTest.start>): Promise<void> {
  bench = await LookTest.start(...options)
}

describe('a look at an upstream', () => {
  test('says that it can be asked, and comes again sooner for a log of changes', async () => {
    await begin()
    const { status, error_code, issues, last_synced_at, next_sync_at } = await bench.add()
    expect({ status, error_code, issues, last_synced_at }).toEqual({
      status: 'active',
      error_code: null,
      issues: [],
      last_synced_at: bench.app.clock.now,
    })
    expect(next_sync_at - bench.app.clock.now).toBeWithin(102, 139)
  })

  test('comes at the usual interval without one, and always at its own', async () => {
    await begin({ root: { 'metadata-changes-url': undefined } })
    const usual = await bench.add()
    expect(usual.next_sync_at - bench.app.clock.now).toBeWithin(765, 1036)
    await bench.app.ask(`/api/repositories/${usual.id}`, { method: 'PATCH', json: { sync_interval: 3_000 } })
    expect((await bench.look(usual.id)).next_sync_at - bench.app.clock.now).toBeWithin(2_550, 3_451)
  })

  test('asks again although it has just asked, with the validator of what is known', async () => {
    await begin()
    const { id } = await bench.add()
    await bench.look(id)
    expect(bench.packagist.log.matching(/^\/packages.json/).map(({ status }) => status)).toEqual([200, 304])
  })

  test('tells why it cannot be asked, until it can', async () => {
    await begin({ credentials: { kind: 'bearer', token: SECRET } })
    const { id, status, error_code, error_message, next_sync_at } = await bench.add({
      credential_type: 'bearer',
      auth_credentials: 'another token',
    })
    expect({ status, error_code }).toEqual({ status: 'error', error_code: 'credentials' })
    expect(error_message).toContain('auth_credentials')
    // A person has to mend that, so it is not tried again soon.
    expect(next_sync_at - bench.app.clock.now).toBeGreaterThan(15_000)
    await bench.app.ask(`/api/repositories/${id}`, { method: 'PATCH', json: { auth_credentials: SECRET } })
    expect(await bench.app.synced(id)).toMatchObject({ status: 'active', error_code: null, error_message: null })
    await bench.packagist.stop()
    expect(await bench.look(id)).toMatchObject({ status: 'error', error_code: 'unreachable' })
    expect(await bench.newest(id)).toMatchObject({ state: 'failed', error: expect.stringContaining('127.0.0.1') })
  })
})

describe('the log of changes', () => {
  let id: string

  beforeEach(async () => {
    await begin()
    id = (await bench.add()).id
    for (const name of ['psr/log', 'psr/cache']) expect(await bench.versions(name)).toEqual(['1.0.0'])
    bench.packagist.log.clear()
    bench.app.clock.now += 300
  })

  const asked = () => bench.packagist.log.matching('/p2/').map(({ path }) => path)

  test('spares questions about documents that it does not name', async () => {
    await bench.look(id)
    expect(await bench.versions('psr/log')).toEqual(['1.0.0'])
    expect(asked()).toEqual([])
    bench.app.clock.now += 400
    expect(await bench.versions('psr/log')).toEqual(['1.0.0'])
    expect(asked()).toEqual(['/p2/psr/log.json'])
  })

  test('makes due what it names, and nothing else', async () => {
    bench.packagist.publish('psr/log', '2.0.0')
    bench.packagist.add({ name: 'psr/unheard', versions: ['1.0.0'] })
    await bench.look(id)
    expect(await bench.newest(id)).toMatchObject({ state: 'done', added: [], changed: ['psr/log'], removed: [] })
    expect(await bench.versions('psr/log')).toEqual(['2.0.0', '1.0.0'])
    expect(await bench.versions('psr/cache')).toEqual(['1.0.0'])
    expect(asked()).toEqual(['/p2/psr/log.json'])
    await bench.look(id)
    expect(await bench.newest(id)).toMatchObject({ changed: [] })
  })

  test('makes due again what was fetched meanwhile and is older than its line', async () => {
    bench.packagist.publish('psr/log', '2.0.0')
    await bench.look(id)
    await bench.versions('psr/log')
    await bench.look(id)
    expect(await bench.newest(id)).toMatchObject({ changed: [] })
    const old = new Date((bench.app.clock.now - 3_600) * 1000).toUTCString()
    await stored(bench.app, "UPDATE upstream_documents SET last_modified = ? WHERE name = 'psr/log'", old)
    await bench.look(id)
    expect(await bench.newest(id)).toMatchObject({ changed: ['psr/log'] })
    await bench.look(id)
    expect(await bench.newest(id)).toMatchObject({ changed: [] })
  })

  test('makes a single denial count of what was deleted', async () => {
    bench.packagist.remove('psr/log')
    await bench.look(id)
    expect(await bench.newest(id)).toMatchObject({ removed: ['psr/log'] })
    expect(await bench.versions('psr/log')).toBe(404)
    expect(await bench.versions('psr/cache')).toEqual(['1.0.0'])
  })

  test('makes everything due when it does not remember enough', async () => {
    bench.packagist.publish('psr/log', '2.0.0')
    bench.packagist.forgetChanges()
    await bench.look(id)
    expect(await bench.versions('psr/log')).toEqual(['2.0.0', '1.0.0'])
    await bench.versions('psr/cache')
    expect(asked().sort()).toEqual(['/p2/psr/cache.json', '/p2/psr/log.json'])
  })

  test('makes nothing unusable: what is due is served while the upstream cannot be asked', async () => {
    bench.packagist.publish('psr/log', '2.0.0')
    await bench.look(id)
    await bench.packagist.stop()
    expect(await bench.versions('psr/log')).toEqual(['1.0.0'])
  })

  test('is not begun anew after a restart', async () => {
    bench.packagist.publish('psr/log', '2.0.0')
    await bench.restart()
    await bench.look(id)
    expect(await bench.newest(id)).toMatchObject({ changed: ['psr/log'] })
  })
})

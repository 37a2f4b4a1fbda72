import { afterEach, describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Database, openDatabase } from '../../src/store/database.ts'
import { type DiscoveryRow, NEVER_LOOKED } from '../../src/store/discoveries.ts'
import { migrate } from '../../src/store/migrate.ts'
import { openTables } from '../../src/store/tables.ts'
import { TestApp } from '../support/app.ts'
import { discover, foundBy, looked, until } from '../support/discoveries.ts'
import { Forge } from '../support/hosts/forge.ts'
import { GithubDouble } from '../support/hosts/github-double.ts'
import { stored } from '../support/stored.ts'

const ends: (() => Promise<unknown> | unknown)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

const DISCOVERY: DiscoveryRow = {
  ...{ id: 'disc_one', vcsType: 'github', url: 'https://github.com/acme', urlKey: 'one', credentialType: 'none' },
  ...{ credentials: null, include: null, exclude: null, includeArchived: false, includeForks: false, template: {} },
  ...{ interval: null, ...NEVER_LOOKED, nextLookAt: 100, createdAt: 1, updatedAt: 1 },
}

/** The tables of a new database, and those of another instance on it. */
async function twoInstances() {
  const directory = mkdtempSync(join(tmpdir(), 'package-broker-claims-'))
  ends.push(() => rmSync(directory, { recursive: true, force: true }))
  const address = { url: `file:${join(directory, 'test.db')}`, authToken: null }
  await migrate(address)
  const open: Database[] = [await openDatabase(address), await openDatabase(address)]
  ends.push(() => Promise.all(open.map((db) => db.close())))
  const [one, two] = open.map(openTables)
  if (!one || !two) throw new Error('no tables')
  await one.discoveries.insert(DISCOVERY)
  return { one, two }
}

describe('a look', () => {
  test('is done by one of several instances, until its claim ends', async () => {
    const { one, two } = await twoInstances()
    expect(await one.discoveryClaims.claimLook('a', 99, 189)).toBeNull()
    const first = await one.discoveryClaims.claimLook('a', 100, 190)
    expect(first).toMatchObject({ id: 'disc_one', claimedBy: 'a' })
    expect(await two.discoveryClaims.claimLook('b', 189, 279)).toBeNull()
    const claim = first as DiscoveryRow
    expect(await one.discoveryClaims.renewLook(claim, 290)).toBe(true)
    expect(await two.discoveryClaims.claimLook('b', 289, 379)).toBeNull()
    const second = (await two.discoveryClaims.claimLook('b', 290, 380)) as DiscoveryRow
    // The first one was slow and not dead: nothing that it still does counts.
    expect(await one.discoveryClaims.renewLook(claim, 400)).toBe(false)
    expect(await one.discoveryClaims.failLook(claim, { code: 'x', message: 'x', nextLookAt: null }, 300)).toBe(false)
    await one.discoveryClaims.releaseLook(claim, 300)
    await expect(one.discovered.finishLook(claim, { gone: [], nextLookAt: 500 }, 300)).resolves.toBe(false)
    const row = {
      discoveryId: 'disc_one',
      hostId: '1',
      path: 'a/b',
      cloneUrl: 'https://h/a/b',
      state: 'failed' as const,
    }
    const found = { ...row, reason: null, repositoryId: null, pushedAt: null, seenAt: 300 }
    await expect(one.discovered.save(claim, [found])).rejects.toThrow('taken over')
    expect(await two.discovered.finishLook(second, { gone: [], nextLookAt: 500 }, 301)).toBe(true)
    expect(await one.discoveries.find('disc_one')).toMatchObject({ status: 'active', nextLookAt: 500, claimedBy: null })
  })

  test('that is asked for while one is under way comes after it', async () => {
    const { one } = await twoInstances()
    const claim = (await one.discoveryClaims.claimLook('a', 100, 190)) as DiscoveryRow
    await one.discoveries.requestLook('disc_one', 110, { acceptRemovals: true })
    expect(await one.discoveryClaims.claimLook('b', 120, 210)).toBeNull()
    await one.discovered.finishLook(claim, { gone: [], nextLookAt: 500 }, 130)
    expect(await one.discoveryClaims.claimLook('b', 130, 220)).toMatchObject({ acceptRemovals: true })
  })

  test('a probe is claimed once, and not while somebody looks or nothing was ever listed', async () => {
    const { one, two } = await twoInstances()
    expect(await one.discoveryClaims.claimProbe(100, 280)).toBeNull()
    const claim = (await one.discoveryClaims.claimLook('a', 100, 190)) as DiscoveryRow
    await one.discovered.finishLook(claim, { gone: [], nextLookAt: 500 }, 130)
    expect(await one.discoveryClaims.claimProbe(131, 280)).toMatchObject({ id: 'disc_one' })
    expect(await two.discoveryClaims.claimProbe(279, 400)).toBeNull()
    expect(await two.discoveryClaims.claimProbe(280, 400)).toMatchObject({ id: 'disc_one' })
  })
})

describe('a look that is cut short', () => {
  async function hanging() {
    const double = new GithubDouble()
    const forge = await Forge.start(double)
    ends.push(() => forge.stop())
    for (const name of ['one', 'two', 'three']) forge.addPackage(name)
    const app = await TestApp.start()
    // The second page never ends.
    const endless = () => new Response(new ReadableStream({ pull: () => new Promise(() => {}) }))
    double.instead = ({ path }) => (path.includes('page=2') ? endless() : null)
    const json = { url: forge.ownerUrl, vcs_type: 'github', credential_type: 'token', auth_credentials: double.token }
    const { id } = (await (await app.ask('/api/discoveries', { json })).json()) as { id: string }
    await until(
      () => double.seen,
      (seen) => seen.some(({ path }) => path.includes('page=2')),
    )
    return { app, double, id }
  }

  test('by a stop is given back, and done by the next process', async () => {
    const { app, double, id } = await hanging()
    await app.stop(true)
    double.instead = null
    const next = await TestApp.start({}, app.directory)
    ends.push(() => next.stop())
    expect(await looked(next, id)).toMatchObject({ status: 'active', added: 3 })
  })

  test('by a crash is done by the next process at once, and adds nothing twice', async () => {
    const double = new GithubDouble()
    const forge = await Forge.start(double)
    ends.push(() => forge.stop())
    for (const name of ['one', 'two']) forge.addPackage(name)
    const app = await TestApp.start()
    const credential = { credential_type: 'token', auth_credentials: double.token }
    const { id } = await discover(app, { url: forge.ownerUrl, vcs_type: 'github', ...credential })
    // As it was when the process died between two repositories.
    await stored(app, "UPDATE discoveries SET claimed_by = 'look-dead', next_look_at = ?", app.clock.now + 90)
    await app.stop(true)
    forge.addPackage('three')
    const next = await TestApp.start({}, app.directory)
    ends.push(() => next.stop())
    expect(await looked(next, id)).toMatchObject({ status: 'active', found: 3, added: 3 })
    expect(Object.keys(await foundBy(next, id)).sort()).toEqual(['one', 'three', 'two'])
    expect(await stored(next, 'SELECT count(*) AS rows FROM repositories')).toEqual([{ rows: 3 }])
  })
})

import { afterAll, afterEach, describe, expect, test } from 'bun:test'
import { existsSync } from 'node:fs'
import { DataHold } from '../../src/maintenance/data-hold.ts'
import { type Database, openDatabase } from '../../src/store/database.ts'
import { migrate } from '../../src/store/migrate.ts'
import { SettingTable } from '../../src/store/settings.ts'
import { keyOf, source, storeBench } from '../archives/store-bench.ts'
import { temporaryDirectory } from '../store/support.ts'

const directory = temporaryDirectory()
const bench = storeBench()
const open: Database[] = []
afterEach(async () => {
  await bench.stop()
  for (const db of open.splice(0)) await db.close()
})
afterAll(async () => {
  directory.remove()
  await bench.clean()
})

async function database(name: string): Promise<Database> {
  const address = { url: `file:${directory.path}/${name}.db`, authToken: null }
  await migrate(address)
  const db = await openDatabase(address)
  open.push(db)
  return db
}

describe('data that stands still', () => {
  test('writes wait until it was copied; reads do not', async () => {
    const db = await database('copied')
    const settings = new SettingTable(db)
    await settings.set('a', 'before')
    const hold = await DataHold.begin(db, [])
    let written = false
    const write = settings.set('a', 'after').then(() => {
      written = true
    })
    expect(await settings.get('a')).toBe('before')
    expect(written).toBe(false)
    expect(hold.copied()).toBe(true)
    await write
    expect(await settings.get('a')).toBe('after')
    // A second copy would not be of one moment.
    hold.end()
    expect(hold.copied()).toBe(false)
  })

  test('it is given up after a while, and then says so', async () => {
    const db = await database('slow')
    const hold = await DataHold.begin(db, [], 20)
    await new SettingTable(db).set('a', 'written')
    expect(hold.copied()).toBe(false)
    hold.end()
  })

  test('archives are deleted when the last hold ends, unless they are wanted again', async () => {
    const db = await database('archives')
    const { store } = await bench.open()
    const [gone, back] = [await store.get(keyOf('c1'), source('x')), await store.get(keyOf('c2'), source('y'))]
    const holds = [await DataHold.begin(db, [store.files])]
    holds[0]?.copied()
    holds.push(await DataHold.begin(db, [store.files]))
    await store.remove([gone.sha256, back.sha256])
    expect([gone, back].map(({ path }) => existsSync(path))).toEqual([true, true])
    expect(await store.peek(keyOf('c2'))).not.toBeNull()
    holds[0]?.end()
    expect(existsSync(gone.path)).toBe(true)
    holds[1]?.end()
    while (existsSync(gone.path)) await Bun.sleep(1)
    expect(existsSync(back.path)).toBe(true)
  })

  test('nothing is evicted meanwhile, and what is too much is afterwards', async () => {
    const db = await database('evicted')
    const { store } = await bench.open({ maxBytes: 1, evictionGrace: 0 })
    const hold = await DataHold.begin(db, [store.files])
    const file = await store.get(keyOf('c1'), source('x'))
    expect(existsSync(file.path)).toBe(true)
    await Bun.sleep(2)
    hold.end()
    while (existsSync(file.path)) await Bun.sleep(1)
  })
})

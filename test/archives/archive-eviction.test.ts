import { afterAll, afterEach, describe, expect, test } from 'bun:test'
import { existsSync, statSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ArchiveEvent } from '../../src/archives/archive-index.ts'
import { keyOf, source, storeBench, unwanted } from './store-bench.ts'
import { file, filesBelow, noise, snapshot } from './support.ts'

const bench = storeBench()
const { open } = bench
afterEach(() => bench.stop())
afterAll(() => bench.clean())

describe('eviction', () => {
  const kilobytes = (seed: number) => async () => snapshot([file('a', noise(10_000, seed))])

  async function evicted(events: readonly ArchiveEvent[], count: number): Promise<string[]> {
    const found = () => events.flatMap((event) => (event.type === 'evicted' ? [event.sha256] : []))
    for (let tries = 0; found().length < count && tries < 500; tries++) await Bun.sleep(1)
    return found()
  }

  test('deletes the least recently used first, down to the bound', async () => {
    let now = 1_700_000_000_000
    const { store, directory, events } = await open({ maxBytes: 35_000, evictionGrace: 60_000, clock: () => now })
    const built = []
    for (const seed of [1, 2, 3]) {
      now += 1000
      built.push(await store.get(keyOf(`c${seed}`), kilobytes(seed)))
    }
    now += 3_600_000
    await store.get(keyOf('c1'), unwanted)
    now += 3_600_000
    await store.get(keyOf('c4'), kilobytes(4))
    expect(await evicted(events, 1)).toEqual([built[1]?.sha256 ?? ''])
    expect(await filesBelow(join(directory, 'git'))).toHaveLength(3)
    expect(await store.peek(keyOf('c1'))).not.toBeNull()
    expect(await store.peek(keyOf('c2'))).toBeNull()
    // What was evicted comes back with the same bytes.
    const again = await store.get(keyOf('c2'), kilobytes(2))
    expect(again.sha256).toBe(built[1]?.sha256 ?? '')
  })

  test('spares what was just used, even above the bound', async () => {
    let now = 1_700_000_000_000
    const { store, directory, events } = await open({ maxBytes: 100, evictionGrace: 60_000, clock: () => now })
    const all = await Promise.all([1, 2, 3, 4].map((seed) => store.get(keyOf(`c${seed}`), kilobytes(seed))))
    expect(await filesBelow(join(directory, 'git'))).toHaveLength(4)
    for (const { path } of all) expect(existsSync(path)).toBe(true)
    now += 61_000
    await store.get(keyOf('c5'), kilobytes(5))
    expect(await evicted(events, 4)).toHaveLength(4)
    expect(await filesBelow(join(directory, 'git'))).toHaveLength(1)
  })

  test('looks again when the grace is over, without another use', async () => {
    const { store, directory, events } = await open({ maxBytes: 100, evictionGrace: 50 })
    await store.get(keyOf('c1'), kilobytes(1))
    expect(await filesBelow(join(directory, 'git'))).toHaveLength(1)
    await Bun.sleep(1200)
    expect(await evicted(events, 1)).toHaveLength(1)
  })

  test('a clock that was set back does not end eviction', async () => {
    let now = 1_700_000_000_000
    const { store, events } = await open({ maxBytes: 15_000, evictionGrace: 60_000, clock: () => now })
    await store.get(keyOf('c1'), kilobytes(1))
    now -= 86_400_000
    await store.get(keyOf('c2'), kilobytes(2))
    expect(events.filter(({ type }) => type === 'evicted')).toEqual([])
    now += 61_000
    await store.get(keyOf('c3'), kilobytes(3))
    expect((await evicted(events, 2)).length).toBe(2)
  })

  test('a restart knows what was used last', async () => {
    let now = Math.floor(Date.now() / 1000) * 1000
    const first = await open({ clock: () => now })
    const built = []
    for (const seed of [1, 2, 3]) built.push(await first.store.get(keyOf(`c${seed}`), kilobytes(seed)))
    for (const [at, seed] of [2, 3, 1].entries()) {
      now += 600_000 * (at + 1)
      await first.store.get(keyOf(`c${seed}`), unwanted)
    }
    for (let tries = 0; statSync(built[0]?.path ?? '').mtimeMs !== now && tries < 500; tries++) await Bun.sleep(1)
    await first.store.stop()
    const { store, events } = await open({ directory: first.directory, index: first.index, maxBytes: 15_000 })
    const gone = new Set(await evicted(events, 2))
    expect(gone).toEqual(new Set([built[1]?.sha256 ?? '', built[2]?.sha256 ?? '']))
    expect((await store.get(keyOf('c1'), unwanted)).sha256).toBe(built[0]?.sha256 ?? '')
  })

  test('under load nobody is given a file that is gone', async () => {
    let now = 1_700_000_000_000
    const { store } = await open({ maxBytes: 30_000, evictionGrace: 10, clock: () => now })
    const wanted = async (seed: number) => {
      const { path, sha256 } = await store.get(keyOf(`c${seed}`), kilobytes(seed))
      expect(new Bun.CryptoHasher('sha256').update(new Uint8Array(await readFile(path))).digest('hex')).toBe(sha256)
    }
    for (let round = 0; round < 30; round++) {
      now += 20
      await Promise.all(Array.from({ length: 6 }, (_, at) => wanted(((round * 7 + at * at) % 12) + 1)))
    }
  })

  test('remove deletes files, and a wrong digest is refused', async () => {
    const { store, directory } = await open()
    const { sha256 } = await store.get(keyOf('c1'), source('x'))
    await store.remove([sha256, 'f'.repeat(64)])
    expect(await filesBelow(directory)).toEqual([])
    expect(await store.peek(keyOf('c1'))).toBeNull()
    await expect(store.remove(['../../x'])).rejects.toThrow('not a SHA-256')
  })
})

import { afterAll, afterEach, describe, expect, test } from 'bun:test'
import { existsSync, statSync } from 'node:fs'
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { ArchiveRecord } from '../../src/archives/archive-index.ts'
import type { Snapshot } from '../../src/git/snapshot.ts'
import { processorTimeOf } from '../support/event-loop.ts'
import { filesOf, keyOf, kindOf, source, storeBench, typesOf, unwanted } from './store-bench.ts'
import { file, filesBelow, MemoryIndex, prose, run, snapshot } from './support.ts'

const bench = storeBench()
const { open, directories } = bench
afterEach(() => bench.stop())
afterAll(() => bench.clean())

describe('get', () => {
  test('builds once, keeps the file by its digest, and finds it again', async () => {
    const { store, directory, index, events } = await open({ clock: () => 1_700_000_000_500 })
    const built = await store.get(keyOf('c1'), source('x'))
    expect(built.path).toBe(join(directory, 'git', built.sha256.slice(0, 2), `${built.sha256}.zip`))
    const bytes = await readFile(built.path)
    expect(bytes.length).toBe(built.size)
    expect(new Bun.CryptoHasher('sha1').update(bytes).digest('hex')).toBe(built.sha1)
    expect(new Bun.CryptoHasher('sha256').update(bytes).digest('hex')).toBe(built.sha256)
    expect(statSync(built.path).mode & 0o777).toBe(0o600)
    const { path: _, ...digests } = built
    expect(await index.find(keyOf('c1'))).toEqual({ ...digests, format: 1, createdAt: 1_700_000_000 })
    expect(await store.get(keyOf('c1'), unwanted)).toEqual(built)
    expect(await store.peek(keyOf('c1'))).toEqual(built)
    expect(typesOf(events)).toEqual(['built'])
    run(['unzip', '-t', built.path])
    expect(await filesBelow(directory)).toHaveLength(1)
  })

  test('a thousand callers at once make one build', async () => {
    const { store } = await open()
    let builds = 0
    const count = async () => {
      builds += 1
      await Bun.sleep(20)
      return filesOf('shared')
    }
    const all = await Promise.all(Array.from({ length: 1000 }, () => store.get(keyOf('c1'), count)))
    expect(builds).toBe(1)
    expect(new Set(all.map(({ path }) => path)).size).toBe(1)
  })

  test('the first caller leaves, the others and the cache get their archive', async () => {
    const { store } = await open()
    const gate = Promise.withResolvers<void>()
    const slow = async (signal: AbortSignal) => {
      await gate.promise
      signal.throwIfAborted()
      return filesOf('x')
    }
    const leaver = new AbortController()
    const reason = new Error('client went away')
    const first = store.get(keyOf('c1'), slow, { signal: leaver.signal })
    const second = store.get(keyOf('c1'), slow)
    leaver.abort(reason)
    await expect(first).rejects.toBe(reason)
    gate.resolve()
    expect((await second).size).toBeGreaterThan(0)
    await expect(store.get(keyOf('c2'), unwanted, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
  })

  test('the only caller leaves, the build still ends in the cache', async () => {
    const { store, events } = await open()
    const leaver = new AbortController()
    const left = store.get(keyOf('c1'), source('x'), { signal: leaver.signal })
    leaver.abort()
    await expect(left).rejects.toThrow()
    while (events.length === 0) await Bun.sleep(1)
    expect(await store.peek(keyOf('c1'))).not.toBeNull()
  })

  test('a failure reaches all who wait, is reported, and is not remembered', async () => {
    const { store, directory, events } = await open()
    let calls = 0
    const failing = async () => {
      calls += 1
      await Bun.sleep(5)
      throw new Error('host is down')
    }
    const both = await Promise.allSettled([store.get(keyOf('c1'), failing), store.get(keyOf('c1'), failing)])
    expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    expect(calls).toBe(1)
    expect(typesOf(events)).toEqual(['failed'])
    expect((await store.get(keyOf('c1'), source('x'))).size).toBeGreaterThan(0)
    expect(await filesBelow(join(directory, 'tmp'))).toEqual([])
  })

  test('a file that fails while it is read leaves nothing behind', async () => {
    const { store, directory } = await open()
    const broken = {
      ...file('z', 'x'),
      read: () => {
        throw new Error('bad object')
      },
    }
    await expect(store.get(keyOf('c1'), async () => snapshot([file('a', 'y'), broken]))).rejects.toThrow('bad object')
    expect(await filesBelow(directory)).toEqual([])
  })

  test('keys with the same bytes share a file; keys that only look alike do not share a build', async () => {
    const { store, directory } = await open()
    const a = await store.get(keyOf('c1'), source('x'))
    const b = await store.get(keyOf('c2'), source('x'))
    const c = await store.get({ repositoryId: 'r1', reference: 'c', path: '1' }, source('y'))
    const d = await store.get({ repositoryId: 'r1', reference: 'c1', path: 'sub' }, source('z'))
    expect(b.path).toBe(a.path)
    expect(new Set([a.path, c.path, d.path]).size).toBe(3)
    expect(await filesBelow(directory)).toHaveLength(3)
  })

  test('parts of a key never become a path', async () => {
    const { store, directory } = await open({ directory: join(directories.make(), 'inner') })
    await store.get({ repositoryId: '../../x', reference: '../../../etc/y', path: '/../..' }, source('x'))
    expect(await filesBelow(join(directory, '..'))).toHaveLength(1)
    expect(await kindOf(store.get(keyOf(''), unwanted))).toBe('invalid')
    expect(await kindOf(store.get(keyOf('a\0b'), unwanted))).toBe('invalid')
    expect(await kindOf(store.peek(keyOf('x'.repeat(5000))))).toBe('invalid')
  })

  test('a record that is no digest never becomes a path', async () => {
    const index = new MemoryIndex()
    await index.record(keyOf('c1'), { sha1: '', sha256: '../../../../etc/passwd', size: 1, format: 1, createdAt: 0 })
    const { store } = await open({ index })
    await expect(store.get(keyOf('c1'), source('x'))).rejects.toThrow('not a SHA-256')
  })
})

describe('published bytes', () => {
  test('a rebuild after the file is gone gives the same bytes', async () => {
    const { store } = await open()
    const first = await store.get(keyOf('c1'), source('x'))
    await rm(first.path)
    expect(await store.peek(keyOf('c1'))).toBeNull()
    expect(await store.get(keyOf('c1'), source('x'))).toEqual(first)
  })

  test('a rebuild with other bytes is refused, reported and not kept', async () => {
    const { store, directory, events, index } = await open()
    const first = await store.get(keyOf('c1'), source('x'))
    const record = await index.find(keyOf('c1'))
    await rm(first.path)
    expect(await kindOf(store.get(keyOf('c1'), source('moved')))).toBe('unavailable')
    expect(typesOf(events)).toEqual(['built', 'mismatch', 'failed'])
    expect(await filesBelow(directory)).toEqual([])
    expect(await index.find(keyOf('c1'))).toEqual(record)
  })

  test('the first record wins: a second writer with other bytes is refused', async () => {
    const index = new MemoryIndex()
    const { store: a } = await open({ index })
    const other = await a.get(keyOf('other'), source('other'))
    const { store, events } = await open({ index })
    index.find = async () => null
    const { path: _, ...digests } = other
    index.records.set(JSON.stringify(keyOf('c1')), { ...digests, format: 1, createdAt: 1 })
    expect(await kindOf(store.get(keyOf('c1'), source('mine')))).toBe('unavailable')
    expect(typesOf(events)).toContain('mismatch')
  })

  test('another format is not attempted', async () => {
    const index = new MemoryIndex()
    const { store } = await open({ index })
    const record: ArchiveRecord = { sha1: 'a', sha256: 'a'.repeat(64), size: 1, format: 2, createdAt: 0 }
    await index.record(keyOf('c1'), record)
    expect(await kindOf(store.get(keyOf('c1'), unwanted))).toBe('unavailable')
  })

  test('no record is made before the file is in place', async () => {
    const index = new MemoryIndex()
    const { store, directory } = await open({ index })
    const record = index.record.bind(index)
    let present = false
    index.record = async (key, row) => {
      present = existsSync(join(directory, 'git', row.sha256.slice(0, 2), `${row.sha256}.zip`))
      return record(key, row)
    }
    await store.get(keyOf('c1'), source('x'))
    expect(present).toBe(true)
  })
})

describe('the queue', () => {
  test('bounds builds at a time and builds that wait', async () => {
    const { store } = await open({ bounds: { atOnce: 2, waiting: 3 } })
    const gate = Promise.withResolvers<void>()
    let running = 0
    let most = 0
    const work = async () => {
      running += 1
      most = Math.max(most, running)
      await gate.promise
      await Bun.sleep(1)
      running -= 1
      return filesOf('x')
    }
    const accepted = Array.from({ length: 5 }, (_, at) => store.get(keyOf(`c${at}`), work))
    await Bun.sleep(5)
    expect(await kindOf(store.get(keyOf('c9'), work))).toBe('unavailable')
    gate.resolve()
    await Promise.all(accepted)
    expect(most).toBe(2)
    expect((await store.get(keyOf('c9'), work)).size).toBeGreaterThan(0)
  })
})

describe('stop', () => {
  test('waits for what runs, fails what waits, refuses what comes, serves what is there', async () => {
    const { store, directory } = await open({ bounds: { atOnce: 1 } })
    await store.get(keyOf('there'), source('there'))
    const gate = Promise.withResolvers<void>()
    const running = store.get(keyOf('c1'), async () => {
      await gate.promise
      return filesOf('x')
    })
    const waiting = kindOf(store.get(keyOf('c2'), source('y')))
    await Bun.sleep(1)
    const stopped = store.stop()
    expect(await waiting).toBe('unavailable')
    expect(await kindOf(store.get(keyOf('c3'), source('z')))).toBe('unavailable')
    expect((await store.get(keyOf('there'), unwanted)).size).toBeGreaterThan(0)
    expect(await Promise.race([stopped.then(() => 'stopped'), Bun.sleep(20).then(() => 'waits')])).toBe('waits')
    gate.resolve()
    await stopped
    expect(existsSync((await running).path)).toBe(true)
    expect(await filesBelow(join(directory, 'tmp'))).toEqual([])
  })

  test('aborts builds after the grace and leaves no partial file', async () => {
    const { store, directory } = await open({ stopGrace: 20 })
    const large = snapshot(Array.from({ length: 200 }, (_, at) => file(`f${at}`, prose(200_000, at))))
    const fetching = kindOf(
      store.get(keyOf('c1'), (signal) => {
        return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
      }),
    )
    const packing = kindOf(store.get(keyOf('c2'), async () => large))
    await Bun.sleep(5)
    expect(await processorTimeOf(() => store.stop())).toBeLessThan(1000)
    expect(await fetching).toBe('unavailable')
    expect(await packing).toBe('unavailable')
    expect(await filesBelow(directory)).toEqual([])
  })

  test('does not wait for ever for a source that ignores its signal', async () => {
    const { store } = await open({ stopGrace: 1 })
    store.get(keyOf('c1'), () => new Promise<Snapshot>(() => {})).catch(() => {})
    await Bun.sleep(1)
    const stopped = store.stop().then(() => 'stopped')
    expect(await Promise.race([stopped, Bun.sleep(30_000).then(() => 'waits for ever')])).toBe('stopped')
  })
})

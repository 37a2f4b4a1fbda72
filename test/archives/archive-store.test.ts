import { afterAll, afterEach, describe, expect, test } from 'bun:test'
import { chmodSync, existsSync, statSync, truncateSync, utimesSync } from 'node:fs'
import * as nodeFs from 'node:fs/promises'
import { appendFile, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ArchiveEvent, ArchiveKey, ArchiveRecord } from '../../src/archives/archive-index.ts'
import { ArchiveStore, type ArchiveStoreOptions } from '../../src/archives/archive-store.ts'
import type { FileSystem } from '../../src/archives/file-system.ts'
import { isAppError } from '../../src/errors.ts'
import type { Snapshot } from '../../src/git/snapshot.ts'
import { eventLog, file, filesBelow, MemoryIndex, noise, prose, run, scratch, snapshot } from './support.ts'

const directories = scratch()
const stores: ArchiveStore[] = []
afterEach(async () => {
  for (const store of stores.splice(0)) await store.stop()
})
afterAll(() => directories.clean())

type Setup = Partial<ArchiveStoreOptions> & { directory?: string }

async function open(options: Setup = {}) {
  const directory = options.directory ?? directories.make()
  const index = options.index ?? new MemoryIndex()
  const { events, onEvent } = eventLog()
  const store = await ArchiveStore.open({ maxBytes: 0, onEvent, ...options, directory, index })
  stores.push(store)
  return { directory, index: index as MemoryIndex, events, store }
}

const keyOf = (reference: string, path = ''): ArchiveKey => ({ repositoryId: 'r1', reference, path })
const filesOf = (content: string) => snapshot([file('composer.json', '{}'), file('a.php', content)])
const source = (content: string) => async () => filesOf(content)
const unwanted = async (): Promise<Snapshot> => {
  throw new Error('The archive was built although it was on disk.')
}
const kindOf = async (promise: Promise<unknown>) => {
  const error = await promise.then(
    () => null,
    (reason: unknown) => reason,
  )
  return isAppError(error) ? error.kind : error
}
const typesOf = (events: readonly ArchiveEvent[]) => events.map(({ type }) => type)

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
    const first = store.get(keyOf('c1'), slow, leaver.signal)
    const second = store.get(keyOf('c1'), slow)
    leaver.abort(reason)
    await expect(first).rejects.toBe(reason)
    gate.resolve()
    expect((await second).size).toBeGreaterThan(0)
    await expect(store.get(keyOf('c2'), unwanted, AbortSignal.abort(reason))).rejects.toBe(reason)
  })

  test('the only caller leaves, the build still ends in the cache', async () => {
    const { store, events } = await open()
    const leaver = new AbortController()
    const left = store.get(keyOf('c1'), source('x'), leaver.signal)
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

describe('damage on disk', () => {
  const damages: Record<string, (path: string) => unknown> = {
    'a flipped byte': async (path) => {
      const bytes = await readFile(path)
      bytes[40] = (bytes[40] ?? 0) ^ 1
      await writeFile(path, bytes)
    },
    truncation: (path) => truncateSync(path, 10),
    'an empty file': (path) => truncateSync(path, 0),
    'more bytes': (path) => appendFile(path, 'x'),
    'a directory in its place': async (path) => {
      await rm(path)
      await mkdir(path)
      await writeFile(join(path, 'file'), 'x')
    },
    'a link in its place': async (path) => {
      await nodeFs.rename(path, `${path}.moved`)
      await symlink(`${path}.moved`, path)
    },
  }
  for (const [name, damage] of Object.entries(damages)) {
    for (const restart of [false, true]) {
      test(`${name} ${restart ? 'while stopped' : 'while running'} is found and repaired`, async () => {
        const { store, directory, index, events } = await open()
        const first = await store.get(keyOf('c1'), source('x'))
        const right = await readFile(first.path)
        await damage(first.path)
        // A change within the same tick of the file system's clock is not what is tested here.
        if (name !== 'a link in its place') utimesSync(first.path, 1, 1)
        const again = restart ? await open({ directory, index }) : { store, events }
        expect(await again.store.peek(keyOf('c1'))).toBeNull()
        expect(typesOf(again.events).at(-1)).toBe('corrupt')
        expect(existsSync(join(directory, 'quarantine', `${first.sha256}.zip`))).toBe(true)
        expect(await again.store.get(keyOf('c1'), source('x'))).toEqual(first)
        expect(await readFile(first.path)).toEqual(right)
      })
    }
  }

  test('a restart with sound files builds nothing, and reads each once', async () => {
    const first = await open()
    for (let at = 0; at < 20; at++) await first.store.get(keyOf(`c${at}`), source(`${at}`))
    await first.store.stop()
    let opened = 0
    const fs: FileSystem = {
      ...nodeFs,
      open: ((path: string, ...rest: [string]) => {
        if (path.endsWith('.zip')) opened += 1
        return nodeFs.open(path, ...rest)
      }) as FileSystem['open'],
    }
    const { store } = await open({ directory: first.directory, index: first.index, fs })
    expect(opened).toBe(0)
    for (let round = 0; round < 3; round++) {
      const keys = Array.from({ length: 20 }, (_, at) => keyOf(`c${at}`))
      await Promise.all(keys.flatMap((key) => [store.get(key, unwanted), store.peek(key)]))
    }
    expect(opened).toBe(20)
  })

  test('a changed time with sound bytes costs one look, no build', async () => {
    const { store, events } = await open()
    const { path } = await store.get(keyOf('c1'), source('x'))
    utimesSync(path, 5, 5)
    await store.get(keyOf('c1'), unwanted)
    expect(typesOf(events)).toEqual(['built'])
  })

  test('what was put aside is kept for a week', async () => {
    const { store, directory, index } = await open()
    const { path } = await store.get(keyOf('c1'), source('x'))
    truncateSync(path, 1)
    expect(await store.peek(keyOf('c1'))).toBeNull()
    const day = 24 * 60 * 60 * 1000
    await open({ directory, index, clock: () => Date.now() + 6 * day })
    expect(await filesBelow(join(directory, 'quarantine'))).toHaveLength(1)
    await open({ directory, index, clock: () => Date.now() + 8 * day })
    expect(await filesBelow(join(directory, 'quarantine'))).toHaveLength(0)
  })

  test('left-over temporary files go at the next start, own ones stay', async () => {
    const directory = directories.make()
    await mkdir(join(directory, 'tmp', 'sub'), { recursive: true })
    await writeFile(join(directory, 'tmp', 'left-over'), 'x')
    const { store, index } = await open({ directory })
    expect(await filesBelow(join(directory, 'tmp'))).toEqual([])
    const gate = Promise.withResolvers<void>()
    const slow = { ...file('z', 'x'), read: () => new Uint8Array(1) }
    const big = snapshot([file('a', noise(2_000_000)), slow])
    const building = store.get(keyOf('c1'), async () => {
      gate.resolve()
      return big
    })
    await gate.promise
    while ((await filesBelow(join(directory, 'tmp'))).length === 0) await Bun.sleep(1)
    await open({ directory, index })
    expect((await building).size).toBeGreaterThan(2_000_000)
  })
})

describe('a full or broken disk', () => {
  function failing(code: string, when: (operation: string, count: number) => boolean): FileSystem {
    let count = 0
    const strike = (operation: string) => {
      count += 1
      if (when(operation, count)) throw Object.assign(new Error(code), { code })
    }
    return {
      ...nodeFs,
      rename: async (...args: Parameters<FileSystem['rename']>) => {
        strike('rename')
        return nodeFs.rename(...args)
      },
      open: (async (path: string, ...rest: [string]) => {
        strike('open')
        const handle = await nodeFs.open(path, ...rest)
        const write = handle.write.bind(handle) as (...args: unknown[]) => Promise<{ bytesWritten: number }>
        const sync = handle.sync.bind(handle)
        return Object.assign(handle, {
          write: async (bytes: Uint8Array, at: number, length: number) => {
            strike('write')
            // Half of what was asked, as a system may do.
            return write(bytes, at, Math.max(1, length >> 1))
          },
          sync: async () => {
            strike('sync')
            return sync()
          },
        })
      }) as FileSystem['open'],
    }
  }

  test('short writes are continued', async () => {
    const { store } = await open({ fs: failing('', () => false) })
    const { path } = await store.get(keyOf('c1'), async () => snapshot([file('a', noise(900_000))]))
    run(['unzip', '-t', path])
  })

  test('every operation may fail once: nothing partial stays, and the next try works', async () => {
    let failures = 0
    for (let fatal = 1; ; fatal++) {
      const fs = failing('ENOSPC', (_, count) => count === fatal)
      const { store, directory, index } = await open({ fs })
      const kind = await kindOf(store.get(keyOf('c1'), source('x')))
      if (kind === null) break
      failures += 1
      expect(kind).toBe('disk_full')
      expect(index.records.size).toBe(0)
      expect(await filesBelow(join(directory, 'tmp'))).toEqual([])
      const { path } = await store.get(keyOf('c1'), source('x'))
      run(['unzip', '-t', path])
    }
    // Opening, several short writes, syncing, renaming, and two directories to open and sync.
    expect(failures).toBeGreaterThan(8)
  })

  test('an archive is on the disk before it has its name, and its name before it is recorded', async () => {
    const steps: string[] = []
    const fs = failing('', (operation) => {
      steps.push(operation)
      return false
    })
    const { store, index } = await open({ fs })
    const record = index.record.bind(index)
    index.record = (key, row) => {
      steps.push('record')
      return record(key, row)
    }
    await store.get(keyOf('c1'), source('x'))
    const afterWrites = steps.slice(steps.lastIndexOf('write') + 1)
    expect(afterWrites).toEqual(['sync', 'rename', 'open', 'sync', 'open', 'sync', 'record'])
  })

  test('what is on disk is served while the disk is full', async () => {
    const first = await open()
    const built = await first.store.get(keyOf('c1'), source('x'))
    await first.store.stop()
    const fs = failing('ENOSPC', (operation) => operation === 'write')
    const { store } = await open({ ...first, fs, onEvent: () => {} })
    expect(await store.get(keyOf('c1'), unwanted)).toEqual(built)
    expect(await kindOf(store.get(keyOf('c2'), source('y')))).toBe('disk_full')
  })

  test('too many open files is no damage', async () => {
    const first = await open()
    const built = await first.store.get(keyOf('c1'), source('x'))
    await first.store.stop()
    const fs = failing('EMFILE', (_, count) => count === 1)
    const { store } = await open({ directory: first.directory, index: first.index, fs })
    expect(await kindOf(store.get(keyOf('c1'), unwanted))).toBe('unavailable')
    expect(await store.get(keyOf('c1'), unwanted)).toEqual(built)
  })

  test('a file that cannot be read is damage', async () => {
    const first = await open()
    const built = await first.store.get(keyOf('c1'), source('x'))
    await first.store.stop()
    chmodSync(built.path, 0)
    const fs = failing('EACCES', (operation, count) => operation === 'open' && count === 1)
    const { store } = await open({ directory: first.directory, index: first.index, fs })
    expect(await store.get(keyOf('c1'), source('x'))).toEqual(built)
  })
})

describe('the queue', () => {
  test('bounds builds at a time and builds that wait', async () => {
    const { store } = await open({ concurrency: 2, queueLimit: 3 })
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

describe('stop', () => {
  test('waits for what runs, fails what waits, refuses what comes, serves what is there', async () => {
    const { store, directory } = await open({ concurrency: 1 })
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
    const started = performance.now()
    await store.stop()
    expect(performance.now() - started).toBeLessThan(1000)
    expect(await fetching).toBe('unavailable')
    expect(await packing).toBe('unavailable')
    expect(await filesBelow(directory)).toEqual([])
  })

  test('does not wait for ever for a source that ignores its signal', async () => {
    const { store } = await open({ stopGrace: 1 })
    store.get(keyOf('c1'), () => new Promise<Snapshot>(() => {})).catch(() => {})
    await Bun.sleep(1)
    const started = performance.now()
    await store.stop()
    expect(performance.now() - started).toBeLessThan(3000)
  })
})

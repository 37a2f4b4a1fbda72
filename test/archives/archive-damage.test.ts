import { afterAll, afterEach, describe, expect, test } from 'bun:test'
import { chmodSync, existsSync, truncateSync, utimesSync } from 'node:fs'
import * as nodeFs from 'node:fs/promises'
import { appendFile, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { FileSystem } from '../../src/archives/file-system.ts'
import { keyOf, kindOf, source, storeBench, typesOf, unwanted } from './store-bench.ts'
import { file, filesBelow, noise, run, snapshot } from './support.ts'

const bench = storeBench()
const { open, directories } = bench
afterEach(() => bench.stop())
afterAll(() => bench.clean())

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

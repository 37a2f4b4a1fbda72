import { afterAll, afterEach, describe, expect, test } from 'bun:test'
import * as nodeFs from 'node:fs/promises'
import { join } from 'node:path'
import { HELD_BACK } from '../../src/archives/incoming-archive.ts'
import { downloadBench, readAll, Sender, sent, zipLike } from './download-bench.ts'
import { keyOf, storeBench } from './store-bench.ts'
import { file, filesBelow, noise, snapshot } from './support.ts'

const bench = downloadBench()
const builds = storeBench()
afterEach(async () => {
  await bench.stop()
  await builds.stop()
})
afterAll(async () => {
  await bench.clean()
  await builds.clean()
})

const noSpace = () => {
  throw Object.assign(new Error('no space'), { code: 'ENOSPC' })
}

describe('a disk that fails', () => {
  test.each(['write', 'sync', 'rename', 'open'] as const)(
    'full at %s: nothing left, and later it works',
    async (at) => {
      let full = true
      const fail = () => (full ? noSpace() : undefined)
      const fs = {
        ...nodeFs,
        async open(...args: Parameters<typeof nodeFs.open>) {
          if (args[1] !== 'wx') return nodeFs.open(...args)
          if (at === 'open') fail()
          const handle = await nodeFs.open(...args)
          const write = handle.write.bind(handle) as (...all: unknown[]) => Promise<never>
          const sync = handle.sync.bind(handle)
          return Object.assign(handle, {
            write: async (...all: unknown[]) => (at === 'write' && fail()) || write(...all),
            sync: async () => (at === 'sync' && fail()) || sync(),
          })
        },
        async rename(...args: Parameters<typeof nodeFs.rename>) {
          if (at === 'rename') fail()
          return nodeFs.rename(...args)
        },
      }
      const { store, index, directory, want } = await bench.open({ fs })
      const zip = zipLike(HELD_BACK * 2)
      const sender = new Sender(zip.length).send(zip).end()
      const { error } = await readAll(store.get(want({ open: async () => sender.delivery })))
      expect(error).toMatchObject({ kind: 'disk_full' })
      expect(index.records.size).toBe(0)
      expect(await filesBelow(directory)).toEqual([])
      full = false
      expect((await store.get(want({ open: async () => sent(zip) })).finished()).size).toBe(zip.length)
    },
  )
})

describe('stopping', () => {
  test('waits for what runs, refuses what waits or comes, and aborts what does not end', async () => {
    const { store, directory, want } = await bench.open({ stopGrace: 200 })
    const zip = zipLike(10_000)
    const ending = new Sender(zip.length)
    const hanging = Array.from({ length: 17 }, (_, at) => {
      const sender = new Sender()
      const open = async (signal: AbortSignal) => {
        signal.addEventListener('abort', () => sender.breakOff(signal.reason))
        return sender.delivery
      }
      return store.get(want({ reference: `${at}`.padStart(40, '0'), host: 'slow.example.com', open }))
    })
    const running = store.get(want({ open: async () => ending.delivery }))
    while ((await filesBelow(directory)).length < 17) await Bun.sleep(1)
    const stopped = store.stop()
    ending.send(zip).end()
    expect((await running.finished()).size).toBe(zip.length)
    for (const incoming of hanging) await expect(incoming.finished()).rejects.toMatchObject({ kind: 'unavailable' })
    await stopped
    const late = store.get(want({ reference: 'e'.repeat(40), open: async () => sent(zip) }))
    await expect(late.finished()).rejects.toMatchObject({ kind: 'unavailable' })
    expect(await filesBelow(join(directory, 'tmp'))).toEqual([])
  })

  test('what a process left unfinished is gone when the next one starts', async () => {
    const { directory } = await bench.open()
    await nodeFs.writeFile(join(directory, 'tmp', 'an-earlier-process.1'), 'half an archive')
    await bench.open({ directory })
    expect(await filesBelow(directory)).toEqual([])
  })
})

describe('room on disk', () => {
  const gone = async (directory: string, left: number) => {
    for (let tries = 0; tries < 500 && (await filesBelow(directory)).length > left; tries++) await Bun.sleep(1)
    return filesBelow(directory)
  }

  test('the least recently used go first', async () => {
    let now = 1_700_000_000_000
    const { store, directory, want } = await bench.open({ maxBytes: 25_000, evictionGrace: 1_000, clock: () => now })
    const fetched: string[] = []
    for (const reference of ['a', 'b', 'c']) {
      now += 5_000
      const open = async () => sent(zipLike(10_000, reference.charCodeAt(0)))
      fetched.push((await store.get(want({ reference: reference.repeat(40), open })).finished()).sha256)
    }
    const left = await gone(join(directory, 'upstream'), 2)
    expect(left.map((name) => name.slice(3, 67)).sort()).toEqual(fetched.slice(1).sort())
  })

  test('archives that can be built again make room for those of upstreams', async () => {
    let now = 1_700_000_000_000
    const clock = () => now
    const upstream = await bench.open({ maxBytes: 25_000, evictionGrace: 1_000, clock })
    const { store, want, directory } = upstream
    const built = await builds.open({ maxBytes: 25_000, evictionGrace: 1_000, clock, otherBytes: () => store.bytes })
    for (const name of ['c1', 'c2']) {
      await built.store.get(keyOf(name), async () => snapshot([file('a', noise(10_000, name.charCodeAt(1)))]))
    }
    now += 5_000
    await store.get(want({ open: async () => sent(zipLike(10_000)) })).finished()
    built.store.makeRoom()
    expect(await gone(join(built.directory, 'git'), 1)).toHaveLength(1)
    expect(await filesBelow(join(directory, 'upstream'))).toHaveLength(1)
  })
})

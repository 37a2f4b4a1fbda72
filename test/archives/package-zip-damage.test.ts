import { afterAll, describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readPackageZip, ZIP_BOUNDS, type ZipBounds } from '../../src/archives/package-zip.ts'
import { bytes, type Entry, type Layout, manifestEntry, type Numbers, zipOf } from '../support/zip-builder.ts'

const directory = mkdtempSync(join(tmpdir(), 'package-broker-bad-zip-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const NEVER = new AbortController().signal

function read(zip: Uint8Array, bounds: Partial<ZipBounds> = {}, signal: AbortSignal = NEVER) {
  const path = join(directory, 'upload.zip')
  writeFileSync(path, zip)
  return readPackageZip(path, { signal, bounds: { ...ZIP_BOUNDS, ...bounds } })
}

const file = (name: string, content = 'x'): Entry => ({ name, content })
const M = manifestEntry()
const withM = (...entries: Entry[]) => zipOf([M, ...entries])
const descriptor = ({ crc, compressed, size }: Numbers) => bytes([4, 0x08074b50], [4, crc], [4, compressed], [4, size])
const open = { crc: 0, compressed: 0, size: 0 }

describe('bounds', () => {
  const bomb = (size: number): Entry => ({ name: 'bomb', content: Buffer.alloc(size) })

  test('entries', async () => {
    await expect(read(withM(file('a'), file('b')), { entries: 2 })).rejects.toThrow('more than 2 entries')
    await read(withM(file('a')), { entries: 2 })
  })

  test('inflated size, as said and before anything is inflated', async () => {
    await expect(read(withM(file('a', 'a'.repeat(1_000))), { inflated: 1_000 })).rejects.toThrow(
      'larger than 1000 bytes',
    )
    const liar = withM({ name: 'a', content: 'a', said: { size: 4_000_000_000 } })
    await expect(read(liar)).rejects.toThrow('larger than 1073741824 bytes')
  })

  test('ratio, once it is large', async () => {
    const zip = withM(bomb(60 * 1024 * 1024))
    await expect(read(zip)).rejects.toThrow('50 times larger')
    await read(withM(bomb(1_000_000)))
  })

  test('directories', async () => {
    const zip = withM(...Array.from({ length: 700 }, (_, index) => file(`${index}/${'a/'.repeat(40)}b`)))
    await expect(read(zip)).rejects.toThrow('more than 20000 directories')
  })

  test('time: it can be stopped', async () => {
    const stopped = AbortSignal.abort(new Error('gone'))
    await expect(read(withM(file('a')), {}, stopped)).rejects.toThrow('gone')
  })

  test('the event loop goes on meanwhile', async () => {
    const zip = withM(bomb(40 * 1024 * 1024), ...Array.from({ length: 3_000 }, (_, index) => file(`f${index}`, 'abc')))
    let turns = 0
    const timer = setInterval(() => turns++, 1)
    await read(zip)
    clearInterval(timer)
    expect(turns).toBeGreaterThan(5)
  })
})

describe('damage', () => {
  const zip = withM(file('src/A.php', 'abc'.repeat(50)), { ...file('b'), flags: 0x808, local: open, after: descriptor })
  /** Bytes that no reader has to look at: versions, times, and attributes that say nothing about the kind of an entry. */
  const unread = (at: number) => {
    const local = [0, zip.indexOf('PK\x03\x04', 4), zip.lastIndexOf('PK\x03\x04')]
    const central = [
      zip.indexOf('PK\x01\x02'),
      zip.indexOf('PK\x01\x02', zip.indexOf('PK\x01\x02') + 4),
      zip.lastIndexOf('PK\x01\x02'),
    ]
    const within = (starts: number[], ...ranges: [number, number][]) =>
      starts.some((start) => ranges.some(([from, to]) => at >= start + from && at < start + to))
    return within(local, [5, 6], [10, 14]) || within(central, [4, 6], [7, 8], [12, 16], [36, 38], [38, 42])
  }

  test('every flipped byte is found', async () => {
    const missed: number[] = []
    for (let at = 0; at < zip.length; at++) {
      const damaged = Buffer.from(zip)
      damaged[at] = (damaged[at] ?? 0) ^ 0xff
      const outcome = await read(damaged).then(
        () => 'read',
        (error: { kind?: string }) => error.kind ?? String(error),
      )
      if (outcome === 'read' && !unread(at)) missed.push(at)
      if (outcome !== 'read') expect(outcome).toBe('invalid')
    }
    expect(missed).toEqual([])
  })

  test('every cut is found', async () => {
    for (let length = 0; length < zip.length; length++) {
      await expect(read(zip.subarray(0, length))).rejects.toMatchObject({ kind: 'invalid' })
    }
  })

  test('random records are refused and never break the reader', async () => {
    let state = 42
    const random = (below: number) => {
      state = (state * 1_103_515_245 + 12_345) & 0x7fffffff
      return state % below
    }
    for (let round = 0; round < 400; round++) {
      const damaged = Buffer.from(zip)
      for (let change = 0; change <= random(6); change++) damaged.writeUInt8(random(256), random(damaged.length))
      const layout: Layout = { comment: damaged.subarray(0, random(40)) }
      const tried = round % 2 === 0 ? damaged : zipOf([{ ...M, data: damaged.subarray(0, random(90)) }], layout)
      const kind = await read(tried).then(
        () => 'read',
        (error: { kind?: string; message: string }) => error.kind ?? error.message,
      )
      expect(['read', 'invalid']).toContain(kind)
    }
  })
})

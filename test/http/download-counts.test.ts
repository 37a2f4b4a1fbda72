import { expect, test } from 'bun:test'
import { DownloadCounts } from '../../src/http/download-counts.ts'
import type { DownloadCount } from '../../src/store/downloads.ts'

/** A table that fails while `broken`, and writes only when let go. */
class SlowTable {
  readonly written: DownloadCount[] = []
  broken = false
  writes = 0
  gate: Promise<void> = Promise.resolve()

  async add(counts: readonly DownloadCount[]): Promise<void> {
    this.writes += 1
    await this.gate
    if (this.broken) throw new Error('no room')
    this.written.push(...counts)
  }

  get total(): number {
    return this.written.reduce((sum, { count }) => sum + count, 0)
  }
}

test('equal downloads are one row, and nothing is written without any', async () => {
  const table = new SlowTable()
  const counts = new DownloadCounts(table, () => 1_700_000_000)
  await counts.flush()
  for (let at = 0; at < 5; at++) counts.note('pkg_a', '1.0.0.0')
  counts.note('pkg_a', '2.0.0.0')
  await counts.flush()
  await counts.flush()
  expect(table.writes).toBe(1)
  expect(table.written).toEqual([
    { packageId: 'pkg_a', version: '1.0.0.0', day: '2023-11-14', count: 5 },
    { packageId: 'pkg_a', version: '2.0.0.0', day: '2023-11-14', count: 1 },
  ])
})

test('what could not be written is written later, once', async () => {
  const table = new SlowTable()
  const counts = new DownloadCounts(table, () => 1_700_000_000)
  counts.note('pkg_a', '1.0.0.0')
  table.broken = true
  await expect(counts.flush()).rejects.toThrow('no room')
  await counts.settle()
  counts.note('pkg_a', '1.0.0.0')
  table.broken = false
  await counts.flush()
  expect(table.total).toBe(2)
})

test('downloads noted while others are written are not lost, and a flush waits for those before it', async () => {
  const table = new SlowTable()
  const counts = new DownloadCounts(table, () => 1_700_000_000)
  const { promise, resolve } = Promise.withResolvers<void>()
  table.gate = promise
  counts.note('pkg_a', '1.0.0.0')
  const first = counts.flush()
  counts.note('pkg_a', '1.0.0.0')
  const second = counts.flush()
  const third = counts.flush()
  resolve()
  await Promise.all([first, second, third])
  expect(table.total).toBe(2)
  expect(table.writes).toBe(2)
})

test('memory is bounded', async () => {
  const table = new SlowTable()
  const counts = new DownloadCounts(table, () => 1_700_000_000)
  for (let at = 0; at < 25_000; at++) counts.note('pkg_a', `${at}`)
  await counts.flush()
  expect(table.written.length).toBe(20_000)
})

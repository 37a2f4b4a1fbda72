import { buildArchive } from '../../src/archives/build-archive.ts'
import type { SnapshotFile } from '../../src/git/snapshot.ts'

/* Builds an archive of 48 files of 8 MiB and prints by how many MiB the memory of the process rose at most. */
const SIZE = 8 * 2 ** 20

const files = Array.from(
  { length: 48 },
  (_, at): SnapshotFile => ({
    path: Buffer.from(String(at).padStart(4, '0')),
    mode: 0o100644,
    size: SIZE,
    read: () => new Uint8Array(SIZE).fill(at),
  }),
)
const before = process.memoryUsage().rss
let peak = before
const watch = setInterval(() => {
  peak = Math.max(peak, process.memoryUsage().rss)
}, 10)
const snapshot = { commit: '0'.repeat(40), files, warnings: [] }
await buildArchive(snapshot, { write() {} }, new AbortController().signal)
clearInterval(watch)
console.log((peak - before) / 2 ** 20)

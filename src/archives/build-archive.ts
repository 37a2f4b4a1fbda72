import { createHash } from 'node:crypto'
import { AppError } from '../errors.ts'
import type { Snapshot, SnapshotFile } from '../git/snapshot.ts'
import { Pacer } from '../pacer.ts'
import { inspectNames, needsWrapper, OutsideLinks } from './archive-names.ts'
import { type ZipSink, ZipWriter } from './zip.ts'

/** What was written: size in bytes, digests in lower-case hexadecimal. */
export interface BuiltArchive {
  readonly size: number
  /** Composer's `shasum` (`Composer: FileDownloader`). */
  readonly sha1: string
  readonly sha256: string
  /** What a user of the archive may miss or stumble over, one sentence each; those of the snapshot come first. */
  readonly warnings: readonly string[]
}

/** Part of format 1: the directory around everything, in archives that need one. */
const WRAPPER = Buffer.from('package/')

/**
 * Writes the canonical zip of a snapshot to `sink`, hashing as it goes. The same snapshot gives the same bytes always.
 *
 * The files are at the root of the archive, except where Composer would take a lone top-level directory for a wrapper
 * and strip it: then everything is inside one constant directory, which is stripped instead.
 *
 * Yields to the event loop every few milliseconds and holds one file at a time. Throws AppError('invalid') for names
 * that cannot be extracted safely, the signal's reason when aborted, and whatever the sink or `read()` throws.
 */
export async function buildArchive(snapshot: Snapshot, sink: ZipSink, signal: AbortSignal): Promise<BuiltArchive> {
  const pace = new Pacer(signal)
  const nameWarnings = await inspectNames(snapshot.files, pace)
  const files = inByteOrder(snapshot.files)
  const wrapper = needsWrapper(files) ? WRAPPER : null
  const sha1 = createHash('sha1')
  const sha256 = createHash('sha256')
  const zip = new ZipWriter(hashingSink(sink, sha1, sha256), () => pace.step())
  const links = new OutsideLinks()
  for (const file of files) {
    const content = await contentOf(file)
    if (file.mode === 0o120000) links.inspect(file.path, content)
    const name = wrapper ? Buffer.concat([wrapper, file.path]) : file.path
    await zip.add({ name, mode: file.mode, content })
    await pace.step()
  }
  const size = await zip.finish()
  const empty = files.length === 0 ? ['The archive has no files.'] : []
  const warnings = [...snapshot.warnings, ...empty, ...nameWarnings, ...links.warnings()]
  return { size, sha1: sha1.digest('hex'), sha256: sha256.digest('hex'), warnings }
}

interface Hash {
  update(chunk: Uint8Array): unknown
}

function hashingSink(sink: ZipSink, ...hashes: readonly Hash[]): ZipSink {
  return {
    write(chunk) {
      for (const hash of hashes) hash.update(chunk)
      return sink.write(chunk)
    },
  }
}

/** A snapshot promises this order; the digest depends on it, so it is not left to trust. */
function inByteOrder(files: readonly SnapshotFile[]): readonly SnapshotFile[] {
  const sorted = files.every((file, at) => {
    const before = files[at - 1]
    return before === undefined || Buffer.compare(before.path, file.path) < 0
  })
  return sorted ? files : files.toSorted((a, b) => Buffer.compare(a.path, b.path))
}

async function contentOf(file: SnapshotFile): Promise<Uint8Array> {
  const content = await file.read()
  if (content.length === file.size) return content
  const name = Buffer.from(file.path).toString('utf8')
  throw new AppError('invalid', 'The commit cannot be packed: a file has another size than the repository says.', {
    details: { name, expected: file.size, actual: content.length },
  })
}

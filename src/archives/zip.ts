import { isUtf8 } from 'node:buffer'
import { Readable } from 'node:stream'
import { crc32, createInflateRaw, inflateRawSync } from 'node:zlib'
import { Deflate, deflateSync } from 'fflate'
import type { FileMode } from '../git/snapshot.ts'
import { codeOf } from './storage-error.ts'
import { centralHeader, endRecords, localHeader, type ZipRecord } from './zip-records.ts'

/**
 * The number of the canonical form written here. It is stored with every archive, because lock files hold the digest of
 * its bytes: anything that changes a byte (order, level, chunk size, another deflate) needs a new number.
 */
export const ZIP_FORMAT = 1

/** Where an archive goes. A chunk may be kept only until `write` is done; writes come one after the other. */
export interface ZipSink {
  write(chunk: Uint8Array): void | Promise<void>
}

/** One file of an archive: its name in raw bytes, `/`-separated, and its whole content. */
export interface ZipEntry {
  readonly name: Uint8Array
  readonly mode: FileMode
  readonly content: Uint8Array
}

const SYMBOLIC_LINK = 0o120000

/**
 * Part of format 1. Level 9 saves 0.1 % on real packages, but stops the event loop for 190 ms per 64 KiB on content
 * made to be slow, where level 6 needs 10 ms. `mem` is given because fflate otherwise derives it with `Math.log`.
 */
const DEFLATE = { level: 6, mem: 4 } as const

/** Part of format 1: content up to this is deflated in one go; in larger content a deflate block ends with each push. */
const SINGLE_BYTES = 64 * 1024
const PUSH_BYTES = 32 * 1024

/** What zlib says of bytes that are no deflated form of the content. */
const INFLATE_VERDICTS = new Set(['Z_DATA_ERROR', 'Z_BUF_ERROR', 'ERR_BUFFER_TOO_LARGE'])

/** How much goes to the sink at once, so that hashing there cannot hold the event loop. */
const WRITE_BYTES = 256 * 1024

/**
 * fflate's `Deflate` starts as if 32 KiB of zeros came before the content, and can refer back to them: about one in
 * fifteen contents of mixed noise then does not inflate (fflate issue 260). Started at the beginning of its buffer it
 * knows, like `deflateSync`, that nothing came before.
 */
class ChunkedDeflate extends Deflate {
  readonly chunks: Uint8Array[] = []
  length = 0

  constructor() {
    super(DEFLATE, (chunk) => {
      this.chunks.push(chunk)
      this.length += chunk.length
    })
    Object.assign(this, { s: { l: 0, i: 0, w: 0, z: 0 } })
  }
}

/**
 * Reads a deflated content back with zlib. An archive is for ever, so a fault of the compressor must not get into one:
 * such content is stored instead, which is the same decision each time.
 */
async function inflatesTo(deflated: Uint8Array, content: Uint8Array): Promise<boolean> {
  let at = 0
  const matches = (piece: Uint8Array) => {
    const from = at
    at += piece.length
    return Buffer.compare(piece, content.subarray(from, at)) === 0
  }
  try {
    if (content.length <= SINGLE_BYTES) {
      return matches(inflateRawSync(deflated, { maxOutputLength: content.length })) && at === content.length
    }
    for await (const piece of Readable.from([deflated]).pipe(createInflateRaw({ chunkSize: WRITE_BYTES }))) {
      if (!matches(piece)) return false
    }
    return at === content.length
  } catch (error) {
    // Only a verdict on the bytes counts: a machine short of memory must not decide about the form of an archive.
    if (INFLATE_VERDICTS.has(codeOf(error))) return false
    throw error
  }
}

/**
 * Writes the canonical zip: the same entries give the same bytes on every machine, in every time zone, for ever.
 *
 * Entries come sorted by the bytes of their names. No directory entries, extra fields, comments or data descriptors;
 * the date is 1980-01-01 00:00; Unix modes are in the external attributes. Content is deflated where that is smaller
 * and stored otherwise; targets of symbolic links are stored. A name that is UTF-8 has general purpose bit 11 set, any
 * other name is written as the raw bytes git holds with the bit clear, which Unix readers take literally. zip64 records
 * appear only when a number needs them.
 *
 * Memory: one entry's content, its deflated form, and the central directory.
 */
export class ZipWriter {
  readonly #sink: ZipSink
  readonly #pause: () => Promise<void> | void
  readonly #directory: Uint8Array[] = []
  #offset = 0
  #lastName: Uint8Array | null = null

  /** `pause` is called between pieces of work of at most a few milliseconds; it may yield, or throw to stop. */
  constructor(sink: ZipSink, pause: () => Promise<void> | void = () => {}) {
    this.#sink = sink
    this.#pause = pause
  }

  /** Writes one entry. Throws a plain `Error` when its name does not sort after the one before: a caller's mistake. */
  async add({ name, mode, content }: ZipEntry): Promise<void> {
    if (this.#lastName && Buffer.compare(this.#lastName, name) >= 0) {
      throw new Error('Zip entries must be added once each, in byte order of their names.')
    }
    if (name.length === 0 || name.length > 0xffff) throw new Error('A zip entry name has 1 to 65535 bytes.')
    this.#lastName = name
    const { deflated, checksum } = await this.#compress(content, mode !== SYMBOLIC_LINK)
    const record: ZipRecord = {
      name,
      utf8: isUtf8(name),
      mode,
      method: deflated ? 8 : 0,
      crc32: checksum,
      compressedSize: (deflated ?? content).length,
      size: content.length,
      offset: this.#offset,
    }
    this.#directory.push(centralHeader(record))
    await this.#write(localHeader(record))
    await this.#write(deflated ?? content)
  }

  /** Writes the central directory. Returns the size of the whole archive in bytes. */
  async finish(): Promise<number> {
    const offset = this.#offset
    for (const header of this.#directory) await this.#write(header)
    await this.#write(endRecords({ entries: this.#directory.length, size: this.#offset - offset, offset }))
    return this.#offset
  }

  /** The checksum of a content, and its deflated form, or null where that is not smaller. */
  async #compress(
    content: Uint8Array,
    compressible: boolean,
  ): Promise<{ deflated: Uint8Array | null; checksum: number }> {
    const deflated = compressible ? await this.#deflate(content) : null
    let checksum = 0
    for (let at = 0; at < content.length; at += WRITE_BYTES) {
      checksum = crc32(content.subarray(at, at + WRITE_BYTES), checksum)
      await this.#pause()
    }
    return { deflated: deflated && (await inflatesTo(deflated, content)) ? deflated : null, checksum }
  }

  async #deflate(content: Uint8Array): Promise<Uint8Array | null> {
    if (content.length <= SINGLE_BYTES) {
      const deflated = deflateSync(content, DEFLATE)
      return deflated.length < content.length ? deflated : null
    }
    const deflate = new ChunkedDeflate()
    for (let at = 0; at < content.length; at += PUSH_BYTES) {
      deflate.push(content.subarray(at, at + PUSH_BYTES), at + PUSH_BYTES >= content.length)
      // What is too long already cannot become shorter.
      if (deflate.length >= content.length) return null
      await this.#pause()
    }
    return Buffer.concat(deflate.chunks)
  }

  async #write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; at += WRITE_BYTES) {
      const piece = bytes.subarray(at, at + WRITE_BYTES)
      await this.#sink.write(piece)
      this.#offset += piece.length
      await this.#pause()
    }
  }
}

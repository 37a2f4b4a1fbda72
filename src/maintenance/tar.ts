import { type FileHandle, open } from 'node:fs/promises'
import { AppError } from '../errors.ts'
import { readPart, writeAll } from './checked-copy.ts'

/* Tar files as POSIX.1-1988 `ustar` has them. */

const BLOCK = 512
/** Bytes of one file. */
const LARGEST = 0o77777777777
/** Entries of one file; each costs memory while it is read. */
const MAX_ENTRIES = 5_000_000

/** Where the bytes of an entry are in the tar file. */
export interface TarEntry {
  readonly name: string
  readonly start: number
  readonly size: number
}

/** Writes a tar file, an entry at a time. */
export class TarWriter {
  private position = 0

  private constructor(
    private readonly handle: FileHandle,
    /** Unix seconds. */
    private readonly time: number,
  ) {}

  /** Creates the file, which must not exist, for this user alone. */
  static async create(path: string, time: number): Promise<TarWriter> {
    return new TarWriter(await open(path, 'wx', 0o600), time)
  }

  /** Adds a file of a known size. False, and as if nothing had been added, unless its bytes have this digest. */
  async add(
    name: string,
    file: string,
    expected: { readonly size: number; readonly sha256: string },
  ): Promise<boolean> {
    const begin = this.position
    await this.write(header(name, expected.size, this.time))
    const read = await readPart({ file, size: expected.size }, (piece) => this.write(piece))
    if (read.size !== expected.size || read.sha256 !== expected.sha256) {
      await this.handle.truncate(begin)
      this.position = begin
      return false
    }
    await this.pad()
    return true
  }

  /** Adds a text. */
  async addText(name: string, text: string): Promise<void> {
    const bytes = Buffer.from(text)
    await this.write(header(name, bytes.length, this.time))
    await this.write(bytes)
    await this.pad()
  }

  /** Writes the end and makes everything durable. */
  async finish(): Promise<void> {
    await this.write(Buffer.alloc(2 * BLOCK))
    await this.handle.sync()
  }

  /** Closes the file. */
  close(): Promise<void> {
    return this.handle.close()
  }

  private async pad(): Promise<void> {
    const rest = this.position % BLOCK
    if (rest > 0) await this.write(Buffer.alloc(BLOCK - rest))
  }

  private async write(bytes: Uint8Array): Promise<void> {
    await writeAll(this.handle, bytes, this.position)
    this.position += bytes.length
  }
}

/**
 * The files in a tar file by name. Throws AppError('invalid') when it is none, is cut off, or has anything but plain
 * files in it.
 */
export async function readTar(path: string): Promise<Map<string, TarEntry>> {
  const handle = await open(path, 'r')
  try {
    const { size: end } = await handle.stat()
    const entries = new Map<string, TarEntry>()
    const block = Buffer.alloc(BLOCK)
    for (let at = 0; ; ) {
      const { bytesRead } = await handle.read(block, 0, BLOCK, at)
      if (bytesRead < BLOCK) throw damaged(path, 'ends before its end')
      if (block.every((byte) => byte === 0)) return entries
      const entry = entryOf(path, block, at + BLOCK)
      if (entry.start + entry.size > end) throw damaged(path, 'ends before its end')
      if (entries.has(entry.name)) throw damaged(path, `has ${entry.name} twice`)
      if (entries.size >= MAX_ENTRIES) throw damaged(path, `has more than ${MAX_ENTRIES} files`)
      entries.set(entry.name, entry)
      at = entry.start + Math.ceil(entry.size / BLOCK) * BLOCK
    }
  } finally {
    await handle.close()
  }
}

function header(name: string, size: number, time: number): Buffer {
  const bytes = Buffer.alloc(BLOCK)
  if (Buffer.byteLength(name) > 100) throw new Error('A name is too long for a tar file.')
  if (size > LARGEST) {
    throw new AppError('too_large', `${name} is larger than a tar file can hold (8 GiB); back up into a directory.`)
  }
  bytes.write(name, 0)
  bytes.write('0000600\0', 100)
  for (const at of [108, 116]) bytes.write('0000000\0', at)
  bytes.write(`${octal(size, 11)}\0`, 124)
  bytes.write(`${octal(time, 11)}\0`, 136)
  bytes.write('        0', 148)
  bytes.write('ustar\x0000', 257, 'latin1')
  bytes.write(`${octal(sumOf(bytes), 6)}\0 `, 148)
  return bytes
}

function entryOf(path: string, block: Buffer, start: number): TarEntry {
  const written = Number.parseInt(block.toString('latin1', 148, 156), 8)
  const counted = Buffer.from(block).fill(' ', 148, 156)
  if (block.toString('latin1', 257, 262) !== 'ustar' || sumOf(counted) !== written) {
    throw damaged(path, 'is no tar file, or was changed')
  }
  if (block[156] !== 0x30) throw damaged(path, 'has something in it that is no file')
  const digits = block.toString('latin1', 124, 136)
  // A sign, or no number at all, would lead back to what was read before.
  if (!/^[0-7]{11}\0$/.test(digits)) throw damaged(path, 'is no tar file, or was changed')
  const size = Number.parseInt(digits, 8)
  const name = block.toString('utf8', 0, 100)
  return { name: name.slice(0, `${name}\0`.indexOf('\0')), start, size }
}

function sumOf(bytes: Buffer): number {
  return bytes.reduce((sum, byte) => sum + byte, 0)
}

function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, '0')
}

function damaged(path: string, what: string): AppError {
  return new AppError('invalid', `${path} ${what}; it cannot be used as a backup.`)
}

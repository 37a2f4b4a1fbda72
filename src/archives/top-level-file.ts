import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { promisify } from 'node:util'
import { crc32, inflateRaw } from 'node:zlib'
import { onStorage } from './storage-error.ts'

/** A file read out of an archive. */
export interface ArchivedFile {
  readonly name: string
  readonly content: Uint8Array
}

/** Which file is wanted: of the names of regular files at the top level, in any order, the one to read, or null. */
export type ChooseFile = (names: readonly string[]) => string | null

interface Entry {
  readonly name: string
  readonly method: number
  readonly crc32: number
  readonly compressedSize: number
  readonly size: number
  readonly offset: number
}

const END_BYTES = 22
const LOCAL_BYTES = 30
const CENTRAL_BYTES = 46
const END_SIGNATURE = 0x06054b50
const LOCAL_SIGNATURE = 0x04034b50
const CENTRAL_SIGNATURE = 0x02014b50
const LONGEST_COMMENT = 0xffff
const LONGEST_DIRECTORY = 16 * 1024 * 1024
const ENCRYPTED = 1

/**
 * Reads one small file at the top level of the package in an archive of the store, and nothing else of it. A lone
 * directory around everything is not counted as a level, as Composer does not (`Composer: ArchiveDownloader::install`).
 * Null when none is chosen, when it is larger than `maxBytes`, and when the archive is one this reader does not
 * understand: zip64, encrypted, or damaged. Throws AppError('unavailable') when the disk fails.
 */
export function readTopLevelFile(path: string, choose: ChooseFile, maxBytes: number): Promise<ArchivedFile | null> {
  return onStorage(async () => {
    const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW)
    try {
      const directory = await readDirectory(file)
      const entries = directory === null ? [] : topLevelEntries(directory)
      const name = choose(entries.map((entry) => entry.name))
      const entry = entries.find((candidate) => candidate.name === name)
      const content = entry && (await readEntry(file, entry, maxBytes))
      return entry && content ? { name: entry.name, content } : null
    } finally {
      await file.close()
    }
  })
}

/** The central directory (`APPNOTE 4.3.12`), or null when it is not where a plain zip has it. */
async function readDirectory(file: FileHandle): Promise<Buffer | null> {
  const { size } = await file.stat()
  const length = Math.min(size, END_BYTES + LONGEST_COMMENT)
  const tail = await readAt(file, size - length, length)
  if (tail === null) return null
  for (let at = length - END_BYTES; at >= 0; at--) {
    if (tail.readUInt32LE(at) !== END_SIGNATURE || at + END_BYTES + tail.readUInt16LE(at + 20) !== length) continue
    const bytes = tail.readUInt32LE(at + 12)
    const offset = tail.readUInt32LE(at + 16)
    return bytes > LONGEST_DIRECTORY || offset + bytes > size ? null : readAt(file, offset, bytes)
  }
  return null
}

/** Regular files at the top level, named from there. */
function topLevelEntries(directory: Buffer): Entry[] {
  const files: Entry[] = []
  const tops = new Set<string>()
  for (let at = 0; at + CENTRAL_BYTES <= directory.length; ) {
    if (directory.readUInt32LE(at) !== CENTRAL_SIGNATURE) return []
    const nameEnd = at + CENTRAL_BYTES + directory.readUInt16LE(at + 28)
    const end = nameEnd + directory.readUInt16LE(at + 30) + directory.readUInt16LE(at + 32)
    if (end > directory.length) return []
    const name = directory.toString('utf8', at + CENTRAL_BYTES, nameEnd)
    const slash = name.indexOf('/')
    tops.add(slash < 0 ? '' : name.slice(0, slash))
    if (isReadable(directory, at) && name.indexOf('/', slash + 1) < 0) files.push(entryAt(directory, at, name))
    at = end
  }
  const [wrapper = ''] = tops
  if (tops.size !== 1 || wrapper === '') return files.filter(({ name }) => !name.includes('/'))
  return files.map((entry) => ({ ...entry, name: entry.name.slice(wrapper.length + 1) }))
}

/** True for a regular file, or one that does not say what it is; never for a link. */
function isReadable(directory: Buffer, at: number): boolean {
  const type = directory.readUInt16LE(at + 40) & 0o170000
  return (type === 0o100000 || type === 0) && (directory.readUInt16LE(at + 8) & ENCRYPTED) === 0
}

function entryAt(directory: Buffer, at: number, name: string): Entry {
  return {
    name,
    method: directory.readUInt16LE(at + 10),
    crc32: directory.readUInt32LE(at + 16),
    compressedSize: directory.readUInt32LE(at + 20),
    size: directory.readUInt32LE(at + 24),
    offset: directory.readUInt32LE(at + 42),
  }
}

async function readEntry(file: FileHandle, entry: Entry, maxBytes: number): Promise<Uint8Array | null> {
  if (entry.size > maxBytes || entry.compressedSize > maxBytes) return null
  const header = await readAt(file, entry.offset, LOCAL_BYTES)
  if (header?.readUInt32LE(0) !== LOCAL_SIGNATURE) return null
  const start = entry.offset + LOCAL_BYTES + header.readUInt16LE(26) + header.readUInt16LE(28)
  const packed = await readAt(file, start, entry.compressedSize)
  if (packed === null) return null
  const content = entry.method === 0 ? packed : entry.method === 8 ? await inflated(packed, entry.size) : null
  return content?.length === entry.size && crc32(content) === entry.crc32 ? content : null
}

async function inflated(packed: Uint8Array, size: number): Promise<Uint8Array | null> {
  if (size === 0) return new Uint8Array(0)
  try {
    return await promisify(inflateRaw)(packed, { maxOutputLength: size })
  } catch {
    // Damaged, or longer than it says: not readable either way.
    return null
  }
}

async function readAt(file: FileHandle, offset: number, length: number): Promise<Buffer | null> {
  const buffer = Buffer.alloc(length)
  let at = 0
  while (at < length) {
    const { bytesRead } = await file.read(buffer, at, length - at, offset + at)
    if (bytesRead === 0) return null
    at += bytesRead
  }
  return buffer
}

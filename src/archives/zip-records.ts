import type { FileMode } from '../git/snapshot.ts'

/** What the records of one zip entry say about it. Sizes and offset in bytes. */
export interface ZipRecord {
  readonly name: Uint8Array
  /** The name is UTF-8: general purpose bit 11 is set. */
  readonly utf8: boolean
  readonly mode: FileMode
  /** 0 stored, 8 deflated. */
  readonly method: 0 | 8
  readonly crc32: number
  readonly compressedSize: number
  readonly size: number
  /** Where the local header starts in the archive. */
  readonly offset: number
}

/** The central directory as a whole: its number of entries, and its size and offset in bytes. */
export interface CentralDirectory {
  readonly entries: number
  readonly size: number
  readonly offset: number
}

const MAX_16 = 0xffff
const MAX_32 = 0xffffffff
const UTF8_FLAG = 1 << 11
/** 1980-01-01, the first day a DOS date can hold. A real date would need a time zone, which is where zips differ. */
const DOS_DATE = (1 << 5) | 1
const VERSION_DEFLATE = 20
const VERSION_ZIP64 = 45
const MADE_BY_UNIX = 3 << 8
const ZIP64_EXTRA = 1

/** Little-endian bytes of fields given as [width in bytes, value]. */
function fields(list: readonly (readonly [2 | 4 | 8, number])[], ...tail: readonly Uint8Array[]): Uint8Array {
  const head = list.reduce((sum, [width]) => sum + width, 0)
  const bytes = new Uint8Array(tail.reduce((sum, part) => sum + part.length, head))
  const view = new DataView(bytes.buffer)
  let at = 0
  for (const [width, value] of list) {
    if (width === 2) view.setUint16(at, value, true)
    else if (width === 4) view.setUint32(at, value, true)
    else view.setBigUint64(at, BigInt(value), true)
    at += width
  }
  for (const part of tail) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}

function zip64Extra(values: readonly number[]): Uint8Array {
  if (values.length === 0) return new Uint8Array(0)
  return fields([[2, ZIP64_EXTRA], [2, values.length * 8], ...values.map((value) => [8, value] as const)])
}

const clamp = (value: number) => Math.min(value, MAX_32)
const flags = (entry: ZipRecord) => (entry.utf8 ? UTF8_FLAG : 0)

/**
 * The header in front of an entry's data. zip64 fields appear only when a size needs them; then both sizes are there,
 * because a local header may not hold one alone (`APPNOTE 4.5.3`).
 */
export function localHeader(entry: ZipRecord): Uint8Array {
  const large = entry.size >= MAX_32 || entry.compressedSize >= MAX_32
  const extra = zip64Extra(large ? [entry.size, entry.compressedSize] : [])
  return fields(
    [
      [4, 0x04034b50],
      [2, large ? VERSION_ZIP64 : VERSION_DEFLATE],
      [2, flags(entry)],
      [2, entry.method],
      [2, 0],
      [2, DOS_DATE],
      [4, entry.crc32],
      [4, large ? MAX_32 : entry.compressedSize],
      [4, large ? MAX_32 : entry.size],
      [2, entry.name.length],
      [2, extra.length],
    ],
    entry.name,
    extra,
  )
}

/** An entry's record in the central directory, with zip64 fields only for the numbers that need them. */
export function centralHeader(entry: ZipRecord): Uint8Array {
  const extra = zip64Extra([entry.size, entry.compressedSize, entry.offset].filter((value) => value >= MAX_32))
  const version = extra.length > 0 ? VERSION_ZIP64 : VERSION_DEFLATE
  return fields(
    [
      [4, 0x02014b50],
      [2, MADE_BY_UNIX | version],
      [2, version],
      [2, flags(entry)],
      [2, entry.method],
      [2, 0],
      [2, DOS_DATE],
      [4, entry.crc32],
      [4, clamp(entry.compressedSize)],
      [4, clamp(entry.size)],
      [2, entry.name.length],
      [2, extra.length],
      [2, 0],
      [2, 0],
      [2, 0],
      [4, (entry.mode << 16) >>> 0],
      [4, clamp(entry.offset)],
    ],
    entry.name,
    extra,
  )
}

/** What ends an archive: the zip64 records when a number needs them, then the end record. */
export function endRecords(directory: CentralDirectory): Uint8Array {
  const { entries, size, offset } = directory
  const large = entries >= MAX_16 || size >= MAX_32 || offset >= MAX_32
  const end = fields([
    [4, 0x06054b50],
    [2, 0],
    [2, 0],
    [2, Math.min(entries, MAX_16)],
    [2, Math.min(entries, MAX_16)],
    [4, clamp(size)],
    [4, clamp(offset)],
    [2, 0],
  ])
  return large ? fields([], zip64End(directory), end) : end
}

function zip64End({ entries, size, offset }: CentralDirectory): Uint8Array {
  return fields([
    [4, 0x06064b50],
    [8, 44],
    [2, MADE_BY_UNIX | VERSION_ZIP64],
    [2, VERSION_ZIP64],
    [4, 0],
    [4, 0],
    [8, entries],
    [8, entries],
    [8, size],
    [8, offset],
    [4, 0x07064b50],
    [4, 0],
    [8, offset + size],
    [4, 1],
  ])
}

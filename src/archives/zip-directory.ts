import { isUtf8 } from 'node:buffer'
import { AppError } from '../errors.ts'
import type { ByteSource } from './byte-source.ts'

/** One entry as the central directory describes it. Sizes and offset in bytes. */
export interface ZipMember {
  /** With a `/` at the end for a directory. */
  readonly name: string
  readonly rawName: Uint8Array
  readonly flags: number
  /** 0 stored, 8 deflated. */
  readonly method: number
  readonly crc32: number
  readonly compressedSize: number
  readonly size: number
  /** Where its local header starts. */
  readonly offset: number
  /** Unix mode; 0 when the zip does not say. */
  readonly mode: number
}

/** The entries of a zip, and where its central directory starts. */
export interface ZipDirectory {
  readonly members: readonly ZipMember[]
  readonly offset: number
}

/** General purpose bits (`APPNOTE 4.4.4`). */
export const FLAG = { encrypted: 0x2041, patched: 0x20, descriptor: 0x08, utf8: 0x800 } as const
/** What a 32-bit field holds when the number is in the zip64 extra field. */
export const SATURATED = 0xffffffff
const ZIP64_EXTRA = 0x0001
const UNICODE_PATH_EXTRA = 0x7075
const END_BYTES = 22
const LOCATOR_BYTES = 20
const ZIP64_END_BYTES = 56
const MEMBER_BYTES = 46
const END_SIGNATURE = Buffer.from('PK\x05\x06', 'latin1')
/** That of zip64. */
const NEEDED_VERSION = 45
const MAX_COMMENT = 0xffff
const MAX_DIRECTORY_BYTES = 16 * 1024 * 1024

/** An uploaded zip is refused: AppError('invalid') with the reason, and the entry it is about. */
export function refusedZip(reason: string, name?: string): AppError {
  const about = name === undefined ? '' : ` (${shownName(name)})`
  return new AppError('invalid', `The zip is refused: ${reason}${about}.`, {
    details: name === undefined ? {} : { entry: shownName(name) },
  })
}

function shownName(name: string): string {
  const text = name.replace(/\p{C}/gu, '\ufffd')
  return text.length > 100 ? `${text.slice(0, 100)}…` : text
}

/**
 * Reads the end records and the central directory (`APPNOTE 4.3`), so strictly that every reader sees the same
 * entries: one end record, nothing behind it, no gap, zip64 numbers that agree with the plain ones.
 * Throws AppError('invalid').
 */
export async function readDirectory(file: ByteSource, maxEntries: number): Promise<ZipDirectory> {
  const end = await readEnd(file)
  if (end.entries === 0) throw refusedZip('it has no entries')
  if (end.entries > maxEntries) throw refusedZip(`it has more than ${maxEntries} entries`)
  if (end.directorySize > MAX_DIRECTORY_BYTES) throw refusedZip('its list of entries is too long')
  if (end.directoryOffset + end.directorySize !== end.offset) {
    throw refusedZip('its list of entries is not where its end record says')
  }
  const bytes = await file.read(end.directoryOffset, end.directorySize)
  if (bytes.includes(END_SIGNATURE)) throw refusedZip('it has more than one end record')
  const members: ZipMember[] = []
  let at = 0
  while (members.length < end.entries) {
    const { member, length } = readMember(bytes, at)
    members.push(member)
    at += length
  }
  if (at !== bytes.length) throw refusedZip('its list of entries is longer than their number says')
  return { members, offset: end.directoryOffset }
}

interface End {
  readonly entries: number
  readonly directorySize: number
  readonly directoryOffset: number
  /** Where the first of the end records starts. */
  readonly offset: number
}

async function readEnd(file: ByteSource): Promise<End> {
  const length = Math.min(file.size, END_BYTES + MAX_COMMENT)
  const tail = await file.read(file.size - length, length)
  const at = tail.lastIndexOf(END_SIGNATURE)
  if (at < 0 || at + END_BYTES > tail.length) throw refusedZip('it has no end record, so it is no zip or was cut off')
  if (at + END_BYTES + tail.readUInt16LE(at + 20) !== tail.length) {
    throw refusedZip('there is something behind its end record')
  }
  const disks = [tail.readUInt16LE(at + 4), tail.readUInt16LE(at + 6)]
  const onDisk = tail.readUInt16LE(at + 8)
  const offset = file.size - length + at
  const plain = {
    entries: tail.readUInt16LE(at + 10),
    directorySize: tail.readUInt32LE(at + 12),
    directoryOffset: tail.readUInt32LE(at + 16),
    offset,
  }
  if (disks.some((disk) => disk !== 0 && disk !== 0xffff) || onDisk !== plain.entries) {
    throw refusedZip('it is one part of several')
  }
  const large = await readZip64End(file, offset)
  if (large === null) {
    const incomplete =
      plain.entries === 0xffff || plain.directorySize === SATURATED || plain.directoryOffset === SATURATED
    if (incomplete || disks.includes(0xffff)) throw refusedZip('its zip64 end record is missing')
    return plain
  }
  const agrees =
    [0xffff, large.entries].includes(plain.entries) &&
    [SATURATED, large.directorySize].includes(plain.directorySize) &&
    [SATURATED, large.directoryOffset].includes(plain.directoryOffset)
  if (!agrees) throw refusedZip('its two end records do not agree')
  return large
}

/** The zip64 end record in front of the plain one, or null. */
async function readZip64End(file: ByteSource, end: number): Promise<End | null> {
  const locatorOffset = end - LOCATOR_BYTES
  if (locatorOffset < 0) return null
  const locator = await file.read(locatorOffset, LOCATOR_BYTES)
  if (locator.readUInt32LE(0) !== 0x07064b50) return null
  const offset = locatorOffset - ZIP64_END_BYTES
  if (offset < 0 || locator.readBigUInt64LE(8) !== BigInt(offset) || locator.readUInt32LE(4) !== 0) {
    throw refusedZip('its zip64 end record is not where its locator says')
  }
  const record = await file.read(offset, ZIP64_END_BYTES)
  const whole =
    record.readUInt32LE(0) === 0x06064b50 &&
    record.readBigUInt64LE(4) === BigInt(ZIP64_END_BYTES - 12) &&
    record.readUInt32LE(16) === 0 &&
    record.readUInt32LE(20) === 0 &&
    record.readBigUInt64LE(24) === record.readBigUInt64LE(32)
  if (!whole) throw refusedZip('its zip64 end record is malformed')
  return {
    entries: safeNumber(record.readBigUInt64LE(32)),
    directorySize: safeNumber(record.readBigUInt64LE(40)),
    directoryOffset: safeNumber(record.readBigUInt64LE(48)),
    offset,
  }
}

function readMember(bytes: Buffer, at: number): { member: ZipMember; length: number } {
  if (at + MEMBER_BYTES > bytes.length || bytes.readUInt32LE(at) !== 0x02014b50) {
    throw refusedZip('its list of entries is malformed')
  }
  const nameEnd = at + MEMBER_BYTES + bytes.readUInt16LE(at + 28)
  const extraEnd = nameEnd + bytes.readUInt16LE(at + 30)
  const end = extraEnd + bytes.readUInt16LE(at + 32)
  if (end > bytes.length) throw refusedZip('its list of entries is malformed')
  const rawName = bytes.subarray(at + MEMBER_BYTES, nameEnd)
  const name = decodeName(rawName)
  const extra = readExtra(bytes.subarray(nameEnd, extraEnd), rawName, name)
  const wide = new WideNumbers(extra, name)
  const size = wide.or(bytes.readUInt32LE(at + 24))
  const compressedSize = wide.or(bytes.readUInt32LE(at + 20))
  const offset = wide.or(bytes.readUInt32LE(at + 42))
  const disk = bytes.readUInt16LE(at + 34)
  if (disk !== 0 && disk !== 0xffff) throw refusedZip('it is one part of several')
  wide.finish(disk === 0xffff ? 4 : 0)
  const member: ZipMember = {
    name,
    rawName,
    flags: bytes.readUInt16LE(at + 8),
    method: bytes.readUInt16LE(at + 10),
    crc32: bytes.readUInt32LE(at + 16),
    compressedSize,
    size,
    offset,
    mode: bytes.readUInt16LE(at + 40),
  }
  assertVersion(bytes.readUInt8(at + 6), name)
  assertReadable(member, bytes.readUInt8(at + 38))
  return { member, length: end - at }
}

/** Versions of the format that a reader has to know for an entry, times ten; the later ones add compression methods. */
export function assertVersion(needed: number, name: string): void {
  if (needed > NEEDED_VERSION) throw refusedZip('an entry needs a newer reader', name)
}

function assertReadable({ name, flags, method, compressedSize, size, mode }: ZipMember, dosAttributes: number): void {
  if (flags & FLAG.encrypted) throw refusedZip('an entry is encrypted', name)
  if (flags & FLAG.patched) throw refusedZip('an entry is a patch of another one', name)
  if (method !== 0 && method !== 8) throw refusedZip('an entry is neither stored nor deflated', name)
  if (method === 0 && size !== compressedSize) throw refusedZip('a stored entry has two sizes', name)
  const directory = name.endsWith('/')
  const type = mode & 0o170000
  if (![0, 0o100000, 0o040000, 0o120000].includes(type)) throw refusedZip('an entry is a device or the like', name)
  const marked = type === 0o040000 || (type === 0 && (dosAttributes & 0x10) !== 0)
  if (directory ? type !== 0 && type !== 0o040000 : marked) {
    throw refusedZip('an entry is a directory by its attributes or by its name, but not by both', name)
  }
  if (dosAttributes & 0x08) throw refusedZip('an entry is a volume label', name)
  if (directory && size !== 0) throw refusedZip('a directory has content', name)
}

/** Names are UTF-8 whether they are marked so or not: that is how `unzip` and libzip, which Composer uses, read them. */
function decodeName(raw: Uint8Array): string {
  const name = Buffer.from(raw).toString('utf8')
  if (!isUtf8(raw)) throw refusedZip('a name is not UTF-8', name)
  return name
}

/** Extra fields by id. A Unicode path that differs from the name would be another name to some readers. */
export function readExtra(bytes: Buffer, rawName: Uint8Array, name: string): ReadonlyMap<number, Buffer> {
  const found = new Map<number, Buffer>()
  let at = 0
  while (at < bytes.length) {
    const end = at + 4 <= bytes.length ? at + 4 + bytes.readUInt16LE(at + 2) : Number.POSITIVE_INFINITY
    if (end > bytes.length) throw refusedZip('an extra field is malformed', name)
    const id = bytes.readUInt16LE(at)
    if (id === ZIP64_EXTRA && found.has(id)) throw refusedZip('an entry has two zip64 fields', name)
    const content = bytes.subarray(at + 4, end)
    if (id === UNICODE_PATH_EXTRA && Buffer.compare(content.subarray(5), rawName) !== 0) {
      throw refusedZip('an entry has two names', name)
    }
    found.set(id, content)
    at = end
  }
  return found
}

/** Takes the numbers that do not fit into 32 bits out of the zip64 extra field, which must hold exactly those. */
export class WideNumbers {
  readonly #bytes: Buffer | undefined
  readonly #name: string
  #at = 0

  constructor(extra: ReadonlyMap<number, Buffer>, name: string) {
    this.#bytes = extra.get(ZIP64_EXTRA)
    this.#name = name
  }

  /** True when there is such a field. */
  get present(): boolean {
    return this.#bytes !== undefined
  }

  /** The number itself, or the next wide one when it is saturated. */
  or(value: number): number {
    return value === SATURATED ? this.next() : value
  }

  /** The next wide number. */
  next(): number {
    const at = this.#at
    this.#at += 8
    if (!this.#bytes || this.#at > this.#bytes.length) throw refusedZip('a zip64 field is too short', this.#name)
    return safeNumber(this.#bytes.readBigUInt64LE(at))
  }

  /** To be called when all were taken; `more` bytes may follow. */
  finish(more: number): void {
    if (this.#bytes && this.#bytes.length !== this.#at + more) {
      throw refusedZip('a zip64 field has another length than its entry needs', this.#name)
    }
  }
}

function safeNumber(value: bigint): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw refusedZip('a zip64 number is out of range')
  return Number(value)
}

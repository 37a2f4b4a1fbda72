import { Readable } from 'node:stream'
import { crc32, createInflateRaw, inflateRawSync } from 'node:zlib'
import type { Pacer } from '../pacer.ts'
import type { ByteSource } from './byte-source.ts'
import { codeOf } from './storage-error.ts'
import { assertVersion, FLAG, readExtra, refusedZip, SATURATED, WideNumbers, type ZipMember } from './zip-directory.ts'

/** Content up to this is read and inflated in one go; larger one in pieces, so that memory stays bounded. */
const SINGLE_BYTES = 256 * 1024
const PIECE_BYTES = 256 * 1024
const LOCAL_BYTES = 30
const DESCRIPTOR_SIGNATURE = 0x08074b50

/** What zlib says of bytes that are no deflated form of a content of the announced size. */
const INFLATE_VERDICTS = new Set(['Z_DATA_ERROR', 'Z_BUF_ERROR', 'Z_NEED_DICT', 'ERR_BUFFER_TOO_LARGE'])

/** Where the bytes of one entry are: behind its local header, up to where the next one starts. */
export interface MemberPlace {
  readonly member: ZipMember
  /** Where the next local header, or the central directory, starts. */
  readonly end: number
}

/**
 * Reads an entry as a reader would that never looks into the central directory: its local header must say the same,
 * nothing may be left between it and the next one, and its content must have the size and the CRC-32 that are written.
 * Returns the content when `keep` is set; that is for small ones only. Throws AppError('invalid').
 */
export async function verifyMember(
  file: ByteSource,
  { member, end }: MemberPlace,
  pacer: Pacer,
  keep: boolean,
): Promise<Uint8Array | null> {
  const start = await verifyLocalHeader(file, member)
  const dataEnd = start + member.compressedSize
  if (dataEnd > end) throw refusedZip('two entries overlap', member.name)
  await verifyDescriptor(file, member, dataEnd, end)
  const small = member.compressedSize <= SINGLE_BYTES && member.size <= SINGLE_BYTES
  if (!keep && !small) {
    await verifyPieces(file, member, start, pacer)
    return null
  }
  const content = inflateWhole(await file.read(start, member.compressedSize), member)
  if (crc32(content) !== member.crc32) throw wrongContent(member)
  return keep ? content : null
}

/** Returns where the data starts. */
async function verifyLocalHeader(file: ByteSource, member: ZipMember): Promise<number> {
  const { name, rawName } = member
  const header = await file.read(member.offset, LOCAL_BYTES)
  const nameLength = header.readUInt16LE(26)
  const extraLength = header.readUInt16LE(28)
  if (header.readUInt32LE(0) !== 0x04034b50) throw refusedZip('an entry is not where the list of entries says', name)
  assertVersion(header.readUInt8(4), name)
  const rest = await file.read(member.offset + LOCAL_BYTES, nameLength + extraLength)
  const same =
    header.readUInt16LE(6) === member.flags &&
    header.readUInt16LE(8) === member.method &&
    Buffer.compare(rest.subarray(0, nameLength), rawName) === 0 &&
    agrees(header, new WideNumbers(readExtra(rest.subarray(nameLength), rawName, name), name), member)
  if (!same) throw refusedZip('an entry and the list of entries do not agree', name)
  return member.offset + LOCAL_BYTES + nameLength + extraLength
}

/** Checksum and sizes of a local header; with a data descriptor behind the content they may be left open as zero. */
function agrees(header: Buffer, wide: WideNumbers, member: ZipMember): boolean {
  const open = (member.flags & FLAG.descriptor) !== 0
  const equal = (value: number, expected: number) => value === expected || (open && value === 0)
  const sizes = [header.readUInt32LE(22), header.readUInt32LE(18)] as const
  // Some writers add both wide sizes to an open header whose plain ones are zero.
  const both = open && wide.present && !sizes.includes(SATURATED)
  const size = both ? wide.next() : wide.or(sizes[0])
  const compressedSize = both ? wide.next() : wide.or(sizes[1])
  wide.finish(0)
  return (
    equal(header.readUInt32LE(14), member.crc32) &&
    equal(size, member.size) &&
    equal(compressedSize, member.compressedSize) &&
    (!both || sizes.every((value) => value === 0))
  )
}

/** What stands between the content and the next entry: nothing, or the data descriptor that the flags announce. */
async function verifyDescriptor(file: ByteSource, member: ZipMember, start: number, end: number): Promise<void> {
  const gap = end - start
  const announced = (member.flags & FLAG.descriptor) !== 0
  if (!announced && gap === 0) return
  if (!announced || ![12, 16, 20, 24].includes(gap)) throw refusedZip('there is something between its entries')
  const bytes = await file.read(start, gap)
  const signed = gap === 16 || gap === 24
  const at = signed ? 4 : 0
  const size = (offset: number) =>
    gap >= 20 ? bytes.readBigUInt64LE(at + 4 + offset * 2) : BigInt(bytes.readUInt32LE(at + 4 + offset))
  const same =
    (!signed || bytes.readUInt32LE(0) === DESCRIPTOR_SIGNATURE) &&
    bytes.readUInt32LE(at) === member.crc32 &&
    size(0) === BigInt(member.compressedSize) &&
    size(4) === BigInt(member.size)
  if (!same) throw refusedZip('an entry and its data descriptor do not agree', member.name)
}

function inflateWhole(data: Buffer, member: ZipMember): Uint8Array {
  if (member.method === 0) return data
  try {
    // `info` is not in the types. What follows the end of the deflated form would be seen by some readers only.
    const options = { maxOutputLength: Math.max(member.size, 1), info: true }
    const { buffer, engine } = inflateRawSync(data, options) as unknown as Inflated
    if (engine.bytesWritten === data.length && buffer.length === member.size) return buffer
  } catch (error) {
    if (!INFLATE_VERDICTS.has(codeOf(error))) throw error
  }
  throw wrongContent(member)
}

interface Inflated {
  readonly buffer: Buffer
  readonly engine: { readonly bytesWritten: number }
}

async function verifyPieces(file: ByteSource, member: ZipMember, start: number, pacer: Pacer): Promise<void> {
  const end = start + member.compressedSize
  async function* pieces() {
    for (let at = start; at < end; at += PIECE_BYTES) yield await file.read(at, Math.min(PIECE_BYTES, end - at))
  }
  let size = 0
  let checksum = 0
  const take = async (piece: Uint8Array) => {
    size += piece.length
    if (size > member.size) throw wrongContent(member)
    checksum = crc32(piece, checksum)
    await pacer.step()
  }
  if (member.method === 0) for await (const piece of pieces()) await take(piece)
  else if ((await inflatePieces(pieces(), take, member)) !== member.compressedSize) throw wrongContent(member)
  if (size !== member.size || checksum !== member.crc32) throw wrongContent(member)
}

/** Returns how many bytes the deflated form has. */
async function inflatePieces(
  pieces: AsyncIterable<Buffer>,
  take: (piece: Uint8Array) => Promise<void>,
  member: ZipMember,
): Promise<number> {
  const source = Readable.from(pieces, { objectMode: true, highWaterMark: 1 })
  const inflate = createInflateRaw({ chunkSize: PIECE_BYTES })
  source.on('error', (error) => inflate.destroy(error))
  try {
    for await (const piece of source.pipe(inflate)) await take(piece)
    return inflate.bytesWritten
  } catch (error) {
    throw INFLATE_VERDICTS.has(codeOf(error)) ? wrongContent(member) : error
  } finally {
    source.destroy()
    inflate.destroy()
  }
}

function wrongContent(member: ZipMember): Error {
  return refusedZip('an entry does not have the content that its size and CRC-32 say', member.name)
}

import { deflateSync } from 'node:zlib'

/** One object of a hand-made pack. `base` of an offset delta is the place of its base in the list. */
export type PackEntry =
  | { type: 'commit' | 'tree' | 'blob' | 'tag'; content: Uint8Array | string }
  | { type: 'ofs-delta'; base: number; delta: Uint8Array }
  | { type: 'ref-delta'; base: string; delta: Uint8Array }
  /** Written as it is: for broken objects. */
  | { type: 'raw'; bytes: Uint8Array }

const TYPES = { commit: 1, tree: 2, blob: 3, tag: 4, 'ofs-delta': 6, 'ref-delta': 7 } as const

/** A pack file; `count` and `version` may lie. The checksum is right. */
export function buildPack(entries: readonly PackEntry[], lie: { count?: number; version?: number } = {}): Buffer {
  const header = Buffer.alloc(12)
  header.write('PACK')
  header.writeUInt32BE(lie.version ?? 2, 4)
  header.writeUInt32BE(lie.count ?? entries.length, 8)
  const chunks: Uint8Array[] = [header]
  const offsets: number[] = []
  let at = header.length
  for (const entry of entries) {
    offsets.push(at)
    const bytes = entryBytes(entry, at, offsets)
    chunks.push(bytes)
    at += bytes.length
  }
  return withChecksum(Buffer.concat(chunks))
}

/** The bytes with their SHA-1 after them. */
export function withChecksum(bytes: Uint8Array): Buffer {
  return Buffer.concat([bytes, new Bun.CryptoHasher('sha1').update(bytes).digest()])
}

function entryBytes(entry: PackEntry, at: number, offsets: readonly number[]): Buffer {
  if (entry.type === 'raw') return Buffer.from(entry.bytes)
  if (entry.type === 'ofs-delta') {
    const distance = at - (offsets[entry.base] ?? 0)
    return Buffer.concat([
      objectHeader(entry.type, entry.delta.length),
      offsetBytes(distance),
      deflateSync(entry.delta),
    ])
  }
  if (entry.type === 'ref-delta') {
    const base = Buffer.from(entry.base, 'hex')
    return Buffer.concat([objectHeader(entry.type, entry.delta.length), base, deflateSync(entry.delta)])
  }
  const content = Buffer.from(entry.content)
  return Buffer.concat([objectHeader(entry.type, content.length), deflateSync(content)])
}

/** Type and size as the pack format has them; the size may lie. */
export function objectHeader(type: keyof typeof TYPES, size: number): Buffer {
  const bytes: number[] = []
  let byte = (TYPES[type] << 4) | (size & 0x0f)
  for (let rest = Math.floor(size / 16); rest > 0; rest = Math.floor(rest / 128)) {
    bytes.push(byte | 0x80)
    byte = rest & 0x7f
  }
  return Buffer.from([...bytes, byte])
}

function offsetBytes(distance: number): Buffer {
  const bytes = [distance & 0x7f]
  for (let rest = distance >> 7; rest > 0; rest >>= 7) bytes.unshift(0x80 | (--rest & 0x7f))
  return Buffer.from(bytes)
}

/** A delta: sizes, then instructions made with `copy` and `insert`. */
export function delta(sourceSize: number, targetSize: number, ...instructions: readonly Uint8Array[]): Buffer {
  return Buffer.concat([varint(sourceSize), varint(targetSize), ...instructions])
}

export function copy(offset: number, size: number): Buffer {
  const bytes = [0x80]
  for (let index = 0; index < 7; index++) {
    const value = index < 4 ? (offset >>> (8 * index)) & 0xff : (size >>> (8 * (index - 4))) & 0xff
    if (value === 0) continue
    bytes[0] = (bytes[0] ?? 0) | (1 << index)
    bytes.push(value)
  }
  return Buffer.from(bytes)
}

export function insert(text: string): Buffer {
  return Buffer.concat([Buffer.from([text.length]), Buffer.from(text)])
}

function varint(value: number): Buffer {
  const bytes: number[] = []
  let rest = value
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest & 0x7f) | 0x80)
  return Buffer.from([...bytes, rest])
}

/** The id of an object. */
export function objectId(type: string, content: Uint8Array | string): string {
  const bytes = Buffer.from(content)
  return new Bun.CryptoHasher('sha1').update(`${type} ${bytes.length}\0`).update(bytes).digest('hex')
}

import { crc32, deflateRawSync } from 'node:zlib'

/** One entry, and what its records say where that is not the truth. */
export interface Entry {
  name: string | Uint8Array
  content?: string | Uint8Array
  /** Unix mode; a plain file by default, a directory when the name ends with a slash. */
  mode?: number
  method?: number
  flags?: number
  dosAttributes?: number
  /** Version of the format that a reader needs, times ten. */
  needed?: number
  centralExtra?: Uint8Array
  localExtra?: Uint8Array
  /** Fields of the local header that differ from the central directory. */
  local?: Partial<Numbers> & { name?: string; flags?: number; method?: number; needed?: number }
  /** Numbers that both records give instead of the true ones. */
  said?: Partial<Numbers>
  /** Bytes behind the content: a data descriptor, or anything else. */
  after?: Uint8Array | ((numbers: Numbers) => Uint8Array)
  /** The deflated form itself. */
  data?: Uint8Array
  offset?: number
}

/** What records say about a content. */
export interface Numbers {
  crc: number
  compressed: number
  size: number
}

/** Changes to the whole zip. */
export interface Layout {
  before?: Uint8Array
  /** Bytes between the last entry and the central directory. */
  between?: Uint8Array
  after?: Uint8Array
  comment?: Uint8Array
  entries?: number
  directoryOffset?: number
  directorySize?: number
  /** Adds zip64 end records; numbers in it are the true ones unless given. */
  zip64?: { entries?: number; recordSize?: number; locator?: number; plain?: 'saturated' | 'true' }
  diskNumber?: number
}

/** Little-endian numbers, two or four or eight bytes each. */
export function bytes(...fields: readonly (readonly [width: 2 | 4 | 8, value: number])[]): Buffer {
  return Buffer.concat(
    fields.map(([width, value]) => {
      const field = Buffer.alloc(8)
      field.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)))
      return field.subarray(0, width)
    }),
  )
}

const LARGE = 0xffffffff

/** A zip, honest unless told otherwise. */
export function zipOf(entries: readonly Entry[], layout: Layout = {}): Buffer<ArrayBuffer> {
  const parts: Uint8Array[] = [layout.before ?? Buffer.alloc(0)]
  const central: Uint8Array[] = []
  let at = layout.before?.length ?? 0
  for (const entry of entries) {
    const made = makeEntry(entry, at)
    parts.push(made.local)
    central.push(made.central)
    at += made.local.length
  }
  const directory = Buffer.concat(central)
  const between = layout.between ?? Buffer.alloc(0)
  return Buffer.concat([
    ...parts,
    between,
    directory,
    endOf(entries.length, directory.length, at + between.length, layout),
  ])
}

function makeEntry(entry: Entry, at: number): { local: Buffer; central: Buffer } {
  const content = Buffer.from(entry.content ?? '')
  const method = entry.method ?? 8
  const data = Buffer.from(entry.data ?? (method === 8 ? deflateRawSync(content) : content))
  const numbers: Numbers = { crc: crc32(content), compressed: data.length, size: content.length, ...entry.said }
  const name = Buffer.from(entry.name)
  const localName = Buffer.from(entry.local?.name ?? entry.name)
  const flags = entry.flags ?? 0x800
  const directory = name.at(-1) === 0x2f
  const mode = entry.mode ?? (directory ? 0o040755 : 0o100644)
  const local = { ...numbers, ...entry.local }
  const localExtra = entry.localExtra ?? Buffer.alloc(0)
  const extra = entry.centralExtra ?? Buffer.alloc(0)
  const header = bytes(
    [4, 0x04034b50],
    [2, entry.local?.needed ?? entry.needed ?? 20],
    [2, local.flags ?? flags],
    [2, local.method ?? method],
    [4, 0x21_0000],
    [4, local.crc],
    [4, local.compressed],
    [4, local.size],
    [2, localName.length],
    [2, localExtra.length],
  )
  const after = typeof entry.after === 'function' ? entry.after(numbers) : (entry.after ?? Buffer.alloc(0))
  const record = bytes(
    [4, 0x02014b50],
    [2, 0x0314],
    [2, entry.needed ?? 20],
    [2, flags],
    [2, method],
    [4, 0x21_0000],
    [4, numbers.crc],
    [4, numbers.compressed],
    [4, numbers.size],
    [2, name.length],
    [2, extra.length],
    [2, 0],
    [2, 0],
    [2, 0],
    [4, ((mode << 16) | (entry.dosAttributes ?? 0)) >>> 0],
    [4, entry.offset ?? at],
  )
  return {
    local: Buffer.concat([header, localName, localExtra, data, after]),
    central: Buffer.concat([record, name, extra]),
  }
}

function endOf(count: number, size: number, offset: number, layout: Layout): Buffer {
  const { zip64, comment = Buffer.alloc(0), after = Buffer.alloc(0), diskNumber = 0 } = layout
  const saturated = zip64 !== undefined && zip64.plain !== 'true'
  const entries = layout.entries ?? count
  const end = bytes(
    [4, 0x06054b50],
    [2, diskNumber],
    [2, diskNumber],
    [2, saturated ? 0xffff : entries],
    [2, saturated ? 0xffff : entries],
    [4, saturated ? LARGE : (layout.directorySize ?? size)],
    [4, saturated ? LARGE : (layout.directoryOffset ?? offset)],
    [2, comment.length],
  )
  const large =
    zip64 === undefined
      ? Buffer.alloc(0)
      : bytes(
          [4, 0x06064b50],
          [8, zip64.recordSize ?? 44],
          [4, 0x2d_032d],
          [8, 0],
          [8, zip64.entries ?? count],
          [8, zip64.entries ?? count],
          [8, size],
          [8, offset],
          [4, 0x07064b50],
          [4, 0],
          [8, zip64.locator ?? offset + size],
          [4, 1],
        )
  return Buffer.concat([large, end, comment, after])
}

/** composer.json of a package, as an entry. */
export function manifestEntry(
  manifest: object = { name: 'acme/lib', version: '1.0.0' },
  name = 'composer.json',
): Entry {
  return { name, content: JSON.stringify(manifest) }
}

/** An uploadable zip of a library; `seed` makes its bytes differ. */
export function libraryZip(manifest: object = { name: 'acme/lib', version: '1.0.0' }, seed = ''): Buffer<ArrayBuffer> {
  return zipOf([manifestEntry(manifest), { name: 'src/Lib.php', content: `<?php // ${seed}\n` }])
}

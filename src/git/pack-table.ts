import type { Pacer } from '../pacer.ts'
import { parseDeltaHeader } from './delta.ts'
import { gitFailure } from './failure.ts'
import { type Inflated, inflateLargeObject, inflateObject } from './inflate.ts'
import type { GitLimits } from './limits.ts'
import { idOfLargeObject, type ObjectType, objectIdOf } from './objects.ts'
import type { ObjectId } from './snapshot.ts'

const HEADER_BYTES = 12
const TRAILER_BYTES = 20
/** One byte of header and the shortest zlib stream. */
const SMALLEST_OBJECT = 9
const LARGE_OBJECT = 1024 * 1024

const OFS_DELTA = 6
const REF_DELTA = 7
const WHOLE_TYPES: readonly (ObjectType | undefined)[] = [undefined, 'commit', 'tree', 'blob', 'tag']

/** What one pass over a pack finds out: for each object where it is, how large, and what it builds on. */
export class PackTable {
  readonly bytes: Uint8Array
  readonly count: number
  /** Where an object begins; ascending. */
  readonly offsets: Uint32Array
  /** Where its compressed bytes begin. */
  readonly dataAt: Uint32Array
  /** Inflated bytes of what is stored: the object, or the delta. */
  readonly storedSizes: Uint32Array
  /** Inflated bytes of the object itself. */
  readonly sizes: Uint32Array
  /** Number of the base object, or -1. */
  readonly bases: Int32Array
  readonly types: (ObjectType | undefined)[]
  readonly ids: (ObjectId | undefined)[]
  /** Deltas whose base is named by id, by that id. */
  readonly waiting = new Map<ObjectId, number[]>()
  /** Inflated bytes so far, against `limits.inflatedBytes`. */
  inflated = 0
  readonly #limits: GitLimits

  constructor(bytes: Uint8Array, limits: GitLimits) {
    this.bytes = bytes
    this.#limits = limits
    this.count = packCount(bytes, limits)
    this.offsets = new Uint32Array(this.count)
    this.dataAt = new Uint32Array(this.count)
    this.storedSizes = new Uint32Array(this.count)
    this.sizes = new Uint32Array(this.count)
    this.bases = new Int32Array(this.count).fill(-1)
    this.types = new Array<ObjectType | undefined>(this.count)
    this.ids = new Array<ObjectId | undefined>(this.count)
  }

  /** Walks over every object. Throws `protocol` for a broken pack and `too_large` beyond a limit. */
  async scan(pacer: Pacer): Promise<void> {
    let at = HEADER_BYTES
    for (let index = 0; index < this.count; index++) {
      at = await this.#scanObject(index, at)
      if (pacer.due()) await pacer.rest()
    }
    if (at !== this.bytes.length - TRAILER_BYTES) throw brokenPack('has bytes that belong to no object')
  }

  /** Counts inflated bytes. Throws `too_large` when one object or all together go beyond their limit. */
  charge(size: number): void {
    this.inflated += size
    if (size > this.#limits.objectBytes) {
      throw gitFailure('too_large', `The repository has an object larger than ${this.#limits.objectBytes} bytes.`)
    }
    if (this.inflated > this.#limits.inflatedBytes) {
      throw gitFailure(
        'too_large',
        `What the git server sent inflates to more than ${this.#limits.inflatedBytes} bytes.`,
      )
    }
  }

  /** What is stored for an object: its content, or its delta. */
  stored(index: number): Uint8Array {
    return inflateObject(this.#dataOf(index), this.storedSizes[index] ?? 0).content
  }

  /** The same; off the main thread when it is large. */
  storedLater(index: number): Uint8Array | Promise<Uint8Array> {
    const size = this.storedSizes[index] ?? 0
    if (size < LARGE_OBJECT) return this.stored(index)
    return inflateLargeObject(this.#dataOf(index), size).then(({ content }) => content)
  }

  /** Two awaits per object would be the slowest part of a pack of small objects, so only large ones wait. */
  #scanObject(index: number, start: number): number | Promise<number> {
    const { type, size, at } = this.#header(start)
    this.charge(size)
    this.offsets[index] = start
    this.storedSizes[index] = size
    this.dataAt[index] = this.#scanBase(index, type, start, at)
    const data = this.#dataOf(index)
    return size < LARGE_OBJECT
      ? this.#record(index, type, inflateObject(data, size))
      : this.#recordLarge(index, type, data)
  }

  #header(start: number): { type: number; size: number; at: number } {
    let at = start
    let byte = this.#byte(at++)
    const type = (byte >> 4) & 0x07
    let size = byte & 0x0f
    for (let factor = 16; byte >= 0x80; factor *= 128) {
      if (factor > 2 ** 40) throw brokenPack('declares an object of impossible size')
      byte = this.#byte(at++)
      size += (byte & 0x7f) * factor
    }
    return { type, size, at }
  }

  /** Reads the base of a delta, if it is one; returns where the compressed bytes begin. */
  #scanBase(index: number, type: number, start: number, at: number): number {
    if (WHOLE_TYPES[type] !== undefined) return at
    if (type === REF_DELTA) {
      if (at + 20 > this.bytes.length) throw brokenPack('is cut off')
      const base = Buffer.from(this.bytes.buffer, this.bytes.byteOffset + at, 20).toString('hex')
      const others = this.waiting.get(base)
      if (others === undefined) this.waiting.set(base, [index])
      else others.push(index)
      return at + 20
    }
    if (type !== OFS_DELTA) throw brokenPack('has an object of unknown type')
    let next = at
    let byte = this.#byte(next++)
    let distance = byte & 0x7f
    while (byte >= 0x80) {
      if (distance > 2 ** 32) throw brokenPack('has a delta of impossible distance')
      byte = this.#byte(next++)
      distance = (distance + 1) * 128 + (byte & 0x7f)
    }
    this.bases[index] = this.#numberAt(start - distance, index)
    return next
  }

  /** The number of the object that begins at an offset, among the first `count`. */
  #numberAt(offset: number, count: number): number {
    let low = 0
    let high = count - 1
    while (low <= high) {
      const middle = (low + high) >> 1
      const found = this.offsets[middle] ?? 0
      if (found === offset) return middle
      if (found < offset) low = middle + 1
      else high = middle - 1
    }
    throw brokenPack('has a delta whose base is not an object of it')
  }

  async #recordLarge(index: number, typeNumber: number, data: Uint8Array): Promise<number> {
    const inflated = await inflateLargeObject(data, this.storedSizes[index] ?? 0)
    const type = WHOLE_TYPES[typeNumber]
    const id = type === undefined ? undefined : await idOfLargeObject(type, inflated.content)
    return this.#record(index, typeNumber, inflated, id)
  }

  #record(index: number, typeNumber: number, { content, consumed }: Inflated, id?: ObjectId): number {
    const type = WHOLE_TYPES[typeNumber]
    if (type === undefined) {
      const { targetSize } = parseDeltaHeader(content)
      this.charge(targetSize)
      this.sizes[index] = targetSize
    } else {
      this.sizes[index] = content.length
      this.types[index] = type
      this.ids[index] = id ?? objectIdOf(type, content)
    }
    return (this.dataAt[index] ?? 0) + consumed
  }

  #dataOf(index: number): Uint8Array {
    return this.bytes.subarray(this.dataAt[index], this.bytes.length - TRAILER_BYTES)
  }

  #byte(at: number): number {
    const byte = at < this.bytes.length - TRAILER_BYTES ? this.bytes[at] : undefined
    if (byte === undefined) throw brokenPack('is cut off')
    return byte
  }
}

function packCount(bytes: Uint8Array, limits: GitLimits): number {
  if (bytes.length < HEADER_BYTES + TRAILER_BYTES) throw brokenPack('is cut off')
  const view = new DataView(bytes.buffer, bytes.byteOffset, HEADER_BYTES)
  const version = view.getUint32(4)
  if (view.getUint32(0) !== 0x5041434b || (version !== 2 && version !== 3))
    throw brokenPack('does not begin as packs do')
  const count = view.getUint32(8)
  if (count > limits.objects) {
    throw gitFailure('too_large', `The git server sent more than ${limits.objects} objects.`)
  }
  if (count * SMALLEST_OBJECT > bytes.length) throw brokenPack('is cut off')
  return count
}

/** A failure about a pack as a whole. */
export function brokenPack(what: string): Error {
  return gitFailure('protocol', `The pack of the git server ${what}.`)
}

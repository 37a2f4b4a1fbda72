import { Pacer } from '../pacer.ts'
import { applyDelta } from './delta.ts'
import { gitFailure } from './failure.ts'
import type { GitLimits } from './limits.ts'
import { type ObjectType, objectIdOf } from './objects.ts'
import { brokenPack, PackTable } from './pack-table.ts'
import type { ObjectId } from './snapshot.ts'

const CACHE_BYTES = 16 * 1024 * 1024

/**
 * The objects of one pack (`git: gitformat-pack`, versions 2 and 3). It holds the compressed bytes and an index;
 * content is inflated when it is read, with a small cache of what other objects build on.
 */
export class Pack {
  readonly #table: PackTable
  readonly #limits: GitLimits
  readonly #numbers = new Map<ObjectId, number>()
  /** First and next object that builds on an object, by offset; -1 ends a list. */
  readonly #firstChild: Int32Array
  readonly #nextChild: Int32Array
  readonly #depths: Uint16Array
  readonly #chainBytes: Float64Array
  readonly #cache = new Map<number, Uint8Array>()
  #cacheBytes = 0
  /** Bytes rebuilt since the pack was opened; bounded while it opens, so that no shape of deltas takes for ever. */
  #rebuilt = 0
  #opening = true

  private constructor(bytes: Uint8Array, limits: GitLimits) {
    this.#table = new PackTable(bytes, limits)
    this.#limits = limits
    this.#firstChild = new Int32Array(this.#table.count).fill(-1)
    this.#nextChild = new Int32Array(this.#table.count).fill(-1)
    this.#depths = new Uint16Array(this.#table.count)
    this.#chainBytes = new Float64Array(this.#table.count)
  }

  /**
   * Computes the id of every object. The caller has compared the trailer with the SHA-1 of the bytes. Throws `protocol`
   * for a broken pack, also for a delta whose base is elsewhere, and `too_large` beyond a limit.
   */
  static async open(bytes: Uint8Array, limits: GitLimits, signal: AbortSignal): Promise<Pack> {
    const pack = new Pack(bytes, limits)
    const pacer = new Pacer(signal)
    await pack.#table.scan(pacer)
    await pack.#resolve(pacer)
    return pack
  }

  /** How many objects there are, doubles included. */
  get count(): number {
    return this.#table.count
  }

  /** The kind of an object; null when the pack does not have it. */
  typeOf(id: ObjectId): ObjectType | null {
    const number = this.#numbers.get(id)
    return number === undefined ? null : (this.#table.types[number] ?? null)
  }

  /** Bytes of an object's content; null when the pack does not have it. */
  sizeOf(id: ObjectId): number | null {
    const number = this.#numbers.get(id)
    return number === undefined ? null : (this.#table.sizes[number] ?? null)
  }

  /** The content of an object; null when the pack does not have it. The bytes must not be changed. */
  read(id: ObjectId): Uint8Array | null {
    const number = this.#numbers.get(id)
    return number === undefined ? null : this.#content(number)
  }

  /** The same, without holding up the event loop when it is large. */
  async load(id: ObjectId): Promise<Uint8Array | null> {
    const number = this.#numbers.get(id)
    if (number === undefined) return null
    const whole = (this.#table.bases[number] ?? -1) < 0 && !this.#cache.has(number)
    return whole ? this.#table.storedLater(number) : this.#content(number)
  }

  async #resolve(pacer: Pacer): Promise<void> {
    const { bases, ids, count } = this.#table
    for (let number = count - 1; number >= 0; number--) {
      const base = bases[number] ?? -1
      if (base >= 0) this.#addChild(base, number)
    }
    let resolved = 0
    for (let root = 0; root < count; root++) {
      if (ids[root] === undefined || (bases[root] ?? -1) >= 0) continue
      this.#chainBytes[root] = this.#table.sizes[root] ?? 0
      resolved += await this.#resolveFrom(root, pacer)
    }
    this.#opening = false
    if (resolved !== count) throw brokenPack('has a delta whose base is not in it')
  }

  /** Visits everything that builds on a whole object, a parent always just before its children; returns how many. */
  async #resolveFrom(root: number, pacer: Pacer): Promise<number> {
    const pending = [root]
    let visited = 0
    for (let number = pending.pop(); number !== undefined; number = pending.pop()) {
      visited++
      this.#name(number)
      let child = this.#firstChild[number] ?? -1
      if (child < 0) continue
      const base = this.#content(number)
      while (child >= 0) {
        this.#resolveDelta(child, number, base)
        pending.push(child)
        child = this.#nextChild[child] ?? -1
        if (pacer.due()) await pacer.rest()
      }
    }
    return visited
  }

  /** Enters an object under its id and finds the deltas that were waiting for this id. */
  #name(number: number): void {
    const id = this.#table.ids[number]
    if (id === undefined) return
    if (!this.#numbers.has(id)) this.#numbers.set(id, number)
    const waiting = this.#table.waiting.get(id)
    if (waiting === undefined) return
    this.#table.waiting.delete(id)
    for (const delta of waiting) {
      this.#table.bases[delta] = number
      this.#addChild(number, delta)
    }
  }

  #resolveDelta(number: number, base: number, baseContent: Uint8Array): void {
    const table = this.#table
    const depth = (this.#depths[base] ?? 0) + 1
    const chainBytes = (this.#chainBytes[base] ?? 0) + (table.sizes[number] ?? 0)
    if (depth > this.#limits.deltaDepth || chainBytes > this.#limits.deltaChainBytes) {
      throw gitFailure('too_large', 'The pack of the git server has a chain of deltas beyond the limit.')
    }
    const type = table.types[base]
    if (type === undefined) throw brokenPack('has a delta that builds on itself')
    const content = applyDelta(baseContent, table.stored(number))
    this.#depths[number] = depth
    this.#chainBytes[number] = chainBytes
    table.types[number] = type
    table.ids[number] = objectIdOf(type, content)
    this.#keep(number, content)
  }

  #addChild(base: number, child: number): void {
    this.#nextChild[child] = this.#firstChild[base] ?? -1
    this.#firstChild[base] = child
  }

  /** Follows the chain down to whole or cached content, then applies the deltas upwards. */
  #content(number: number): Uint8Array {
    if (this.#opening && this.#rebuilt > this.#limits.inflatedBytes) {
      throw gitFailure('too_large', 'The deltas in the pack of the git server take too much work to resolve.')
    }
    const chain: number[] = []
    let at = number
    let content = this.#cached(at)
    while (content === undefined) {
      const base = this.#table.bases[at] ?? -1
      if (base < 0) content = this.#table.stored(at)
      else {
        chain.push(at)
        at = base
        content = this.#cached(at)
      }
    }
    this.#keep(at, content)
    for (let delta = chain.pop(); delta !== undefined; delta = chain.pop()) {
      content = applyDelta(content, this.#table.stored(delta))
      this.#rebuilt += content.length
      this.#keep(delta, content)
    }
    return content
  }

  #cached(number: number): Uint8Array | undefined {
    const content = this.#cache.get(number)
    if (content !== undefined) {
      this.#cache.delete(number)
      this.#cache.set(number, content)
    }
    return content
  }

  /** Keeps what others build on; the least recently used goes first, the newest never. */
  #keep(number: number, content: Uint8Array): void {
    if ((this.#firstChild[number] ?? -1) < 0 || this.#cache.has(number)) return
    this.#cache.set(number, content)
    this.#cacheBytes += content.length
    for (const [oldest, bytes] of this.#cache) {
      if (this.#cacheBytes <= CACHE_BYTES || oldest === number) return
      this.#cache.delete(oldest)
      this.#cacheBytes -= bytes.length
    }
  }
}

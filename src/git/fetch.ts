import { gitFailure, serverSaid } from './failure.ts'
import type { GitLimits } from './limits.ts'
import { Pack } from './pack.ts'
import { brokenPack } from './pack-table.ts'
import { DELIM_PKT, FLUSH_PKT, type PktReader, pktLine, pktText } from './pkt-line.ts'
import type { ObjectId } from './snapshot.ts'

/** What to ask of a `fetch` command. */
export interface FetchOptions {
  /** Take commits without their history. Not for requests that want only trees or blobs. */
  readonly shallow: boolean
  /** A partial-clone filter (`git: rev-list --filter`), only when the server advertises them. */
  readonly filter: string | null
}

/** The packets of one `fetch` (`git: protocol-v2`, fetch). Nothing is said to be there already, so it ends with `done`. */
export function fetchRequest(capabilityLines: string, wants: readonly ObjectId[], options: FetchOptions): Uint8Array {
  const lines = ['no-progress', 'ofs-delta']
  for (const want of wants) lines.push(`want ${want}`)
  if (options.shallow) lines.push('deepen 1')
  if (options.filter !== null) lines.push(`filter ${options.filter}`)
  lines.push('done')
  const body = lines.map(pktLine).join('')
  return Buffer.from(`${pktLine('command=fetch')}${capabilityLines}${DELIM_PKT}${body}${FLUSH_PKT}`)
}

/**
 * Reads the answer to its flush packet: sections before the pack are skipped, the pack is verified against its trailer
 * and indexed. Throws `protocol`, `too_large`, or what the server says on its error band.
 */
export async function readFetchReply(reader: PktReader, limits: GitLimits, signal: AbortSignal): Promise<Pack> {
  for (;;) {
    const packet = await reader.next()
    if (typeof packet === 'string') throw gitFailure('protocol', 'The git server sent no pack.')
    if (pktText(packet) === 'packfile') break
    if (!(await skipSection(reader))) throw gitFailure('protocol', 'The git server sent no pack.')
  }
  const bytes = await readPackfile(reader, limits)
  return Pack.open(bytes, limits, signal)
}

/** Returns true when another section follows. */
async function skipSection(reader: PktReader): Promise<boolean> {
  for (;;) {
    const packet = await reader.next()
    if (packet === 'delim') return true
    if (typeof packet === 'string') return false
  }
}

const BAND_PACK = 1
const BAND_PROGRESS = 2
const BAND_ERROR = 3
const TRAILER_BYTES = 20
const HASHED_AT_ONCE = 64 * 1024

async function readPackfile(reader: PktReader, limits: GitLimits): Promise<Uint8Array> {
  const pack = new GrowingPack(limits.packBytes)
  for (;;) {
    const packet = await reader.next()
    if (packet === 'flush') break
    if (packet === 'delim' || packet === 'response-end' || packet === 'eof') throw brokenPack('is cut off')
    const band = packet[0]
    if (band === BAND_PACK) pack.append(packet.subarray(1))
    else if (band === BAND_ERROR) throw serverSaid(pktText(packet.subarray(1)))
    else if (band !== BAND_PROGRESS) throw gitFailure('protocol', 'The git server sent data on an unknown band.')
  }
  if (!pack.isSound()) throw brokenPack('does not match its checksum')
  return pack.bytes()
}

/** The bytes of a pack in one piece, hashed as they come; doubling keeps the copying linear. */
class GrowingPack {
  readonly #limit: number
  readonly #hasher = new Bun.CryptoHasher('sha1')
  #hashed = 0
  #buffer = new Uint8Array(64 * 1024)
  #length = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  append(bytes: Uint8Array): void {
    const length = this.#length + bytes.length
    if (length > this.#limit) {
      throw gitFailure('too_large', `The pack of the git server is larger than ${this.#limit} bytes.`)
    }
    if (length > this.#buffer.length) {
      const larger = new Uint8Array(Math.max(length, 2 * this.#buffer.length))
      larger.set(this.#buffer.subarray(0, this.#length))
      this.#buffer = larger
    }
    this.#buffer.set(bytes, this.#length)
    this.#length = length
    // The last bytes so far may turn out to be the trailer, which is not hashed.
    if (length - TRAILER_BYTES - this.#hashed < HASHED_AT_ONCE) return
    this.#hash()
  }

  /** True when its trailer is the SHA-1 of what comes before. Throws `protocol` when there is nothing before it. */
  isSound(): boolean {
    if (this.#length <= TRAILER_BYTES) throw brokenPack('is cut off')
    this.#hash()
    const trailer = this.#buffer.subarray(this.#length - TRAILER_BYTES, this.#length)
    return this.#hasher.digest('hex') === Buffer.from(trailer).toString('hex')
  }

  #hash(): void {
    const end = this.#length - TRAILER_BYTES
    this.#hasher.update(this.#buffer.subarray(this.#hashed, end))
    this.#hashed = end
  }

  /** A copy of the exact size where much is spare, so that it is not kept as long as the pack. */
  bytes(): Uint8Array {
    const isFull = this.#length > this.#buffer.length * FULL
    return isFull ? this.#buffer.subarray(0, this.#length) : this.#buffer.slice(0, this.#length)
  }
}

/** Share of a buffer that has to be used for it to be kept. */
const FULL = 0.7

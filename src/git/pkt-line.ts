import { gitFailure, serverSaid } from './failure.ts'
import type { GitReply } from './transport.ts'

/** A packet without content (`git: protocol-common`): the end of a list, of a section, of a response, of the bytes. */
export type PktMark = 'flush' | 'delim' | 'response-end' | 'eof'

/** Ends a request or a list. */
export const FLUSH_PKT = '0000'
/** Separates the capabilities of a command from its arguments. */
export const DELIM_PKT = '0001'

const LONGEST_PKT = 65520

/** One line as a packet: four hexadecimal digits of length, the text, a line feed. `text` is at most 65,515 bytes. */
export function pktLine(text: string): string {
  const length = Buffer.byteLength(text) + 5
  return `${length.toString(16).padStart(4, '0')}${text}\n`
}

/** The text of a packet without its line feed. Bytes that are no UTF-8 become U+FFFD. */
export function pktText(packet: Uint8Array): string {
  const end = packet.at(-1) === 0x0a ? packet.length - 1 : packet.length
  return Buffer.from(packet.buffer, packet.byteOffset, end).toString('utf8')
}

/** Reads packets from an answer, counting its bytes. */
export class PktReader {
  readonly #reply: GitReply
  readonly #limit: number
  readonly #count: (bytes: number) => void
  #received = 0
  #chunk: Uint8Array = new Uint8Array(0)
  #at = 0

  /** `limit`: bytes the answer may have; `count` is told how many bytes each chunk has. */
  constructor(reply: GitReply, limit: number, count: (bytes: number) => void) {
    this.#reply = reply
    this.#limit = limit
    this.#count = count
  }

  /**
   * The next packet or mark. The bytes stay valid until the next call. An `ERR` packet is thrown as the failure that it
   * describes; a broken length is `protocol`, too many bytes are `too_large`.
   */
  async next(): Promise<Uint8Array | PktMark> {
    if (!(await this.#have(4))) {
      if (this.#at < this.#chunk.length) throw endedEarly()
      return 'eof'
    }
    const length = this.#length()
    this.#at += 4
    if (length === 0) return 'flush'
    if (length === 1) return 'delim'
    if (length === 2) return 'response-end'
    if (length < 4 || length > LONGEST_PKT) throw notPackets()
    if (!(await this.#have(length - 4))) throw endedEarly()
    const packet = this.#chunk.subarray(this.#at, this.#at + length - 4)
    this.#at += length - 4
    if (packet[0] === 0x45 && packet[1] === 0x52 && packet[2] === 0x52 && packet[3] === 0x20) {
      throw serverSaid(pktText(packet.subarray(4)))
    }
    return packet
  }

  /** A packet where the protocol has nothing else. */
  async nextLine(): Promise<string> {
    const packet = await this.next()
    if (typeof packet === 'string') throw packet === 'eof' ? endedEarly() : notPackets()
    return pktText(packet)
  }

  #length(): number {
    let length = 0
    for (let index = 0; index < 4; index++) {
      const digit = hexDigit(this.#chunk[this.#at + index] ?? 0)
      if (digit < 0) throw notPackets()
      length = length * 16 + digit
    }
    return length
  }

  async #have(bytes: number): Promise<boolean> {
    while (this.#chunk.length - this.#at < bytes) {
      const chunk = await this.#reply.read()
      if (chunk === null) return false
      this.#received += chunk.length
      this.#count(chunk.length)
      if (this.#received > this.#limit) {
        throw gitFailure('too_large', `The git server's answer is larger than ${this.#limit} bytes.`)
      }
      const rest = this.#chunk.subarray(this.#at)
      this.#chunk = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
      this.#at = 0
    }
    return true
  }
}

function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30
  if (byte >= 0x61 && byte <= 0x66) return byte - 0x57
  if (byte >= 0x41 && byte <= 0x46) return byte - 0x37
  return -1
}

function endedEarly(): Error {
  return gitFailure('protocol', "The git server's answer ended before it was complete.")
}

function notPackets(): Error {
  return gitFailure('protocol', "The git server's answer is not in git's packet format.")
}

import { type GitCapabilities, readCapabilities } from './capabilities.ts'
import { gitFailure } from './failure.ts'
import { type FetchOptions, fetchRequest, readFetchReply } from './fetch.ts'
import type { GitLimits } from './limits.ts'
import type { Pack } from './pack.ts'
import { PktReader, pktLine } from './pkt-line.ts'
import { lsRefsRequest, type RefList, readRefs } from './refs.ts'
import type { ObjectId } from './snapshot.ts'
import type { GitReply, GitTransport } from './transport.ts'

/** What was exchanged with a server so far. */
export interface GitTraffic {
  /** Requests sent, the one for capabilities included. */
  requests: number
  /** Bytes of answers, as they leave the transport. */
  bytesReceived: number
}

const ADVERTISEMENT_BYTES = 1024 * 1024
/** Room for the packets around a pack: their lengths, the list of shallow commits, progress. */
const AROUND_PACK_BYTES = 16 * 1024 * 1024
const AGENT = 'agent=package-broker'

/** Speaks protocol version 2 over a transport: one method for each exchange, capabilities asked once. */
export class UploadPackClient {
  readonly #transport: GitTransport
  readonly traffic: GitTraffic = { requests: 0, bytesReceived: 0 }
  readonly #limits: GitLimits
  #capabilities: GitCapabilities | null = null

  constructor(transport: GitTransport, limits: GitLimits) {
    this.#transport = transport
    this.#limits = limits
  }

  /** What the server can do; asked of it until it has answered once. */
  async capabilities(signal: AbortSignal): Promise<GitCapabilities> {
    this.#capabilities ??= await this.#exchange(
      () => this.#transport.advertisement(signal),
      ADVERTISEMENT_BYTES,
      signal,
      readCapabilities,
    )
    return this.#capabilities
  }

  /** Branches, tags and HEAD. */
  async listRefs(signal: AbortSignal): Promise<RefList> {
    const lines = capabilityLines(await this.capabilities(signal))
    return this.#exchange(
      () => this.#transport.command(lsRefsRequest(lines), signal),
      this.#limits.refBytes,
      signal,
      (reader) => readRefs(reader, this.#limits),
    )
  }

  /** One pack with the wanted objects, which must not be none. `packBytes` lowers the limit for this answer. */
  async fetch(
    wants: readonly ObjectId[],
    options: FetchOptions,
    signal: AbortSignal,
    packBytes = this.#limits.packBytes,
  ): Promise<Pack> {
    const lines = capabilityLines(await this.capabilities(signal))
    const limits = { ...this.#limits, packBytes: Math.min(packBytes, this.#limits.packBytes) }
    return this.#exchange(
      () => this.#transport.command(fetchRequest(lines, wants, options), signal),
      limits.packBytes + AROUND_PACK_BYTES,
      signal,
      (reader) => readFetchReply(reader, limits, signal),
    )
  }

  async #exchange<T>(
    open: () => Promise<GitReply>,
    limit: number,
    signal: AbortSignal,
    read: (reader: PktReader) => Promise<T>,
  ): Promise<T> {
    signal.throwIfAborted()
    this.traffic.requests++
    const reply = await open()
    try {
      const reader = new PktReader(reply, limit, (bytes) => {
        this.traffic.bytesReceived += bytes
      })
      const result = await read(reader)
      await reply.finish()
      return result
    } catch (error) {
      reply.abandon()
      signal.throwIfAborted()
      throw error instanceof RangeError
        ? gitFailure('too_large', 'The answer does not fit in memory.', { cause: error })
        : error
    }
  }
}

function capabilityLines(capabilities: GitCapabilities): string {
  const agent = capabilities.agent === '' ? '' : pktLine(AGENT)
  return agent + (capabilities.objectFormat ? pktLine('object-format=sha1') : '')
}

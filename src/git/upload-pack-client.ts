import { type GitCapabilities, readCapabilities } from './capabilities.ts'
import { gitFailure, gitFailureReason } from './failure.ts'
import { type FetchOptions, fetchRequest, readFetchReply } from './fetch.ts'
import type { GitLimits } from './limits.ts'
import type { Pack } from './pack.ts'
import { PktReader, pktLine } from './pkt-line.ts'
import { lsRefsRequest, type RefList, readRefs } from './refs.ts'
import { NO_MEMORY, type ServerMemory } from './server-memory.ts'
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
const MAY_BE_OUTDATED: ReadonlySet<unknown> = new Set(['missing', 'protocol', 'refused', 'unsupported'])

/** Speaks protocol version 2 over a transport: one method for each exchange, capabilities asked once. */
export class UploadPackClient {
  readonly #transport: GitTransport
  readonly traffic: GitTraffic = { requests: 0, bytesReceived: 0 }
  readonly #limits: GitLimits
  readonly #memory: ServerMemory
  #capabilities: GitCapabilities | null = null

  constructor(transport: GitTransport, limits: GitLimits, memory = NO_MEMORY) {
    this.#transport = transport
    this.#limits = limits
    this.#memory = memory
  }

  /** What the server can do; asked of it until it has answered once. */
  async capabilities(signal: AbortSignal): Promise<GitCapabilities> {
    if (this.#capabilities === null) {
      const open = () => this.#transport.advertisement(signal)
      this.#capabilities = await this.#exchange(open, ADVERTISEMENT_BYTES, signal, readCapabilities)
      this.#memory.remember(this.#capabilities)
    }
    return this.#capabilities
  }

  /** Branches, tags and HEAD; in one request when the server is known. */
  async listRefs(signal: AbortSignal): Promise<RefList> {
    const known = this.#capabilities ?? this.#memory.recall()
    if (known === null) return this.#listRefs(await this.capabilities(signal), signal)
    try {
      return await this.#listRefs(known, signal)
    } catch (error) {
      if (this.#capabilities !== null || !MAY_BE_OUTDATED.has(gitFailureReason(error))) throw error
      // This repository may have moved, or be another kind than those that the server was known by.
      this.#memory.forget()
      return this.#listRefs(await this.capabilities(signal), signal)
    }
  }

  #listRefs(capabilities: GitCapabilities, signal: AbortSignal): Promise<RefList> {
    const lines = capabilityLines(capabilities)
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

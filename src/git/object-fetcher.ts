import { gitFailureReason } from './failure.ts'
import type { FetchOptions } from './fetch.ts'
import type { ObjectStore } from './object-store.ts'
import type { ObjectId } from './snapshot.ts'
import type { UploadPackClient } from './upload-pack-client.ts'

/** How a task begins: what of a commit its first request brings along. `null` asks without a filter. */
export type CommitFilter = `tree:${number}` | 'blob:none' | null

/** Objects that were asked for and not given, each with the reason. */
export type Refusals = Map<ObjectId, string>

const COMMITS_PER_REQUEST = 1000
const OBJECTS_PER_REQUEST = 10_000
/** A list of refs read a moment ago is rarely stale by more than a few. */
const MOST_SINGLE_REFUSALS = 32
const MOST_HALVINGS = 40

/** Fetches many objects into a store: batches, and one bad object does not cost the others. */
export class ObjectFetcher {
  readonly #client: UploadPackClient
  readonly #store: ObjectStore
  readonly #signal: AbortSignal
  #refusalsLeft = MOST_SINGLE_REFUSALS
  #halvingsLeft = MOST_HALVINGS

  constructor(client: UploadPackClient, store: ObjectStore, signal: AbortSignal) {
    this.#client = client
    this.#store = store
    this.#signal = signal
  }

  /**
   * Wants each id once. A commit that the server names as not its own, or an object that alone is too large, ends up in
   * the answer; every other failure is thrown. Objects that the server leaves out silently are noticed when they are
   * read.
   */
  async fetch(ids: Iterable<ObjectId>, options: FetchOptions, packBytes?: number): Promise<Refusals> {
    const refusals: Refusals = new Map()
    const wants = [...new Set(ids)]
    const size = options.shallow ? COMMITS_PER_REQUEST : OBJECTS_PER_REQUEST
    for (let at = 0; at < wants.length; at += size) {
      await this.#fetchBatch(wants.slice(at, at + size), options, packBytes, refusals)
    }
    return refusals
  }

  async #fetchBatch(
    batch: readonly ObjectId[],
    options: FetchOptions,
    packBytes: number | undefined,
    refusals: Refusals,
  ): Promise<void> {
    const pending = [batch]
    for (let wants = pending.pop(); wants !== undefined; wants = pending.pop()) {
      try {
        this.#store.add(await this.#client.fetch(wants, options, this.#signal, packBytes))
      } catch (error) {
        pending.push(...this.#retries(wants, options, error, refusals))
      }
    }
  }

  /**
   * What to ask next after a failure; throws the failure when nothing can be done about it. Refused trees and blobs are
   * never single cases: such a server gives away no object but through its commit.
   */
  #retries(
    wants: readonly ObjectId[],
    options: FetchOptions,
    error: unknown,
    refusals: Refusals,
  ): (readonly ObjectId[])[] {
    const reason = gitFailureReason(error)
    if (reason === 'refused' && options.shallow && error instanceof Error) {
      const named = namedIds(error.message).filter((id) => wants.includes(id))
      if (named.length === 0 || --this.#refusalsLeft < 0) throw error
      for (const id of named) refusals.set(id, 'The git server does not have it, or does not give it away.')
      const others = wants.filter((id) => !named.includes(id))
      return others.length === 0 ? [] : [others]
    }
    if (reason === 'too_large' && error instanceof Error && --this.#halvingsLeft >= 0) {
      if (wants.length > 1) {
        const middle = wants.length >> 1
        return [wants.slice(0, middle), wants.slice(middle)]
      }
      for (const id of wants) refusals.set(id, error.message)
      return []
    }
    throw error
  }
}

/** Servers name the object in their refusal: `not our ref <id>`, `want <id> not valid`. */
function namedIds(text: string): ObjectId[] {
  return text.split(/[^0-9a-f]/).filter((word) => word.length === 40)
}

import { isAppError, messageOf } from '../errors.ts'
import { Pacer } from '../pacer.ts'
import { gitFailureReason } from './failure.ts'
import type { GitLimits } from './limits.ts'
import { type CommitFilter, ObjectFetcher } from './object-fetcher.ts'
import { ObjectStore } from './object-store.ts'
import { MODE_EXECUTABLE, MODE_FILE, MODE_TREE } from './objects.ts'
import type { ObjectId } from './snapshot.ts'
import type { UploadPackClient } from './upload-pack-client.ts'

/** One file at one commit. `committedAt` is the committer date in Unix seconds. */
export type CommitFile =
  /** The file is there; `content` is null only when `blob` was among the known blobs. */
  | { kind: 'file'; commit: ObjectId; committedAt: number; blob: ObjectId; content: Uint8Array | null }
  /** The commit has no such file, or a directory, a symbolic link or a submodule in its place. */
  | { kind: 'absent'; commit: ObjectId; committedAt: number }
  /** The file is larger than `limits.fileBytes`. */
  | { kind: 'too_large'; commit: ObjectId; committedAt: number; blob: ObjectId }
  /** The server does not give the commit or the file, it is no commit, or its objects are broken. One sentence. */
  | { kind: 'unreadable'; commit: ObjectId; reason: string }

/** What one reading is about. */
export interface FileQuery {
  readonly segments: readonly string[]
  readonly commits: readonly ObjectId[]
  readonly knownBlobs: ReadonlySet<ObjectId>
}

/** Where a commit's path has led so far. */
interface Trail {
  readonly commit: ObjectId
  readonly committedAt: number
  object: ObjectId
  mode: number
}

/** Reads one file at many commits: commits with their trees, what is missing of the trees, then the distinct blobs. */
export class FileReading {
  readonly #query: FileQuery
  readonly #limits: GitLimits
  readonly #filter: CommitFilter
  readonly #store = new ObjectStore()
  readonly #fetcher: ObjectFetcher
  readonly #pacer: Pacer
  readonly #results = new Map<ObjectId, CommitFile>()
  /** True when `run` failed because the server gives no trees and blobs by themselves. */
  refusedObjects = false

  constructor(
    query: FileQuery,
    client: UploadPackClient,
    filter: CommitFilter,
    limits: GitLimits,
    signal: AbortSignal,
  ) {
    this.#query = query
    this.#limits = limits
    this.#filter = filter
    this.#fetcher = new ObjectFetcher(client, this.#store, signal)
    this.#pacer = new Pacer(signal)
  }

  /** One result for every commit asked for, in that order. Throws only when the server cannot be read at all. */
  async run(): Promise<Map<ObjectId, CommitFile>> {
    let trails = await this.#commits()
    for (const [level, segment] of this.#query.segments.entries()) {
      trails = await this.#descend(trails, segment, level === this.#query.segments.length - 1)
    }
    await this.#blobs(trails)
    const ordered = new Map<ObjectId, CommitFile>()
    for (const commit of this.#query.commits) {
      const reason = 'The git server did not send the commit.'
      ordered.set(commit, this.#results.get(commit) ?? { kind: 'unreadable', commit, reason })
    }
    return ordered
  }

  async #commits(): Promise<Trail[]> {
    const commits = [...new Set(this.#query.commits)]
    const refusals = await this.#fetcher.fetch(commits, { shallow: true, filter: this.#filter })
    for (const [commit, reason] of refusals) this.#results.set(commit, { kind: 'unreadable', commit, reason })
    const trails: Trail[] = []
    for (const commit of commits) {
      if (refusals.has(commit)) continue
      this.#attempt(commit, () => {
        const { tree, committedAt } = this.#store.commit(commit)
        trails.push({ commit, committedAt, object: tree, mode: MODE_TREE })
      })
      if (this.#pacer.due()) await this.#pacer.rest()
    }
    return trails
  }

  /** Follows one part of the path in every trail; trails that end here get their result. */
  async #descend(trails: readonly Trail[], segment: string, isLast: boolean): Promise<Trail[]> {
    await this.#fetchMissing(trails, 'tree:0')
    const going: Trail[] = []
    for (const trail of trails) {
      const { commit, committedAt } = trail
      this.#attempt(commit, () => {
        const entry = this.#store.tree(trail.object).find(({ name }) => name === segment)
        const fits = isLast ? entry?.mode === MODE_FILE || entry?.mode === MODE_EXECUTABLE : entry?.mode === MODE_TREE
        if (entry === undefined || !fits) this.#results.set(commit, { kind: 'absent', commit, committedAt })
        else going.push({ ...trail, object: entry.id, mode: entry.mode })
      })
      if (this.#pacer.due()) await this.#pacer.rest()
    }
    return going
  }

  async #blobs(trails: readonly Trail[]): Promise<void> {
    const wanted = trails.filter(({ object }) => !this.#query.knownBlobs.has(object))
    const tooLarge = await this.#fetchMissing(wanted, null, this.#limits.filePackBytes)
    const contents = new Map<ObjectId, Uint8Array>()
    for (const { commit, committedAt, object: blob } of trails) {
      this.#attempt(commit, () => {
        if (this.#query.knownBlobs.has(blob)) {
          this.#results.set(commit, { kind: 'file', commit, committedAt, blob, content: null })
        } else if (tooLarge.has(blob) || this.#store.blobSize(blob) > this.#limits.fileBytes) {
          this.#results.set(commit, { kind: 'too_large', commit, committedAt, blob })
        } else {
          const content = contents.get(blob) ?? this.#store.blob(blob)
          contents.set(blob, content)
          this.#results.set(commit, { kind: 'file', commit, committedAt, blob, content })
        }
      })
      if (this.#pacer.due()) await this.#pacer.rest()
    }
  }

  /**
   * Fetches the objects of trails that the first request left out; without a filter it left out nothing. Returns what
   * is too large.
   */
  async #fetchMissing(
    trails: readonly Trail[],
    filter: 'tree:0' | null,
    packBytes?: number,
  ): Promise<ReadonlyMap<ObjectId, string>> {
    if (this.#filter === null) return new Map()
    const missing = new Set<ObjectId>()
    for (const { object } of trails) {
      if (this.#store.typeOf(object) === null) missing.add(object)
    }
    try {
      return await this.#fetcher.fetch(missing, { shallow: false, filter }, packBytes)
    } catch (error) {
      this.refusedObjects = gitFailureReason(error) === 'refused'
      throw error
    }
  }

  #attempt(commit: ObjectId, read: () => void): void {
    try {
      read()
    } catch (error) {
      if (!isAppError(error)) throw error
      this.#results.set(commit, { kind: 'unreadable', commit, reason: messageOf(error) })
    }
  }
}

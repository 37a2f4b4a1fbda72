import { isAppError, messageOf } from '../errors.ts'
import { Pacer } from '../pacer.ts'
import { gitFailureReason } from './failure.ts'
import type { GitLimits } from './limits.ts'
import { type CommitFilter, ObjectFetcher } from './object-fetcher.ts'
import { ObjectStore } from './object-store.ts'
import type { PathGlobs } from './path-globs.ts'
import { type FoundPath, PathWalk } from './path-walk.ts'
import type { ObjectId } from './snapshot.ts'
import type { UploadPackClient } from './upload-pack-client.ts'

/** A file at a commit that was asked for. */
export interface FoundFile {
  /** One character per byte. */
  readonly path: string
  readonly blob: ObjectId
  /** Null when it is too large, or `blob` was among the known ones. */
  readonly content: Uint8Array | null
  /** True when it is larger than `limits.fileBytes`. */
  readonly tooLarge: boolean
}

/** What one commit has of the files that were asked for. `committedAt` is the committer date in Unix seconds. */
export type CommitFiles =
  /** In the order of their directories; none when the commit has none that is a plain file. */
  | { kind: 'files'; commit: ObjectId; committedAt: number; files: readonly FoundFile[] }
  /** More files or directories than the limits allow. One sentence. */
  | { kind: 'too_many'; commit: ObjectId; committedAt: number; reason: string }
  /** The server does not give the commit or a file, it is no commit, or its objects are broken. One sentence. */
  | { kind: 'unreadable'; commit: ObjectId; reason: string }

/** What one reading is about. */
export interface FileQuery {
  readonly globs: PathGlobs
  readonly commits: readonly ObjectId[]
  readonly knownBlobs: ReadonlySet<ObjectId>
}

interface ReadCommit {
  readonly commit: ObjectId
  readonly committedAt: number
  readonly tree: ObjectId
}

/** A commit with the files found in it. */
interface Finding {
  readonly commit: ObjectId
  readonly committedAt: number
  readonly paths: readonly FoundPath[]
}

/** Reads files at many commits: commits with their trees, what is missing of the trees, then the distinct blobs. */
export class FileReading {
  readonly #query: FileQuery
  readonly #limits: GitLimits
  readonly #filter: CommitFilter
  readonly #store = new ObjectStore()
  readonly #fetcher: ObjectFetcher
  readonly #pacer: Pacer
  readonly #walk: PathWalk
  readonly #results = new Map<ObjectId, CommitFiles>()
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
    this.#walk = new PathWalk(query.globs, this.#store, limits, this.#pacer)
  }

  /** True when `run` failed because the commits have too many directories together. */
  get overflowed(): boolean {
    return this.#walk.overflowed
  }

  /** One result for every commit asked for, in that order. Throws only when the server cannot be read at all. */
  async run(): Promise<Map<ObjectId, CommitFiles>> {
    await this.#blobs(await this.#paths(await this.#commits()))
    const ordered = new Map<ObjectId, CommitFiles>()
    for (const commit of this.#query.commits) {
      const reason = 'The git server did not send the commit.'
      ordered.set(commit, this.#results.get(commit) ?? { kind: 'unreadable', commit, reason })
    }
    return ordered
  }

  async #commits(): Promise<ReadCommit[]> {
    const commits = [...new Set(this.#query.commits)]
    const refusals = await this.#fetcher.fetch(commits, { shallow: true, filter: this.#filter })
    for (const [commit, reason] of refusals) this.#results.set(commit, { kind: 'unreadable', commit, reason })
    const read: ReadCommit[] = []
    for (const commit of commits) {
      if (refusals.has(commit)) continue
      this.#attempt(commit, () => read.push({ commit, ...this.#store.commit(commit) }))
      if (this.#pacer.due()) await this.#pacer.rest()
    }
    return read
  }

  /** Where the files are in each commit; commits without a place to look at get their result. */
  async #paths(commits: readonly ReadCommit[]): Promise<Finding[]> {
    if (!(await this.#follow(commits))) return []
    const findings: Finding[] = []
    let files = 0
    for (const { commit, committedAt, tree } of commits) {
      const below = this.#walk.below(tree)
      if (below.kind === 'broken') {
        this.#results.set(commit, { kind: 'unreadable', commit, reason: below.reason })
      } else if (below.kind === 'too_many') {
        this.#results.set(commit, { kind: 'too_many', commit, committedAt, reason: below.reason })
      } else {
        files += below.paths.length
        findings.push({ commit, committedAt, paths: below.paths })
      }
      if (this.#pacer.due()) await this.#pacer.rest()
    }
    return files <= this.#limits.globFilesInAll ? findings : this.#withoutExcess(findings)
  }

  /** Looks into the directories of all commits. False when it is one commit that has too many of them. */
  async #follow(commits: readonly ReadCommit[]): Promise<boolean> {
    const roots = new Set(commits.map(({ tree }) => tree))
    try {
      await this.#walk.run(roots, async (trees) => void (await this.#fetchMissing(trees, 'tree:0')))
      return true
    } catch (error) {
      const [only, ...others] = commits
      if (!this.overflowed || only === undefined || others.length > 0) throw error
      const { commit, committedAt } = only
      this.#results.set(commit, { kind: 'too_many', commit, committedAt, reason: messageOf(error) })
      return false
    }
  }

  /** Commits that come last are left out when all have more files together than can be held. */
  #withoutExcess(findings: readonly Finding[]): Finding[] {
    let room = this.#limits.globFilesInAll
    return findings.filter(({ commit, committedAt, paths }) => {
      room -= paths.length
      if (room >= 0) return true
      const reason = `The globs of paths name more than ${this.#limits.globFilesInAll} files in all commits together.`
      this.#results.set(commit, { kind: 'too_many', commit, committedAt, reason })
      return false
    })
  }

  async #blobs(findings: readonly Finding[]): Promise<void> {
    const blobs = new Set<ObjectId>()
    for (const { paths } of findings) for (const { blob } of paths) blobs.add(blob)
    const wanted = [...blobs].filter((blob) => !this.#query.knownBlobs.has(blob))
    const tooLarge = await this.#fetchMissing(wanted, null, this.#limits.filePackBytes)
    const read = new Map<ObjectId, Omit<FoundFile, 'path'>>()
    for (const { commit, committedAt, paths } of findings) {
      this.#attempt(commit, () => {
        const files = paths.map(({ path, blob }) => {
          const file = read.get(blob) ?? this.#file(blob, tooLarge)
          read.set(blob, file)
          return { path, ...file }
        })
        this.#results.set(commit, { kind: 'files', commit, committedAt, files })
      })
      if (this.#pacer.due()) await this.#pacer.rest()
    }
  }

  #file(blob: ObjectId, tooLarge: ReadonlyMap<ObjectId, string>): Omit<FoundFile, 'path'> {
    if (this.#query.knownBlobs.has(blob)) return { blob, content: null, tooLarge: false }
    if (tooLarge.has(blob) || this.#store.blobSize(blob) > this.#limits.fileBytes) {
      return { blob, content: null, tooLarge: true }
    }
    return { blob, content: this.#store.blob(blob), tooLarge: false }
  }

  /** Fetches objects that the first request left out; without a filter it left out nothing. Returns what is too large. */
  async #fetchMissing(
    objects: readonly ObjectId[],
    filter: 'tree:0' | null,
    packBytes?: number,
  ): Promise<ReadonlyMap<ObjectId, string>> {
    if (this.#filter === null) return new Map()
    const missing = objects.filter((object) => this.#store.typeOf(object) === null)
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

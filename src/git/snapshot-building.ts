import { Pacer } from '../pacer.ts'
import { type AttributeFile, parseAttributes } from './attribute-rules.ts'
import { gitFailure } from './failure.ts'
import type { GitLimits } from './limits.ts'
import { ObjectFetcher } from './object-fetcher.ts'
import { ObjectStore } from './object-store.ts'
import { MODE_EXECUTABLE, MODE_FILE, MODE_SYMLINK } from './objects.ts'
import type { FileMode, ObjectId, Snapshot, SnapshotFile } from './snapshot.ts'
import { isLfsPointer, mayBeLfsPointer, SnapshotWarnings } from './snapshot-warnings.ts'
import { attributeBlobs, directoriesTo, isSubmodule, TreeWalk, type WalkedEntry } from './tree-walk.ts'
import type { UploadPackClient } from './upload-pack-client.ts'

/** Parsed `.gitattributes` files by blob id; versions of a package mostly share them. */
export type AttributeCache = Map<ObjectId, AttributeFile>

const MOST_CACHED_ATTRIBUTES = 200

/** Builds the snapshot of one commit: its trees, its `.gitattributes` files, then only the blobs that are left. */
export class SnapshotBuilding {
  readonly #limits: GitLimits
  readonly #filter: 'blob:none' | null
  readonly #cache: AttributeCache
  readonly #store = new ObjectStore()
  readonly #fetcher: ObjectFetcher
  readonly #pacer: Pacer

  constructor(
    client: UploadPackClient,
    filter: 'blob:none' | null,
    cache: AttributeCache,
    limits: GitLimits,
    signal: AbortSignal,
  ) {
    this.#filter = filter
    this.#cache = cache
    this.#limits = limits
    this.#fetcher = new ObjectFetcher(client, this.#store, signal)
    this.#pacer = new Pacer(signal)
  }

  /**
   * Of the directory `path` in the commit. Throws `missing` when the server does not have the commit or the commit not
   * the directory, and `refused` when the server gives no blobs by themselves.
   */
  async run(commit: ObjectId, path: string): Promise<Snapshot> {
    const refusals = await this.#fetcher.fetch([commit], { shallow: true, filter: this.#filter })
    for (const reason of refusals.values()) throw gitFailure('missing', `Commit ${commit} cannot be had: ${reason}`)
    const root = this.#store.commit(commit).tree
    const directories = directoriesTo(path, root, this.#store)
    const attributeFiles = await this.#attributeFiles(await attributeBlobs(directories, this.#store, this.#pacer))
    const entries = await new TreeWalk(directories, this.#store, attributeFiles, this.#limits).run(this.#pacer)
    await this.#fetchBlobs(entries.filter((entry) => !isSubmodule(entry)).map(({ id }) => id))
    return { commit, ...(await this.#collect(entries)) }
  }

  async #attributeFiles(blobs: ReadonlySet<ObjectId>): Promise<AttributeCache> {
    await this.#fetchBlobs([...blobs].filter((blob) => !this.#cache.has(blob)))
    const files: AttributeCache = new Map()
    for (const blob of blobs) {
      const file = this.#cache.get(blob) ?? this.#parsed(blob)
      files.set(blob, file)
      this.#cache.set(blob, file)
      if (this.#pacer.due()) await this.#pacer.rest()
    }
    for (const oldest of this.#cache.keys()) {
      if (this.#cache.size <= MOST_CACHED_ATTRIBUTES) break
      this.#cache.delete(oldest)
    }
    return files
  }

  #parsed(blob: ObjectId): AttributeFile {
    if (this.#store.blobSize(blob) > this.#limits.attributesBytes) {
      const sentence = `A .gitattributes file of the commit is larger than ${this.#limits.attributesBytes} bytes.`
      throw gitFailure('too_large', sentence)
    }
    return parseAttributes(this.#store.blob(blob))
  }

  async #fetchBlobs(ids: readonly ObjectId[]): Promise<void> {
    if (this.#filter === null) return
    const missing = ids.filter((id) => this.#store.typeOf(id) === null)
    const refusals = await this.#fetcher.fetch(missing, { shallow: false, filter: null })
    for (const reason of refusals.values())
      throw gitFailure('too_large', `A file of the commit is too large. ${reason}`)
  }

  async #collect(entries: readonly WalkedEntry[]): Promise<Pick<Snapshot, 'files' | 'warnings'>> {
    const warnings = new SnapshotWarnings()
    const files: SnapshotFile[] = []
    const sorted = [...entries].sort((a, b) => (a.path < b.path ? -1 : 1))
    for (const entry of sorted) {
      warnings.note(entry)
      if (isSubmodule(entry)) continue
      const file = this.#file(entry)
      if (entry.mode !== MODE_SYMLINK && mayBeLfsPointer(file.size) && isLfsPointer(this.#store.blob(entry.id))) {
        warnings.noteLfsPointer(entry)
      }
      files.push(file)
      if (this.#pacer.due()) await this.#pacer.rest()
    }
    return { files, warnings: warnings.sentences() }
  }

  #file({ path, mode, id }: WalkedEntry): SnapshotFile {
    const store = this.#store
    return {
      path: new Uint8Array(Buffer.from(path, 'latin1')),
      mode: fileMode(mode),
      size: store.blobSize(id),
      read: () => store.loadBlob(id),
    }
  }
}

function fileMode(mode: number): FileMode {
  if (mode === MODE_EXECUTABLE || mode === MODE_SYMLINK) return mode as FileMode
  return MODE_FILE
}

import * as nodeFs from 'node:fs/promises'
import { AppError } from '../errors.ts'
import type { Snapshot } from '../git/snapshot.ts'
import { ArchiveCache, type ArchiveUpkeep } from './archive-cache.ts'
import type { ArchiveEvent, ArchiveFile, ArchiveIndex, ArchiveKey, ArchiveRecord } from './archive-index.ts'
import { type BuiltArchive, buildArchive } from './build-archive.ts'
import { type FairBounds, FairQueue, Ticket } from './fair-queue.ts'
import type { FileSystem } from './file-system.ts'
import { serverStopping, settlesWithin } from './stopping.ts'
import { WorkQueue } from './work-queue.ts'
import { ZIP_FORMAT } from './zip.ts'

/** What a store is opened with. Durations in milliseconds. */
export interface ArchiveStoreOptions {
  /** Where archives are kept; created when absent. One process at a time. */
  readonly directory: string
  /** Bytes on disk above which the least recently used archives are deleted; 0 = no bound. */
  readonly maxBytes: number
  /** Bytes of other archives that count too and are not deleted here. */
  readonly otherBytes?: () => number
  readonly index: ArchiveIndex
  /** Builds at a time, the fetch of the snapshot included, and builds that may wait for their turn. */
  readonly bounds?: Partial<FairBounds>
  /** How long an archive is safe from eviction after a use. Default 5 minutes. */
  readonly evictionGrace?: number
  /** How long `stop` waits for builds before it aborts them. Default 10 seconds. */
  readonly stopGrace?: number
  /** Unix milliseconds. Default `Date.now`. */
  readonly clock?: () => number
  /** For logs and metrics; must not throw. */
  readonly onEvent?: (event: ArchiveEvent) => void
  /** Where a test makes file operations fail. */
  readonly fs?: FileSystem
}

/** Who wants an archive, and where its files are: what places in the queue are counted by. */
export interface ArchiveAsker {
  /** The server that is read from; default is this machine. */
  readonly host?: string
  /** Whose turn it takes; default is one for all who say nothing. */
  readonly client?: string
  /** Aborted when this one does not want it any more. */
  readonly signal?: AbortSignal
}

/** Makes the files of the commit an archive is wanted of. The signal is aborted when the store stops. */
export type OpenSnapshot = (signal: AbortSignal) => Promise<Snapshot>

/** Most of a build is waiting for its host. What is held meanwhile is the pack that came so far, which bounds how many. */
const DEFAULT_BOUNDS: FairBounds = { atOnce: 6, perHost: 2, perClient: 3, waiting: 1_000 }
/** Zips written at a time, out of snapshots that are complete: more of them would not be faster on one thread. */
const ZIPS_AT_ONCE = 1
const DEFAULT_EVICTION_GRACE_MS = 5 * 60 * 1000
const DEFAULT_STOP_GRACE_MS = 10 * 1000
const TOUCH_EVERY_MS = 5 * 60 * 1000
/** How long aborted builds may take to notice. */
const ABORT_MS = 2000
const MAX_KEY_CHARACTERS = 4096

/**
 * The archives of git repositories: built once, kept on disk under the digest of their bytes, checked before use,
 * evicted when unused, and built again with the very same bytes. Bytes that were published never change: a build that
 * gives others is an error, and nothing is served.
 */
export class ArchiveStore {
  /** Archives asked for since the start: on disk, absent, and waited for because somebody else had them built. */
  readonly counts = { found: 0, absent: 0, joined: 0 }
  readonly #options: ArchiveStoreOptions
  readonly #cache: ArchiveCache
  readonly #emit: (event: ArchiveEvent) => void
  readonly #builds: FairQueue
  readonly #zips = new WorkQueue(ZIPS_AT_ONCE, Number.POSITIVE_INFINITY)
  readonly #flights = new Map<string, { readonly file: Promise<ArchiveFile>; readonly ticket: Ticket }>()
  readonly #abort = new AbortController()
  #stopped: Promise<void> | null = null

  private constructor(options: ArchiveStoreOptions, cache: ArchiveCache, emit: (event: ArchiveEvent) => void) {
    this.#options = options
    this.#cache = cache
    this.#emit = emit
    this.#builds = new FairQueue({ ...DEFAULT_BOUNDS, ...options.bounds })
  }

  /** Opens the directory, deletes unfinished files of an earlier process, and learns what is there. */
  static async open(options: ArchiveStoreOptions): Promise<ArchiveStore> {
    const onEvent = options.onEvent ?? (() => {})
    const cache = await ArchiveCache.open({
      directory: options.directory,
      maxBytes: options.maxBytes,
      ...(options.otherBytes ? { otherBytes: options.otherBytes } : {}),
      grace: options.evictionGrace ?? DEFAULT_EVICTION_GRACE_MS,
      touchEvery: TOUCH_EVERY_MS,
      clock: options.clock ?? Date.now,
      fs: options.fs ?? nodeFs,
      onEvent,
    })
    return new ArchiveStore(options, cache, onEvent)
  }

  /**
   * The archive, built from `snapshot()` when it is not on disk. However many callers ask for a key at the same time,
   * it is built once, as soon as the turn of any of them has come. A caller whose signal aborts gets the signal's reason
   * at once; the build goes on for the others and for the cache. Failures are not remembered: the next call tries again.
   *
   * Throws AppError: 'unavailable' when too many builds wait, the store stops, or the commit no longer gives the bytes
   * that were published; 'disk_full'; 'invalid' for an unusable key or file names; and what `snapshot()` throws.
   */
  async get(key: ArchiveKey, snapshot: OpenSnapshot, asker: ArchiveAsker = {}): Promise<ArchiveFile> {
    const id = identify(key)
    const { host = '', client = '', signal } = asker
    signal?.throwIfAborted()
    let flight = this.#flights.get(id)
    if (flight) {
      this.counts.joined++
      this.#builds.join(flight.ticket, client)
    } else {
      const ticket = new Ticket(host, client)
      flight = { ticket, file: this.#load(key, snapshot, ticket).finally(() => this.#flights.delete(id)) }
      this.#flights.set(id, flight)
      // Callers may all have left; a failed build has been reported as an event by then.
      flight.file.catch(() => {})
    }
    return unlessAborted(flight.file, signal)
  }

  /** Builds that run and wait, and those that were turned away since the start. */
  get queue(): Pick<FairQueue, 'running' | 'waiting' | 'refused'> {
    return this.#builds
  }

  /** Bytes of all archives on disk. */
  get bytes(): number {
    return this.#cache.bytes
  }

  /** The archive when it is on disk with the recorded bytes, else null. Never builds. */
  async peek(key: ArchiveKey): Promise<ArchiveFile | null> {
    identify(key)
    const record = await this.#options.index.find(key)
    return record && this.#fromDisk(record)
  }

  /** The files, for maintenance. */
  get files(): ArchiveUpkeep {
    return this.#cache
  }

  /** Deletes what is too much, after other archives have grown. */
  makeRoom(): void {
    this.#cache.makeRoom()
  }

  /** Deletes archives by digest. For the owner of the index, when no record refers to them any more. */
  async remove(sha256s: readonly string[]): Promise<void> {
    for (const sha256 of sha256s) await this.#cache.remove(sha256)
  }

  /**
   * No build starts any more, those that wait for their turn fail with AppError('unavailable'), those that run get a
   * grace and are aborted then. Archives on disk stay available to requests that are still being answered.
   */
  stop(): Promise<void> {
    this.#stopped ??= this.#drain()
    return this.#stopped
  }

  async #drain(): Promise<void> {
    this.#builds.rejectWaiting(serverStopping())
    if (!(await settlesWithin(this.#builds.idle(), this.#options.stopGrace ?? DEFAULT_STOP_GRACE_MS))) {
      this.#abort.abort(serverStopping())
      await settlesWithin(this.#builds.idle(), ABORT_MS)
    }
    await this.#cache.close()
  }

  async #load(key: ArchiveKey, snapshot: OpenSnapshot, ticket: Ticket): Promise<ArchiveFile> {
    const record = await this.#options.index.find(key)
    const file = record && (await this.#fromDisk(record))
    this.counts[file ? 'found' : 'absent']++
    if (file) return file
    if (this.#stopped) throw serverStopping()
    if (record && record.format !== ZIP_FORMAT) throw otherBytes(key)
    try {
      return await this.#builds.run(ticket, () => this.#build(key, snapshot, record))
    } catch (error) {
      this.#emit({ type: 'failed', key, error })
      throw error
    }
  }

  async #fromDisk(record: ArchiveRecord): Promise<ArchiveFile | null> {
    const path = await this.#cache.find(record)
    return path === null ? null : { path, size: record.size, sha1: record.sha1, sha256: record.sha256 }
  }

  async #build(key: ArchiveKey, openSnapshot: OpenSnapshot, published: ArchiveRecord | null): Promise<ArchiveFile> {
    const { signal } = this.#abort
    const started = performance.now()
    const snapshot = await openSnapshot(signal)
    signal.throwIfAborted()
    const temp = await this.#cache.createTemp()
    try {
      const built = await this.#zips.run(() => buildArchive(snapshot, temp, signal))
      if (published) this.#assertPublished(key, published, built)
      const path = await this.#cache.adopt(temp, built)
      const { size, sha1, sha256, warnings } = built
      this.#emit({ type: 'built', key, sha256, size, milliseconds: performance.now() - started, warnings })
      return published ? { path, size, sha1, sha256 } : await this.#publish(key, built, path)
    } catch (error) {
      await temp.discard().catch((trouble) => this.#emit({ type: 'trouble', sha256: null, error: trouble }))
      throw error
    }
  }

  /** Records a first build, after its file is durable: a record never stands without the bytes having existed. */
  async #publish(key: ArchiveKey, built: BuiltArchive, path: string): Promise<ArchiveFile> {
    const { size, sha1, sha256 } = built
    const createdAt = Math.floor((this.#options.clock ?? Date.now)() / 1000)
    const counts = await this.#options.index.record(key, { sha1, sha256, size, format: ZIP_FORMAT, createdAt })
    if (counts.sha256 === sha256) return { path, size, sha1, sha256 }
    const file = await this.#fromDisk(counts)
    if (!file) this.#assertPublished(key, counts, built)
    return file ?? { path, size, sha1, sha256 }
  }

  #assertPublished(key: ArchiveKey, published: ArchiveRecord, built: BuiltArchive): void {
    const { sha1, sha256, size } = published
    if (sha256 === built.sha256 && sha1 === built.sha1 && size === built.size) return
    this.#emit({ type: 'mismatch', key, expected: sha256, actual: built.sha256 })
    throw otherBytes(key)
  }
}

/** One string per key. Parts may come from a request; they are compared, and never become a path. */
function identify({ repositoryId, reference, path }: ArchiveKey): string {
  const id = JSON.stringify([repositoryId, reference, path])
  if (repositoryId === '' || reference === '' || id.length > MAX_KEY_CHARACTERS || id.includes('\\u0000')) {
    throw new AppError('invalid', 'An archive needs a repository and a reference of reasonable length.')
  }
  return id
}

function otherBytes({ reference }: ArchiveKey): AppError {
  return new AppError(
    'unavailable',
    'The archive cannot be rebuilt with the bytes it was published with; restore it from a backup of the archives.',
    { details: { reference } },
  )
}

/** The promise, or a rejection with the signal's reason, whichever comes first. */
function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise
  return new Promise<T>((resolve, reject) => {
    const leave = () => reject(signal.reason)
    signal.addEventListener('abort', leave, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave))
  })
}

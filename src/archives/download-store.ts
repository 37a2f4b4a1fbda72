import * as nodeFs from 'node:fs/promises'
import { isAppError } from '../errors.ts'
import { ArchiveCache, type ArchiveUpkeep } from './archive-cache.ts'
import type { ArchiveEvent, ArchiveFile, ArchiveIndex, ArchiveKey, ArchiveRecord } from './archive-index.ts'
import { downloadArchive, pauseBeforeRetry, type WantedArchive } from './download.ts'
import { type FairBounds, FairQueue, Ticket } from './fair-queue.ts'
import type { FileSystem } from './file-system.ts'
import { IncomingArchive } from './incoming-archive.ts'
import { RecentFailures } from './recent-failures.ts'
import { serverStopping, settlesWithin } from './stopping.ts'

/** What a store is opened with. Durations in milliseconds. */
export interface DownloadStoreOptions {
  /** The directory of the archives; those of upstreams have a folder of their own in it. */
  readonly directory: string
  /** Bytes on disk above which the least recently used of these archives are deleted; 0 = no bound. */
  readonly maxBytes: number
  readonly index: Pick<ArchiveIndex, 'find'>
  /** How long an archive is safe from eviction after a use. Default 5 minutes. */
  readonly evictionGrace?: number
  /** How long `stop` waits for downloads before it aborts them. Default 10 seconds. */
  readonly stopGrace?: number
  /** Longest time for one archive, waiting for a turn not counted. Default 10 minutes. */
  readonly longest?: number
  /** Largest archive in bytes. Default 1 GiB. */
  readonly largest?: number
  /** Unix milliseconds. Default `Date.now`. */
  readonly clock?: () => number
  /** For logs and metrics; must not throw. */
  readonly onEvent?: (event: ArchiveEvent) => void
  /** Where a test makes file operations fail. */
  readonly fs?: FileSystem
}

/** A download takes no memory to speak of. Composer asks again at once when it is turned away, so many may wait. */
const BOUNDS: FairBounds = { atOnce: 48, perHost: 16, perClient: 24, waiting: 2_000 }
const DEFAULT_EVICTION_GRACE_MS = 5 * 60 * 1000
const DEFAULT_STOP_GRACE_MS = 10 * 1000
const DEFAULT_LONGEST_MS = 10 * 60 * 1000
const DEFAULT_LARGEST = 1024 ** 3
const TOUCH_EVERY_MS = 5 * 60 * 1000
/** How long aborted downloads may take to notice. */
const ABORT_MS = 2000

/**
 * Archives of upstreams, byte for byte as they were sent: fetched when one is first asked for, given out while they
 * come in, kept under the digest of their bytes, checked before use. Once recorded, the bytes of an archive never change:
 * when it was evicted and its upstream sends others, they are refused.
 */
export class DownloadStore {
  /** Archives asked for since the start: on disk, absent, and waited for because somebody else had them fetched. */
  readonly counts = { found: 0, absent: 0, joined: 0 }
  readonly #options: DownloadStoreOptions
  readonly #cache: ArchiveCache
  readonly #emit: (event: ArchiveEvent) => void
  readonly #clock: () => number
  readonly #fs: FileSystem
  readonly #slots = new FairQueue(BOUNDS)
  readonly #failures: RecentFailures
  readonly #incoming = new Map<string, { readonly archive: IncomingArchive; readonly ticket: Ticket }>()
  readonly #abort = new AbortController()
  #stopped: Promise<void> | null = null

  private constructor(options: DownloadStoreOptions, cache: ArchiveCache) {
    this.#options = options
    this.#cache = cache
    this.#emit = options.onEvent ?? (() => {})
    this.#clock = options.clock ?? Date.now
    this.#fs = options.fs ?? nodeFs
    this.#failures = new RecentFailures(this.#clock)
  }

  /** Opens the directory, deletes unfinished files of an earlier process, and learns what is there. */
  static async open(options: DownloadStoreOptions): Promise<DownloadStore> {
    const cache = await ArchiveCache.open({
      directory: options.directory,
      folder: 'upstream',
      maxBytes: options.maxBytes,
      grace: options.evictionGrace ?? DEFAULT_EVICTION_GRACE_MS,
      touchEvery: TOUCH_EVERY_MS,
      clock: options.clock ?? Date.now,
      fs: options.fs ?? nodeFs,
      onEvent: options.onEvent ?? (() => {}),
    })
    return new DownloadStore(options, cache)
  }

  /** The files, for maintenance. */
  get files(): ArchiveUpkeep {
    return this.#cache
  }

  /** Bytes of all archives on disk. */
  get bytes(): number {
    return this.#cache.bytes
  }

  /**
   * The archive, from disk or on its way. However many ask for a key at the same time, it is fetched once, as soon
   * as the turn of any of them has come, and to its end even when all of them leave. `client` is whose turn it takes. A failure of the upstream is repeated for some seconds without asking it again.
   *
   * What is returned fails with AppError: 'upstream' when the archive cannot be had or is not the one that was wanted;
   * 'unavailable' when too many wait or the store stops; 'disk_full'; and what `wanted.open` throws.
   */
  get(wanted: WantedArchive, client = ''): IncomingArchive {
    const id = identify(wanted.key)
    const known = this.#incoming.get(id)
    if (known) {
      this.counts.joined++
      this.#slots.join(known.ticket, client)
      return known.archive
    }
    const archive = new IncomingArchive(this.#fs)
    const ticket = new Ticket(wanted.host, client)
    this.#incoming.set(id, { archive, ticket })
    void this.#fill(id, wanted, archive, ticket)
    return archive
  }

  /** Downloads that run and wait, and those that were turned away since the start. */
  get queue(): Pick<FairQueue, 'running' | 'waiting' | 'refused'> {
    return this.#slots
  }

  /** The archive when it is on disk with the recorded bytes, else null. Never fetches. */
  async peek(key: ArchiveKey): Promise<ArchiveFile | null> {
    const record = await this.#options.index.find(key)
    return record && this.#fromDisk(record)
  }

  /** Deletes archives by digest. For the owner of the index, when no record refers to them any more. */
  async remove(sha256s: readonly string[]): Promise<void> {
    for (const sha256 of sha256s) await this.#cache.remove(sha256)
  }

  /**
   * No download starts any more, those that wait for their turn fail with AppError('unavailable'), those that run get a
   * grace and are aborted then. Archives on disk stay available to requests that are still being answered.
   */
  stop(): Promise<void> {
    this.#stopped ??= this.#drain()
    return this.#stopped
  }

  async #drain(): Promise<void> {
    this.#slots.rejectWaiting(serverStopping())
    if (!(await settlesWithin(this.#slots.idle(), this.#options.stopGrace ?? DEFAULT_STOP_GRACE_MS))) {
      this.#abort.abort(serverStopping())
      await settlesWithin(this.#slots.idle(), ABORT_MS)
    }
    await this.#cache.close()
  }

  /** Brings an archive to its end, whatever that is. Never throws. */
  async #fill(id: string, wanted: WantedArchive, incoming: IncomingArchive, ticket: Ticket): Promise<void> {
    try {
      const file = await this.#load(id, wanted, incoming, ticket)
      this.#incoming.delete(id)
      await incoming.finish(file)
    } catch (error) {
      this.#incoming.delete(id)
      await incoming.fail(error).catch((trouble) => this.#emit({ type: 'trouble', sha256: null, error: trouble }))
    }
  }

  async #load(id: string, wanted: WantedArchive, incoming: IncomingArchive, ticket: Ticket): Promise<ArchiveFile> {
    const record = await this.#options.index.find(wanted.key)
    const file = record && (await this.#fromDisk(record))
    this.counts[file ? 'found' : 'absent']++
    if (file) return file
    this.#failures.check(id)
    if (this.#stopped) throw serverStopping()
    try {
      return await this.#slots.run(ticket, () => this.#fetch(wanted, record, incoming))
    } catch (error) {
      this.#failures.note(id, error)
      await this.#tell(wanted, error)
      throw error
    }
  }

  async #fetch(wanted: WantedArchive, record: ArchiveRecord | null, incoming: IncomingArchive): Promise<ArchiveFile> {
    const signal = AbortSignal.any([
      this.#abort.signal,
      AbortSignal.timeout(this.#options.longest ?? DEFAULT_LONGEST_MS),
    ])
    const tools = {
      cache: this.#cache,
      fs: this.#fs,
      clock: this.#clock,
      largest: this.#options.largest ?? DEFAULT_LARGEST,
      emit: this.#emit,
    }
    for (let attempt = 0; ; attempt++) {
      const started = performance.now()
      try {
        return await downloadArchive(tools, { wanted, record, incoming, signal })
      } catch (error) {
        const pause = incoming.shown ? null : pauseBeforeRetry(error, attempt, performance.now() - started)
        if (pause === null || signal.aborted) throw error
        await Bun.sleep(pause)
      }
    }
  }

  async #tell(wanted: WantedArchive, error: unknown): Promise<void> {
    const { key } = wanted
    if (!isAppError(error, 'upstream') || error.details.reason !== 'wrong_archive') {
      this.#emit({ type: 'failed', key, error })
      return
    }
    this.#emit({ type: 'refused', key, reason: error.message })
    await wanted
      .refused(error.message)
      .catch((trouble: unknown) => this.#emit({ type: 'trouble', sha256: null, error: trouble }))
  }

  async #fromDisk(record: ArchiveRecord): Promise<ArchiveFile | null> {
    const path = await this.#cache.find(record)
    return path === null ? null : { path, size: record.size, sha1: record.sha1, sha256: record.sha256 }
  }
}

function identify({ repositoryId, reference, path }: ArchiveKey): string {
  return JSON.stringify([repositoryId, reference, path])
}

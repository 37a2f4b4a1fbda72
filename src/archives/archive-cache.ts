import { ArchiveFiles, type FileState } from './archive-files.ts'
import type { ArchiveEvent, ArchiveFolder, ArchiveRecord } from './archive-index.ts'
import type { BuiltArchive } from './build-archive.ts'
import type { FileSystem } from './file-system.ts'
import { RecentFiles } from './recent-files.ts'
import { codeOf, storageError } from './storage-error.ts'
import type { TempFile } from './temp-file.ts'
import { KeyedLock, WorkQueue } from './work-queue.ts'

/** What the cache is opened with. Durations in milliseconds. */
export interface ArchiveCacheOptions {
  readonly directory: string
  /** Default `git`. A damaged upload is left where it is, since nothing can build it again. */
  readonly folder?: ArchiveFolder
  /** Bytes on disk above which the least recently used archives are deleted; 0 = no bound. */
  readonly maxBytes: number
  /** Bytes of other archives that count too. Those are not deleted here. */
  readonly otherBytes?: () => number
  /** An archive used less than this ago is never evicted: somebody may be about to open it. */
  readonly grace: number
  /** At most this often the time of last use of an archive is written to disk. */
  readonly touchEvery: number
  /** Unix milliseconds. */
  readonly clock: () => number
  readonly fs: FileSystem
  readonly onEvent: (event: ArchiveEvent) => void
}

/** What the maintenance of an installation does with the archives of a directory. */
export type ArchiveUpkeep = Pick<ArchiveCache, 'hold' | 'scrub' | 'recheck' | 'list' | 'removeOlder'>

/** What was found of an archive on disk. */
export type ArchiveCondition = 'sound' | 'corrupt' | 'absent'

/** A file whose bytes were checked. It has two possible times while the time of its last use is being written. */
interface Checked {
  readonly sha1: string
  readonly size: number
  readonly inode: number
  times: readonly number[]
}

const CONCURRENT_CHECKS = 4
const DAMAGE = new Set(['ELOOP', 'EISDIR', 'EACCES', 'EPERM', 'EIO', 'ENXIO'])

/**
 * Archives on disk by their digest. A file is read and compared with its record before its first use in this process,
 * and again when its size, time or inode changed; between that a single `lstat` answers. Changes to one file never
 * overlap: a lock per digest orders checking, publishing and deleting.
 */
export class ArchiveCache {
  readonly #options: ArchiveCacheOptions
  readonly #files: ArchiveFiles
  readonly #checked = new Map<string, Checked>()
  readonly #recent = new RecentFiles()
  readonly #locks = new KeyedLock()
  readonly #checks = new WorkQueue(CONCURRENT_CHECKS, Number.POSITIVE_INFINITY)
  #evictionTimer: Timer | null = null
  #holds = 0
  readonly #postponed = new Set<string>()

  private constructor(options: ArchiveCacheOptions, files: ArchiveFiles) {
    this.#options = options
    this.#files = files
  }

  /** Opens the directory and learns which archives are there, and from their times how recently they were used. */
  static async open(options: ArchiveCacheOptions): Promise<ArchiveCache> {
    const cache = new ArchiveCache(
      options,
      await ArchiveFiles.open(options.directory, options.fs, options.clock(), options.folder),
    )
    const found = await cache.#files.list()
    found.sort((a, b) => a.state.mtime - b.state.mtime)
    for (const { sha256, state } of found) cache.#recent.restore(sha256, state.size, state.mtime)
    cache.makeRoom()
    return cache
  }

  /** Bytes of all archives on disk. */
  get bytes(): number {
    return this.#recent.bytes
  }

  /** Path of the archive when it is on disk with the recorded bytes. One with other bytes is put into quarantine. */
  async find(record: ArchiveRecord): Promise<string | null> {
    const path = this.#files.pathOf(record.sha256)
    // Whoever asks has a record of it again, or still.
    this.#postponed.delete(record.sha256)
    if (await this.#unchanged(record)) return path
    const found = await this.#locks.run(record.sha256, async () => {
      return (await this.#unchanged(record)) || (await this.#check(record))
    })
    return found ? path : null
  }

  /** An empty file to write an archive into; hand it to `adopt`, or discard it. */
  createTemp(): Promise<TempFile> {
    return this.#files.createTemp()
  }

  /** Takes a written archive into the cache. Returns its path, durable by then. */
  async adopt(temp: TempFile, built: BuiltArchive): Promise<string> {
    this.#postponed.delete(built.sha256)
    await this.#locks.run(built.sha256, async () => {
      const state = await this.#files.publish(temp, built.sha256)
      this.#accept(built.sha256, built.sha1, state)
    })
    this.makeRoom()
    return this.#files.pathOf(built.sha256)
  }

  /** Deletes an archive, at the end of the holds if there are any. Throws AppError when the disk refuses. */
  async remove(sha256: string): Promise<void> {
    if (this.#holds > 0) {
      this.#postponed.add(sha256)
      return
    }
    await this.#locks.run(sha256, async () => {
      this.#checked.delete(sha256)
      this.#recent.forget(sha256)
      await this.#files.remove(sha256)
    })
  }

  /** Nothing is deleted until the function that is returned is called. Damaged files are still put aside. */
  hold(): () => void {
    this.#holds += 1
    return () => {
      this.#holds -= 1
      if (this.#holds > 0) return
      const postponed = [...this.#postponed]
      this.#postponed.clear()
      for (const sha256 of postponed) {
        this.remove(sha256).catch((error: unknown) => this.#options.onEvent({ type: 'trouble', sha256, error }))
      }
      this.makeRoom()
    }
  }

  /**
   * Reads an archive whatever is known of it, `pace` awaited after every piece, and puts it aside like `find` when its
   * bytes are not the recorded ones. Requests for it go on meanwhile.
   */
  async scrub(record: ArchiveRecord, pace: () => Promise<void>): Promise<ArchiveCondition> {
    try {
      const { sha1, sha256, state } = await this.#files.digest(record.sha256, pace)
      if (state.regular && sha1 === record.sha1 && sha256 === record.sha256) return 'sound'
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return 'absent'
      if (!DAMAGE.has(codeOf(error))) throw storageError(error)
    }
    return this.recheck(record)
  }

  /** The thorough check, whatever is known of the file: one with other bytes than recorded is put aside. */
  recheck(record: ArchiveRecord): Promise<ArchiveCondition> {
    return this.#locks.run(record.sha256, async () => {
      if ((await this.#files.state(record.sha256)) === null) return 'absent'
      return (await this.#check(record)) ? 'sound' : 'corrupt'
    })
  }

  /** Every archive on disk, unchecked. */
  list(): Promise<{ sha256: string; state: FileState }[]> {
    return this.#files.list()
  }

  /** Deletes an archive unless it was used or written after `time`, in Unix milliseconds. True when it was deleted. */
  removeOlder(sha256: string, time: number): Promise<boolean> {
    return this.#locks.run(sha256, async () => {
      const state = await this.#files.state(sha256)
      if (this.#holds > 0 || state === null || state.mtime > time) return false
      this.#checked.delete(sha256)
      this.#recent.forget(sha256)
      await this.#files.remove(sha256)
      return true
    })
  }

  /** Deletes what is too much; what is still in its grace is looked at again later. */
  makeRoom(): void {
    const { maxBytes, otherBytes, clock, grace, onEvent } = this.#options
    const room = Math.max(0, maxBytes - (otherBytes?.() ?? 0))
    if (maxBytes === 0 || this.#recent.bytes <= room || this.#holds > 0) return
    for (const sha256 of this.#recent.surplus(room, clock(), grace, (key) => this.#locks.busy(key))) {
      // Forgotten at once, so that nobody is given a path that is about to vanish.
      this.#checked.delete(sha256)
      const size = this.#recent.forget(sha256)
      this.#locks
        .run(sha256, () => this.#files.remove(sha256))
        .then(
          () => onEvent({ type: 'evicted', sha256, size }),
          (error: unknown) => onEvent({ type: 'trouble', sha256, error }),
        )
    }
    if (this.#recent.bytes > room) this.#evictLater()
  }

  /** Waits for file operations under way. */
  async close(): Promise<void> {
    if (this.#evictionTimer) clearTimeout(this.#evictionTimer)
    this.#evictionTimer = null
    await this.#locks.settled()
  }

  /** The cheap check. */
  async #unchanged(record: ArchiveRecord): Promise<boolean> {
    const checked = this.#checked.get(record.sha256)
    if (!checked || checked.sha1 !== record.sha1 || checked.size !== record.size) return false
    const state = await this.#files.state(record.sha256)
    // It may have been evicted while the disk was asked.
    if (!state || this.#checked.get(record.sha256) !== checked) return false
    if (!state.regular || state.size !== checked.size || state.inode !== checked.inode) return false
    if (!checked.times.includes(state.mtime)) return false
    this.#use(record.sha256, checked)
    return true
  }

  /** The thorough check, inside the lock. */
  async #check(record: ArchiveRecord): Promise<boolean> {
    this.#checked.delete(record.sha256)
    const state = await this.#files.state(record.sha256)
    const damage = state ? await this.#damageOf(record, state) : 'missing'
    if (damage === null) return true
    this.#recent.forget(record.sha256)
    if (damage === 'missing') return false
    this.#options.onEvent({ type: 'corrupt', sha256: record.sha256, reason: damage })
    if (this.#options.folder !== 'uploads') await this.#files.quarantine(record.sha256)
    return false
  }

  /** A sentence about what is wrong with the file, 'missing' when it vanished meanwhile, null when it is right. */
  async #damageOf(record: ArchiveRecord, state: FileState): Promise<string | null> {
    if (!state.regular) return 'It is not a regular file.'
    if (state.size !== record.size) return `It has ${state.size} bytes instead of ${record.size}.`
    try {
      const digest = await this.#checks.run(() => this.#files.digest(record.sha256))
      if (digest.sha256 !== record.sha256 || digest.sha1 !== record.sha1) return 'Its digest is another one.'
      this.#accept(record.sha256, record.sha1, digest.state)
      return null
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return 'missing'
      if (DAMAGE.has(codeOf(error))) return `It cannot be read (${codeOf(error)}).`
      throw storageError(error)
    }
  }

  #accept(sha256: string, sha1: string, state: FileState): void {
    const checked = { sha1, size: state.size, inode: state.inode, times: [state.mtime] }
    this.#checked.set(sha256, checked)
    this.#use(sha256, checked)
  }

  #use(sha256: string, checked: Checked): void {
    const now = this.#options.clock()
    if (!this.#recent.use(sha256, checked.size, now, this.#options.touchEvery)) return
    const time = Math.floor(now / 1000) * 1000
    checked.times = [...checked.times.slice(-1), time]
    this.#files.touch(sha256, time).catch((error: unknown) => {
      if (codeOf(error) !== 'ENOENT') this.#options.onEvent({ type: 'trouble', sha256, error })
    })
  }

  #evictLater(): void {
    if (this.#evictionTimer) return
    this.#evictionTimer = setTimeout(() => {
      this.#evictionTimer = null
      this.makeRoom()
    }, this.#options.grace + 1000)
    this.#evictionTimer.unref()
  }
}

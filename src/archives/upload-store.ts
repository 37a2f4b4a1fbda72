import * as nodeFs from 'node:fs/promises'
import { AppError } from '../errors.ts'
import { ArchiveCache, type ArchiveUpkeep } from './archive-cache.ts'
import type { ArchiveEvent, ArchiveFile, ArchiveIndex, ArchiveKey } from './archive-index.ts'
import type { FileSystem } from './file-system.ts'
import { type PackageZip, readPackageZip } from './package-zip.ts'
import { receiveBody } from './receive.ts'
import type { TempFile } from './temp-file.ts'
import { KeyedLock, WorkQueue } from './work-queue.ts'

/** Records of archives, and which bytes uploaded ones have. */
export interface UploadIndex extends Pick<ArchiveIndex, 'find'> {
  /** True when a record of an upload has this digest. */
  isUploaded(sha256: string): Promise<boolean>
}

/** What a store is opened with. */
export interface UploadStoreOptions {
  /** The directory of the archives; uploads have a folder of their own in it. */
  readonly directory: string
  readonly index: UploadIndex
  /** For logs and metrics; must not throw. */
  readonly onEvent?: (event: ArchiveEvent) => void
  /** Unix milliseconds. Default `Date.now`. */
  readonly clock?: () => number
  /** Where a test makes file operations fail. */
  readonly fs?: FileSystem
}

/** A zip that was received and found safe, not yet published. Hand it to `publish`, or to `discard`. */
export interface Upload {
  readonly temp: TempFile
  /** Bytes. */
  readonly size: number
  readonly sha1: string
  readonly sha256: string
  readonly zip: PackageZip
}

/** A body and what is known of it before it is read. */
export interface Incoming {
  readonly body: ReadableStream<Uint8Array> | null
  /** `Content-Length`; null when it was not sent. */
  readonly declared: number | null
  /** Largest size that is accepted, in bytes. */
  readonly maxBytes: number
  /** Aborted when the client leaves. */
  readonly signal: AbortSignal
}

const CONCURRENT_CHECKS = 2
const WAITING_CHECKS = 64

/**
 * Zips that were uploaded, kept byte for byte under the digest of their bytes. Nothing can build them again, so nothing
 * is evicted, and a damaged file stays where it is until the same bytes are uploaded again or restored from a backup.
 */
export class UploadStore {
  readonly #options: UploadStoreOptions
  readonly #cache: ArchiveCache
  readonly #locks = new KeyedLock()
  readonly #checks = new WorkQueue(CONCURRENT_CHECKS, WAITING_CHECKS)

  private constructor(options: UploadStoreOptions, cache: ArchiveCache) {
    this.#options = options
    this.#cache = cache
  }

  /** Opens the directory and deletes unfinished files of an earlier process. */
  static async open(options: UploadStoreOptions): Promise<UploadStore> {
    const cache = await ArchiveCache.open({
      directory: options.directory,
      folder: 'uploads',
      maxBytes: 0,
      grace: 0,
      // Uploads are not evicted, so nobody asks when one was last used.
      touchEvery: Number.POSITIVE_INFINITY,
      clock: options.clock ?? Date.now,
      fs: options.fs ?? nodeFs,
      onEvent: options.onEvent ?? (() => {}),
    })
    return new UploadStore(options, cache)
  }

  /** The files, for maintenance. One that no record names is deleted by `release`. */
  get files(): Omit<ArchiveUpkeep, 'removeOlder'> {
    return this.#cache
  }

  /**
   * Writes a body to disk as it comes and checks it. Leaves no file behind when it throws: AppError('too_large') before
   * or while reading, 'invalid' for a body that ends early or is no safe zip, 'disk_full', 'unavailable'.
   */
  async receive(incoming: Incoming): Promise<Upload> {
    const { body, declared, maxBytes, signal } = incoming
    if ((declared ?? 0) > maxBytes) throw tooLarge(maxBytes)
    if (body === null || declared === 0)
      throw new AppError('invalid', 'The body is empty; it has to be the zip itself.')
    const temp = await this.#cache.createTemp()
    try {
      const digests = await receiveBody(body, temp, { maxBytes, tooLarge: () => tooLarge(maxBytes), brokenOff })
      if (digests.size === 0) throw emptyBody()
      if (declared !== null && digests.size !== declared) {
        throw new AppError('invalid', 'The body ended before its Content-Length; upload it again.')
      }
      await temp.flush()
      const fs = this.#options.fs ?? nodeFs
      const zip = await this.#checks.run(() => readPackageZip(temp.path, { signal, fs }))
      return { temp, ...digests, zip }
    } catch (error) {
      await this.#discard(temp)
      throw signal.aborted && !(error instanceof AppError) ? brokenOff(error) : error
    }
  }

  /**
   * Puts the file in its place, durably, and then runs `record`, which writes down that it is there. When that fails
   * and no other record has the same bytes, the file is gone again.
   */
  async publish<T>(upload: Upload, record: () => Promise<T>): Promise<T> {
    return this.#locks.run(upload.sha256, async () => {
      const { temp, size, sha1, sha256 } = upload
      if ((await this.#cache.find({ size, sha1, sha256, format: 0, createdAt: 0 })) === null) {
        await this.#cache.adopt(temp, { size, sha1, sha256, warnings: [] })
      }
      try {
        return await record()
      } catch (error) {
        await this.#dropUnreferenced(sha256).catch((trouble) => this.#trouble(sha256, trouble))
        throw error
      }
    })
  }

  /** Deletes what was received and not published; to be called in any case. */
  discard(upload: Upload): Promise<void> {
    return this.#discard(upload.temp)
  }

  /** An uploaded archive, its bytes checked. Throws AppError('unavailable') when they are damaged or gone. */
  async get(key: ArchiveKey): Promise<ArchiveFile> {
    const record = await this.#options.index.find(key)
    const path = record && (await this.#cache.find(record))
    if (!record || path === null) {
      throw new AppError(
        'unavailable',
        'The uploaded archive is damaged or missing on the server; upload the same file again, or restore it from a backup of the archives.',
        { details: { reference: key.reference } },
      )
    }
    return { path, size: record.size, sha1: record.sha1, sha256: record.sha256 }
  }

  /** Deletes those of these uploads, by SHA-256, that no record refers to. */
  async release(sha256s: readonly string[]): Promise<void> {
    for (const sha256 of sha256s) await this.#locks.run(sha256, () => this.#dropUnreferenced(sha256))
  }

  /** Waits for file operations under way. */
  async stop(): Promise<void> {
    await this.#locks.settled()
    await this.#cache.close()
  }

  async #dropUnreferenced(sha256: string): Promise<void> {
    if (!(await this.#options.index.isUploaded(sha256))) await this.#cache.remove(sha256)
  }

  async #discard(temp: TempFile): Promise<void> {
    await temp.discard().catch((trouble) => this.#trouble(null, trouble))
  }

  #trouble(sha256: string | null, error: unknown): void {
    this.#options.onEvent?.({ type: 'trouble', sha256, error })
  }
}

function brokenOff(cause: unknown): AppError {
  return new AppError('invalid', 'The upload was broken off.', { cause })
}

function emptyBody(): AppError {
  return new AppError('invalid', 'The body is empty; it has to be the zip itself.')
}

function tooLarge(maxBytes: number): AppError {
  return new AppError(
    'too_large',
    `The zip is larger than ${maxBytes} bytes, which is what UPLOAD_MAX_BYTES allows on this server.`,
    { details: { max_bytes: maxBytes } },
  )
}

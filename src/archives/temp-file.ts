import type { FileHandle } from 'node:fs/promises'
import type { FileSystem } from './file-system.ts'
import { onStorage } from './storage-error.ts'
import type { ZipSink } from './zip.ts'

/** Small writes are gathered: a zip of many small files would otherwise be thousands of system calls. */
const BUFFER_BYTES = 256 * 1024

/**
 * A file that nobody sees until it is complete and on the disk: written under a name of its own, then renamed.
 * Bun's own file writer resolves on a full disk, so this is a loop of plain writes whose results are looked at.
 */
export class TempFile implements ZipSink {
  readonly path: string
  readonly #fs: FileSystem
  readonly #buffer = Buffer.allocUnsafe(BUFFER_BYTES)
  #handle: FileHandle | null
  #buffered = 0
  #exists = true

  private constructor(path: string, fs: FileSystem, handle: FileHandle) {
    this.path = path
    this.#fs = fs
    this.#handle = handle
  }

  /** Creates the file, which must not exist. Throws AppError('disk_full' | 'unavailable'). */
  static create(path: string, fs: FileSystem): Promise<TempFile> {
    return onStorage(async () => new TempFile(path, fs, await fs.open(path, 'wx', 0o600)))
  }

  /** Appends; the chunk may be reused afterwards. Throws AppError('disk_full' | 'unavailable'). */
  async write(chunk: Uint8Array): Promise<void> {
    if (this.#buffered + chunk.length > BUFFER_BYTES) await this.flush()
    if (chunk.length >= BUFFER_BYTES) return onStorage(() => this.#writeAll(chunk))
    this.#buffer.set(chunk, this.#buffered)
    this.#buffered += chunk.length
  }

  /** Gives everything written so far to the file, for whoever reads it by its path. */
  async flush(): Promise<void> {
    const pending = this.#buffer.subarray(0, this.#buffered)
    this.#buffered = 0
    await onStorage(() => this.#writeAll(pending))
  }

  /** Makes the content durable and gives the file its name. The caller makes the name durable. */
  async publish(path: string): Promise<void> {
    await this.flush()
    await onStorage(async () => {
      await this.#open().sync()
      await this.#close()
      await this.#fs.rename(this.path, path)
    })
    this.#exists = false
  }

  /** Deletes the file, unless it was published. May be called twice. */
  async discard(): Promise<void> {
    try {
      await this.#close()
    } finally {
      const exists = this.#exists
      this.#exists = false
      if (exists) await this.#fs.rm(this.path, { force: true })
    }
  }

  #open(): FileHandle {
    if (this.#handle === null) throw new Error('The temporary file is closed.')
    return this.#handle
  }

  async #close(): Promise<void> {
    const handle = this.#handle
    this.#handle = null
    await handle?.close()
  }

  async #writeAll(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      const { bytesWritten } = await this.#open().write(bytes, at, bytes.length - at)
      if (bytesWritten === 0) throw Object.assign(new Error('The disk took no bytes.'), { code: 'ENOSPC' })
      at += bytesWritten
    }
  }
}

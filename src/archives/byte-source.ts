import { constants } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { AppError } from '../errors.ts'
import type { FileSystem } from './file-system.ts'
import { onStorage } from './storage-error.ts'

/** How much is read at once: asking the disk costs more than a small piece. */
const WINDOW_BYTES = 256 * 1024

/** A file that is read in pieces, by position, mostly forwards. */
export class ByteSource {
  readonly #handle: FileHandle
  /** Bytes. */
  readonly size: number
  #window = Buffer.alloc(0)
  #windowAt = 0

  private constructor(handle: FileHandle, size: number) {
    this.#handle = handle
    this.size = size
  }

  /** Opens a file that nobody changes. Throws AppError('unavailable'). */
  static open(path: string, fs: FileSystem): Promise<ByteSource> {
    return onStorage(async () => {
      const handle = await fs.open(path, constants.O_RDONLY | constants.O_NOFOLLOW)
      return new ByteSource(handle, (await handle.stat()).size)
    })
  }

  /** Exactly these bytes, which stay as they are. Throws AppError('invalid') beyond the end of the file. */
  async read(offset: number, length: number): Promise<Buffer> {
    if (offset < 0 || offset + length > this.size) {
      throw new AppError('invalid', 'The zip is refused: it speaks of bytes that it does not have.')
    }
    if (length > WINDOW_BYTES / 2) return this.#load(offset, length)
    if (offset < this.#windowAt || offset + length > this.#windowAt + this.#window.length) {
      this.#window = await this.#load(offset, Math.min(WINDOW_BYTES, this.size - offset))
      this.#windowAt = offset
    }
    const from = offset - this.#windowAt
    return this.#window.subarray(from, from + length)
  }

  async #load(offset: number, length: number): Promise<Buffer<ArrayBuffer>> {
    const buffer = Buffer.allocUnsafe(length)
    let at = 0
    while (at < length) {
      const { bytesRead } = await onStorage(() => this.#handle.read(buffer, at, length - at, offset + at))
      if (bytesRead === 0) throw new AppError('unavailable', 'A file became shorter while it was read.')
      at += bytesRead
    }
    return buffer
  }

  close(): Promise<void> {
    return this.#handle.close()
  }
}

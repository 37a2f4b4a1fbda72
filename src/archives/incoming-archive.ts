import { constants } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import type { ArchiveFile } from './archive-index.ts'
import type { FileSystem } from './file-system.ts'
import { onStorage } from './storage-error.ts'

/**
 * How much of the end nobody gets before the whole archive was checked, in bytes. An archive that is smaller is given
 * out whole or not at all, so that whoever asks for it gets either its length or a sentence.
 */
export const HELD_BACK = 256 * 1024

/** How much is read at once for one reader, in bytes. */
const PIECE = 32 * 1024

type Outcome = { readonly file: ArchiveFile } | { readonly error: unknown }

/**
 * An archive on its way, read by everybody who wants it out of the file that it is written to. The file is the buffer:
 * a slow reader holds up nobody and takes no memory, one that comes late reads from the beginning, one that leaves is
 * not missed.
 */
export class IncomingArchive {
  readonly #fs: FileSystem
  #written = 0
  #outcome: Outcome | null = null
  #handle: Promise<FileHandle> | null = null
  #readers = 0
  #news = Promise.withResolvers<void>()

  constructor(fs: FileSystem) {
    this.#fs = fs
  }

  /** True when somebody may have got bytes of it: it cannot be begun anew. */
  get shown(): boolean {
    return this.#readable > 0
  }

  /** The archive is read from this file from now on. Only while nothing is shown. Throws what opening a file throws. */
  async begin(path: string): Promise<void> {
    await this.#close()
    this.#written = 0
    await this.#open(path)
  }

  /** So many bytes are in the file. */
  grew(written: number): void {
    this.#written = written
    this.#tell()
  }

  /** It is complete, checked, durable and recorded. */
  async finish(file: ArchiveFile): Promise<void> {
    this.#written = file.size
    await this.#settle({ file })
  }

  /** It will not be complete: everybody gets the error, also those who have a part of it. */
  async fail(error: unknown): Promise<void> {
    await this.#settle({ error })
  }

  /** The archive when it is complete. Throws what it failed with. */
  async finished(): Promise<ArchiveFile> {
    for (;;) {
      if (this.#outcome) return fileOf(this.#outcome)
      await this.#news.promise
    }
  }

  /** The archive when it is complete, or null as soon as `stream` has something to give. Throws what it failed with. */
  async started(): Promise<ArchiveFile | null> {
    for (;;) {
      if (this.#outcome) return fileOf(this.#outcome)
      if (this.shown) return null
      await this.#news.promise
    }
  }

  /** Its bytes from the first, as they come and as fast as they are read. Breaks off when the archive fails. */
  stream(): ReadableStream<Uint8Array> {
    let at = 0
    // One that is never read must keep nothing open: nobody would cancel it.
    let reading = false
    const leave = async () => {
      if (!reading) return
      reading = false
      this.#readers -= 1
      await this.#closeUnused()
    }
    const pull = async (out: ReadableStreamDefaultController<Uint8Array>) => {
      if (at === 0) this.#readers += 1
      reading = true
      try {
        const piece = await this.#read(at, () => reading)
        at += piece.length
        if (piece.length > 0) return out.enqueue(piece)
        if (!reading) return
        await leave()
        out.close()
      } catch (error) {
        await leave()
        throw error
      }
    }
    return new ReadableStream({ pull, cancel: leave }, { highWaterMark: 0 })
  }

  get #readable(): number {
    if (this.#outcome) return this.#written
    return Math.max(0, this.#written - HELD_BACK)
  }

  /** What comes next behind `at`; nothing at the end, or when it is not `wanted` any more. */
  async #read(at: number, wanted: () => boolean): Promise<Uint8Array> {
    while (!this.#outcome && at >= this.#readable) await this.#news.promise
    if (!wanted()) return new Uint8Array(0)
    if (this.#outcome && at >= fileOf(this.#outcome).size) return new Uint8Array(0)
    const handle = await this.#source()
    const piece = new Uint8Array(Math.min(PIECE, this.#readable - at))
    const { bytesRead } = await onStorage(() => handle.read(piece, 0, piece.length, at))
    if (bytesRead === 0) throw new Error('An archive became shorter while it was read.')
    return piece.subarray(0, bytesRead)
  }

  async #settle(outcome: Outcome): Promise<void> {
    this.#outcome = outcome
    this.#tell()
    await this.#closeUnused()
  }

  #tell(): void {
    const { resolve } = this.#news
    this.#news = Promise.withResolvers()
    resolve()
  }

  /** The file; opened again for one who comes when it was closed already. */
  #source(): Promise<FileHandle> {
    if (this.#handle) return this.#handle
    if (!this.#outcome) throw new Error('An archive is read before it has a file.')
    return this.#open(fileOf(this.#outcome).path)
  }

  #open(path: string): Promise<FileHandle> {
    this.#handle = onStorage(() => this.#fs.open(path, constants.O_RDONLY | constants.O_NOFOLLOW))
    return this.#handle
  }

  async #closeUnused(): Promise<void> {
    if (this.#readers === 0 && this.#outcome !== null) await this.#close()
  }

  async #close(): Promise<void> {
    const handle = this.#handle
    this.#handle = null
    // One that could not be opened has told those who wanted it.
    await handle?.then(
      (open) => open.close(),
      () => {},
    )
  }
}

function fileOf(outcome: Outcome): ArchiveFile {
  if ('error' in outcome) throw outcome.error
  return outcome.file
}

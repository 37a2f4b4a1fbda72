import { createHash, randomUUID } from 'node:crypto'
import { constants, type Stats } from 'node:fs'
import { join } from 'node:path'
import type { ArchiveFolder } from './archive-index.ts'
import type { FileSystem } from './file-system.ts'
import { codeOf, onStorage } from './storage-error.ts'
import { TempFile } from './temp-file.ts'

/** What tells cheaply whether a file is still the one that was looked at. `mtime` in milliseconds. */
export interface FileState {
  readonly regular: boolean
  readonly size: number
  readonly mtime: number
  readonly inode: number
}

/** Digests of a file as it is on disk, and its state when they were taken. */
export interface FileDigest {
  readonly sha1: string
  readonly sha256: string
  readonly state: FileState
}

const SHA256 = /^[0-9a-f]{64}$/
const READ_BYTES = 256 * 1024
const QUARANTINE_MS = 7 * 24 * 60 * 60 * 1000
/** Marks temporary files of this process. A process id would not do: in a container it is the same after a restart. */
const PROCESS = randomUUID()

const ENDING: Readonly<Record<ArchiveFolder, string>> = { git: '.zip', uploads: '.zip', upstream: '.archive' }

/**
 * The directory of the archive cache: `git/ab/<sha256>.zip` for built archives, `uploads/` and `upstream/` likewise,
 * `tmp/` for those being written, `quarantine/` for a week for those found corrupt. Names are made of digests only,
 * never of what a request says.
 */
export class ArchiveFiles {
  readonly #directory: string
  readonly #fs: FileSystem
  readonly #folder: ArchiveFolder

  private constructor(directory: string, fs: FileSystem, folder: ArchiveFolder) {
    this.#directory = directory
    this.#fs = fs
    this.#folder = folder
  }

  /**
   * Creates the directories, and deletes what an earlier process left unfinished. `now` in Unix milliseconds. One
   * process at a time may use a directory. Throws AppError('disk_full' | 'unavailable').
   */
  static open(directory: string, fs: FileSystem, now: number, folder: ArchiveFolder = 'git'): Promise<ArchiveFiles> {
    return onStorage(async () => {
      const files = new ArchiveFiles(directory, fs, folder)
      for (const name of [folder, 'tmp', 'quarantine']) {
        await fs.mkdir(join(directory, name), { recursive: true, mode: 0o700 })
      }
      for (const name of await fs.readdir(join(directory, 'tmp'))) {
        if (!name.startsWith(PROCESS)) await fs.rm(join(directory, 'tmp', name), { recursive: true, force: true })
      }
      for (const name of await fs.readdir(join(directory, 'quarantine'))) {
        const path = join(directory, 'quarantine', name)
        if (now - (await fs.lstat(path)).ctimeMs > QUARANTINE_MS) await fs.rm(path, { recursive: true, force: true })
      }
      return files
    })
  }

  /** Where the archive with this digest is or would be. */
  pathOf(sha256: string): string {
    return join(this.#directory, archivePath(this.#folder, sha256))
  }

  /** Every archive on disk, unchecked, with its digest as the name says it. Other files are left alone. */
  list(): Promise<{ sha256: string; state: FileState }[]> {
    return onStorage(async () => {
      const found: { sha256: string; state: FileState }[] = []
      for (const shard of await this.#fs.readdir(join(this.#directory, this.#folder))) {
        if (!/^[0-9a-f]{2}$/.test(shard)) continue
        const names = await this.#fs.readdir(join(this.#directory, this.#folder, shard))
        const ending = ENDING[this.#folder]
        const digests = names.filter((name) => name.endsWith(ending)).map((name) => name.slice(0, -ending.length))
        const states = digests
          .filter((sha256) => SHA256.test(sha256) && sha256.startsWith(shard))
          .map(async (sha256) => ({ sha256, state: await this.state(sha256) }))
        for (const { sha256, state } of await Promise.all(states)) if (state) found.push({ sha256, state })
      }
      return found
    })
  }

  /** The state of an archive's file, links not followed; null when there is none. */
  state(sha256: string): Promise<FileState | null> {
    return onStorage(async () => {
      try {
        return stateOf(await this.#fs.lstat(this.pathOf(sha256)))
      } catch (error) {
        if (codeOf(error) === 'ENOENT') return null
        throw error
      }
    })
  }

  /** Reads a whole archive, a piece at a time, `pace` awaited after each. Throws system errors as they are. */
  async digest(sha256: string, pace?: () => Promise<void>): Promise<FileDigest> {
    const handle = await this.#fs.open(this.pathOf(sha256), constants.O_RDONLY | constants.O_NOFOLLOW)
    try {
      const state = stateOf(await handle.stat())
      const hashes = [createHash('sha1'), createHash('sha256')] as const
      const buffer = Buffer.allocUnsafe(READ_BYTES)
      for (;;) {
        const { bytesRead } = await handle.read(buffer, 0, READ_BYTES, null)
        if (bytesRead === 0) break
        for (const hash of hashes) hash.update(buffer.subarray(0, bytesRead))
        await pace?.()
      }
      return { sha1: hashes[0].digest('hex'), sha256: hashes[1].digest('hex'), state }
    } finally {
      await handle.close()
    }
  }

  /** An empty file to write an archive into, in the same file system. */
  createTemp(): Promise<TempFile> {
    return TempFile.create(join(this.#directory, 'tmp', `${PROCESS}.${randomUUID()}`), this.#fs)
  }

  /** Puts a finished file in its place, replacing one that is there. Durable when it returns, or an AppError. */
  async publish(temp: TempFile, sha256: string): Promise<FileState> {
    const path = this.pathOf(sha256)
    const shard = join(path, '..')
    const created = await onStorage(() => this.#fs.mkdir(shard, { recursive: true, mode: 0o700 }))
    await temp.publish(path)
    return onStorage(async () => {
      await this.#syncDirectory(shard)
      if (created !== undefined) await this.#syncDirectory(join(shard, '..'))
      return stateOf(await this.#fs.lstat(path))
    })
  }

  /** Takes a damaged archive, or whatever is in its place, out of the way; one per digest is kept. */
  quarantine(sha256: string): Promise<void> {
    return onStorage(async () => {
      const aside = join(this.#directory, 'quarantine', sha256 + ENDING[this.#folder])
      await this.#fs.rm(aside, { recursive: true, force: true })
      try {
        await this.#fs.rename(this.pathOf(sha256), aside)
      } catch (error) {
        if (codeOf(error) !== 'ENOENT') throw error
      }
    })
  }

  /** Deletes an archive; one that is gone already is no error. */
  remove(sha256: string): Promise<void> {
    return onStorage(() => this.#fs.rm(this.pathOf(sha256), { recursive: true, force: true }))
  }

  /** Sets the time of last use, in Unix milliseconds of a whole second. Throws system errors as they are. */
  touch(sha256: string, time: number): Promise<void> {
    return this.#fs.utimes(this.pathOf(sha256), time / 1000, time / 1000)
  }

  async #syncDirectory(path: string): Promise<void> {
    const handle = await this.#fs.open(path, 'r')
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
  }
}

/** Path of an archive inside the directory of archives. */
export function archivePath(folder: ArchiveFolder, sha256: string): string {
  // Digests come from the database; one that is damaged must not become a path elsewhere.
  if (!SHA256.test(sha256)) throw new Error('An archive digest is not a SHA-256 in lower-case hexadecimal.')
  return join(folder, sha256.slice(0, 2), sha256 + ENDING[folder])
}

function stateOf(stats: Stats): FileState {
  return { regular: stats.isFile(), size: stats.size, mtime: stats.mtimeMs, inode: stats.ino }
}

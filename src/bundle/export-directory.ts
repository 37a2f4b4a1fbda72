import { createHash, randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import { copyFile, link, lstat, mkdir, open, readdir, rename, rm } from 'node:fs/promises'
import { basename, dirname, join, relative, resolve, sep } from 'node:path'
import { AppError } from '../errors.ts'
import { isSafePath, MANIFEST, MAX_MANIFEST_BYTES, type Manifest, readManifest } from './manifest.ts'

const READ_BYTES = 1_048_576

/** A directory that an export is written beside, and put in the place of. */
export class ExportDirectory {
  private constructor(
    /** Absolute. */
    readonly path: string,
    /** Where the new export is written until it is complete. */
    readonly draft: string,
    /** The export that is there; null for none. */
    readonly earlier: Manifest | null,
  ) {}

  /**
   * Begins an export. Throws AppError('conflict') for a directory that holds anything else than an earlier export, and
   * AppError('invalid') for one that cannot be written.
   */
  static async begin(path: string): Promise<ExportDirectory> {
    const absolute = resolve(path)
    const earlier = await earlierExport(absolute)
    const parent = dirname(absolute)
    await onDisk(`${parent} cannot be written to`, () => mkdir(parent, { recursive: true }))
    await removeLeftovers(absolute)
    const draft = join(parent, `${draftPrefix(absolute)}${process.pid}.${randomUUID()}`)
    await onDisk(`${parent} cannot be written to`, () => mkdir(draft, { mode: 0o755 }))
    return new ExportDirectory(absolute, draft, earlier)
  }

  /** Takes over a file of the earlier export when its bytes are what its manifest says. False when they are not. */
  async reuse(file: { readonly path: string; readonly size: number; readonly sha256: string }): Promise<boolean> {
    const from = join(this.path, file.path)
    const sums = await digestFile(from).catch(() => null)
    if (sums?.sha256 !== file.sha256 || sums.size !== file.size) return false
    const to = await this.place(file.path)
    // Another name of the same bytes, where the file system can; else a copy.
    await link(from, to).catch(() => copyFile(from, to, constants.COPYFILE_EXCL))
    return true
  }

  /** Where a file of the new export is written; its directory is made. */
  async place(path: string): Promise<string> {
    const to = join(this.draft, path)
    await mkdir(dirname(to), { recursive: true })
    return to
  }

  /** Writes a file whole. */
  async write(path: string, text: string): Promise<void> {
    const file = await open(await this.place(path), 'wx', 0o644)
    try {
      await file.writeFile(text)
      await file.sync()
    } finally {
      await file.close()
    }
  }

  /** Puts the new export in the place of the earlier one. */
  async finish(): Promise<void> {
    if (this.earlier === null) {
      await onDisk(`${this.path} cannot be written`, () => rename(this.draft, this.path))
      return
    }
    const aside = `${this.draft}.old`
    await onDisk(`${this.path} cannot be replaced`, () => rename(this.path, aside))
    await onDisk(`${this.path} cannot be written`, async () => {
      await rename(this.draft, this.path).catch(async (error: unknown) => {
        await rename(aside, this.path)
        throw error
      })
    })
    await rm(aside, { recursive: true, force: true })
  }

  /** Removes what was written, unless it was put in its place. */
  async discard(): Promise<void> {
    await rm(this.draft, { recursive: true, force: true })
  }
}

/** Size in bytes and digests of a file, links not followed. Throws system errors as they are. */
export async function digestFile(path: string): Promise<{ size: number; sha1: string; sha256: string }> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW)
  try {
    if (!(await file.stat()).isFile()) throw new Error(`${path} is no file.`)
    const hashes = [createHash('sha1'), createHash('sha256')] as const
    const buffer = Buffer.allocUnsafe(READ_BYTES)
    let size = 0
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, READ_BYTES, null)
      if (bytesRead === 0) return { size, sha1: hashes[0].digest('hex'), sha256: hashes[1].digest('hex') }
      size += bytesRead
      for (const hash of hashes) hash.update(buffer.subarray(0, bytesRead))
    }
  } finally {
    await file.close()
  }
}

/** Reads a text file that is no link. Throws AppError('invalid'). */
export async function readTextFile(path: string, maxBytes: number): Promise<string> {
  return onDisk(`${path} cannot be read`, async () => {
    const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW)
    try {
      const { size } = await file.stat()
      if (size > maxBytes) throw new AppError('too_large', `${path} is larger than ${maxBytes} bytes.`)
      return await file.readFile('utf8')
    } finally {
      await file.close()
    }
  })
}

/** Paths of all that is below a directory, directories left out, links not followed. */
export async function filesBelow(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(directory, join(entry.parentPath, entry.name)).split(sep).join('/'))
}

async function earlierExport(path: string): Promise<Manifest | null> {
  const state = await lstat(path).catch(() => null)
  if (state === null) return null
  if (!state.isDirectory()) throw new AppError('conflict', `${path} is no directory.`)
  const files = await filesBelow(path)
  if (files.length === 0) return null
  if (!files.includes(MANIFEST)) throw new AppError('conflict', `${path} is not empty, and holds no earlier export.`)
  const manifest = readManifest(await readTextFile(join(path, MANIFEST), MAX_MANIFEST_BYTES))
  const known = new Set([MANIFEST, ...manifest.files.map((file) => file.path)])
  const strange = files.find((file) => !known.has(file) || !isSafePath(file))
  if (strange === undefined) return manifest
  throw new AppError('conflict', `${path} holds ${strange}, which no export wrote; move it elsewhere.`)
}

function draftPrefix(path: string): string {
  return `.${basename(path)}.export-`
}

/** Drafts of processes that were killed. */
async function removeLeftovers(path: string): Promise<void> {
  for (const name of await readdir(dirname(path))) {
    if (!name.startsWith(draftPrefix(path))) continue
    const pid = Number(name.slice(draftPrefix(path).length).split('.')[0])
    if (Number.isInteger(pid) && pid > 0 && !isRunning(pid)) {
      await rm(join(dirname(path), name), { recursive: true, force: true })
    }
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}

async function onDisk<T>(sentence: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    if (cause instanceof AppError) throw cause
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown'
    throw new AppError('invalid', `${sentence} (${code}).`, { cause })
  }
}

import { lstat, mkdir, readdir, readFile, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { AppError } from '../errors.ts'
import { type InstanceLock, lockInstance } from '../store/instance-lock.ts'
import {
  type BackupFile,
  type BackupManifest,
  isDatabaseName,
  KEY,
  MANIFEST,
  readManifest,
  writeManifest,
} from './backup-manifest.ts'
import type { BackupTarget } from './backup-target.ts'
import { copyPart, readPart, syncDirectory, writeNew } from './checked-copy.ts'

const DRAFT = '.draft-'
const LOCK = /^instance\.(?:lock|json)/

/**
 * A backup in a directory, to which later ones are added: archives never change, so only new ones are written. The
 * manifest is put in its place last and names the copy of the database by its digest; whenever a process is killed,
 * the manifest that is there names files that are there.
 */
export class BackupDirectory implements BackupTarget {
  private readonly touched = new Set<string>()

  private constructor(
    private readonly path: string,
    private readonly lock: InstanceLock,
    private readonly recheck: boolean,
  ) {}

  /**
   * Opens the directory, made when absent. With `recheck` a file that is there counts only when its bytes are right. Throws AppError('conflict') when it holds anything that no backup wrote, or
   * another backup is being written to it.
   */
  static async open(path: string, recheck = false): Promise<BackupDirectory> {
    await mkdir(path, { recursive: true, mode: 0o700 })
    const names = await readdir(path)
    const strange = names.find((name) => !isOurs(name))
    if (strange !== undefined) {
      throw new AppError('conflict', `${path} holds ${strange}, which no backup wrote; choose another directory.`)
    }
    if (names.includes(MANIFEST)) readManifest(await readFile(join(path, MANIFEST), 'utf8'))
    const lock = await lockInstance([path], 'backup')
    for (const name of names) {
      if (name.startsWith(DRAFT)) await rm(join(path, name), { recursive: true, force: true })
    }
    return new BackupDirectory(path, lock, recheck)
  }

  draft(): string {
    return join(this.path, DRAFT + crypto.randomUUID())
  }

  async has({ path, size, sha256 }: BackupFile): Promise<boolean> {
    const state = await lstat(join(this.path, path)).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return null
      throw error
    })
    if (state?.isFile() !== true || state.size !== size) return false
    return !this.recheck || (await readPart({ file: join(this.path, path) })).sha256 === sha256
  }

  async add(file: BackupFile, from: string): Promise<boolean> {
    const draft = this.draft()
    const { size, sha256 } = await copyPart({ file: from }, draft)
    if (size !== file.size || sha256 !== file.sha256) {
      await rm(draft)
      return false
    }
    const to = join(this.path, file.path)
    await mkdir(dirname(to), { recursive: true, mode: 0o700 })
    await rename(draft, to)
    for (let at = dirname(to); at.startsWith(this.path); at = dirname(at)) this.touched.add(at)
    return true
  }

  async addKey(text: string): Promise<void> {
    const draft = this.draft()
    await writeNew(draft, text)
    await rename(draft, join(this.path, KEY))
  }

  hasKey(): Promise<boolean> {
    return Bun.file(join(this.path, KEY)).exists()
  }

  async finish(manifest: BackupManifest, prune: boolean): Promise<number> {
    for (const directory of this.touched) await syncDirectory(directory)
    const draft = this.draft()
    await writeNew(draft, writeManifest(manifest))
    await rename(draft, join(this.path, MANIFEST))
    await syncDirectory(this.path)
    for (const name of await readdir(this.path)) {
      if (isDatabaseName(name) && name !== manifest.database.path) await rm(join(this.path, name))
    }
    return prune ? this.prune(new Set(manifest.archives.map((file) => file.path))) : 0
  }

  async close(): Promise<void> {
    try {
      for (const name of await readdir(this.path)) {
        if (name.startsWith(DRAFT)) await rm(join(this.path, name), { force: true })
      }
    } finally {
      this.lock.release()
    }
  }

  private async prune(named: ReadonlySet<string>): Promise<number> {
    let removed = 0
    await mkdir(join(this.path, 'archives'), { recursive: true, mode: 0o700 })
    for (const entry of await readdir(join(this.path, 'archives'), { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name)
      if (entry.isDirectory() || named.has(path.slice(this.path.length + 1))) continue
      await rm(path)
      removed += 1
    }
    return removed
  }
}

function isOurs(name: string): boolean {
  return (
    name === MANIFEST ||
    name === KEY ||
    name === 'archives' ||
    isDatabaseName(name) ||
    name.startsWith(DRAFT) ||
    LOCK.test(name)
  )
}

import { lstat, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { archivePath } from '../archives/archive-files.ts'
import { folderOfFormat } from '../archives/archive-index.ts'
import { keyChangeUnfinished, presentKeys } from '../auth/encryption-key.ts'
import type { Config } from '../config.ts'
import { AppError } from '../errors.ts'
import type { DatabaseCopy } from '../store/database-copy.ts'
import { type BackupFile, databaseName } from './backup-manifest.ts'
import { type BackupTarget, onBackupDisk } from './backup-target.ts'
import { readPart } from './checked-copy.ts'
import { type HeldData, withDatabaseCopy } from './database-hold.ts'

/** How a backup is made. */
export interface BackupOrder {
  readonly target: BackupTarget
  /** Where it is, for sentences. */
  readonly place: string
  /** Version of this program. */
  readonly program: string
  /** Unix seconds. */
  readonly now: number
  /** The key of stored credentials goes into it. */
  readonly withKey: boolean
  /** Archives of earlier backups that the database does not name any more are removed from it. */
  readonly prune: boolean
}

/** What became of a backup. Sizes in bytes. */
export interface BackupReport {
  readonly database: { readonly size: number; readonly sha256: string }
  readonly counts: Readonly<Record<string, number>>
  readonly archives: {
    readonly total: number
    readonly copied: number
    readonly copied_bytes: number
    /** Not on disk now; built or fetched again when wanted. */
    readonly absent: number
    /** With other bytes than recorded, and left out; built or fetched again when wanted. */
    readonly damaged: number
    readonly pruned: number
  }
  /** Uploads that are damaged or gone: no later backup can have them either. */
  readonly lost: readonly string[]
  readonly key: boolean
}

type Archives = Omit<BackupReport['archives'], 'pruned' | 'total'> & {
  readonly files: readonly BackupFile[]
  readonly lost: readonly string[]
}

/**
 * Writes a consistent copy of the database, and of every archive it names that is on disk. Archives are checked while
 * they are copied. Throws AppError when the database is damaged or the target cannot be written: an earlier backup
 * there is as it was.
 */
export function makeBackup(config: Config, hold: HeldData, order: BackupOrder): Promise<BackupReport> {
  return withDatabaseCopy(config, hold, (copy) => onBackupDisk(order.place, () => write(config, copy, order)))
}

async function write(config: Config, copy: DatabaseCopy, order: BackupOrder): Promise<BackupReport> {
  const { target, program, now: createdAt } = order
  const [problem] = await copy.problems()
  if (problem !== undefined) {
    throw new AppError('unavailable', `The database is damaged, so that no backup was made of it: ${problem}`)
  }
  const database = await addDatabase(copy, target)
  const { files, lost, ...archives } = await addArchives(config, copy, target)
  if (order.withKey) await target.addKey(keyText(config))
  const key = await target.hasKey()
  const [counts, schema] = [await copy.counts(), await copy.schema()]
  const pruned = await target.finish(
    { program, createdAt, schema, database, key, counts, archives: files },
    order.prune,
  )
  return {
    database: { size: database.size, sha256: database.sha256 },
    counts,
    archives: { total: files.length, ...archives, pruned },
    lost,
    key,
  }
}

async function addDatabase(copy: DatabaseCopy, target: BackupTarget): Promise<BackupFile> {
  const draft = target.draft()
  try {
    await copy.writeTo(draft)
    const { size, sha256 } = await readPart({ file: draft })
    const file = { path: databaseName(sha256), size, sha256 }
    if (!(await target.add(file, draft)))
      throw new AppError('unavailable', 'The disk gives other bytes than were written.')
    return file
  } finally {
    await rm(draft, { force: true })
  }
}

async function addArchives(config: Config, copy: DatabaseCopy, target: BackupTarget): Promise<Archives> {
  const files: BackupFile[] = []
  const lost: string[] = []
  const count = { copied: 0, copied_bytes: 0, absent: 0, damaged: 0 }
  for (const { sha256, size, format } of await copy.archives()) {
    const folder = folderOfFormat(format)
    const inside = archivePath(folder, sha256)
    const file = { path: `archives/${inside}`, size, sha256 }
    const from = join(config.archiveDir, inside)
    const kept = await target.has(file)
    const outcome = kept ? 'kept' : await addArchive(target, file, from)
    if (outcome === 'copied' || outcome === 'kept') files.push(file)
    else if (folder === 'uploads') lost.push(sha256)
    else count[outcome] += 1
    if (outcome !== 'copied') continue
    count.copied += 1
    count.copied_bytes += size
  }
  return { files, lost, ...count }
}

async function addArchive(
  target: BackupTarget,
  file: BackupFile,
  from: string,
): Promise<'copied' | 'absent' | 'damaged'> {
  const state = await lstat(from).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null
    throw error
  })
  if (state === null) return 'absent'
  if (!state.isFile() || state.size !== file.size) return 'damaged'
  return (await target.add(file, from)) ? 'copied' : 'damaged'
}

function keyText(config: Config): string {
  if (keyChangeUnfinished(config)) {
    throw new AppError('unavailable', 'The key is just being changed; back it up when that is finished.')
  }
  const [key] = presentKeys(config)
  if (key === undefined) throw new AppError('not_found', 'There is no key yet that could be backed up.')
  return `${Buffer.from(key).toString('base64')}\n`
}

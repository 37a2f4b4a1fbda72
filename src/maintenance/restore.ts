import { mkdir, readdir, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { keyFile, presentKeys } from '../auth/encryption-key.ts'
import { createSecretBox } from '../auth/secret-box.ts'
import type { Config } from '../config.ts'
import { makeDirectories } from '../data-directory.ts'
import { AppError } from '../errors.ts'
import { DatabaseCopy, removeDatabase } from '../store/database-copy.ts'
import { lockInstance } from '../store/instance-lock.ts'
import { refuseNewerSchema } from '../store/migrate.ts'
import { KEY_CHECK, KEY_CHECK_PLACE } from '../store/settings.ts'
import type { BackupFile } from './backup-manifest.ts'
import { type BackupSource, readChecked } from './backup-source.ts'
import { onBackupDisk } from './backup-target.ts'
import { copyPart, readPart, syncDirectory, writeNew } from './checked-copy.ts'
import { leftoverCopies, ownDatabaseFile } from './database-hold.ts'

/** What a restore did, or would do. */
export interface RestoreReport {
  readonly created_at: number
  readonly program: string
  readonly counts: Readonly<Record<string, number>>
  readonly archives: number
  /**
   * Whether the key of stored credentials is there: the server starts with one that fits. Null when nothing was
   * restored.
   */
  readonly key: 'fits' | 'other' | 'missing' | null
}

/** Reads all of a backup and compares it with its manifest. Throws AppError('invalid') for the first difference. */
export async function checkBackup(source: BackupSource): Promise<RestoreReport> {
  refuseNewerSchema(source.manifest.schema)
  await readChecked(source, source.manifest.database)
  for (const file of source.manifest.archives) await readChecked(source, file)
  return reportOf(source, null)
}

/**
 * Puts a backup in place of the data that is configured, checking all of it on the way. The database comes last: until
 * then what was there is there. With `force` the database that was there is kept as `<file>.before-restore`, and so is
 * a key that another one takes the place of.
 * Throws AppError('conflict') when there is data and not `force`, or a server runs; AppError('invalid') when the backup
 * is damaged, AppError('unavailable') when a newer program wrote it.
 */
export async function restoreBackup(config: Config, source: BackupSource, force: boolean): Promise<RestoreReport> {
  const file = ownDatabaseFile(config)
  refuseNewerSchema(source.manifest.schema)
  makeDirectories(config)
  await mkdir(dirname(file), { recursive: true, mode: 0o750 })
  const lock = await lockInstance([config.dataDir, dirname(file)], 'restore')
  try {
    if (!force) await refuseData(config, file)
    const key = await onBackupDisk(config.dataDir, () => putInPlace(config, source, file))
    return reportOf(source, key)
  } finally {
    lock.release()
  }
}

function reportOf({ manifest }: BackupSource, key: RestoreReport['key']): RestoreReport {
  const { createdAt, program, counts, archives } = manifest
  return { created_at: createdAt, program, counts, archives: archives.length, key }
}

/** A key that is there already is no data: it may have been put there for the restore. */
async function refuseData({ archiveDir }: Config, file: string): Promise<void> {
  const archives = await readdir(archiveDir, { recursive: true, withFileTypes: true })
  const found = (await Bun.file(file).exists()) ? file : archives.some((entry) => entry.isFile()) ? archiveDir : null
  if (found === null) return
  throw new AppError('conflict', `There is data already (${found}); --force puts the backup in its place.`)
}

async function putInPlace(config: Config, source: BackupSource, file: string): Promise<'fits' | 'other' | 'missing'> {
  for (const leftover of await leftoverCopies(dirname(file))) await rm(leftover, { force: true })
  const draft = `${file}.restored-${crypto.randomUUID()}`
  try {
    await readChecked(source, source.manifest.database, (part) => copyPart(part, draft))
    const check = await checkedDatabase(draft)
    await restoreArchives(config, source)
    const key = await restoreKey(config, source.key, check)
    await setAside(file)
    await rename(draft, file)
    await syncDirectory(dirname(file))
    return key
  } finally {
    await removeDatabase(draft)
  }
}

/** Returns the sealed text by which the key is known; null when none was stored yet. */
async function checkedDatabase(file: string): Promise<string | null> {
  const copy = await DatabaseCopy.open(file)
  try {
    refuseNewerSchema(await copy.schema())
    const [problem] = await copy.problems()
    if (problem !== undefined) throw new AppError('invalid', `The database of the backup is damaged: ${problem}`)
    return await copy.setting(KEY_CHECK)
  } finally {
    copy.close()
  }
}

async function restoreArchives({ archiveDir }: Config, source: BackupSource): Promise<void> {
  const directories = new Set<string>()
  const draft = join(archiveDir, 'tmp', `restore-${crypto.randomUUID()}`)
  await mkdir(dirname(draft), { recursive: true, mode: 0o700 })
  try {
    for (const file of source.manifest.archives) {
      const to = join(archiveDir, file.path.slice('archives/'.length))
      if (await isThere(to, file)) continue
      await rm(draft, { force: true })
      await readChecked(source, file, (part) => copyPart(part, draft))
      await mkdir(dirname(to), { recursive: true, mode: 0o700 })
      await rm(to, { recursive: true, force: true })
      await rename(draft, to)
      for (const at of [dirname(to), dirname(dirname(to)), archiveDir]) directories.add(at)
    }
    for (const directory of directories) await syncDirectory(directory)
  } finally {
    await rm(draft, { force: true })
  }
}

async function isThere(path: string, file: BackupFile): Promise<boolean> {
  const digests = await readPart({ file: path }).catch(() => null)
  return digests?.sha256 === file.sha256
}

/** Whether a key that is configured, in its file or in the backup opens what the database has. */
async function restoreKey(
  config: Config,
  inBackup: string | null,
  check: string | null,
): Promise<'fits' | 'other' | 'missing'> {
  const present = presentKeys(config)
  if (check === null) return 'fits'
  if (present.some((key) => opens(key, check))) return 'fits'
  const offered = inBackup === null ? null : Buffer.from(inBackup.trim(), 'base64')
  if (offered?.length === 32 && config.encryptionKey === null && opens(offered, check)) {
    const path = keyFile(config)
    if (present.length > 0) await rename(path, `${path}.before-restore`)
    await writeNew(path, `${offered.toString('base64')}\n`)
    await syncDirectory(config.dataDir)
    return 'fits'
  }
  return present.length === 0 ? 'missing' : 'other'
}

function opens(key: Uint8Array, sealed: string): boolean {
  try {
    createSecretBox(key).open(sealed, KEY_CHECK_PLACE)
    return true
  } catch {
    // Another key; the caller tries the next one.
    return false
  }
}

/** What is not in the file yet is in the log beside it, so that the two stay together. */
async function setAside(file: string): Promise<void> {
  const aside = `${file}.before-restore`
  if (!(await Bun.file(file).exists())) return removeDatabase(file)
  await removeDatabase(aside)
  for (const ending of ['-wal', '']) {
    await rename(file + ending, aside + ending).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error
    })
  }
  await removeDatabase(file)
}

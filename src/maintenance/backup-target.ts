import { AppError, isAppError } from '../errors.ts'
import type { BackupFile, BackupManifest } from './backup-manifest.ts'

/** A place that a backup is written to. What was there before is complete until `finish`, and afterwards the new one is. */
export interface BackupTarget {
  /** Path of a new file in the file system of the target, to write the copy of the database to. */
  draft(): string
  /** True when it has the file from an earlier backup. */
  has(file: BackupFile): Promise<boolean>
  /** Takes a copy of a file. False, and nothing is kept, when its bytes are others. */
  add(file: BackupFile, from: string): Promise<boolean>
  /** Takes the key of stored credentials. */
  addKey(text: string): Promise<void>
  /** True when it has a key, from now or from an earlier backup. */
  hasKey(): Promise<boolean>
  /** Makes everything durable and puts it in its place. Returns how many archives `prune` removed. */
  finish(manifest: BackupManifest, prune: boolean): Promise<number>
  /** Removes what was written and is in no place yet; to be called in any case. */
  close(): Promise<void>
}

/** Runs file operations of a backup, their failures as AppError that says what to do. */
export async function onBackupDisk<T>(place: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    if (isAppError(cause) || !(cause instanceof Error) || !('code' in cause)) throw cause
    const full = ['ENOSPC', 'EDQUOT', 'SQLITE_FULL'].includes(String(cause.code))
    const kind = full ? 'disk_full' : 'unavailable'
    throw new AppError(kind, `${place} cannot be used (${String(cause.code)}${full ? ', the disk is full' : ''}).`, {
      cause,
    })
  }
}

import { lstat } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError } from '../errors.ts'
import { type BackupManifest, KEY, MANIFEST, MAX_MANIFEST_BYTES, readManifest } from './backup-manifest.ts'
import { type FilePart, readPart } from './checked-copy.ts'
import { readTar } from './tar.ts'

/** Largest file of a key, in bytes. */
const MAX_KEY_BYTES = 1_000

/** A backup to read from. */
export interface BackupSource {
  readonly manifest: BackupManifest
  /** The key of stored credentials; null when it is not in it. */
  readonly key: string | null
  /** Where a file of the backup is; null when it is missing. */
  find(path: string): FilePart | null
}

/** Opens a directory or a tar file. Throws AppError('invalid') when it is no backup, or not all of one. */
export async function openBackup(path: string): Promise<BackupSource> {
  const state = await lstat(path).catch(() => null)
  if (state === null) throw new AppError('invalid', `There is no backup ${path}.`)
  const find = state.isDirectory() ? (inside: string) => ({ file: join(path, inside) }) : await inTar(path)
  const manifest = await textOf(find(MANIFEST), MAX_MANIFEST_BYTES)
  if (manifest === null) throw new AppError('invalid', `${path} holds no complete backup: it has no ${MANIFEST}.`)
  return { manifest: readManifest(manifest), key: await textOf(find(KEY), MAX_KEY_BYTES), find }
}

/**
 * Reads a file of a backup and hands on its bytes. Throws AppError('invalid') when it is missing or has other bytes than
 * the manifest says; what was handed on is to be thrown away then.
 */
export async function readChecked(
  source: BackupSource,
  file: BackupManifest['database'],
  read: (part: FilePart) => Promise<{ readonly size: number; readonly sha256: string }> = readPart,
): Promise<void> {
  const part = source.find(file.path)
  const digests = part && (await read(part).catch(nothingThere))
  if (!digests) throw new AppError('invalid', `The backup is damaged: ${file.path} is missing.`)
  if (digests.size !== file.size || digests.sha256 !== file.sha256) {
    throw new AppError('invalid', `The backup is damaged: ${file.path} is not what was written.`)
  }
}

async function inTar(path: string): Promise<BackupSource['find']> {
  const entries = await readTar(path)
  return (inside) => {
    const entry = entries.get(inside)
    return entry === undefined ? null : { file: path, start: entry.start, size: entry.size }
  }
}

async function textOf(part: FilePart | null, largest: number): Promise<string | null> {
  const pieces: Uint8Array[] = []
  let size = 0
  const read =
    part &&
    (await readPart(part, async (piece) => {
      size += piece.length
      if (size > largest) throw new AppError('too_large', 'A file of the backup is larger than any that was written.')
      pieces.push(Uint8Array.from(piece))
    }).catch(nothingThere))
  return read && Buffer.concat(pieces).toString('utf8')
}

function nothingThere(error: NodeJS.ErrnoException): null {
  if (error.code === 'ENOENT' || error.code === 'ELOOP' || error.code === 'EISDIR') return null
  throw error
}

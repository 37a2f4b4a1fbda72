import { lstat, readdir, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Config } from '../config.ts'
import { AppError, isAppError, messageOf } from '../errors.ts'
import { databaseFile } from '../store/database.ts'
import { copyDatabase, DatabaseCopy, removeDatabase } from '../store/database-copy.ts'
import { lockInstance } from '../store/instance-lock.ts'

/** The data standing still, held by a server that runs or by this process. */
export interface HeldData {
  /** The database file was copied. Throws AppError('unavailable') when it may have been written to meanwhile. */
  copied(): Promise<void>
  /** Lets everything go on. */
  end(): Promise<void>
}

/** Longest time that a copy is worked with. */
const LONGEST_USE_MS = 24 * 60 * 60 * 1000
/** What a restore leaves that was killed; while one runs, nobody else has the data. */
const RESTORED = /\.restored-[0-9a-f-]{36}(?:-wal|-shm|-journal)?$/
const COPY = /^copy-(\d+)-[0-9a-f-]+\.db(?:-wal|-shm|-journal)?$/

/** Path of the database file. Throws AppError('invalid') for one on a server. */
export function ownDatabaseFile(config: Config): string {
  const file = databaseFile({ url: config.databaseUrl })
  if (file !== null) return file
  throw new AppError(
    'invalid',
    'DATABASE_URL names a database on a server: back it up with the means of that server, and copy ARCHIVE_DIR beside it.',
  )
}

/** Holds the data where no server runs: nobody else may open it. Throws AppError('conflict') when somebody has. */
export async function holdHere(config: Config, purpose: string): Promise<HeldData> {
  const directories = [config.dataDir, dirname(ownDatabaseFile(config))]
  const lock = await lockInstance(directories, purpose)
  return { copied: async () => {}, end: async () => lock.release() }
}

/**
 * Runs `work` on a copy of the database as it is now, with the archives standing still. The copy lies beside the
 * database, needs as much room for as long as `work` runs, and is removed at the end.
 */
export async function withDatabaseCopy<T>(
  config: Config,
  hold: HeldData,
  work: (copy: DatabaseCopy) => Promise<T>,
): Promise<T> {
  const file = ownDatabaseFile(config)
  const directory = dirname(file)
  for (const leftover of await leftoverCopies(directory)) await rm(leftover, { force: true })
  const copy = join(directory, `copy-${process.pid}-${crypto.randomUUID()}.db`)
  try {
    await onDisk(file, () => copyDatabase(file, copy))
    await hold.copied()
    const opened = await DatabaseCopy.open(copy)
    try {
      return await work(opened)
    } finally {
      opened.close()
    }
  } finally {
    await removeDatabase(copy)
  }
}

/** Copies that processes left which were killed. For the owner of the data. */
export async function leftoverCopies(directory: string): Promise<string[]> {
  const found: string[] = []
  for (const name of await readdir(directory)) {
    const pid = COPY.exec(name)?.[1]
    const path = join(directory, name)
    if (RESTORED.test(name) || (pid !== undefined && (await isLeftover(Number(pid), path)))) found.push(path)
  }
  return found
}

/** In a container a process id says little: it is the same after a restart. */
async function isLeftover(pid: number, path: string): Promise<boolean> {
  const state = await lstat(path).catch(() => null)
  if (state === null || pid === process.pid) return false
  if (Date.now() - state.mtimeMs > LONGEST_USE_MS) return true
  try {
    return !process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH'
  }
}

async function onDisk(file: string, copy: () => Promise<void>): Promise<void> {
  try {
    await copy()
  } catch (cause) {
    if (isAppError(cause)) throw cause
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : messageOf(cause)
    if (code === 'ENOENT') throw new AppError('not_found', `There is no database ${file} yet.`, { cause })
    const kind = code === 'ENOSPC' || code === 'EDQUOT' ? 'disk_full' : 'unavailable'
    throw new AppError(kind, `${file} cannot be copied into its directory for a while (${code}).`, { cause })
  }
}

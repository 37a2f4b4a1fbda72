import { readFileSync, writeFileSync } from 'node:fs'
import { type Client, createClient, LibsqlError, type Transaction } from '@libsql/client'
import { AppError, messageOf } from '../errors.ts'

/** Held while one process owns a data directory. The system lets go of it when the process dies, however it dies. */
export interface InstanceLock {
  /** Lets another process in. */
  release(): void
}

/**
 * Takes the lock of every directory that only one process may work in: of the data directory, and of the database file
 * when that lies elsewhere. A second process on one database file would corrupt it (SQLite 3.45 in libSQL has the
 * WAL-reset fault). Throws AppError('conflict') that says who holds one, AppError('unavailable') when a directory cannot
 * be written.
 */
export async function lockInstance(directories: readonly string[], purpose: string): Promise<InstanceLock> {
  const locks: InstanceLock[] = []
  const release = () => {
    for (const lock of locks) lock.release()
  }
  try {
    for (const directory of new Set(directories)) locks.push(await lockDirectory(directory, purpose))
  } catch (error) {
    release()
    throw error
  }
  return { release }
}

/** A lock on a SQLite file of its own, since Bun offers no flock. */
async function lockDirectory(directory: string, purpose: string): Promise<InstanceLock> {
  const holderFile = `${directory}/instance.json`
  const { client, tx } = await takeLock(directory, holderFile)
  const release = () => {
    tx.close()
    client.close()
  }
  try {
    writeFileSync(holderFile, `${JSON.stringify({ pid: process.pid, purpose, since: new Date().toISOString() })}\n`)
  } catch (cause) {
    release()
    throw unwritable(holderFile, cause)
  }
  return { release }
}

function unwritable(file: string, cause: unknown): AppError {
  const full = ['ENOSPC', 'EDQUOT'].includes((cause as NodeJS.ErrnoException).code ?? '')
  const fault = full ? 'temporary' : 'lasting'
  return new AppError('unavailable', `${file} cannot be written: ${messageOf(cause)}`, { cause, fault })
}

async function takeLock(directory: string, holderFile: string): Promise<{ client: Client; tx: Transaction }> {
  let client: Client | null = null
  try {
    client = createClient({ url: `file:${directory}/instance.lock`, concurrency: 1, timeout: 0 })
    return { client, tx: await client.transaction('write') }
  } catch (cause) {
    client?.close()
    if (!(cause instanceof LibsqlError && cause.code.startsWith('SQLITE_BUSY'))) {
      throw unwritable(`${directory}/instance.lock`, cause)
    }
    const sentence = `${directory} is in use by another package-broker${holder(holderFile)}; stop it first.`
    throw new AppError('conflict', sentence, { cause, fault: 'temporary' })
  }
}

function holder(file: string): string {
  try {
    const { pid, purpose, since } = JSON.parse(readFileSync(file, 'utf8'))
    return ` (process ${pid}, ${purpose}, since ${since})`
  } catch {
    return ''
  }
}

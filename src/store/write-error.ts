import { LibsqlError } from '@libsql/client'
import { AppError } from '../errors.ts'

/** What says that the file is not usable, whatever is written: the disk, its permissions, or its content. */
const BROKEN = ['SQLITE_IOERR', 'SQLITE_CORRUPT', 'SQLITE_NOTADB', 'SQLITE_READONLY', 'SQLITE_CANTOPEN', 'SQLITE_PERM']

/** A failed write in the terms of the program: a full disk, a foreign lock and a broken file are expected failures. */
export function writeError(error: unknown): unknown {
  if (hasCode(error, 'SQLITE_FULL')) {
    return new AppError('disk_full', 'There is no room left for the database; free some space and try again.', {
      cause: error,
    })
  }
  if (hasCode(error, 'SQLITE_BUSY')) return heldByOther(error)
  if (cannotOpen(error) || BROKEN.some((code) => hasCode(error, code))) {
    const sentence = 'The database cannot be written; an operator finds the reason in the log of the server.'
    return new AppError('unavailable', sentence, { cause: error })
  }
  return error
}

/** Another program has the lock of the database. */
export function heldByOther(cause: unknown): AppError {
  return new AppError('unavailable', 'Another program holds the database; try again shortly.', { cause })
}

/** True when there was no connection to a file: it is a directory, or no more files can be opened. */
export function cannotOpen(error: unknown): error is Error {
  // The one failure that libSQL gives no code; its text ends with the number of SQLite.
  return error instanceof Error && error.message.startsWith('ConnectionFailed(')
}

/** True for an error of the database whose code begins so, and for one that was caused by it. */
export function hasCode(error: unknown, code: string): boolean {
  for (let current = error; current instanceof Error; current = current.cause) {
    if (current instanceof LibsqlError && current.code.startsWith(code)) return true
  }
  return false
}

import { LibsqlError } from '@libsql/client'
import { AppError, messageOf } from '../errors.ts'
import { type DatabaseAddress, isLocal } from './database.ts'
import { cannotOpen } from './write-error.ts'

/** Faults of a file that waiting does not mend. */
const LASTING = ['SQLITE_CANTOPEN', 'SQLITE_READONLY', 'SQLITE_NOTADB', 'SQLITE_CORRUPT', 'SQLITE_PERM']
/** Faults of a file that pass: a foreign lock, a full disk, which SQLite also tells as an error of input and output. */
const PASSING = ['SQLITE_BUSY', 'SQLITE_FULL', 'SQLITE_IOERR']
/** Answers of a libSQL server to a token that it does not take. */
const REFUSALS = [401, 403]

/**
 * What keeps the program from opening its database, as an AppError that says whether trying again helps. Everything that
 * is no fault of the database's surroundings comes back as it is.
 */
export function startFault(error: unknown, address: DatabaseAddress): unknown {
  if (error instanceof AppError) {
    if (error.kind !== 'disk_full' || error.fault !== null) return error
    return new AppError('disk_full', error.message, { cause: error.cause, fault: 'temporary' })
  }
  return isLocal(address) ? faultOfFile(error) : faultOfServer(error)
}

function faultOfFile(error: unknown): unknown {
  const code = error instanceof LibsqlError ? error.code : cannotOpen(error) ? 'SQLITE_CANTOPEN' : ''
  const isOneOf = (codes: readonly string[]) => codes.some((known) => code.startsWith(known))
  if (!isOneOf(LASTING) && !isOneOf(PASSING)) return error
  const hint = isOneOf(['SQLITE_IOERR']) ? '; the disk is full or broken' : ''
  return new AppError('unavailable', `The database file of DATABASE_URL cannot be used: ${messageOf(error)}${hint}.`, {
    cause: error,
    fault: isOneOf(PASSING) ? 'temporary' : 'lasting',
  })
}

function faultOfServer(error: unknown): unknown {
  const cause = error instanceof LibsqlError ? error.cause : undefined
  const status = cause instanceof Error && 'status' in cause ? Number(cause.status) : null
  if (status !== null && REFUSALS.includes(status)) {
    const sentence = `The database server of DATABASE_URL refuses DATABASE_AUTH_TOKEN (it answered ${status}).`
    return new AppError('unavailable', sentence, { cause: error, fault: 'lasting' })
  }
  // Whatever else it answered, or did not, may be another tomorrow; an error of a statement is a bug and stays one.
  if (status === null && error instanceof LibsqlError && error.code.startsWith('SQLITE_')) return error
  const sentence = `The database server of DATABASE_URL cannot be used: ${messageOf(error)}`
  return new AppError('unavailable', sentence, { cause: error, fault: 'temporary' })
}

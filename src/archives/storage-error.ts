import { AppError } from '../errors.ts'

/** The system's code of a failed file operation, such as `ENOENT`; '' for any other value. */
export function codeOf(error: unknown): string {
  if (!(error instanceof Error) || !('code' in error)) return ''
  return String(error.code)
}

/**
 * The error of a failed file operation as a client may see it: AppError('disk_full') when space is out,
 * AppError('unavailable') for other failures of the disk. Values that are no system errors come back as they are.
 */
export function storageError(error: unknown): unknown {
  switch (codeOf(error)) {
    case 'ENOSPC':
    case 'EDQUOT':
      return new AppError('disk_full', 'The disk that holds the archives is full; free space on it and try again.', {
        cause: error,
      })
    case 'EMFILE':
    case 'ENFILE':
    case 'ENOMEM':
      return new AppError('unavailable', 'The server has too many files open; try again in a minute.', { cause: error })
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
    case 'EIO':
    case 'ENOENT':
    case 'ENOTDIR':
      return new AppError(
        'unavailable',
        'The archive directory cannot be used; an operator has to check that it exists and can be written.',
        { cause: error },
      )
    default:
      return error
  }
}

/** Runs file operations, with their errors made presentable by `storageError`. */
export async function onStorage<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw storageError(error)
  }
}

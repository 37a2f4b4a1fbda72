import { randomBytes } from 'node:crypto'
import { closeSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs'
import { AppError } from '../errors.ts'

/**
 * The 32-byte key of stored secrets: as configured, else from `encryption.key` in the data directory, which is made on
 * first start, readable by its owner only. Throws AppError('unavailable') when the file does not hold a key.
 */
export function encryptionKey(options: { encryptionKey: Uint8Array | null; dataDir: string }): Uint8Array {
  if (options.encryptionKey !== null) return options.encryptionKey
  const path = `${options.dataDir}/encryption.key`
  const key = Buffer.from(readOrCreate(path), 'base64')
  if (key.length !== 32) {
    throw new AppError('unavailable', `${path} does not hold a key of 32 bytes in base64; restore it from a backup.`, {
      fault: 'lasting',
    })
  }
  return new Uint8Array(key)
}

function readOrCreate(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') {
      throw new AppError('unavailable', `${path} cannot be read.`, { cause: error, fault: 'lasting' })
    }
  }
  const text = randomBytes(32).toString('base64')
  const file = openSync(path, 'wx', 0o600)
  try {
    writeSync(file, `${text}\n`)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
  return text
}

import { randomBytes } from 'node:crypto'
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { AppError } from '../errors.ts'

/** Where the key of stored secrets comes from. */
export interface KeyPlace {
  /** As configured; null for the file in the data directory. */
  readonly encryptionKey: Uint8Array | null
  /** The configured key before that one; null when there is none. */
  readonly previousEncryptionKey: Uint8Array | null
  readonly dataDir: string
}

/**
 * The 32-byte keys of stored secrets, the one to seal with first: as configured, else from `encryption.key` in the data
 * directory, which is made on first start, readable by its owner only. A change of the key that was cut short left its
 * successor beside it. Throws AppError('unavailable') when a file does not hold a key.
 */
export function encryptionKeys(place: KeyPlace): readonly [Uint8Array, ...Uint8Array[]] {
  const { encryptionKey, previousEncryptionKey } = place
  const before = previousEncryptionKey === null ? [] : [previousEncryptionKey]
  if (encryptionKey !== null) return [encryptionKey, ...before]
  const path = keyFile(place)
  const key = keyOf(path, readFile(path) ?? createFile(path))
  const next = readFile(nextFile(place))
  return next === null ? [key, ...before] : [keyOf(nextFile(place), next), key, ...before]
}

/** The same without making one: empty when there is no key yet. */
export function presentKeys(place: KeyPlace): readonly Uint8Array[] {
  return place.encryptionKey === null && readFile(keyFile(place)) === null ? [] : encryptionKeys(place)
}

/** True when a change of the key in the file was cut short. */
export function keyChangeUnfinished(place: KeyPlace): boolean {
  return place.encryptionKey === null && readFile(nextFile(place)) !== null
}

/** Makes the successor of the key in the file, and puts it beside it: from now on both are read at start. */
export function createNextKey(place: KeyPlace): Uint8Array {
  const path = nextFile(place)
  return keyOf(path, createFile(path))
}

/** Puts the successor in the place of the key: nothing is sealed with that one any more. */
export function promoteNextKey(place: KeyPlace): void {
  renameSync(nextFile(place), keyFile(place))
  syncDirectory(place.dataDir)
}

/** Where the key is that was made on first start. */
export const keyFile = ({ dataDir }: Pick<KeyPlace, 'dataDir'>) => `${dataDir}/encryption.key`
const nextFile = (place: KeyPlace) => `${keyFile(place)}.next`

function keyOf(path: string, text: string): Uint8Array {
  const key = Buffer.from(text, 'base64')
  if (key.length !== 32) {
    throw new AppError('unavailable', `${path} does not hold a key of 32 bytes in base64; restore it from a backup.`, {
      fault: 'lasting',
    })
  }
  return new Uint8Array(key)
}

function readFile(path: string): string | null {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw new AppError('unavailable', `${path} cannot be read.`, { cause: error, fault: 'lasting' })
  }
}

/** Written beside it first: a process that dies meanwhile must not leave a file that is no key. */
function createFile(path: string): string {
  const draft = `${path}.tmp`
  rmSync(draft, { force: true })
  const text = randomBytes(32).toString('base64')
  const file = openSync(draft, 'wx', 0o600)
  try {
    writeSync(file, `${text}\n`)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
  renameSync(draft, path)
  syncDirectory(dirname(path))
  return text
}

function syncDirectory(path: string): void {
  const directory = openSync(path, 'r')
  try {
    fsyncSync(directory)
  } finally {
    closeSync(directory)
  }
}

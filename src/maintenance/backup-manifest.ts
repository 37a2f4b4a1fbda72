import { AppError } from '../errors.ts'
import type { SchemaState } from '../store/migrate.ts'

/** Name of the manifest; a backup without one is none. */
export const MANIFEST = 'manifest.json'
/** Name of the key of stored credentials, where a backup has it. */
export const KEY = 'encryption.key'
/** Largest manifest that is read, in bytes: some two million archives. */
export const MAX_MANIFEST_BYTES = 512 * 1024 * 1024

const FORMAT = 1
const DATABASE = /^database-[0-9a-f]{64}\.db$/
const ARCHIVE = /^archives\/(?:git|uploads|upstream)\/([0-9a-f]{2})\/(\1[0-9a-f]{62})\.(?:zip|archive)$/

/** A file of a backup. */
export interface BackupFile {
  /** Inside the backup. */
  readonly path: string
  /** Bytes. */
  readonly size: number
  readonly sha256: string
}

/** What a backup holds. */
export interface BackupManifest {
  /** Version of the program that wrote it. */
  readonly program: string
  /** Unix seconds. */
  readonly createdAt: number
  readonly schema: SchemaState
  readonly database: BackupFile
  /** True when the key of stored credentials is in it. */
  readonly key: boolean
  /** Rows of some tables. */
  readonly counts: Readonly<Record<string, number>>
  readonly archives: readonly BackupFile[]
}

/** Name of the copy of the database in a backup: another one for other bytes, so that the manifest alone says which. */
export function databaseName(sha256: string): string {
  return `database-${sha256}.db`
}

/** True for the name of a copy of a database. */
export function isDatabaseName(name: string): boolean {
  return DATABASE.test(name)
}

/** The manifest as it is stored. */
export function writeManifest({ createdAt, ...manifest }: BackupManifest): string {
  return `${JSON.stringify({ format: FORMAT, created_at: createdAt, ...manifest }, null, 1)}\n`
}

/** Reads a manifest. Throws AppError('invalid') when it is none, or of a later format. */
export function readManifest(text: string): BackupManifest {
  const { format, created_at: createdAt, program, schema, database, key, counts, archives } = parse(text)
  if (typeof format === 'number' && format > FORMAT) {
    throw new AppError('invalid', 'The backup was written by a newer package-broker; restore it with that version.')
  }
  if (format !== FORMAT || typeof program !== 'string' || typeof createdAt !== 'number') throw invalid()
  if (!isSchema(schema) || !isFile(database, DATABASE) || !Array.isArray(archives)) throw invalid()
  if (database.path !== databaseName(database.sha256)) throw invalid()
  for (const file of archives) {
    if (!isFile(file, ARCHIVE) || ARCHIVE.exec(file.path)?.[2] !== file.sha256) throw invalid()
  }
  return { program, createdAt, schema, database, key: key === true, counts: countsOf(counts), archives }
}

function parse(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>
  } catch {
    // Said below.
  }
  throw invalid()
}

function isSchema(value: unknown): value is SchemaState {
  const { applied, last } = (value ?? {}) as Partial<SchemaState>
  return Number.isSafeInteger(applied) && Number.isSafeInteger(last)
}

function isFile(value: unknown, path: RegExp): value is BackupFile {
  const file = (value ?? {}) as Partial<BackupFile>
  const { size } = file
  if (typeof file.path !== 'string' || typeof file.sha256 !== 'string') return false
  return path.test(file.path) && Number.isSafeInteger(size) && (size ?? -1) >= 0 && /^[0-9a-f]{64}$/.test(file.sha256)
}

function countsOf(value: unknown): Record<string, number> {
  const entries = Object.entries(value ?? {}).filter((entry): entry is [string, number] => Number.isInteger(entry[1]))
  return Object.fromEntries(entries)
}

function invalid(): AppError {
  return new AppError('invalid', `${MANIFEST} of the backup is damaged, or was not written by package-broker.`)
}

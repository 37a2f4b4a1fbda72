import { open, readdir, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { Client, Transaction } from '@libsql/client'
import { readMigrationFiles } from 'drizzle-orm/migrator'
import { assetDirectory } from '../assets.ts'
import { AppError, messageOf } from '../errors.ts'
import { connect, type DatabaseAddress, databaseFile } from './database.ts'

/** Longest wait for another process that is migrating the same file, in milliseconds. */
const PATIENCE = 10_000

/** Same table and columns as drizzle's own migrator, so that its tools keep working on the database. */
const TABLE = '__drizzle_migrations'

/** Copies from before an upgrade that are kept. */
const KEPT_COPIES = 2

/** How far a database is: how many migrations were applied, and the date of the last one in Unix milliseconds. */
export interface SchemaState {
  readonly applied: number
  readonly last: number
}

/**
 * Brings the schema up to this program's. Everything pending is applied in one write transaction that also looks up
 * what is pending, so that two processes that start together apply it once (drizzle's own migrator looks first and
 * writes later). Before a database file with an older schema is changed, a copy of it is written beside it:
 * `<file>.before-<n>`, where n is the migration that comes next. Returns how many migrations were applied.
 * Throws AppError('unavailable') when the database was written by a newer program, or the copy cannot be written.
 */
export async function migrate(address: DatabaseAddress): Promise<number> {
  const migrations = readMigrationFiles({ migrationsFolder: assetDirectory('drizzle') })
  const client = await connect(address, PATIENCE)
  try {
    await copyBefore(client, databaseFile(address), migrations.length)
    const tx = await client.transaction('write')
    try {
      await tx.execute(
        `CREATE TABLE IF NOT EXISTS ${TABLE} (id SERIAL PRIMARY KEY, hash text NOT NULL, created_at numeric)`,
      )
      const { last } = await schemaState(tx)
      refuseNewer(last, migrations.at(-1)?.folderMillis ?? 0)
      const pending = migrations.filter((migration) => migration.folderMillis > last)
      await tx.execute('PRAGMA defer_foreign_keys = ON')
      for (const migration of pending) {
        for (const statement of migration.sql) await tx.execute(statement)
        await tx.execute({
          sql: `INSERT INTO ${TABLE} (hash, created_at) VALUES (?, ?)`,
          args: [migration.hash, migration.folderMillis],
        })
      }
      await tx.commit()
      return pending.length
    } finally {
      tx.close()
    }
  } finally {
    client.close()
  }
}

/** Throws AppError('unavailable') when this program is older than the one that wrote the database. */
export function refuseNewerSchema(state: SchemaState): void {
  const migrations = readMigrationFiles({ migrationsFolder: assetDirectory('drizzle') })
  refuseNewer(state.last, migrations.at(-1)?.folderMillis ?? 0)
}

/** Which migrations were applied to a database; none to an empty one. */
export async function schemaState(client: Pick<Client | Transaction, 'execute'>): Promise<SchemaState> {
  const table = await client.execute(`SELECT 1 FROM sqlite_master WHERE name = '${TABLE}'`)
  if (table.rows.length === 0) return { applied: 0, last: 0 }
  const result = await client.execute(`SELECT count(*) AS applied, max(created_at) AS last FROM ${TABLE}`)
  const row = result.rows[0]
  return { applied: Number(row?.applied ?? 0), last: Number(row?.last ?? 0) }
}

/** A database on a server is its operator's to copy; a new one has nothing to keep. */
async function copyBefore(client: Client, file: string | null, newest: number): Promise<void> {
  if (file === null) return
  const { applied } = await schemaState(client)
  if (applied === 0 || applied >= newest) return
  const draft = `${file}.before-${applied}.${crypto.randomUUID()}.tmp`
  try {
    await removeDrafts(file)
    await client.execute({ sql: 'VACUUM INTO ?', args: [draft] })
    await makeDurable(draft)
    await rename(draft, `${file}.before-${applied}`)
    await removeOldCopies(file)
  } catch (cause) {
    await rm(draft, { force: true })
    const sentence = `The copy of the database that is made before an upgrade cannot be written (${messageOf(cause)}).`
    throw new AppError('unavailable', `${sentence} Nothing was changed; free some space and start again.`, { cause })
  }
}

async function makeDurable(file: string): Promise<void> {
  const handle = await open(file, 'r+')
  try {
    await handle.chmod(0o600)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** What a process left that was killed; the lock of the data directory leaves one that migrates. */
async function removeDrafts(file: string): Promise<void> {
  const prefix = `${basename(file)}.before-`
  for (const name of await readdir(dirname(file))) {
    if (name.startsWith(prefix) && name.endsWith('.tmp')) await rm(join(dirname(file), name), { force: true })
  }
}

async function removeOldCopies(file: string): Promise<void> {
  const prefix = `${basename(file)}.before-`
  const numbers = (await readdir(dirname(file)))
    .filter((name) => name.startsWith(prefix) && /^\d+$/.test(name.slice(prefix.length)))
    .map((name) => Number(name.slice(prefix.length)))
    .sort((a, b) => b - a)
  for (const number of numbers.slice(KEPT_COPIES)) await rm(join(dirname(file), prefix + number), { force: true })
}

function refuseNewer(applied: number, newest: number): void {
  if (applied <= newest) return
  throw new AppError(
    'unavailable',
    'This database was written by a newer package-broker; start that version, or restore the backup made before the upgrade.',
    { fault: 'lasting' },
  )
}

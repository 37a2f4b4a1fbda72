import type { Transaction } from '@libsql/client'
import { readMigrationFiles } from 'drizzle-orm/migrator'
import { assetDirectory } from '../assets.ts'
import { AppError } from '../errors.ts'
import { connect, type DatabaseAddress } from './database.ts'

/** Longest wait for another process that is migrating the same file, in milliseconds. */
const PATIENCE = 10_000

/** Same table and columns as drizzle's own migrator, so that its tools keep working on the database. */
const TABLE = '__drizzle_migrations'

/**
 * Brings the schema up to this program's. Everything pending is applied in one write transaction that also looks up
 * what is pending, so that two processes that start together apply it once (drizzle's own migrator looks first and
 * writes later). Returns how many migrations were applied.
 * Throws AppError('unavailable') when the database was written by a newer program.
 */
export async function migrate(address: DatabaseAddress): Promise<number> {
  const migrations = readMigrationFiles({ migrationsFolder: assetDirectory('drizzle') })
  const client = await connect(address, PATIENCE)
  try {
    const tx = await client.transaction('write')
    try {
      const applied = await lastApplied(tx)
      refuseNewer(applied, migrations.at(-1)?.folderMillis ?? 0)
      const pending = migrations.filter((migration) => migration.folderMillis > applied)
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

async function lastApplied(tx: Transaction): Promise<number> {
  await tx.execute(
    `CREATE TABLE IF NOT EXISTS ${TABLE} (id SERIAL PRIMARY KEY, hash text NOT NULL, created_at numeric)`,
  )
  const result = await tx.execute(`SELECT max(created_at) AS last FROM ${TABLE}`)
  return Number(result.rows[0]?.last ?? 0)
}

function refuseNewer(applied: number, newest: number): void {
  if (applied <= newest) return
  throw new AppError(
    'unavailable',
    'This database was written by a newer package-broker; start that version, or restore the backup made before the upgrade.',
    { fault: 'lasting' },
  )
}

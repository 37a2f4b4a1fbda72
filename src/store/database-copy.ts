import { constants, copyFile, rm } from 'node:fs/promises'
import type { Client } from '@libsql/client'
import { drizzle } from 'drizzle-orm/libsql'
import { AppError, messageOf } from '../errors.ts'
import type { ArchiveDigests } from './archives.ts'
import { type ChainVerdict, followChain } from './audit-chain.ts'
import { connect } from './database.ts'
import { type SchemaState, schemaState } from './migrate.ts'

/** Most problems that are listed; what is broken further than this is broken. */
const MAX_PROBLEMS = 100
/** Holds for digests that can be the name of a file. */
const NAMEABLE = "length(sha256) = 64 AND sha256 NOT GLOB '*[^0-9a-f]*'"
/** Tables whose rows are counted, so that two copies can be compared by eye. */
const COUNTED = ['repositories', 'packages', 'versions', 'tokens', 'archives', 'audit_entries'] as const

/**
 * Copies a database file and its log of writes. Nothing may write to it meanwhile; this process must not have it open,
 * since closing a second file handle gives up the locks of the first. Throws system errors as they are.
 */
export async function copyDatabase(from: string, to: string): Promise<void> {
  await copyFile(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE)
  await copyFile(`${from}-wal`, `${to}-wal`, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE).catch(
    (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error
    },
  )
}

/** Deletes a database file with what SQLite keeps beside it. */
export async function removeDatabase(file: string): Promise<void> {
  for (const ending of ['', '-wal', '-shm', '-journal']) await rm(file + ending, { force: true })
}

/**
 * A database file that no program works with: a copy, or that of a server that does not run. Its schema may be of any
 * version.
 */
export class DatabaseCopy {
  private constructor(private readonly client: Client) {}

  /** Opens a file, which must exist. Throws AppError('invalid') when it is no database. */
  static async open(file: string): Promise<DatabaseCopy> {
    if (!(await Bun.file(file).exists())) throw new AppError('invalid', `There is no database ${file}.`)
    try {
      const client = await connect({ url: `file:${file}`, authToken: null })
      return new DatabaseCopy(client)
    } catch (cause) {
      throw new AppError('invalid', `${file} cannot be read as a database: ${messageOf(cause)}`, { cause })
    }
  }

  /** Which migrations were applied to it. */
  schema(): Promise<SchemaState> {
    return schemaState(this.client)
  }

  /** What SQLite finds wrong with it, one sentence each; empty when it is sound. */
  async problems(): Promise<string[]> {
    const integrity = await this.client.execute(`PRAGMA integrity_check(${MAX_PROBLEMS})`)
    const found = integrity.rows.map((row) => String(row[0])).filter((text) => text !== 'ok')
    const keys = await this.client.execute('PRAGMA foreign_key_check')
    const broken = keys.rows.slice(0, MAX_PROBLEMS)
    const sentences = broken.map((row) => `A row of ${row.table} names one of ${row.parent} that is not there.`)
    const unnamed = await this.client.execute(`SELECT count(*) FROM archives WHERE NOT (${NAMEABLE})`).catch(() => null)
    const count = Number(unnamed?.rows[0]?.[0] ?? 0)
    return [...found, ...sentences, ...(count > 0 ? [`${count} records of archives have no digest.`] : [])]
  }

  /** Rows of some tables. */
  async counts(): Promise<Record<string, number>> {
    const counts: Record<string, number> = {}
    for (const table of COUNTED) {
      const result = await this.client.execute(`SELECT count(*) FROM ${table}`).catch(() => null)
      // A schema of long ago may lack the table.
      if (result) counts[table] = Number(result.rows[0]?.[0] ?? 0)
    }
    return counts
  }

  /** Every archive that has a record with a digest, each file once per format. */
  async archives(): Promise<Omit<ArchiveDigests, 'createdAt'>[]> {
    const result = await this.client.execute(
      `SELECT sha1, sha256, size, format FROM archives WHERE ${NAMEABLE} GROUP BY sha256, format ORDER BY sha256, format`,
    )
    return result.rows.map((row) => ({
      sha1: String(row.sha1),
      sha256: String(row.sha256),
      size: Number(row.size),
      format: Number(row.format),
    }))
  }

  /** Follows the chain of the record of changes; null when its schema is too old to have one. */
  async audit(): Promise<ChainVerdict | null> {
    const columns = await this.client.execute('PRAGMA table_info(audit_entries)')
    if (!columns.rows.some((row) => row.name === 'hash')) return null
    return followChain(drizzle(this.client))
  }

  /** A small fact about the installation, or null. */
  async setting(name: string): Promise<string | null> {
    const result = await this.client.execute({ sql: 'SELECT value FROM settings WHERE name = ?', args: [name] })
    return result.rows.length === 0 ? null : String(result.rows[0]?.value)
  }

  /** Writes it, compact and without what was deleted, into a new file. */
  async writeTo(file: string): Promise<void> {
    await this.client.execute({ sql: 'VACUUM INTO ?', args: [file] })
  }

  /** Lets go of the file. */
  close(): void {
    this.client.close()
  }
}

import { dirname, resolve } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { type Client, createClient, LibsqlError } from '@libsql/client'
import { drizzle, type LibSQLDatabase } from 'drizzle-orm/libsql'
import { AppError } from '../errors.ts'
import * as schema from './schema.ts'

/** Queries over the schema, inside a transaction or outside. */
export type Queries = Pick<
  LibSQLDatabase<typeof schema>,
  'select' | 'selectDistinct' | 'insert' | 'update' | 'delete' | 'run' | 'all' | 'get'
>

/**
 * Work of another table that belongs into the same transaction: both happen, or neither. Only database calls, and
 * nothing that waits for anything else.
 */
export type Alongside = (tx: Queries) => Promise<unknown>

/** The change alone. */
export const nothingElse: Alongside = async () => {}

/** How long a connection waits for a lock that another program holds, in milliseconds. The wait blocks the thread. */
const BUSY_TIMEOUT = 250

/** Between two attempts to set up a connection that another process refuses, in milliseconds. */
const RETRY_MS = 20

/**
 * The database, local file or remote server. Reads go straight through; writes are queued behind one another, each in
 * its own transaction, because one SQLITE_BUSY between two connections of a process makes libSQL lose later writes.
 */
export interface Database {
  /** For queries that change nothing. */
  readonly read: Queries
  /**
   * Runs `work` in a write transaction; commits when it resolves and rolls back when it throws. Only database calls
   * belong inside: on a remote server an idle transaction is cut after seconds.
   * Throws AppError('unavailable') when another program holds the lock, AppError('disk_full') when nothing fits.
   */
  write<T>(work: (tx: Queries) => Promise<T>): Promise<T>
  /** Waits for queued writes and closes the connections. */
  close(): Promise<void>
}

/** Address of a database and the token of its server. */
export interface DatabaseAddress {
  readonly url: string
  readonly authToken: string | null
}

/** Told of each write: seconds that it waited for those before it, and seconds that it took. */
export type WriteObserver = (waited: number, took: number) => void

/** Opens the database. Migrations have run before (`migrate.ts`). */
export async function openDatabase(address: DatabaseAddress, onWrite: WriteObserver = () => {}): Promise<Database> {
  const local = isLocal(address)
  let writer: Client | null = await connect(address)
  const reader = local ? await connect(address) : writer
  let tail: Promise<unknown> = Promise.resolve()

  async function run<T>(work: (tx: Queries) => Promise<T>): Promise<T> {
    try {
      writer ??= await connect(address)
      return await drizzle(writer, { schema }).transaction((tx) => work(tx))
    } catch (error) {
      if (local && hasCode(error, 'SQLITE_BUSY')) {
        // After SQLITE_BUSY libSQL reports later writes as done and loses them, so this connection is given up. The
        // next write opens another; here that could fail for the same reason and leave none.
        writer?.close()
        writer = null
      }
      throw translate(error)
    }
  }

  return {
    read: drizzle(reader, { schema }),
    write(work) {
      const asked = performance.now()
      const result = tail.then(async () => {
        const began = performance.now()
        try {
          return await run(work)
        } finally {
          onWrite((began - asked) / 1_000, (performance.now() - began) / 1_000)
        }
      })
      tail = result.catch(() => {})
      return result
    },
    async close() {
      await tail
      writer?.close()
      if (reader !== writer) reader.close()
    },
  }
}

/** True for a `file:` database on this machine. */
export function isLocal(address: DatabaseAddress): boolean {
  return address.url.startsWith('file:')
}

/** Path of a `file:` database; null for one on a server. */
export function databaseFile(address: DatabaseAddress): string | null {
  return isLocal(address) ? resolve(address.url.replace(/^file:(?:\/\/)?/, '').replace(/\?.*$/, '')) : null
}

/** Directory of a `file:` database; null for one on a server. */
export function databaseDirectory(address: DatabaseAddress): string | null {
  const file = databaseFile(address)
  return file === null ? null : dirname(file)
}

/**
 * One connection with everything set that SQLite keeps per connection. A remote server sets these itself and refuses
 * to have them set. `busyTimeout` is in milliseconds.
 */
export async function connect(address: DatabaseAddress, busyTimeout = BUSY_TIMEOUT): Promise<Client> {
  if (!isLocal(address)) {
    return createClient({ url: address.url, ...(address.authToken === null ? {} : { authToken: address.authToken }) })
  }
  const until = Date.now() + busyTimeout
  for (;;) {
    const client = createClient({ url: address.url, concurrency: 1, timeout: busyTimeout })
    try {
      await setPragmas(client)
      return client
    } catch (error) {
      // After SQLITE_BUSY a connection is of no use any more.
      client.close()
      if (!hasCode(error, 'SQLITE_BUSY') || Date.now() >= until) throw error
      await setTimeout(RETRY_MS)
    }
  }
}

/** SQLite does not wait for a lock when it turns a new file to WAL: two processes would refuse each other. */
async function setPragmas(client: Client): Promise<void> {
  await client.execute('PRAGMA journal_mode = WAL')
  await client.execute('PRAGMA synchronous = FULL')
  await client.execute('PRAGMA foreign_keys = ON')
}

/** An error of the database in the terms of the program: a full disk and a foreign lock are expected failures. */
function translate(error: unknown): unknown {
  if (hasCode(error, 'SQLITE_FULL')) {
    return new AppError('disk_full', 'There is no room left for the database; free some space and try again.', {
      cause: error,
    })
  }
  if (hasCode(error, 'SQLITE_BUSY')) {
    return new AppError('unavailable', 'Another program holds the database; try again shortly.', { cause: error })
  }
  return error
}

function hasCode(error: unknown, code: string): boolean {
  for (let current = error; current instanceof Error; current = current.cause) {
    if (current instanceof LibsqlError && current.code.startsWith(code)) return true
  }
  return false
}

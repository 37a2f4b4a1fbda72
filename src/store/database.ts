import { statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { type Client, createClient } from '@libsql/client'
import { drizzle, type LibSQLDatabase } from 'drizzle-orm/libsql'
import { AppError } from '../errors.ts'
import * as schema from './schema.ts'
import { hasCode, heldByOther, writeError } from './write-error.ts'

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
const BUSY_TIMEOUT = 200

/**
 * After it waited in vain, writes are refused for so long, in milliseconds, and the next one is tried without waiting:
 * each wait would stop everything, and each attempt costs a connection.
 */
const REFUSED_FOR = 250

/** Between two attempts to set up a connection that another process refuses, in milliseconds. */
const RETRY_MS = 20

const TAMPERED =
  'The database file was removed, replaced or cut off while the server runs; an operator has to put it back and start the server again.'

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
   * Throws AppError('unavailable') when another program holds the lock or the file is broken or gone, and
   * AppError('disk_full') when nothing fits.
   */
  write<T>(work: (tx: Queries) => Promise<T>): Promise<T>
  /** Throws AppError('unavailable') when its file was removed, replaced or cut off since it was opened. */
  checkFile(): void
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
  const first = await connect(address)
  const writer = new Writer(address, first)
  const reader = isLocal(address) ? await connect(address) : first
  let tail: Promise<unknown> = Promise.resolve()

  return {
    read: drizzle(reader, { schema }),
    write(work) {
      const asked = performance.now()
      const result = tail.then(async () => {
        const began = performance.now()
        try {
          return await writer.run(work)
        } finally {
          onWrite((began - asked) / 1_000, (performance.now() - began) / 1_000)
        }
      })
      tail = result.catch(() => {})
      return result
    },
    checkFile: () => writer.checkFile(),
    async close() {
      await tail
      writer.close()
      if (reader !== first) reader.close()
    },
  }
}

/** The connection that writes. */
class Writer {
  /** Null after SQLITE_BUSY. */
  client: Client | null
  /** When another program was found to hold the lock, in milliseconds of `performance.now`; null when it is free. */
  private heldAt: number | null = null
  private readonly file: string | null
  private seen: FileState | null

  constructor(
    private readonly address: DatabaseAddress,
    client: Client,
  ) {
    this.client = client
    this.file = databaseFile(address)
    this.seen = stateOf(this.file)
  }

  /** Throws AppError('unavailable') when the file is not there any more, or another one, or cut off. */
  checkFile(): void {
    const now = stateOf(this.file)
    // Nothing here makes it shorter.
    const same = now?.identity === this.seen?.identity && (now?.size ?? 0) >= (this.seen?.size ?? 0)
    if (!same) throw new AppError('unavailable', TAMPERED)
    this.seen = now
  }

  async run<T>(work: (tx: Queries) => Promise<T>): Promise<T> {
    // What is written into a file that has no name any more is gone with the process.
    this.checkFile()
    if (this.heldAt !== null && performance.now() - this.heldAt < REFUSED_FOR) throw heldByOther(undefined)
    try {
      const client = await this.open()
      const result = await drizzle(client, { schema }).transaction((tx) => work(tx))
      if (this.heldAt !== null) await this.wasFreed(client)
      return result
    } catch (error) {
      if (this.file !== null && hasCode(error, 'SQLITE_BUSY')) this.giveUp()
      throw writeError(error)
    }
  }

  close(): void {
    this.client?.close()
  }

  private async open(): Promise<Client> {
    this.client ??= await connect(this.address, this.heldAt === null ? BUSY_TIMEOUT : 0)
    return this.client
  }

  private async wasFreed(client: Client): Promise<void> {
    this.heldAt = null
    await client.execute(`PRAGMA busy_timeout = ${BUSY_TIMEOUT}`)
  }

  /**
   * After SQLITE_BUSY libSQL reports later writes as done and loses them, so this connection is given up. The next
   * write opens another; here that could fail for the same reason and leave none.
   */
  private giveUp(): void {
    this.heldAt = performance.now()
    this.client?.close()
    this.client = null
  }
}

/** What tells one file from another at the same path, and its size in bytes. */
interface FileState {
  readonly identity: string
  readonly size: number
}

function stateOf(file: string | null): FileState | null {
  const state = file === null ? undefined : statSync(file, { throwIfNoEntry: false })
  return state ? { identity: `${state.dev}:${state.ino}`, size: state.size } : null
}

/** True for a `file:` database on this machine. */
export function isLocal(address: Pick<DatabaseAddress, 'url'>): boolean {
  return address.url.startsWith('file:')
}

/** Path of a `file:` database; null for one on a server. */
export function databaseFile(address: Pick<DatabaseAddress, 'url'>): string | null {
  return isLocal(address) ? resolve(address.url.replace(/^file:(?:\/\/)?/, '').replace(/\?.*$/, '')) : null
}

/** Directory of a `file:` database; null for one on a server. */
export function databaseDirectory(address: Pick<DatabaseAddress, 'url'>): string | null {
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
  const until = performance.now() + busyTimeout
  for (;;) {
    const client = createClient({ url: address.url, concurrency: 1, timeout: busyTimeout })
    try {
      await setPragmas(client)
      return client
    } catch (error) {
      // After SQLITE_BUSY a connection is of no use any more.
      client.close()
      if (!hasCode(error, 'SQLITE_BUSY') || performance.now() >= until) throw error
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

import { expect } from 'bun:test'
import type { Client } from '@libsql/client'
import { readMigrationFiles } from 'drizzle-orm/migrator'
import { connect } from '../../src/store/database.ts'

/** Every migration there is. */
export const MIGRATIONS = readMigrationFiles({ migrationsFolder: new URL('../../drizzle', import.meta.url).pathname })
/** Every number of migrations that a released program may have left behind. */
export const PREFIXES = MIGRATIONS.slice(1).map((_, at) => at + 1)

/** Content of columns that are JSON, or that a migration reads. */
const CONTENT: Readonly<Record<string, string>> = {
  metadata: '{"customer_id":"7"}',
  allowed_package_prefixes: '["acme/"]',
  allowed_packages: '[{"name":"acme/lib","constraint":null}]',
  content: '{"name":"acme/lib","replace":{"acme/old":"*"}}',
  abandoned: 'false',
  first_seen: '{}',
  sha256: 'a'.repeat(64),
}

/** Rows by table. */
export type Rows = Record<string, Record<string, unknown>[]>

async function open(url: string): Promise<Client> {
  return connect({ url, authToken: null })
}

async function tablesOf(client: Client): Promise<string[]> {
  const result = await client.execute(
    "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_\\_%' ESCAPE '\\' AND name NOT LIKE 'sqlite%'",
  )
  return result.rows.map((row) => String(row.name)).sort()
}

/** All rows of all tables. */
export async function contentOf(url: string): Promise<Rows> {
  const client = await open(url)
  const content: Rows = {}
  for (const table of await tablesOf(client)) {
    const { rows, columns } = await client.execute(`SELECT * FROM "${table}"`)
    content[table] = rows.map((row) => Object.fromEntries(columns.map((column) => [column, row[column]])))
  }
  client.close()
  return content
}

/** A database as the program with this many migrations left it, with a row in every table. */
export async function released(url: string, count: number): Promise<Rows> {
  const client = await open(url)
  await client.execute(
    'CREATE TABLE __drizzle_migrations (id SERIAL PRIMARY KEY, hash text NOT NULL, created_at numeric)',
  )
  for (const { sql, hash, folderMillis } of MIGRATIONS.slice(0, count)) {
    for (const statement of sql) await client.execute(statement)
    await client.execute({
      sql: 'INSERT INTO __drizzle_migrations (hash, created_at) VALUES (?, ?)',
      args: [hash, folderMillis],
    })
  }
  // All keys are alike, so that every reference finds its row.
  await client.execute('PRAGMA foreign_keys = OFF')
  for (const table of await tablesOf(client)) await fill(client, table)
  const broken = await client.execute('PRAGMA foreign_key_check')
  expect(broken.rows).toEqual([])
  client.close()
  return contentOf(url)
}

async function fill(client: Client, table: string): Promise<void> {
  const { rows: columns } = await client.execute(`PRAGMA table_info("${table}")`)
  const values = columns.map(({ name, type }) => {
    if (String(name) in CONTENT) return CONTENT[String(name)] ?? null
    return { integer: 1, blob: new Uint8Array([1]) }[String(type).toLowerCase()] ?? 'x'
  })
  const names = columns.map(({ name }) => `"${name}"`).join(', ')
  const marks = columns.map(() => '?').join(', ')
  // Triggers may have put the row there already.
  await client.execute({ sql: `INSERT OR IGNORE INTO "${table}" (${names}) VALUES (${marks})`, args: values })
}

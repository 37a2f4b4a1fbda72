import { afterAll, describe, expect, test } from 'bun:test'
import { readdirSync, readFileSync } from 'node:fs'
import { relative } from 'node:path'
import { getTableConfig, type SQLiteTable } from 'drizzle-orm/sqlite-core'
import { connect } from '../../src/store/database.ts'
import { migrate } from '../../src/store/migrate.ts'
import * as schema from '../../src/store/schema.ts'
import * as accessSchema from '../../src/store/schema-access.ts'
import * as hostSchema from '../../src/store/schema-hosts.ts'
import * as policySchema from '../../src/store/schema-policy.ts'
import * as upstreamSchema from '../../src/store/schema-upstream.ts'
import { failureOf, openStore, startChild, temporaryDirectory } from './support.ts'

const directory = temporaryDirectory()
afterAll(() => directory.remove())

const root = new URL('../../', import.meta.url).pathname
const migrations = `${root}drizzle/`
const files = readdirSync(migrations).filter((name) => name.endsWith('.sql'))

async function rows(url: string, statement: string): Promise<Record<string, unknown>[]> {
  const client = await connect({ url, authToken: null })
  const result = await client.execute(statement)
  client.close()
  return result.rows.map((row) => Object.fromEntries(result.columns.map((column) => [column, row[column]])))
}

describe('migrations', () => {
  test('are applied once', async () => {
    const address = { url: `file:${directory.path}/once.db`, authToken: null }
    expect(await migrate(address)).toBe(files.length)
    expect(await migrate(address)).toBe(0)
    expect(await rows(address.url, 'SELECT hash FROM __drizzle_migrations')).toHaveLength(files.length)
  })

  test('are applied once by processes that start at the same moment', async () => {
    for (let round = 0; round < 10; round++) {
      const url = `file:${directory.path}/race-${round}.db`
      const children = [1, 2, 3].map(() => startChild('migrate', url))
      await Promise.all(children.map((child) => child.line()))
      await Promise.all(children.map((child) => child.say('go')))
      const applied = await Promise.all(children.map(async (child) => Number(await child.line())))
      expect(applied.sort()).toEqual([0, 0, files.length])
      expect(await rows(url, 'SELECT hash FROM __drizzle_migrations')).toHaveLength(files.length)
    }
  })

  test('refuse a database of a newer program and leave it alone', async () => {
    const address = { url: `file:${directory.path}/newer.db`, authToken: null }
    await migrate(address)
    const client = await connect(address)
    await client.execute("INSERT INTO __drizzle_migrations (hash, created_at) VALUES ('future', 99999999999999)")
    client.close()
    const message = expect.stringContaining('newer package-broker')
    expect(await failureOf(migrate(address))).toEqual({ kind: 'unavailable', message })
    expect(await rows(address.url, 'SELECT hash FROM __drizzle_migrations')).toHaveLength(files.length + 1)
  })

  test('give the tables of the schema', async () => {
    const { db, url } = await openStore(`file:${directory.path}/schema.db`)
    await db.close()
    const tables = (
      Object.values({ ...schema, ...accessSchema, ...hostSchema, ...policySchema, ...upstreamSchema }) as SQLiteTable[]
    ).map((table) => getTableConfig(table))
    const stored = await rows(
      url,
      "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_\\_%' ESCAPE '\\' AND name <> 'sqlite_sequence'",
    )
    expect(stored.map((row) => String(row.name)).sort()).toEqual(tables.map((table) => table.name).sort())
    for (const table of tables) {
      const columns = await rows(url, `PRAGMA table_info("${table.name}")`)
      // A column that was added later stands at the end of the table, wherever the schema names it.
      expect(columns.map((row) => [row.name, String(row.type).toLowerCase(), row.notnull === 1]).sort()).toEqual(
        table.columns.map((column) => [column.name, column.getSQLType(), column.notNull]).sort(),
      )
      const keys = await rows(url, `PRAGMA foreign_key_list("${table.name}")`)
      expect(keys.map((row) => [row.from, String(row.on_delete).toLowerCase()]).sort()).toEqual(
        table.foreignKeys.map((key) => [key.reference().columns[0]?.name, key.onDelete]).sort(),
      )
      const indexes = await rows(url, `PRAGMA index_list("${table.name}")`)
      const named = indexes.filter((row) => row.origin === 'c' && !String(row.name).endsWith('_unique'))
      expect(named.map((row) => String(row.name)).sort()).toEqual(
        table.indexes.map((index) => index.config.name).sort(),
      )
    }
  })

  test('are all that drizzle-kit would generate from the schema', () => {
    const journal = JSON.parse(readFileSync(`${migrations}meta/_journal.json`, 'utf8')) as { entries: unknown[] }
    expect(journal.entries).toHaveLength(files.length)
    const out = `${directory.path}/drizzle`
    Bun.spawnSync(['cp', '-r', migrations, out])
    const kit = Bun.spawnSync(
      [
        process.execPath,
        'x',
        'drizzle-kit',
        'generate',
        '--dialect=sqlite',
        '--schema=src/store/schema*.ts',
        `--out=${relative(root, out)}`,
      ],
      { cwd: root, stdin: 'ignore', stderr: 'pipe' },
    )
    expect(kit.stderr.toString() + kit.stdout.toString()).toContain('No schema changes')
    expect(readdirSync(out).filter((name) => name.endsWith('.sql'))).toEqual(files)
  }, 20_000)
})

import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { connect } from '../../src/store/database.ts'
import { type TokenFilter, type TokenRow, TokenTable } from '../../src/store/tokens.ts'
import { watchStatements } from '../support/probe.ts'
import { openStore, type TestStore, temporaryDirectory } from './support.ts'

interface JournalEntry {
  tag: string
  when: number
}

const MIGRATIONS = `${import.meta.dir}/../../drizzle`
const directory = temporaryDirectory()
const ALL: TokenFilter = {
  permissions: undefined,
  metadata: {},
  within: { prefixes: [], packages: new Map(), updatesUntil: null },
  fits: null,
}

let store: TestStore
let tokens: TokenTable

beforeAll(async () => {
  store = await openStore(`file:${directory.path}/tokens.db`)
  tokens = new TokenTable(store.db)
})

afterAll(async () => {
  await store?.db.close()
  directory.remove()
})

async function add(id: string, change: Partial<TokenRow> = {}): Promise<void> {
  await tokens.insert({
    id,
    hash: `hash of ${id}`,
    description: '',
    permissions: 'readonly',
    expiresAt: null,
    allowedPackagePrefixes: [],
    allowedPackages: [],
    updatesUntil: null,
    rateLimitMax: null,
    previousHash: null,
    previousUntil: null,
    metadata: {},
    createdAt: 1,
    updatedAt: 1,
    lastUsedAt: null,
    lastClient: null,
    ...change,
  })
}

async function list(filter: Partial<TokenFilter>, page: { limit?: number; cursor?: string } = {}) {
  const found = await tokens.list({ limit: 100, cursor: null, ...page }, { ...ALL, ...filter })
  return { ids: found.rows.map(({ id }) => id), total: found.total, next: found.next }
}

async function rowsOf(table: string, id: string): Promise<number> {
  const client = await connect({ url: store.url, authToken: null })
  const { rows } = await client.execute({ sql: `SELECT * FROM ${table} WHERE token_id = ?`, args: [id] })
  client.close()
  return rows.length
}

/** How the database finds a page of these tokens. */
async function planOf(filter: Partial<TokenFilter>): Promise<string> {
  const watch = await watchStatements()
  await list(filter)
  watch.stop()
  const [statement = '', ...more] = watch.taken()
  expect(more).toEqual([])
  const client = await connect({ url: store.url, authToken: null })
  const args = [...statement].filter((letter) => letter === '?').map(() => 1)
  const plan = await client.execute({ sql: `EXPLAIN QUERY PLAN ${statement}`, args })
  client.close()
  return plan.rows.map(({ detail }) => String(detail)).join('\n')
}

/** Ids of the tokens found in a database where one, `old`, was stored before this migration. */
async function foundAfterMigrating(migration: string, columns: string, values: string, filter: Partial<TokenFilter>) {
  const address = { url: `file:${directory.path}/before${migration}.db`, authToken: null }
  const { entries } = (await Bun.file(`${MIGRATIONS}/meta/_journal.json`).json()) as { entries: JournalEntry[] }
  const before = entries.slice(
    0,
    entries.findIndex((entry) => entry.tag.endsWith(migration)),
  )
  expect(before).not.toBeEmpty()
  const client = await connect(address)
  await client.execute('CREATE TABLE __drizzle_migrations (id SERIAL PRIMARY KEY, hash text, created_at numeric)')
  for (const { tag, when } of before) {
    const text = await Bun.file(`${MIGRATIONS}/${tag}.sql`).text()
    for (const statement of text.split('--> statement-breakpoint')) await client.execute(statement)
    await client.execute({ sql: 'INSERT INTO __drizzle_migrations VALUES (NULL, ?, ?)', args: [tag, when] })
  }
  await client.execute(`INSERT INTO tokens (id, hash, permissions, created_at, updated_at, ${columns})
    VALUES ('old', 'hash', 'readonly', 1, 1, ${values})`)
  client.close()
  const { db } = await openStore(address.url)
  const found = await new TokenTable(db).list({ limit: 9, cursor: null }, { ...ALL, ...filter })
  await db.close()
  return found.rows.map(({ id }) => id)
}

describe('tokens by metadata', () => {
  test('are found by every value that is asked for, as they are now', async () => {
    await add('meta-a', { metadata: { customer_id: 'one', plan: 'basic', 'a"b\'$.c': '%_\\' } })
    await add('meta-b', { metadata: { customer_id: 'two', plan: 'basic', empty: '' } })
    expect((await list({ metadata: { plan: 'basic' } })).ids).toEqual(['meta-a', 'meta-b'])
    expect((await list({ metadata: { plan: 'basic', customer_id: 'two' } })).ids).toEqual(['meta-b'])
    expect((await list({ metadata: { 'a"b\'$.c': '%_\\' } })).ids).toEqual(['meta-a'])
    expect((await list({ metadata: { empty: '' } })).ids).toEqual(['meta-b'])
    expect((await list({ metadata: { plan: 'Basic' } })).ids).toEqual([])
    expect((await list({ metadata: { none: '' } })).ids).toEqual([])
    await tokens.update('meta-a', { metadata: { customer_id: 'three' } }, 2)
    await tokens.update('meta-b', { description: 'changed' }, 2)
    expect((await list({ metadata: { plan: 'basic' } })).ids).toEqual(['meta-b'])
    expect((await list({ metadata: { customer_id: 'three' } })).ids).toEqual(['meta-a'])
    await tokens.delete('meta-a')
    expect((await list({ metadata: { customer_id: 'three' } })).ids).toEqual([])
    expect(await rowsOf('token_metadata', 'meta-a')).toBe(0)
    expect(await rowsOf('token_metadata', 'meta-b')).toBe(3)
    await tokens.delete('meta-b')
  })

  test('are looked up, not searched for', async () => {
    const steps = await planOf({ metadata: { plan: 'basic' } })
    expect(steps).toContain('SEARCH tokens')
    expect(steps).toContain('token_metadata_value')
    expect(steps).not.toContain('SCAN')
  })

  test('also those that were stored before the index was', async () => {
    const values = `'[]', '{"customer_id":"one"}'`
    expect(
      await foundAfterMigrating('_scale', 'allowed_package_prefixes, metadata', values, {
        metadata: { customer_id: 'one' },
      }),
    ).toEqual(['old'])
  })
})

describe('tokens inside a scope', () => {
  const within = { prefixes: ['acme/', 'x/y'], packages: new Map([['other/one', null]]), updatesUntil: null }

  test('are found by what they name now', async () => {
    await add('scope-a', { allowedPackagePrefixes: ['acme/a', 'acme/a', 'x/yz'] })
    await add('scope-b', { allowedPackages: [{ name: 'other/one', constraint: '^1' }] })
    await add('scope-c', { allowedPackagePrefixes: ['other/one'] })
    expect((await list({ within })).ids).toEqual(['scope-a', 'scope-b'])
    await tokens.update('scope-a', { allowedPackagePrefixes: ['acme/a', 'acme-evil/'] }, 2)
    await tokens.update('scope-b', { allowedPackages: [{ name: 'other/two', constraint: null }] }, 2)
    await tokens.update(
      'scope-c',
      { allowedPackagePrefixes: ['acme/c'], allowedPackages: [{ name: 'acme/d', constraint: null }] },
      2,
    )
    expect((await list({ within })).ids).toEqual(['scope-c'])
    await tokens.update('scope-c', { allowedPackagePrefixes: [], allowedPackages: [] }, 2)
    expect((await list({ within })).ids).toEqual([])
    for (const id of ['scope-a', 'scope-b', 'scope-c']) {
      await tokens.delete(id)
      expect(await rowsOf('token_scope_names', id)).toBe(0)
    }
  })

  test('are looked up, not searched for', async () => {
    const steps = await planOf({ within })
    expect(steps).toContain('SEARCH tokens')
    expect(steps).toContain('token_scope_names_name')
    expect(steps).not.toMatch(/SCAN (?!mine|json_each)/)
  })

  test('also those that were stored before the index was', async () => {
    const values = `'["Acme/a"]', '[{"name":"other/one","constraint":null}]', '{}'`
    expect(
      await foundAfterMigrating('_tokens_by_scope', 'allowed_package_prefixes, allowed_packages, metadata', values, {
        within,
      }),
    ).toEqual(['old'])
  })
})

describe('a page of tokens', () => {
  const within = { prefixes: ['acme/'], packages: new Map([['other/one', null]]), updatesUntil: 500 }
  const inside = { allowedPackagePrefixes: ['acme/x'], updatesUntil: 400 }

  beforeAll(async () => {
    for (const id of ['in-1', 'in-2', 'in-3']) await add(id, inside)
    await add('in-4', { allowedPackages: [{ name: 'other/one', constraint: '^1' }], updatesUntil: 500 })
    await add('out-everything', { updatesUntil: 400 })
    await add('out-for-ever', { ...inside, updatesUntil: null })
    await add('out-later', { ...inside, updatesUntil: 501 })
    await add('out-vendor', { ...inside, allowedPackagePrefixes: ['acme/x', 'acme-evil/'] })
    await add('out-package', { ...inside, allowedPackages: [{ name: 'other/two', constraint: null }] })
  })

  test('has what lies inside, and its total counts nothing else', async () => {
    expect(await list({ within })).toEqual({ ids: ['in-1', 'in-2', 'in-3', 'in-4'], total: 4, next: null })
    expect(await list({ within }, { limit: 4 })).toMatchObject({ total: 4, next: null })
    expect(await list({ within }, { limit: 3 })).toEqual({ ids: ['in-1', 'in-2', 'in-3'], total: 4, next: 'in-3' })
    expect(await list({ within }, { limit: 3, cursor: 'in-3' })).toEqual({ ids: ['in-4'], total: 4, next: null })
  })

  test('a cursor from outside is an unknown one', async () => {
    const unknown = await list({ within }, { cursor: 'nonsense' })
    expect(unknown).toEqual({ ids: [], total: 4, next: null })
    for (const cursor of ['out-vendor', 'out-later', 'out-everything']) {
      expect(await list({ within }, { cursor })).toEqual(unknown)
    }
  })

  test('the same where only the caller of it can tell what fits', async () => {
    const fits = (row: TokenRow) => row.id !== 'in-2'
    expect(await list({ within, fits })).toEqual({ ids: ['in-1', 'in-3', 'in-4'], total: 3, next: null })
    expect(await list({ within, fits }, { limit: 1, cursor: 'in-1' })).toEqual({
      ids: ['in-3'],
      total: 3,
      next: 'in-3',
    })
    expect(await list({ within, fits }, { cursor: 'in-2' })).toEqual({ ids: [], total: 3, next: null })
  })
})

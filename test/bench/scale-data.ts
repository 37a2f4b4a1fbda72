import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { hashToken } from '../../src/auth/tokens.ts'
import { connect } from '../../src/store/database.ts'
import { migrate } from '../../src/store/migrate.ts'

/** How much an installation holds. */
export interface Size {
  readonly tokens: number
  readonly packages: number
  readonly versionsEach: number
}

/** Packages of one vendor, at any size: what a token with one prefix sees. */
const PER_VENDOR = 100
/** Tokens that see everything, each with another end of updates, so that none shares a document with another. */
export const WIDE_TOKENS = 40

/** Value of a seeded token; those below `WIDE_TOKENS` see all packages, the others those of one vendor. */
export const tokenValue = (index: number) => `pb_${String(index).padStart(43, '0')}`

/** Value of the write token that may only handle tokens and packages of one vendor. */
export const SHOP_TOKEN = `pb_${'shop'.padStart(43, '0')}`

/** Writes an installation straight into a new database; returns its `DATA_DIR`. */
export async function seed(work: string, name: string, size: Size): Promise<string> {
  const directory = join(work, name)
  mkdirSync(directory)
  const address = { url: `file:${join(directory, 'package-broker.db')}`, authToken: null }
  await migrate(address)
  const client = await connect(address)
  const tx = await client.transaction('write')
  const run = (sql: string, ...args: (string | number)[]) => tx.execute({ sql, args })
  try {
    await run(REPOSITORY)
    await run(PACKAGES, size.packages)
    await run(VERSIONS, size.versionsEach)
    await run("INSERT INTO settings VALUES ('package_revision', ?)", String(size.packages))
    for (const rows of tokenRows(size)) await run(TOKENS, JSON.stringify(rows))
    await tx.commit()
  } finally {
    client.close()
  }
  return directory
}

/** Rows in portions; each customer has two tokens. */
function* tokenRows({ tokens, packages }: Size) {
  const vendors = packages / PER_VENDOR
  const shop = { id: 'tok_shop', hash: hashToken(SHOP_TOKEN), permissions: 'write', prefixes: ['vendor-0/'] }
  yield [{ ...shop, until: null, metadata: {}, at: 1 }]
  for (let start = 0; start < tokens; start += 5_000) {
    const length = Math.min(5_000, tokens - start)
    yield Array.from({ length }, (_, offset) => {
      const index = start + offset
      const wide = index < WIDE_TOKENS
      return {
        id: tokenId(index),
        hash: hashToken(tokenValue(index)),
        permissions: 'readonly',
        prefixes: wide ? [] : [`vendor-${index % vendors}/`],
        until: wide ? 2_000_000_000 + index : null,
        metadata: { customer_id: `cus_${index >> 1}`, plan: 'basic' },
        at: 1_700_000_000 + index,
      }
    })
  }
}

/** Id of a seeded token. */
export const tokenId = (index: number) => `tok_${String(index).padStart(8, '0')}`

const REPOSITORY = `
  INSERT INTO repositories (id, url, url_key, vcs_type, credential_type, archives, expose_source, status,
    created_at, updated_at, next_sync_at)
  VALUES ('repo_scale', 'https://git.invalid/scale', 'git.invalid/scale', 'git', 'none', 'lazy', 0, 'active',
    1, 1, 4000000000)`

const PACKAGES = `
  WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?)
  INSERT INTO packages (id, name, pretty_name, repository_id, description, type, abandoned, latest_version, revision,
    modified_at, offered, created_at, updated_at)
  SELECT printf('pkg_%08d', i), printf('vendor-%d/package-%d', i / ${PER_VENDOR}, i),
    printf('vendor-%d/package-%d', i / ${PER_VENDOR}, i), 'repo_scale',
    printf('What package number %d of this vendor is good for, in a sentence', i),
    CASE WHEN i % 10 = 0 THEN 'composer-plugin' ELSE 'library' END, 'false', '1.0.0', i + 1,
    1700000000 + i, 1, 1700000000 + i, 1700000000 + i
  FROM n`

const VERSIONS = `
  WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?)
  INSERT INTO versions (package_id, version_normalized, version, stability, kind, ref_name, reference, blob_id,
    default_branch, time, released_at, shasum, first_published_at)
  SELECT p.id, printf('1.%d.0.0', i), printf('1.%d.0', i), 'stable', 'tag', printf('refs/tags/1.%d.0', i),
    printf('%040x', p.revision * 100 + i), '0', 0, '2024-01-01T00:00:00+00:00', 1704067200 + i, '', 1704067200
  FROM packages AS p CROSS JOIN n`

const TOKENS = `
  INSERT INTO tokens (id, hash, permissions, allowed_package_prefixes, allowed_packages, updates_until, rate_limit_max,
    metadata, created_at, updated_at)
  SELECT value ->> 'id', value ->> 'hash', value ->> 'permissions', value -> 'prefixes', '[]', value ->> 'until', 0,
    value -> 'metadata', value ->> 'at', value ->> 'at'
  FROM json_each(?)`

import { and, asc, count, eq, gt, type SQL, sql } from 'drizzle-orm'
import type { Database } from './database.ts'
import { type Page, type PageOf, pageOf } from './paging.ts'
import { tokens } from './schema.ts'

/** A token as stored; the token itself is not among the columns. */
export type TokenRow = typeof tokens.$inferSelect

/** What a change of a token may set. */
export type TokenChange = Partial<
  Pick<TokenRow, 'description' | 'permissions' | 'expiresAt' | 'allowedPackagePrefixes' | 'rateLimitMax' | 'metadata'>
>

/** The tokens of the installation. */
export class TokenTable {
  constructor(private readonly db: Database) {}

  /** Stores a new token. */
  async insert(row: TokenRow): Promise<void> {
    await this.db.write((tx) => tx.insert(tokens).values(row))
  }

  /** The token with this SHA-256 (hexadecimal), or null. */
  async findByHash(hash: string): Promise<TokenRow | null> {
    return (await this.db.read.select().from(tokens).where(eq(tokens.hash, hash)).get()) ?? null
  }

  /** The token with this id, or null. */
  async find(id: string): Promise<TokenRow | null> {
    return (await this.db.read.select().from(tokens).where(eq(tokens.id, id)).get()) ?? null
  }

  /**
   * A page of tokens, oldest first, that carry every given `metadata` value and whose prefixes lie inside `within`
   * (empty: all tokens).
   */
  async list(
    page: Page,
    metadata: Readonly<Record<string, string>>,
    within: readonly string[],
  ): Promise<PageOf<TokenRow>> {
    const wanted = Object.entries(metadata).map(
      ([key, value]): SQL =>
        sql`EXISTS (SELECT 1 FROM json_each(${tokens.metadata}) WHERE key = ${key} AND value = ${value})`,
    )
    if (within.length > 0) wanted.push(inside(within))
    const after =
      page.cursor === null ? undefined : gt(sql`(${tokens.createdAt}, ${tokens.id})`, createdAtOf(page.cursor))
    const [rows, total] = await Promise.all([
      this.db.read
        .select()
        .from(tokens)
        .where(and(after, ...wanted))
        .orderBy(asc(tokens.createdAt), asc(tokens.id))
        .limit(page.limit + 1),
      this.db.read
        .select({ total: count() })
        .from(tokens)
        .where(and(...wanted))
        .get(),
    ])
    return pageOf(rows, total?.total ?? 0, page)
  }

  /** Changes a token; returns it as it is then, or null when there is none. */
  async update(id: string, change: TokenChange, now: number): Promise<TokenRow | null> {
    return this.db.write(async (tx) => {
      const rows = await tx
        .update(tokens)
        .set({ ...change, updatedAt: now })
        .where(eq(tokens.id, id))
        .returning()
      return rows[0] ?? null
    })
  }

  /** Removes a token; false when there was none. */
  async delete(id: string): Promise<boolean> {
    return this.db.write(async (tx) => {
      const rows = await tx.delete(tokens).where(eq(tokens.id, id)).returning({ id: tokens.id })
      return rows.length > 0
    })
  }

  /** True when a token exists that may do everything. */
  async hasUnrestrictedWrite(now: number): Promise<boolean> {
    const rows = await this.db.read
      .select()
      .from(tokens)
      .where(and(eq(tokens.permissions, 'write'), sql`json_array_length(${tokens.allowedPackagePrefixes}) = 0`))
    return rows.some((row) => row.expiresAt === null || row.expiresAt > now)
  }

  /** Notes when tokens were last used, many in one transaction. `uses` maps an id to Unix seconds. */
  async noteUses(uses: ReadonlyMap<string, number>): Promise<void> {
    if (uses.size === 0) return
    await this.db.write(async (tx) => {
      for (const [id, usedAt] of uses) await tx.update(tokens).set({ lastUsedAt: usedAt }).where(eq(tokens.id, id))
    })
  }
}

function createdAtOf(id: string): SQL {
  return sql`(SELECT created_at, id FROM tokens WHERE id = ${id})`
}

/** Every prefix of the token begins with one of these, and it has some. */
function inside(prefixes: readonly string[]): SQL {
  const mine = JSON.stringify(prefixes)
  return sql`(json_array_length(${tokens.allowedPackagePrefixes}) > 0 AND NOT EXISTS (
    SELECT 1 FROM json_each(${tokens.allowedPackagePrefixes}) AS own WHERE NOT EXISTS (
      SELECT 1 FROM json_each(${mine}) AS outer_prefix WHERE substr(own.value, 1, length(outer_prefix.value)) = outer_prefix.value)))`
}

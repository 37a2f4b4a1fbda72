import { and, asc, count, eq, gt, inArray, isNull, lte, or, type SQL, sql } from 'drizzle-orm'
import { type Alongside, type Database, nothingElse, type Queries } from './database.ts'
import { type Page, type PageOf, pageOf, pageOfAll, totalOf } from './paging.ts'
import { tokenMetadata, tokenScopeNames, tokens } from './schema-access.ts'

/** A token as stored; the token itself is not among the columns. */
export type TokenRow = typeof tokens.$inferSelect

/** What a change of a token may set. */
export type TokenChange = Partial<
  Pick<
    TokenRow,
    | 'description'
    | 'permissions'
    | 'expiresAt'
    | 'allowedPackagePrefixes'
    | 'allowedPackages'
    | 'updatesUntil'
    | 'rateLimitMax'
    | 'metadata'
  >
>

/** Which tokens are asked for: those that carry every `metadata` value and whose scope lies inside `within`. */
export interface TokenFilter {
  readonly permissions: 'readonly' | 'write' | undefined
  readonly metadata: Readonly<Record<string, string>>
  readonly within: {
    readonly prefixes: readonly string[]
    readonly packages: ReadonlyMap<string, unknown>
    readonly updatesUntil: number | null
  }
  /** What else decides that the database cannot compare, like constraints; null when nothing does. */
  readonly fits: ((row: TokenRow) => boolean) | null
}

/** The use of a token: when, in Unix seconds, and by which program. */
export interface TokenUse {
  readonly at: number
  readonly client: string | null
}

/** What belongs to a change of a token, as it was and as it is then. */
type AlongsideChange = (before: TokenRow, after: TokenRow) => Alongside

const unrecorded: AlongsideChange = () => nothingElse

/** The tokens of the installation. */
export class TokenTable {
  constructor(private readonly db: Database) {}

  /** Stores a new token. `alongside` comes first and may refuse it. */
  async insert(row: TokenRow, alongside: Alongside = nothingElse): Promise<void> {
    await this.db.write(async (tx) => {
      await alongside(tx)
      await tx.insert(tokens).values(row)
    })
  }

  /** The token whose value, or whose value before the last rotation, has this SHA-256 (hexadecimal); or null. */
  async findByHash(hash: string): Promise<TokenRow | null> {
    const either = or(eq(tokens.hash, hash), eq(tokens.previousHash, hash))
    return (await this.db.read.select().from(tokens).where(either).get()) ?? null
  }

  /** The token with this id, or null. */
  async find(id: string): Promise<TokenRow | null> {
    return (await this.db.read.select().from(tokens).where(eq(tokens.id, id)).get()) ?? null
  }

  /** Those of these tokens that there are. */
  findMany(ids: readonly string[]): Promise<TokenRow[]> {
    return this.db.read
      .select()
      .from(tokens)
      .where(inArray(tokens.id, [...ids]))
      .all()
  }

  /** A page of tokens, oldest first. A cursor outside of `within` is as good as an unknown one. */
  async list(page: Page, filter: TokenFilter): Promise<PageOf<TokenRow>> {
    const within = inside(filter.within)
    const wanted = and(
      within,
      filter.permissions === undefined ? undefined : eq(tokens.permissions, filter.permissions),
      ...Object.entries(filter.metadata).map(([key, value]) => inArray(tokens.id, this.carrying(key, value))),
    )
    const all = this.db.read.select().from(tokens).orderBy(asc(tokens.createdAt), asc(tokens.id))
    if (filter.fits !== null) return pageOfAll((await all.where(wanted)).filter(filter.fits), page)
    const known = this.db.read
      .select({ place: sql`${tokens.createdAt}, ${tokens.id}` })
      .from(tokens)
      .where(and(eq(tokens.id, page.cursor ?? ''), within))
    const after = page.cursor === null ? undefined : gt(sql`(${tokens.createdAt}, ${tokens.id})`, sql`(${known})`)
    const rows = await all.where(and(after, wanted)).limit(page.limit + 1)
    const total = await totalOf(page, rows, () =>
      this.db.read.select({ total: count() }).from(tokens).where(wanted).get(),
    )
    return pageOf(rows, total, page)
  }

  private carrying(key: string, value: string) {
    const { tokenId, key: keys, value: values } = tokenMetadata
    return this.db.read
      .select({ tokenId })
      .from(tokenMetadata)
      .where(and(eq(keys, key), eq(values, value)))
  }

  /** Changes a token; returns it as it is then, or null when there is none. `alongside` may refuse. */
  update(
    id: string,
    change: TokenChange,
    now: number,
    alongside: AlongsideChange = unrecorded,
  ): Promise<TokenRow | null> {
    return this.db.write((tx) => changed(tx, id, () => ({ ...change, updatedAt: now }), alongside))
  }

  /**
   * Gives a token a new value; the old one is accepted until `previousUntil`, in Unix seconds, or at once not any more
   * with null. Null when there is no such token. `alongside` may refuse.
   */
  rotate(
    id: string,
    { hash, previousUntil }: { hash: string; previousUntil: number | null },
    now: number,
    alongside: AlongsideChange = unrecorded,
  ): Promise<TokenRow | null> {
    const change = (before: TokenRow) => {
      const previousHash = previousUntil === null ? null : before.hash
      return { hash, previousHash, previousUntil, updatedAt: now }
    }
    return this.db.write((tx) => changed(tx, id, change, alongside))
  }

  /** Removes a token; false when there was none. */
  async delete(id: string, alongside: Alongside = nothingElse): Promise<boolean> {
    return this.db.write(async (tx) => {
      const rows = await tx.delete(tokens).where(eq(tokens.id, id)).returning({ id: tokens.id })
      if (rows.length > 0) await alongside(tx)
      return rows.length > 0
    })
  }

  /** True when a token exists that may do everything. */
  async hasUnrestrictedWrite(now: number): Promise<boolean> {
    const rows = await this.db.read
      .select()
      .from(tokens)
      .where(
        and(
          eq(tokens.permissions, 'write'),
          isNull(tokens.updatesUntil),
          sql`json_array_length(${tokens.allowedPackagePrefixes}) + json_array_length(${tokens.allowedPackages}) = 0`,
        ),
      )
    return rows.some((row) => row.expiresAt === null || row.expiresAt > now)
  }

  /** Notes when tokens were last used and by what, in one statement. A later use, by another instance, is kept. */
  async noteUses(uses: ReadonlyMap<string, TokenUse>): Promise<void> {
    if (uses.size === 0) return
    const rows = JSON.stringify([...uses].map(([id, use]) => ({ id, ...use })))
    await this.db.write((tx) =>
      tx.run(sql`
        UPDATE tokens SET
          last_used_at = json_extract(use.value, '$.at'), last_client = json_extract(use.value, '$.client')
        FROM json_each(${rows}) AS use
        WHERE tokens.id = json_extract(use.value, '$.id')
          AND coalesce(tokens.last_used_at, 0) <= json_extract(use.value, '$.at')`),
    )
  }
}

async function changed(
  tx: Queries,
  id: string,
  change: (before: TokenRow) => Partial<TokenRow>,
  alongside: AlongsideChange,
): Promise<TokenRow | null> {
  const before = await tx.select().from(tokens).where(eq(tokens.id, id)).get()
  if (!before) return null
  const after = await tx.update(tokens).set(change(before)).where(eq(tokens.id, id)).returning().get()
  await alongside(before, after)(tx)
  return after
}

/**
 * The token names something, and everything it names lies inside these prefixes or is one of these packages. Tokens that
 * name something inside are looked up; the others are not even looked at. `~` sorts behind every character of a name.
 */
function insideNames(within: TokenFilter['within']): SQL | undefined {
  if (within.prefixes.length === 0 && within.packages.size === 0) return undefined
  const prefixes = sql`json_each(${JSON.stringify(within.prefixes)})`
  const packages = sql`json_each(${JSON.stringify([...within.packages.keys()])})`
  return sql`(${tokens.id} IN (
      SELECT own.token_id FROM ${prefixes} AS mine
        CROSS JOIN ${tokenScopeNames} AS own ON own.name >= mine.value AND own.name < mine.value || '~'
      UNION
      SELECT own.token_id FROM ${packages} AS mine
        CROSS JOIN ${tokenScopeNames} AS own ON own.name = mine.value AND own.kind = 'package')
    AND NOT EXISTS (SELECT 1 FROM ${tokenScopeNames} AS own WHERE own.token_id = ${tokens.id}
      AND NOT EXISTS (SELECT 1 FROM ${prefixes} AS mine WHERE substr(own.name, 1, length(mine.value)) = mine.value)
      AND NOT (own.kind = 'package' AND own.name IN (SELECT value FROM ${packages}))))`
}

function inside(within: TokenFilter['within']): SQL | undefined {
  const updates = within.updatesUntil === null ? undefined : lte(tokens.updatesUntil, within.updatesUntil)
  return and(insideNames(within), updates)
}

import { and, asc, count, eq, gt, inArray, isNotNull, max, sql } from 'drizzle-orm'
import { type Alongside, type Database, nothingElse, type Queries } from './database.ts'
import { type Page, type PageOf, pageOf, totalOf } from './paging.ts'
import { packages } from './schema.ts'
import { advisories, filterEntries, policyChanges } from './schema-policy.ts'
import { upstreamDocuments } from './schema-upstream.ts'
import { nextRevision } from './settings.ts'

/** An advisory of this installation as stored. */
export type AdvisoryRow = typeof advisories.$inferSelect

/** An entry of a filter list of this installation as stored. */
export type FilterEntryRow = typeof filterEntries.$inferSelect

interface RowOf {
  readonly advisories: AdvisoryRow
  readonly filters: FilterEntryRow
}

/** What a change may set: everything but which package, and which list, it is about. */
export type PolicyChange<Row> = Partial<Omit<Row, 'id' | 'list' | 'packageName' | 'createdAt' | 'updatedAt'>>

/** Package names in one statement. */
const NAMES_PER_QUERY = 500

/**
 * What this installation says of packages: its advisories, or the entries of its filter lists. Each change dates the
 * documents of the package anew in the same transaction.
 */
export class PolicyEntryTable<Kind extends keyof RowOf> {
  constructor(
    private readonly db: Database,
    private readonly kind: Kind,
  ) {}

  /** Stores a new entry. `alongside` comes first and may refuse it. */
  insert(row: RowOf[Kind], alongside: Alongside = nothingElse): Promise<void> {
    return this.db.write(async (tx) => {
      await alongside(tx)
      await tx.insert(this.table).values(row as AdvisoryRow)
      await notePolicyChange(tx, row.packageName, row.createdAt)
    })
  }

  /** The entry with this id, or null. */
  async find(id: string): Promise<RowOf[Kind] | null> {
    const row = await this.db.read.select().from(this.table).where(eq(this.table.id, id)).get()
    return (row as RowOf[Kind] | undefined) ?? null
  }

  /** A page of entries, oldest first, of one package or of all. */
  async list(page: Page, { packageName, list }: { packageName?: string; list?: string }): Promise<PageOf<RowOf[Kind]>> {
    const { table } = this
    const wanted = and(
      packageName === undefined ? undefined : eq(table.packageName, packageName),
      list === undefined ? undefined : eq(filterEntries.list, list),
    )
    const known = this.db.read
      .select({ place: sql`${table.createdAt}, ${table.id}` })
      .from(table)
      .where(eq(table.id, page.cursor ?? ''))
    const after = page.cursor === null ? undefined : gt(sql`(${table.createdAt}, ${table.id})`, sql`(${known})`)
    const rows = await this.db.read
      .select()
      .from(table)
      .where(and(wanted, after))
      .orderBy(asc(table.createdAt), asc(table.id))
      .limit(page.limit + 1)
    const total = await totalOf(page, rows, () =>
      this.db.read.select({ total: count() }).from(table).where(wanted).get(),
    )
    return pageOf(rows as RowOf[Kind][], total, page)
  }

  /** Changes an entry; returns it as it is then, or null when there is none. */
  update(
    id: string,
    change: PolicyChange<RowOf[Kind]>,
    now: number,
    alongside: (after: RowOf[Kind]) => Alongside,
  ): Promise<RowOf[Kind] | null> {
    return this.db.write(async (tx) => {
      const set = { ...(change as PolicyChange<AdvisoryRow>), updatedAt: now }
      const row = await tx.update(this.table).set(set).where(eq(this.table.id, id)).returning().get()
      if (row === undefined) return null
      await alongside(row as RowOf[Kind])(tx)
      await notePolicyChange(tx, row.packageName, now)
      return row as RowOf[Kind]
    })
  }

  /** Removes an entry; false when there was none. */
  delete(id: string, now: number, alongside: Alongside = nothingElse): Promise<boolean> {
    return this.db.write(async (tx) => {
      const row = await tx.delete(this.table).where(eq(this.table.id, id)).returning().get()
      if (row === undefined) return false
      await alongside(tx)
      await notePolicyChange(tx, row.packageName, now)
      return true
    })
  }

  /** The entries about these packages, oldest first. */
  async about(names: readonly string[]): Promise<RowOf[Kind][]> {
    const found: RowOf[Kind][] = []
    for (let at = 0; at < names.length; at += NAMES_PER_QUERY) {
      const some = names.slice(at, at + NAMES_PER_QUERY)
      const rows = await this.db.read
        .select()
        .from(this.table)
        .where(inArray(this.table.packageName, some))
        .orderBy(asc(this.table.createdAt), asc(this.table.id))
      found.push(...(rows as RowOf[Kind][]))
    }
    return found
  }

  // One type stands for both: what differs between them is what a caller gives and gets.
  private get table(): typeof advisories {
    return this.kind === 'advisories' ? advisories : (filterEntries as unknown as typeof advisories)
  }
}

/** Which packages something was said of, and when it was last changed. */
export class PolicyChangeTable {
  constructor(private readonly db: Database) {}

  /** The number of the last change; 0 when there was none. */
  async revision(): Promise<number> {
    const row = await this.db.read
      .select({ last: max(policyChanges.revision) })
      .from(policyChanges)
      .get()
    return row?.last ?? 0
  }

  /** Packages about which something changed after a revision, in order of change. */
  changedSince(revision: number): Promise<(typeof policyChanges.$inferSelect)[]> {
    const { revision: number } = policyChanges
    return this.db.read.select().from(policyChanges).where(gt(number, revision)).orderBy(asc(number))
  }
}

/**
 * Notes, in the transaction of the change, that something else is said of a package now, and dates its documents anew:
 * of an owned package its row, of others the stored document of an upstream. `now` in Unix seconds.
 */
export async function notePolicyChange(tx: Queries, name: string, now: number): Promise<void> {
  const owned = eq(packages.name, name)
  const mirrored = and(eq(upstreamDocuments.name, name), eq(upstreamDocuments.dev, false))
  const [own, document, before] = await Promise.all([
    tx.select({ at: packages.modifiedAt }).from(packages).where(owned).get(),
    tx
      .select({ at: max(upstreamDocuments.modifiedAt) })
      .from(upstreamDocuments)
      .where(mirrored)
      .get(),
    tx.select({ at: policyChanges.modifiedAt }).from(policyChanges).where(eq(policyChanges.name, name)).get(),
  ])
  const modifiedAt = Math.max(now, ...[own, document, before].map((row) => (row?.at ?? 0) + 1))
  const revision = await nextRevision(tx)
  await tx
    .insert(policyChanges)
    .values({ name, revision, modifiedAt })
    .onConflictDoUpdate({ target: policyChanges.name, set: { revision, modifiedAt } })
  await tx
    .update(packages)
    .set({ revision, modifiedAt })
    .where(and(owned, isNotNull(packages.repositoryId)))
  await tx
    .update(upstreamDocuments)
    .set({ modifiedAt })
    .where(and(mirrored, isNotNull(upstreamDocuments.body)))
}

import { and, asc, count, eq, gt, inArray, sql } from 'drizzle-orm'
import { type Alongside, type Database, nothingElse, type Queries } from './database.ts'
import type { DiscoveryRow } from './discoveries.ts'
import { checkHeld, endLook } from './discovery-claims.ts'
import { manyRows } from './many-rows.ts'
import type { Page, PageOf } from './paging.ts'
import type { RepositoryRow } from './repositories.ts'
import { repositories } from './schema.ts'
import { discoveredRepositories } from './schema-hosts.ts'

/** A repository that a discovery found, as stored. */
export type DiscoveredRow = typeof discoveredRepositories.$inferSelect

/** What became of a repository that was found. */
export type DiscoveredState = DiscoveredRow['state']

/** How many a discovery found, and how many of them are in each state. */
export type DiscoveredCounts = Readonly<Record<DiscoveredState | 'found', number>>

/** A repository that has the address of another one already. */
export interface ExistingRepository {
  readonly id: string
  readonly discoveryId: string | null
}

const NOTHING: DiscoveredCounts = { found: 0, added: 0, skipped: 0, gone: 0, failed: 0 }
/** Rows in one statement. */
const ROWS_PER_QUERY = 500

/** What discoveries found. */
export class DiscoveredRepositoryTable {
  constructor(private readonly db: Database) {}

  /** Everything that a discovery found, by the host's ids. */
  async all(discoveryId: string): Promise<Map<string, DiscoveredRow>> {
    const mine = eq(discoveredRepositories.discoveryId, discoveryId)
    const rows = await this.db.read.select().from(discoveredRepositories).where(mine)
    return new Map(rows.map((row) => [row.hostId, row]))
  }

  /** A page of what a discovery found, by path. The cursor is the host's id of the last one of the page before. */
  async list(discoveryId: string, page: Page, state: DiscoveredState | null): Promise<PageOf<DiscoveredRow>> {
    const table = discoveredRepositories
    const wanted = and(eq(table.discoveryId, discoveryId), state === null ? undefined : eq(table.state, state))
    const known = this.db.read
      .select({ place: sql`${table.path}, ${table.hostId}` })
      .from(table)
      .where(and(eq(table.discoveryId, discoveryId), eq(table.hostId, page.cursor ?? '')))
    const after = page.cursor === null ? undefined : gt(sql`(${table.path}, ${table.hostId})`, sql`(${known})`)
    const [rows, total] = await Promise.all([
      this.db.read
        .select()
        .from(table)
        .where(and(wanted, after))
        .orderBy(asc(table.path), asc(table.hostId))
        .limit(page.limit + 1),
      this.db.read.select({ total: count() }).from(table).where(wanted).get(),
    ])
    const shown = rows.slice(0, page.limit)
    return {
      rows: shown,
      total: total?.total ?? 0,
      next: rows.length > page.limit ? (shown.at(-1)?.hostId ?? null) : null,
    }
  }

  /** How many each of these discoveries found. */
  async counts(ids: readonly string[]): Promise<Map<string, DiscoveredCounts>> {
    const { discoveryId, state } = discoveredRepositories
    const rows = await this.db.read
      .select({ discoveryId, state, rows: count() })
      .from(discoveredRepositories)
      .where(inArray(discoveryId, [...ids]))
      .groupBy(discoveryId, state)
    const counts = new Map<string, Record<DiscoveredState | 'found', number>>(ids.map((id) => [id, { ...NOTHING }]))
    for (const row of rows) {
      const of = counts.get(row.discoveryId)
      if (!of) continue
      of[row.state] = row.rows
      of.found += row.rows
    }
    return counts
  }

  /** The repositories that have these addresses already, by `urlKey`. */
  async existing(urlKeys: readonly string[]): Promise<Map<string, ExistingRepository>> {
    const found = new Map<string, ExistingRepository>()
    for (let at = 0; at < urlKeys.length; at += ROWS_PER_QUERY) {
      const some = urlKeys.slice(at, at + ROWS_PER_QUERY)
      const rows = await this.db.read
        .select({ id: repositories.id, discoveryId: repositories.discoveryId, urlKey: repositories.urlKey })
        .from(repositories)
        .where(inArray(repositories.urlKey, some))
      for (const { urlKey, ...row } of rows) found.set(urlKey, row)
    }
    return found
  }

  /** Notes what became of repositories. Throws AppError('conflict') when another worker has the claim. */
  async save(claim: DiscoveryRow, rows: readonly DiscoveredRow[]): Promise<void> {
    for (let at = 0; at < rows.length; at += ROWS_PER_QUERY) {
      await this.db.write(async (tx) => {
        await checkHeld(tx, claim)
        await upsert(tx, rows.slice(at, at + ROWS_PER_QUERY))
      })
    }
  }

  /**
   * Adds a repository that was found, and notes that it was; `alongside` is done in the same transaction. When another
   * one has its address by now, nothing is added and that one is returned. Throws AppError('conflict') when another worker has the claim.
   */
  async add(
    claim: DiscoveryRow,
    repository: RepositoryRow,
    found: DiscoveredRow,
    alongside: Alongside = nothingElse,
  ): Promise<ExistingRepository | null> {
    return this.db.write(async (tx) => {
      await checkHeld(tx, claim)
      const same = await tx
        .select({ id: repositories.id, discoveryId: repositories.discoveryId })
        .from(repositories)
        .where(eq(repositories.urlKey, repository.urlKey))
        .get()
      if (same) return same
      await tx.insert(repositories).values(repository)
      await alongside(tx)
      await upsert(tx, [found])
      return null
    })
  }

  /** Ends a look that listed everything: notes which repositories are gone. False when another worker has the claim. */
  async finishLook(
    claim: DiscoveryRow,
    { gone, nextLookAt }: { gone: readonly DiscoveredRow[]; nextLookAt: number },
    now: number,
  ): Promise<boolean> {
    await this.save(claim, gone)
    const found = { status: 'active', errorCode: null, errorMessage: null, failures: 0, lastListedAt: now, nextLookAt }
    return this.db.write((tx) => endLook(tx, claim, found, now))
  }

  /** Notes when something was last pushed to repositories, as a probe saw it; only as long as there is the discovery. */
  async notePushed(discoveryId: string, pushed: ReadonlyMap<string, number>): Promise<void> {
    await this.db.write(async (tx) => {
      for (const [hostId, pushedAt] of pushed) {
        const one = and(eq(discoveredRepositories.discoveryId, discoveryId), eq(discoveredRepositories.hostId, hostId))
        await tx.update(discoveredRepositories).set({ pushedAt }).where(one)
      }
    })
  }
}

async function upsert(tx: Queries, rows: readonly DiscoveredRow[]): Promise<void> {
  if (rows.length === 0) return
  const table = discoveredRepositories
  await tx
    .insert(table)
    .select(manyRows(table, rows))
    .onConflictDoUpdate({
      target: [table.discoveryId, table.hostId],
      set: {
        path: sql`excluded.path`,
        cloneUrl: sql`excluded.clone_url`,
        state: sql`excluded.state`,
        reason: sql`excluded.reason`,
        repositoryId: sql`excluded.repository_id`,
        pushedAt: sql`excluded.pushed_at`,
        seenAt: sql`excluded.seen_at`,
      },
    })
}

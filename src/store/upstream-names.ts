import { and, asc, eq, gt, inArray, isNotNull, type SQL, sql } from 'drizzle-orm'
import type { Database, Queries } from './database.ts'
import type { Page, PageOf } from './paging.ts'
import type { RefIssue } from './repositories.ts'
import { packages, repositories } from './schema.ts'
import { upstreamDocuments, upstreamNames, upstreams } from './schema-upstream.ts'
import { nextRevision } from './settings.ts'
import type { UpstreamAsOf } from './upstream-log.ts'

/** Which names an upstream has, as far as it matters here. */
export interface NamesFound {
  /** Patterns of names beside `names`; null for an upstream that does not say which names it has. */
  readonly patterns: readonly string[] | null
  /** Lower-case, each once: all of them, or of an upstream that does not say so those of vendors that are claimed here. */
  readonly names: readonly string[]
  /** Equal only for equal names and patterns. */
  readonly digest: string
}

/** An owned name that upstreams have too. */
export interface Conflict {
  readonly name: string
  readonly repositoryId: string
  readonly upstreams: readonly { readonly repositoryId: string; readonly url: string }[]
}

/** Names that upstreams have. */
export class UpstreamNameTable {
  constructor(private readonly db: Database) {}

  /** Names of an upstream that says which ones it has, in order. */
  async names(repositoryId: string): Promise<string[]> {
    const rows = await this.db.read
      .select({ name: upstreamNames.name })
      .from(upstreamNames)
      .where(eq(upstreamNames.repositoryId, repositoryId))
      .orderBy(asc(upstreamNames.name))
    return rows.map(({ name }) => name)
  }

  /** Digest of the names of an upstream when they were last saved; '' before. */
  async digest(repositoryId: string): Promise<string> {
    const row = await this.db.read
      .select({ digest: upstreams.namesDigest })
      .from(upstreams)
      .where(eq(upstreams.repositoryId, repositoryId))
      .get()
    return row?.digest ?? ''
  }

  /** Makes the stored names those that were found; what came and went. Counts it as a change of what is offered here. Nothing is saved for an upstream that is not any more what it was. */
  async save({ id: repositoryId, revision }: UpstreamAsOf, { names, patterns, digest }: NamesFound) {
    return this.db.write(async (tx) => {
      const mine = and(eq(upstreams.repositoryId, repositoryId), eq(upstreams.revision, revision))
      const found = sql`(SELECT value FROM json_each(${JSON.stringify(names)}))`
      const stored = await tx.update(upstreams).set({ patterns, namesDigest: digest }).where(mine).returning().get()
      if (stored === undefined) return { added: [], removed: [] }
      const removed = await tx
        .delete(upstreamNames)
        .where(and(eq(upstreamNames.repositoryId, repositoryId), sql`${upstreamNames.name} NOT IN ${found}`))
        .returning()
      const added = await tx
        .insert(upstreamNames)
        .select(sql`SELECT ${repositoryId}, value FROM json_each(${JSON.stringify(names)}) WHERE true`)
        .onConflictDoNothing()
        .returning()
      await nextRevision(tx)
      return { added: added.map(({ name }) => name), removed: removed.map(({ name }) => name) }
    })
  }

  /** A page of the owned names that an upstream has too, in order. The cursor is the last name of the page before. */
  async conflicts(page: Page): Promise<PageOf<Conflict>> {
    const beyond = page.cursor === null ? undefined : gt(packages.name, page.cursor)
    const owned = and(isNotNull(packages.repositoryId), inArray(packages.name, elsewhere()))
    const [rows, total] = await Promise.all([
      this.db.read
        .select({ name: packages.name, repositoryId: packages.repositoryId })
        .from(packages)
        .where(and(owned, beyond))
        .orderBy(asc(packages.name))
        .limit(page.limit + 1),
      this.db.read.select({ total: sql<number>`count(*)` }).from(packages).where(owned).get(),
    ])
    const shown = rows.slice(0, page.limit)
    const offering = await this.offering(shown.map(({ name }) => name))
    const conflicts = shown.map(({ name, repositoryId }) => ({
      name,
      repositoryId: repositoryId ?? '',
      upstreams: offering.get(name) ?? [],
    }))
    return {
      rows: conflicts,
      total: total?.total ?? 0,
      next: rows.length > page.limit ? (shown.at(-1)?.name ?? null) : null,
    }
  }

  /** The upstreams that have each of these names, in the order they were added. */
  private async offering(names: readonly string[]): Promise<Map<string, { repositoryId: string; url: string }[]>> {
    const rows = await this.db.read.all<{ name: string; repositoryId: string; url: string }>(sql`
      SELECT found.name AS name, ${repositories.id} AS repositoryId, ${repositories.url} AS url
      FROM (${known(sql`name IN (SELECT value FROM json_each(${JSON.stringify(names)}))`)}) AS found
      JOIN ${repositories} ON ${repositories.id} = found.repository_id
      ORDER BY ${repositories.createdAt}, ${repositories.id}`)
    const byName = Map.groupBy(rows, ({ name }) => name)
    return new Map([...byName].map(([name, same]) => [name, same.map(({ name: _, ...upstream }) => upstream)]))
  }
}

/** The conflicts of one upstream, as issues of its repository. At most `limit`. */
export async function conflictsOf(read: Queries, repositoryId: string, limit: number): Promise<RefIssue[]> {
  const rows = await read
    .select({ name: packages.name, owner: packages.repositoryId })
    .from(packages)
    .where(
      and(isNotNull(packages.repositoryId), inArray(packages.name, elsewhere(sql`repository_id = ${repositoryId}`))),
    )
    .orderBy(asc(packages.name))
    .limit(limit)
  return rows.map(({ name, owner }) => ({
    ref: name,
    reason: `The name is owned here by repository ${owner}; the package of this upstream is never asked for.`,
  }))
}

/** Names that upstreams are known to have: they say so, or a document is held. */
function elsewhere(which: SQL = sql`true`): SQL {
  return sql`(SELECT name FROM (${known(which)}))`
}

function known(which: SQL): SQL {
  return sql`SELECT repository_id, name FROM ${upstreamNames} WHERE ${which}
    UNION SELECT repository_id, name FROM ${upstreamDocuments} WHERE body IS NOT NULL AND ${which}`
}

import { and, asc, countDistinct, desc, eq, inArray, isNotNull, sql } from 'drizzle-orm'
import { withoutControls } from '../printable.ts'
import type { Alongside, Database, Queries } from './database.ts'
import type { RefIssue, RepositoryCounts, RepositoryRow } from './repositories.ts'
import { chunks } from './save-outcome.ts'
import { repositories } from './schema.ts'
import { upstreamDocuments, upstreamFiles, upstreamIssues, upstreams } from './schema-upstream.ts'
import { nextRevision } from './settings.ts'
import { due } from './upstream-log.ts'
import { conflictsOf } from './upstream-names.ts'

/** How an upstream is asked, as stored. */
export type UpstreamRow = typeof upstreams.$inferSelect

/** What is set about an upstream beside what its repository says. */
export type UpstreamSettings = Omit<
  UpstreamRow,
  'repositoryId' | 'changesRead' | 'patterns' | 'namesDigest' | 'revision'
>

/** An upstream as stored, with its repository. */
export interface StoredUpstream {
  readonly repository: RepositoryRow
  readonly upstream: UpstreamRow
}

/** Settings of an upstream of which nothing is said. Durations in seconds. */
export const USUAL_UPSTREAM: UpstreamSettings = {
  priority: 0,
  packageDeny: null,
  freshFor: 60,
  staleIfError: 2_592_000,
  minimumReleaseAge: 0,
  releaseAgeExceptions: null,
  releaseAgePassesFixes: false,
}

/** How other Composer repositories are asked. Their addresses and credentials are in `RepositoryTable`. */
export class UpstreamTable {
  constructor(private readonly db: Database) {}

  /** Every upstream in the order they are asked: the highest priority first, of equals the one that was added first. */
  async inOrder(): Promise<StoredUpstream[]> {
    return this.db.read
      .select({ repository: repositories, upstream: upstreams })
      .from(upstreams)
      .innerJoin(repositories, eq(repositories.id, upstreams.repositoryId))
      .orderBy(desc(upstreams.priority), asc(repositories.createdAt), asc(repositories.id))
  }

  /** The settings of those of these repositories that are upstreams. */
  async settings(ids: readonly string[]): Promise<Map<string, UpstreamRow>> {
    const rows = await this.db.read
      .select()
      .from(upstreams)
      .where(inArray(upstreams.repositoryId, [...ids]))
    return new Map(rows.map((row) => [row.repositoryId, row]))
  }

  /** Packages of each of these upstreams of which a document is held, and the versions that were seen in them. */
  async counts(ids: readonly string[]): Promise<Map<string, RepositoryCounts>> {
    const rows = await this.db.read
      .select({
        id: upstreamDocuments.repositoryId,
        packages: countDistinct(upstreamDocuments.name),
        versions: sql<number>`sum((SELECT count(*) FROM json_each(${upstreamDocuments.firstSeen})))`,
      })
      .from(upstreamDocuments)
      .where(and(inArray(upstreamDocuments.repositoryId, [...ids]), isNotNull(upstreamDocuments.body)))
      .groupBy(upstreamDocuments.repositoryId)
    return new Map(rows.map((row) => [row.id, { packages: row.packages, versions: row.versions }]))
  }

  /** What an upstream offers that is refused: names that are owned here, then others by subject. At most `limit`. */
  async issues(id: string, limit = 1_000): Promise<RefIssue[]> {
    const rows = await this.db.read
      .select({ ref: upstreamIssues.subject, reason: upstreamIssues.reason })
      .from(upstreamIssues)
      .where(eq(upstreamIssues.repositoryId, id))
      .orderBy(asc(upstreamIssues.subject))
      .limit(limit)
    const issues = [...(await conflictsOf(this.db.read, id, limit)), ...rows].slice(0, limit)
    return issues.map(({ ref, reason }) => ({ ref: withoutControls(ref), reason: withoutControls(reason) }))
  }
}

/** Adds the settings of a new upstream; its repository is stored before, in the same transaction. */
export function addUpstream(repositoryId: string, settings: UpstreamSettings): Alongside {
  return async (tx) => {
    await tx.insert(upstreams).values({ repositoryId, ...settings, changesRead: null, revision: await countChange(tx) })
  }
}

/**
 * Changes settings of an upstream, and counts the change whether they or those of its repository changed; what they
 * were and are. Does nothing for a repository that is no upstream. One that `moved`, to another address or credential,
 * is asked for everything as if nothing were known; what is known serves until it has answered. `now` in Unix seconds.
 */
export async function changeUpstream(
  tx: Queries,
  repositoryId: string,
  { upstream, moved }: { upstream: Partial<UpstreamSettings>; moved: boolean },
  now: number,
): Promise<{ before: UpstreamRow | null; after: UpstreamRow | null }> {
  const mine = eq(upstreams.repositoryId, repositoryId)
  const before = (await tx.select().from(upstreams).where(mine).get()) ?? null
  if (before === null) return { before, after: null }
  const change = {
    ...upstream,
    ...(moved ? { changesRead: null, namesDigest: '' } : {}),
    revision: await countChange(tx),
  }
  const after = await tx.update(upstreams).set(change).where(mine).returning().get()
  await redate(tx, repositoryId, now)
  if (moved) {
    await tx.delete(upstreamFiles).where(eq(upstreamFiles.repositoryId, repositoryId))
    await tx
      .update(upstreamDocuments)
      .set({ etag: null, lastModified: null, checkedAt: due(after, now) })
      .where(eq(upstreamDocuments.repositoryId, repositoryId))
  }
  return { before, after }
}

/** Documents between two rests of the event loop. */
const PER_REST = 500

/** Settings decide what is shown in documents, so those are dated anew. */
async function redate(tx: Queries, repositoryId: string, now: number): Promise<void> {
  const mine = eq(upstreamDocuments.repositoryId, repositoryId)
  const names = await tx.selectDistinct({ name: upstreamDocuments.name }).from(upstreamDocuments).where(mine)
  for await (const some of chunks(names, PER_REST)) {
    const named = inArray(
      upstreamDocuments.name,
      some.map(({ name }) => name),
    )
    await tx
      .update(upstreamDocuments)
      .set({ modifiedAt: sql`max(${now}, ${upstreamDocuments.modifiedAt} + 1)` })
      .where(and(mine, named))
  }
}

/** Counts a change of upstreams, which changes what is offered here; the new count. */
export const countChange = nextRevision

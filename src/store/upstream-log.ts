import { and, eq, inArray, isNotNull, type SQL, sql } from 'drizzle-orm'
import type { Database } from './database.ts'
import { upstreamDocuments, upstreams } from './schema-upstream.ts'
import { nextRevision } from './settings.ts'

/** A document as far as the log of changes of its upstream concerns it. */
export interface LoggedDocument {
  readonly name: string
  readonly dev: boolean
  /** When the upstream last said that this is what it has, Unix seconds. */
  readonly checkedAt: number
  /** `Last-Modified` as the upstream sent it. */
  readonly lastModified: string | null
  /** False when what is known is that the upstream has no such document. */
  readonly held: boolean
}

/** An upstream as it was when a look at it began: what is found out about it counts only while it is the same. */
export interface UpstreamAsOf {
  readonly id: string
  readonly revision: number
}

/** Where the logs of upstreams were read up to, and what they say of documents that are known here. */
export class UpstreamLogTable {
  constructor(private readonly db: Database) {}

  /** Where the log was read up to, in 1/10,000 seconds; null when it is not followed. */
  async read(id: string): Promise<number | null> {
    const mine = eq(upstreams.repositoryId, id)
    const row = await this.db.read.select({ read: upstreams.changesRead }).from(upstreams).where(mine).get()
    return row?.read ?? null
  }

  /** What is known of documents of these packages. */
  async known(id: string, names: readonly string[]): Promise<LoggedDocument[]> {
    return this.db.read
      .select({
        name: upstreamDocuments.name,
        dev: upstreamDocuments.dev,
        checkedAt: upstreamDocuments.checkedAt,
        lastModified: upstreamDocuments.lastModified,
        held: sql<boolean>`${upstreamDocuments.body} IS NOT NULL`.mapWith(Boolean),
      })
      .from(upstreamDocuments)
      .where(and(eq(upstreamDocuments.repositoryId, id), among(names)))
  }

  /**
   * Notes up to where the log was read, and makes documents due: the next request for one asks the upstream, and gets
   * what is known while that cannot be asked. Of packages that are `gone` a single denial then counts, where otherwise
   * one alone is not believed. Notes nothing when the upstream is not any more what it was. `now` in Unix seconds.
   */
  async note(
    upstream: UpstreamAsOf,
    found: { readonly due: readonly LoggedDocument[] | 'all'; readonly gone: readonly string[]; readonly read: number },
    now: number,
  ): Promise<void> {
    await this.db.write(async (tx) => {
      const [before] = await tx.select().from(upstreams).where(as(upstream))
      if (before === undefined) return
      // That the log is followed is a setting of a kind: documents are fresh for longer.
      const revision = before.changesRead === null ? await nextRevision(tx) : before.revision
      await tx.update(upstreams).set({ changesRead: found.read, revision }).where(as(upstream))
      const mine = eq(upstreamDocuments.repositoryId, upstream.id)
      const aged = { checkedAt: due(before, now) }
      const meant = found.due === 'all' ? undefined : pairs(found.due)
      await tx.update(upstreamDocuments).set(aged).where(and(mine, meant))
      const gone = and(mine, among(found.gone), isNotNull(upstreamDocuments.body))
      await tx
        .update(upstreamDocuments)
        .set({ ...aged, missingSince: LONG_AGO })
        .where(gone)
    })
  }

  /** Notes that there is no log to follow. */
  async leave(upstream: UpstreamAsOf): Promise<void> {
    await this.db.write(async (tx) => {
      const [before] = await tx.select().from(upstreams).where(as(upstream))
      if (before === undefined || before.changesRead === null) return
      await tx
        .update(upstreams)
        .set({ changesRead: null, revision: await nextRevision(tx) })
        .where(as(upstream))
    })
  }
}

/** How long a document may be fresh whatever `fresh_for` says, in seconds. */
const LONGEST_FRESH = 600

/** When a document that is due was checked, as far as it counts: it has aged, and may be served as long as any that has. */
export function due({ freshFor }: { readonly freshFor: number }, now: number): SQL {
  return sql`min(${upstreamDocuments.checkedAt}, ${dueBefore(freshFor, now)})`
}

/** A document that was last checked by then is due, in Unix seconds. */
export function dueBefore(freshFor: number, now: number): number {
  return now - Math.max(freshFor, LONGEST_FRESH)
}

/** A denial as old as this was confirmed. */
const LONG_AGO = 1

function as({ id, revision }: UpstreamAsOf) {
  return and(eq(upstreams.repositoryId, id), eq(upstreams.revision, revision))
}

function among(names: readonly string[]): SQL {
  return inArray(upstreamDocuments.name, sql`(SELECT value FROM json_each(${JSON.stringify(names)}))`)
}

function pairs(documents: readonly LoggedDocument[]): SQL {
  const list = JSON.stringify(documents.map(({ name, dev }) => [name, dev ? 1 : 0]))
  return sql`(${upstreamDocuments.name}, ${upstreamDocuments.dev}) IN (SELECT value ->> 0, value ->> 1 FROM json_each(${list}))`
}

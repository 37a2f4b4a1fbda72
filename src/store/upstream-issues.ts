import { and, eq, notLike, sql } from 'drizzle-orm'
import type { Database } from './database.ts'
import { upstreamIssues, upstreams } from './schema-upstream.ts'

/** Something an upstream offers that is refused. */
export type UpstreamIssue = typeof upstreamIssues.$inferSelect

/** A document that was read again. */
export interface ReadDocument {
  readonly repositoryId: string
  readonly name: string
  readonly dev: boolean
}

/** What upstreams offer that is refused. */
export class UpstreamIssueTable {
  constructor(private readonly db: Database) {}

  /**
   * Writes what was found in documents. What was found before in those that were read again is over, unless it is found
   * again; what is about archives stays, since no document tells of those.
   */
  async replace(documents: readonly ReadDocument[], issues: readonly UpstreamIssue[]): Promise<void> {
    await this.db.write(async (tx) => {
      for (const { repositoryId, name, dev } of documents) {
        const isBranch = sql`(${upstreamIssues.subject} LIKE '% dev-%' OR ${upstreamIssues.subject} LIKE '%-dev')`
        const about = sql`substr(${upstreamIssues.subject}, 1, ${name.length + 1}) = ${`${name} `}`
        await tx
          .delete(upstreamIssues)
          .where(
            and(
              eq(upstreamIssues.repositoryId, repositoryId),
              about,
              dev ? isBranch : sql`NOT ${isBranch}`,
              notLike(upstreamIssues.reason, 'The archive %'),
            ),
          )
      }
      for (const issue of issues) {
        const known = await tx.select().from(upstreams).where(eq(upstreams.repositoryId, issue.repositoryId)).get()
        if (!known) continue
        await tx
          .insert(upstreamIssues)
          .values(issue)
          .onConflictDoUpdate({
            target: [upstreamIssues.repositoryId, upstreamIssues.subject],
            set: { reason: issue.reason, at: issue.at },
          })
      }
    })
  }
}

import { and, eq, inArray, sql } from 'drizzle-orm'
import type { Database } from './database.ts'
import { manyRows } from './many-rows.ts'
import { upstreamAdvisories, upstreams } from './schema-upstream.ts'

/** Advisories of a package as an upstream gave them. */
export interface StoredAdvisories {
  /** Lower-case full name. */
  readonly name: string
  /** JSON list. */
  readonly content: string
  /** Unix seconds. */
  readonly checkedAt: number
}

/** Complete advisories of upstreams, kept for when those cannot be asked. */
export class UpstreamAdvisoryTable {
  constructor(private readonly db: Database) {}

  /** What is kept of these packages, by name. */
  async find(repositoryId: string, names: readonly string[]): Promise<Map<string, StoredAdvisories>> {
    const wanted = sql`(SELECT value FROM json_each(${JSON.stringify(names)}))`
    const rows = await this.db.read
      .select()
      .from(upstreamAdvisories)
      .where(and(eq(upstreamAdvisories.repositoryId, repositoryId), inArray(upstreamAdvisories.name, wanted)))
    return new Map(rows.map((row) => [row.name, row]))
  }

  /** Keeps what an upstream gave. Nothing when it was removed meanwhile. */
  async save(repositoryId: string, found: readonly StoredAdvisories[]): Promise<void> {
    if (found.length === 0) return
    await this.db.write(async (tx) => {
      if (!(await tx.select().from(upstreams).where(eq(upstreams.repositoryId, repositoryId)).get())) return
      const rows = found.map((row) => ({ ...row, repositoryId }))
      await tx
        .insert(upstreamAdvisories)
        .select(manyRows(upstreamAdvisories, rows))
        .onConflictDoUpdate({
          target: [upstreamAdvisories.repositoryId, upstreamAdvisories.name],
          set: { content: sql`excluded.content`, checkedAt: sql`excluded.checked_at` },
        })
    })
  }
}

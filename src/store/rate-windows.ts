import { and, eq, lt, sql } from 'drizzle-orm'
import type { Database } from './database.ts'
import { rateWindows } from './schema-access.ts'

/** Requests of a token in the hour that begins at `startsAt` (Unix seconds). */
export interface WindowCount {
  readonly tokenId: string
  readonly startsAt: number
  readonly requests: number
}

/** How many requests each token has made per hour, added up over all instances on the database. */
export class RateWindowTable {
  constructor(private readonly db: Database) {}

  /** Requests counted so far. */
  async count(tokenId: string, startsAt: number): Promise<number> {
    const wanted = and(eq(rateWindows.tokenId, tokenId), eq(rateWindows.startsAt, startsAt))
    const row = await this.db.read.select({ requests: rateWindows.requests }).from(rateWindows).where(wanted).get()
    return row?.requests ?? 0
  }

  /**
   * Adds requests, or takes them back, in one statement; those of tokens that are gone are dropped. Returns the counts
   * as they are then, with what other instances have added.
   */
  async add(changes: readonly WindowCount[]): Promise<WindowCount[]> {
    if (changes.length === 0) return []
    const rows = JSON.stringify(changes)
    const field = (name: string) => sql`json_extract(change.value, ${`$.${name}`})`
    return this.db.write((tx) =>
      tx.all<WindowCount>(sql`
        INSERT INTO rate_windows (token_id, starts_at, requests)
        SELECT tokens.id, ${field('startsAt')}, ${field('requests')}
        FROM json_each(${rows}) AS change JOIN tokens ON tokens.id = ${field('tokenId')} WHERE true
        ON CONFLICT (token_id, starts_at) DO UPDATE SET requests = max(0, requests + excluded.requests)
        RETURNING token_id AS tokenId, starts_at AS startsAt, requests`),
    )
  }

  /** Forgets hours that began before this. */
  async prune(before: number): Promise<void> {
    await this.db.write((tx) => tx.delete(rateWindows).where(lt(rateWindows.startsAt, before)))
  }
}

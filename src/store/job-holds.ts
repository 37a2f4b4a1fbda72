import { and, eq, inArray, lt, or, type SQL, sql } from 'drizzle-orm'
import type { Database } from './database.ts'
import { jobs, repositories } from './schema.ts'

/** Jobs that must wait, and why: what is shown of their repositories meanwhile. */
export interface JobHold {
  readonly host: string
  /** Only jobs with this credential; null for those of the host. */
  readonly credential: string | null
  /** Only jobs of a lower priority; null for all. */
  readonly below: number | null
  /** Unix seconds; they start up to `spread` seconds later. */
  readonly until: number
  readonly spread: number
  readonly code: string
  readonly message: string
}

/** Which jobs may be claimed at the moment. */
export interface ClaimBounds {
  /** Hosts and credentials that have as many jobs running as they may. */
  readonly hosts: readonly string[]
  readonly credentials: readonly string[]
  readonly holds: readonly JobHold[]
}

/** Every job that is ready. */
export const UNBOUNDED: ClaimBounds = { hosts: [], credentials: [], holds: [] }

/** The condition that a job is inside these bounds. */
export function insideBounds({ hosts, credentials, holds }: ClaimBounds): SQL | undefined {
  return and(
    hosts.length === 0 ? undefined : sql`${jobs.host} NOT IN ${[...hosts]}`,
    credentials.length === 0 ? undefined : sql`${jobs.credential} NOT IN ${[...credentials]}`,
    holds.length === 0 ? undefined : sql`NOT (${or(...holds.map(heldBy))})`,
  )
}

/** Puts off jobs that must wait, and shows at their repositories until when and why. */
export class JobHolds {
  constructor(private readonly db: Database) {}

  /**
   * Every waiting job that a hold is about starts after it, and its repository says so; its status stays. Returns how
   * many were put off.
   */
  async apply(hold: JobHold): Promise<number> {
    const early = and(eq(jobs.state, 'queued'), lt(jobs.runAt, hold.until), heldBy(hold))
    // Looking first spares a write transaction, for this is asked each second.
    if (!(await this.db.read.select({ id: jobs.id }).from(jobs).where(early).limit(1).get())) return 0
    return this.db.write(async (tx) => {
      const later = sql`${hold.until} + abs(random() % ${hold.spread + 1})`
      const moved = await tx.update(jobs).set({ runAt: later }).where(early).returning({ id: jobs.repositoryId })
      const ids = sql`(SELECT value FROM json_each(${JSON.stringify(moved.map(({ id }) => id))}))`
      await tx
        .update(repositories)
        .set({
          errorCode: hold.code,
          errorMessage: hold.message,
          nextSyncAt: sql`(SELECT run_at FROM jobs WHERE dedupe_key = ${repositories.id})`,
        })
        .where(inArray(repositories.id, ids))
      return moved.length
    })
  }
}

function heldBy({ host, credential, below }: JobHold): SQL | undefined {
  return and(
    eq(jobs.host, host),
    credential === null ? undefined : eq(jobs.credential, credential),
    below === null ? undefined : lt(jobs.priority, below),
  )
}

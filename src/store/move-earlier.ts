import { and, eq, isNotNull, sql } from 'drizzle-orm'
import type { Database } from './database.ts'
import { jobs, repositories } from './schema.ts'
import { discoveries } from './schema-hosts.ts'

/**
 * Moves everything that waits for a time to `seconds` earlier, after the clock was set back by as much: what was due in
 * a minute is due in a minute still, and not when the clock comes there again.
 */
export async function moveEarlier(db: Database, seconds: number): Promise<void> {
  await db.write(async (tx) => {
    await tx.update(repositories).set({ nextSyncAt: sql`${repositories.nextSyncAt} - ${seconds}` })
    await tx
      .update(jobs)
      .set({ runAt: sql`${jobs.runAt} - ${seconds}` })
      .where(eq(jobs.state, 'queued'))
    await tx
      .update(jobs)
      .set({ leaseUntil: sql`${jobs.leaseUntil} - ${seconds}` })
      .where(and(eq(jobs.state, 'running'), isNotNull(jobs.leaseUntil)))
    await tx.update(discoveries).set({ nextLookAt: sql`${discoveries.nextLookAt} - ${seconds}` })
  })
}

import { and, eq } from 'drizzle-orm'
import { turn } from '../pacer.ts'
import type { Queries } from './database.ts'
import { packages } from './schema.ts'
import { nextRevision } from './settings.ts'

/** Packages between two rests of the event loop. */
const PER_REST = 25

/**
 * Dates the documents of a repository's packages anew, inside a write transaction, because something is shown in them
 * that belongs to the repository. `now` in Unix seconds.
 */
export async function republish(tx: Queries, repositoryId: string, now: number): Promise<void> {
  const mine = and(eq(packages.repositoryId, repositoryId), eq(packages.offered, true))
  const rows = await tx.select({ id: packages.id, modifiedAt: packages.modifiedAt }).from(packages).where(mine)
  for (const [index, row] of rows.entries()) {
    if (index % PER_REST === PER_REST - 1) await turn()
    const modifiedAt = Math.max(now, row.modifiedAt + 1)
    await tx
      .update(packages)
      .set({ revision: await nextRevision(tx), modifiedAt, updatedAt: now })
      .where(eq(packages.id, row.id))
  }
}

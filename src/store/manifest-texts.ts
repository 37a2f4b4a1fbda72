import { eq } from 'drizzle-orm'
import { AppError } from '../errors.ts'
import { turn } from '../pacer.ts'
import type { Database, Queries } from './database.ts'
import { manifests, repositories } from './schema.ts'
import type { SyncOutcome } from './sync-state.ts'

type Text = SyncOutcome['manifests'][number]

/** Rows per statement: SQLite binds at most 32,766 values. */
const ROWS = 200
/** Characters per statement. */
const TEXT_PER_STATEMENT = 256 * 1024
/** Characters per transaction: what is written back to the database file at its end holds up everything else. */
const TEXT_PER_TRANSACTION = 1024 * 1024

/**
 * Writes all but the last of many composer.json texts, in transactions of their own, and returns the rest. A text stands
 * under the digest of its content and means nothing until a version names it, so it may be there earlier; what a sync
 * that fails leaves is what the next one need not fetch.
 * Throws AppError('conflict') when the repository was deleted.
 */
export async function saveManifestsAhead(db: Database, { repositoryId, manifests }: SyncOutcome): Promise<Text[]> {
  const portions = [...portionsOf(manifests, TEXT_PER_TRANSACTION, Number.POSITIVE_INFINITY)]
  const rest = portions.pop() ?? []
  for (const portion of portions) {
    await db.write(async (tx) => {
      const known = tx.select({ id: repositories.id }).from(repositories).where(eq(repositories.id, repositoryId))
      if (!(await known.get())) throw new AppError('conflict', 'The repository was deleted meanwhile.')
      await saveManifests(tx, repositoryId, portion)
    })
    await turn()
  }
  return rest
}

/** Writes composer.json texts, inside a write transaction. */
export async function saveManifests(tx: Queries, repositoryId: string, texts: readonly Text[]): Promise<void> {
  for (const portion of portionsOf(texts, TEXT_PER_STATEMENT, ROWS)) {
    await tx
      .insert(manifests)
      .values(portion.map((text) => ({ repositoryId, ...text })))
      .onConflictDoNothing()
    await turn()
  }
}

function* portionsOf(texts: readonly Text[], size: number, rows: number): Generator<Text[]> {
  let portion: Text[] = []
  let characters = 0
  for (const text of texts) {
    portion.push(text)
    characters += text.content.length
    if (portion.length < rows && characters < size) continue
    yield portion
    portion = []
    characters = 0
  }
  if (portion.length > 0) yield portion
}

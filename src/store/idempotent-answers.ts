import { and, eq, lte, sql } from 'drizzle-orm'
import { AppError } from '../errors.ts'
import type { Alongside, Database } from './database.ts'
import { idempotentAnswers } from './schema-access.ts'

/** How long the first answer to a key is repeated, in seconds. */
export const REPEATED_FOR = 86_400

/** An answer that is kept, sealed. */
export type IdempotentAnswerRow = typeof idempotentAnswers.$inferSelect

/** The key was used before, by a request that came first. */
export class KeyUsedError extends AppError {
  constructor() {
    super('conflict', 'This Idempotency-Key was used a moment ago.')
  }
}

/** The first answers to requests with an Idempotency-Key. Times are Unix seconds. */
export class IdempotentAnswerTable {
  constructor(private readonly db: Database) {}

  /** What was answered to this key after `since`, or null. */
  async find(scope: string, key: string, since: number): Promise<IdempotentAnswerRow | null> {
    const row = await this.db.read.select().from(idempotentAnswers).where(at(scope, key)).get()
    return row && row.createdAt > since ? row : null
  }

  /**
   * Keeps an answer in the transaction of what it tells of: nothing is reserved beforehand, so a crash leaves either
   * both or neither, and of two requests with one key the second undoes its own change. What was kept for the key until
   * `since` gives way. The transaction throws KeyUsedError when there is a later one.
   */
  keeping(row: IdempotentAnswerRow, since: number): Alongside {
    return async (tx) => {
      await tx.delete(idempotentAnswers).where(and(at(row.scope, row.key), lte(idempotentAnswers.createdAt, since)))
      const kept = await tx.insert(idempotentAnswers).values(row).onConflictDoNothing().returning({ one: sql`1` })
      if (kept.length === 0) throw new KeyUsedError()
    }
  }

  /** How many were kept until `since`. */
  async countOld(since: number): Promise<number> {
    const row = await this.db.read
      .select({ count: sql<number>`count(*)` })
      .from(idempotentAnswers)
      .where(lte(idempotentAnswers.createdAt, since))
      .get()
    return row?.count ?? 0
  }

  /** Drops what was kept until `since`. */
  async dropOld(since: number): Promise<void> {
    const old = lte(idempotentAnswers.createdAt, since)
    // Looking first spares an idle server the write.
    if (!(await this.db.read.select({ one: sql`1` }).from(idempotentAnswers).where(old).limit(1).get())) return
    await this.db.write((tx) => tx.delete(idempotentAnswers).where(old))
  }
}

function at(scope: string, key: string) {
  return and(eq(idempotentAnswers.scope, scope), eq(idempotentAnswers.key, key))
}

/** Where the body of a request or its answer is stored, which is what it is sealed to. */
export function answerPlace(what: 'body' | 'answer', { scope, key }: { scope: string; key: string }): string {
  return `idempotent_answers/${what}/${scope}/${key}`
}

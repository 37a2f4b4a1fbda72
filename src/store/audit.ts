import { and, asc, count, desc, eq, gt, gte, lt, lte, type SQL } from 'drizzle-orm'
import { type ChainHead, type ChainVerdict, chainHead, followChain, hashOf } from './audit-chain.ts'
import type { Alongside, Database } from './database.ts'
import { auditEntries } from './schema-access.ts'

/** An entry of the audit as stored. */
export type AuditRow = Omit<typeof auditEntries.$inferSelect, 'previousHash'>

/** Which entries are asked for; times in Unix seconds, both ends included. */
export interface AuditFilter {
  readonly actor?: string
  readonly action?: string
  readonly subject?: string
  readonly since?: number
  readonly until?: number
}

/** An entry before it has a number. */
export type AuditDraft = Omit<AuditRow, 'id' | 'hash'>

/** Adds an entry in the transaction of the change that it records, so that the two never come apart. */
export function recording(draft: AuditDraft): Alongside {
  return async (tx) => {
    const { id: before, hash: previousHash } = await chainHead(tx)
    const entry = { ...draft, id: before + 1 }
    const texts = { before: jsonText(entry.before), after: jsonText(entry.after) }
    await tx.insert(auditEntries).values({ ...entry, previousHash, hash: hashOf({ ...entry, ...texts }, previousHash) })
  }
}

/** As drizzle stores it. */
function jsonText(value: Record<string, unknown> | null): string | null {
  return value === null ? null : JSON.stringify(value)
}

/** The record of changes. Entries are only ever added; triggers of the database refuse anything else. */
export class AuditTable {
  constructor(private readonly db: Database) {}

  /** Adds an entry of something that is no single transaction. */
  async add(entry: AuditDraft): Promise<void> {
    await this.db.write((tx) => recording(entry)(tx))
  }

  /** Follows the chain of hashes; `witness` is the id of an entry whose hash is asked for. */
  verify(witness?: number): Promise<ChainVerdict> {
    return followChain(this.db.read, witness)
  }

  /** The newest entry with its hash, to be noted where nobody who can write the database can write. */
  head(): Promise<ChainHead> {
    return chainHead(this.db.read)
  }

  /** A page of entries in this order; `cursor` is the id of the last entry of the page before. */
  async list(
    page: { limit: number; cursor: string | null; order: 'newest' | 'oldest' },
    filter: AuditFilter,
  ): Promise<{ rows: AuditRow[]; total: number; next: string | null }> {
    const wanted = conditionsOf(filter)
    const [beyond, direction] = page.order === 'newest' ? [lt, desc] : [gt, asc]
    const rest = page.cursor === null ? undefined : beyond(auditEntries.id, Number(page.cursor))
    const [rows, total] = await Promise.all([
      this.db.read
        .select()
        .from(auditEntries)
        .where(and(wanted, rest))
        .orderBy(direction(auditEntries.id))
        .limit(page.limit + 1),
      this.db.read.select({ total: count() }).from(auditEntries).where(wanted).get(),
    ])
    const shown = rows.slice(0, page.limit)
    const last = shown.at(-1)
    return { rows: shown, total: total?.total ?? 0, next: rows.length > page.limit && last ? String(last.id) : null }
  }
}

function conditionsOf({ actor, action, subject, since, until }: AuditFilter): SQL | undefined {
  return and(
    actor === undefined ? undefined : eq(auditEntries.actor, actor),
    action === undefined ? undefined : eq(auditEntries.action, action),
    subject === undefined ? undefined : eq(auditEntries.subject, subject),
    since === undefined ? undefined : gte(auditEntries.at, since),
    until === undefined ? undefined : lte(auditEntries.at, until),
  )
}

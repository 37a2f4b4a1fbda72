import { and, count, desc, eq, gte, lt, lte, type SQL } from 'drizzle-orm'
import type { Database } from './database.ts'
import { auditEntries } from './schema-access.ts'

/** An entry of the audit as stored. */
export type AuditRow = typeof auditEntries.$inferSelect

/** Which entries are asked for; times in Unix seconds, both ends included. */
export interface AuditFilter {
  readonly actor?: string
  readonly action?: string
  readonly subject?: string
  readonly since?: number
  readonly until?: number
}

/** The record of changes. Entries are only ever added. */
export class AuditTable {
  constructor(private readonly db: Database) {}

  /** Adds an entry. */
  async add(entry: Omit<AuditRow, 'id'>): Promise<void> {
    await this.db.write((tx) => tx.insert(auditEntries).values(entry))
  }

  /** A page of entries, newest first; `cursor` is the id of the last entry of the page before. */
  async list(
    page: { limit: number; cursor: string | null },
    filter: AuditFilter,
  ): Promise<{ rows: AuditRow[]; total: number; next: string | null }> {
    const wanted = conditionsOf(filter)
    const before = page.cursor === null ? undefined : lt(auditEntries.id, Number(page.cursor) || 0)
    const [rows, total] = await Promise.all([
      this.db.read
        .select()
        .from(auditEntries)
        .where(and(wanted, before))
        .orderBy(desc(auditEntries.id))
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

import { asc, gte, max } from 'drizzle-orm'
import type { Database } from './database.ts'
import { metadataChanges } from './schema-policy.ts'

/** The last change of a package's metadata. */
export interface MetadataChange {
  /** 1/10,000 seconds since 1970; no two changes have the same. */
  readonly stamp: number
  /** Lower-case full name. */
  readonly name: string
  readonly kind: 'update' | 'delete'
}

/** What changed when, for those who follow the metadata instead of asking for all of it again. */
export class MetadataChangeTable {
  constructor(private readonly db: Database) {}

  /** Changes from a stamp on, that one included, oldest first. At most `limit`. */
  since(stamp: number, limit: number): Promise<MetadataChange[]> {
    return this.db.read
      .select()
      .from(metadataChanges)
      .where(gte(metadataChanges.stamp, stamp))
      .orderBy(asc(metadataChanges.stamp))
      .limit(limit)
  }

  /** Stamp of the last change; 0 before the first one. */
  async latest(): Promise<number> {
    const row = await this.db.read
      .select({ stamp: max(metadataChanges.stamp) })
      .from(metadataChanges)
      .get()
    return row?.stamp ?? 0
  }
}

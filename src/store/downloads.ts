import { and, between, desc, eq, inArray, type SQL, sql } from 'drizzle-orm'
import type { Database } from './database.ts'
import { chunks } from './save-outcome.ts'
import { downloads, versions } from './schema.ts'

/** Downloads of a version on one day. */
export interface DownloadCount {
  readonly packageId: string
  /** Normalised form. */
  readonly version: string
  /** `2026-11-22`, UTC. */
  readonly day: string
  readonly count: number
}

/** Which downloads of a package; days are `2026-11-22`, both included. */
export interface DownloadRange {
  readonly packageId: string
  readonly from: string
  readonly to: string
  /** Normalised versions that count; null for all. */
  readonly versions: readonly string[] | null
}

/** Downloads per version and day. */
export class DownloadTable {
  constructor(private readonly db: Database) {}

  /** Adds to the counts. What is no version of its package is left out. */
  async add(counts: readonly DownloadCount[]): Promise<void> {
    await this.db.write(async (tx) => {
      for await (const some of chunks(counts)) {
        const rows = JSON.stringify(some.map(({ packageId, version, day, count }) => [packageId, version, day, count]))
        await tx.run(sql`
          INSERT INTO downloads (package_id, version, day, count)
          SELECT v.package_id, v.version_normalized, entry.value ->> 2, entry.value ->> 3
          FROM json_each(${rows}) AS entry
          JOIN versions AS v ON v.package_id = entry.value ->> 0 AND v.version_normalized = entry.value ->> 1
          WHERE true
          ON CONFLICT (package_id, version, day) DO UPDATE SET count = downloads.count + excluded.count`)
      }
    })
  }

  /** Downloads of packages since ever, by package; one without any is missing. */
  async totals(packageIds: readonly string[]): Promise<Map<string, number>> {
    const totals = new Map<string, number>()
    for await (const some of chunks(packageIds)) {
      const rows = await this.db.read
        .select({ packageId: downloads.packageId, count: SUM })
        .from(downloads)
        .where(inArray(downloads.packageId, [...some]))
        .groupBy(downloads.packageId)
      for (const row of rows) totals.set(row.packageId, row.count)
    }
    return totals
  }

  /** Downloads of packages since ever, by package and normalised version. */
  async versionTotals(packageIds: readonly string[]): Promise<Map<string, Map<string, number>>> {
    const totals = new Map<string, Map<string, number>>()
    for await (const some of chunks(packageIds)) {
      const rows = await this.db.read
        .select({ packageId: downloads.packageId, version: downloads.version, count: SUM })
        .from(downloads)
        .where(inArray(downloads.packageId, [...some]))
        .groupBy(downloads.packageId, downloads.version)
      for (const { packageId, version, count } of rows) {
        const known = totals.get(packageId) ?? new Map<string, number>()
        totals.set(packageId, known.set(version, count))
      }
    }
    return totals
  }

  /** Downloads by day, earliest first; days without any are missing. */
  byDay(range: DownloadRange): Promise<{ day: string; count: number }[]> {
    return this.db.read
      .select({ day: downloads.day, count: SUM })
      .from(downloads)
      .where(within(range))
      .groupBy(downloads.day)
      .orderBy(downloads.day)
  }

  /** Downloads by version in its pretty form, most first; versions without any are missing. */
  byVersion(range: DownloadRange): Promise<{ version: string; count: number }[]> {
    const pretty = sql<string>`coalesce(${versions.version}, ${downloads.version})`
    return this.db.read
      .select({ version: pretty, count: SUM })
      .from(downloads)
      .leftJoin(
        versions,
        and(eq(versions.packageId, downloads.packageId), eq(versions.versionNormalized, downloads.version)),
      )
      .where(within(range))
      .groupBy(downloads.version)
      .orderBy(desc(SUM), downloads.version)
  }
}

const SUM = sql<number>`CAST(sum(${downloads.count}) AS INTEGER)`

function within({ packageId, from, to, versions: counted }: DownloadRange): SQL | undefined {
  return and(
    eq(downloads.packageId, packageId),
    between(downloads.day, from, to),
    counted === null
      ? undefined
      : sql`${downloads.version} IN (SELECT value FROM json_each(${JSON.stringify(counted)}))`,
  )
}

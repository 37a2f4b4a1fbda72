import { and, asc, eq, isNull } from 'drizzle-orm'
import type { Database } from './database.ts'
import { manifestProvides, packages, versions } from './schema.ts'
import type { VersionRow } from './sync-state.ts'

/** A version that provides or replaces a name. */
export type Provider = Pick<VersionRow, 'versionNormalized' | 'alias' | 'releasedAt'> & {
  /** Lower-case full name of its package. */
  readonly name: string
  readonly prettyName: string
  readonly description: string | null
  readonly type: string
}

/** Most versions looked at for one name. */
const MOST = 10_000

/** Which packages stand in for a name. */
export class ProviderTable {
  constructor(private readonly db: Database) {}

  /** Offered versions of other packages that provide or replace a lower-case name, by name of their package. */
  of(name: string): Promise<Provider[]> {
    const { versionNormalized, alias, releasedAt } = versions
    return this.db.read
      .select({
        name: packages.name,
        prettyName: packages.prettyName,
        description: packages.description,
        type: packages.type,
        ...{ versionNormalized, alias, releasedAt },
      })
      .from(manifestProvides)
      .innerJoin(packages, eq(packages.repositoryId, manifestProvides.repositoryId))
      .innerJoin(
        versions,
        and(eq(versions.packageId, packages.id), eq(versions.blob, manifestProvides.blob), isNull(versions.hiddenAt)),
      )
      .where(eq(manifestProvides.name, name))
      .orderBy(asc(packages.name))
      .limit(MOST)
  }
}

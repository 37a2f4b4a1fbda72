import { and, asc, count, desc, eq, gt, inArray, isNotNull, isNull, type SQL, sql } from 'drizzle-orm'
import type { Database } from './database.ts'
import { type Page, type PageOf, pageOf, totalOf } from './paging.ts'
import { chunks } from './save-outcome.ts'
import { manifests, packages, publishedReferences, repositories, versions } from './schema.ts'
import { currentRevision } from './settings.ts'
import type { VersionRow } from './sync-state.ts'

/** A package as stored. */
export type PackageRow = typeof packages.$inferSelect

/** Versions of a package with what a document of them needs. */
export interface PackageContent {
  readonly versions: readonly VersionRow[]
  /** composer.json texts by blob. */
  readonly manifests: ReadonlyMap<string, string>
  /** Address to write as `source`; null unless the repository exposes it. */
  readonly sourceUrl: string | null
}

/** Where the files of a version come from. */
export interface PublishedReference {
  readonly repositoryId: string
  readonly reference: string
  /** Pretty form of the version it was published as. */
  readonly version: string
  readonly versionNormalized: string
  readonly alias: string | null
  /** Unix seconds. */
  readonly releasedAt: number
}

/** Which packages a list shows. */
export interface PackageFilter {
  readonly repositoryId?: string
  /** Part of the name or description. */
  readonly text?: string
  readonly type?: string
  /** Starts of names that are shown. With no `names` either, all packages are. */
  readonly prefixes: readonly string[]
  /** Single names that are shown, beside those of `prefixes`. */
  readonly names?: readonly string[]
  /** Shows packages too that offer nothing at the moment. */
  readonly withEmpty?: boolean
}

/** A version as far as it decides what is seen of its package. */
export type VersionOutline = Pick<
  VersionRow,
  'packageId' | 'version' | 'versionNormalized' | 'stability' | 'alias' | 'releasedAt' | 'defaultBranch'
>

/** The packages owned here. */
export class PackageTable {
  constructor(private readonly db: Database) {}

  /** The number of the last change of any package. */
  revision(): Promise<number> {
    return currentRevision(this.db.read)
  }

  /** Packages that changed after a revision, in order of change. */
  changedSince(revision: number): Promise<PackageRow[]> {
    return this.db.read.select().from(packages).where(gt(packages.revision, revision)).orderBy(asc(packages.revision))
  }

  /** Offered versions of a package, and what a document of them is made from. */
  async content(packageId: string): Promise<PackageContent> {
    const visible = and(eq(versions.packageId, packageId), isNull(versions.hiddenAt))
    const owner = await this.db.read
      .select({
        id: repositories.id,
        url: repositories.url,
        vcsType: repositories.vcsType,
        exposed: repositories.exposeSource,
      })
      .from(repositories)
      .innerJoin(packages, eq(packages.repositoryId, repositories.id))
      .where(eq(packages.id, packageId))
      .get()
    const rows = await this.db.read.select().from(versions).where(visible)
    const blobs = this.db.read.selectDistinct({ blob: versions.blob }).from(versions).where(visible)
    const texts = await this.db.read
      .select()
      .from(manifests)
      .where(and(eq(manifests.repositoryId, owner?.id ?? ''), inArray(manifests.blob, blobs)))
    return {
      versions: rows,
      manifests: new Map(texts.map((row) => [row.blob, row.content])),
      sourceUrl: owner?.exposed && owner.vcsType !== 'artifact' ? owner.url : null,
    }
  }

  /** All versions of a package, newest release first, hidden ones left out. */
  versions(packageId: string): Promise<VersionRow[]> {
    return this.db.read
      .select()
      .from(versions)
      .where(and(eq(versions.packageId, packageId), isNull(versions.hiddenAt)))
      .orderBy(desc(versions.releasedAt))
  }

  /** Where a version's files come from, also of one that is hidden now. `versionNormalized` is the second key tried. */
  async publishedVersion(
    packageId: string,
    version: string,
    versionNormalized: string | null,
  ): Promise<PublishedReference | null> {
    const named = or(eq(versions.version, version), versionNormalized)
    const row = await this.db.read
      .select({ owner: packages.repositoryId, ...pick(versions) })
      .from(versions)
      .innerJoin(packages, eq(packages.id, versions.packageId))
      .where(and(eq(versions.packageId, packageId), named))
      .orderBy(desc(sql`${versions.version} = ${version}`))
      .get()
    return row?.owner ? { ...row, repositoryId: row.owner } : null
  }

  /** Where a reference's files come from, when it was ever published for the package. */
  async publishedReference(packageId: string, reference: string): Promise<PublishedReference | null> {
    const row = await this.db.read
      .select({ repositoryId: publishedReferences.repositoryId, ...pick(publishedReferences) })
      .from(publishedReferences)
      .where(and(eq(publishedReferences.packageId, packageId), eq(publishedReferences.reference, reference)))
      .get()
    return row ?? null
  }

  /** The package with this id, or null. */
  async find(id: string): Promise<PackageRow | null> {
    return (await this.db.read.select().from(packages).where(eq(packages.id, id)).get()) ?? null
  }

  /** A page of packages, oldest first. A cursor that the filter's names do not cover is as good as an unknown one. */
  async list(page: Page, filter: PackageFilter): Promise<PageOf<PackageRow>> {
    const covered = coveredNames(filter)
    const conditions = and(conditionsOf(filter), covered)
    const known = this.db.read
      .select({ place: sql`${packages.createdAt}, ${packages.id}` })
      .from(packages)
      .where(and(eq(packages.id, page.cursor ?? ''), covered))
    const after = page.cursor === null ? undefined : gt(sql`(${packages.createdAt}, ${packages.id})`, sql`(${known})`)
    const rows = await this.db.read
      .select()
      .from(packages)
      .where(and(conditions, after))
      .orderBy(asc(packages.createdAt), asc(packages.id))
      .limit(page.limit + 1)
    const total = await totalOf(page, rows, () =>
      this.db.read.select({ total: count() }).from(packages).where(conditions).get(),
    )
    return pageOf(rows, total, page)
  }

  /** Offered versions of several packages, by package. */
  async outlines(packageIds: readonly string[]): Promise<Map<string, VersionOutline[]>> {
    const found: VersionOutline[] = []
    for await (const some of chunks(packageIds, PACKAGES_PER_QUERY)) {
      const { packageId, version, versionNormalized, stability, alias, releasedAt, defaultBranch } = versions
      const rows = await this.db.read
        .select({ packageId, version, versionNormalized, stability, alias, releasedAt, defaultBranch })
        .from(versions)
        .where(and(inArray(versions.packageId, [...some]), isNull(versions.hiddenAt)))
      found.push(...rows)
    }
    return Map.groupBy(found, (row) => row.packageId)
  }

  /** A version by its pretty form, else by its normalised one, also one that is hidden; null when there is none. */
  async version(packageId: string, version: string, versionNormalized: string | null): Promise<VersionRow | null> {
    const row = await this.db.read
      .select()
      .from(versions)
      .where(and(eq(versions.packageId, packageId), or(eq(versions.version, version), versionNormalized)))
      .orderBy(desc(sql`${versions.version} = ${version}`))
      .get()
    return row ?? null
  }

  /** Versions of a package that were taken back, in the order they were. */
  withdrawnVersions(packageId: string): Promise<VersionRow[]> {
    return this.db.read
      .select()
      .from(versions)
      .where(and(eq(versions.packageId, packageId), isNotNull(versions.withdrawnAt)))
      .orderBy(asc(versions.withdrawnAt), asc(versions.versionNormalized))
  }
}

/** Packages whose versions are read at once, between two rests of the event loop. */
const PACKAGES_PER_QUERY = 25

function or(left: SQL, versionNormalized: string | null): SQL {
  return versionNormalized === null ? left : sql`(${left} OR ${eq(versions.versionNormalized, versionNormalized)})`
}

function conditionsOf({ repositoryId, text, type, withEmpty }: PackageFilter): SQL | undefined {
  const pattern = `%${text?.replace(/[\\%_]/g, '\\$&')}%`
  return and(
    isNotNull(packages.repositoryId),
    withEmpty ? undefined : eq(packages.offered, true),
    repositoryId === undefined ? undefined : eq(packages.repositoryId, repositoryId),
    type === undefined ? undefined : eq(packages.type, type),
    text === undefined
      ? undefined
      : sql`(${packages.name} LIKE ${pattern} ESCAPE '\\' OR ${packages.description} LIKE ${pattern} ESCAPE '\\')`,
  )
}

/**
 * The names a filter covers, found through the index of names. As lists in JSON, because SQLite allows no thousand
 * alternatives in one expression; `~` sorts behind every character of a package name.
 */
function coveredNames({ prefixes, names = [] }: PackageFilter): SQL | undefined {
  if (prefixes.length === 0 && names.length === 0) return undefined
  return sql`${packages.name} IN (
    SELECT value FROM json_each(${JSON.stringify(names)})
    UNION ALL
    SELECT p.name FROM json_each(${JSON.stringify(prefixes)}) AS prefix
    CROSS JOIN packages AS p ON p.name >= prefix.value AND p.name < prefix.value || '~'
  )`
}

/** The columns of a published version that both tables have. */
function pick<Table extends typeof versions | typeof publishedReferences>(table: Table) {
  const { reference, version, versionNormalized, alias, releasedAt } = table
  return { reference, version, versionNormalized, alias, releasedAt }
}

import { and, asc, desc, eq, gt, inArray, isNotNull, isNull, type SQL, sql } from 'drizzle-orm'
import { turn } from '../pacer.ts'
import type { Database } from './database.ts'
import { type HostRepositoryRow, showsPages } from './host-repositories.ts'
import { chunks } from './save-outcome.ts'
import { manifests, packages, publishedReferences, repositories, versions } from './schema.ts'
import { hostRepositories } from './schema-hosts.ts'
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
  /** Null unless a host was asked, and its pages may be named. */
  readonly pages: RepositoryPages | null
}

/** Where the files of a version come from. */
export interface PublishedReference {
  readonly repositoryId: string
  readonly reference: string
  /** Directory in the repository; empty for all of it. */
  readonly path: string
  /** Pretty form of the version it was published as. */
  readonly version: string
  readonly versionNormalized: string
  readonly alias: string | null
  /** Unix seconds. */
  readonly releasedAt: number
}

/** A version as far as it decides what is seen of its package. */
export type VersionOutline = Pick<
  VersionRow,
  'packageId' | 'version' | 'versionNormalized' | 'stability' | 'alias' | 'releasedAt' | 'defaultBranch'
>

/** Where a host has the pages of a repository. */
export interface RepositoryPages {
  readonly vcsType: string
  readonly url: string
  readonly webUrl: string
  /** Null when issues are off. */
  readonly issuesUrl: string | null
}

const VERSIONS_PER_QUERY = 1_000

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
        exposeSource: repositories.exposeSource,
        visibility: hostRepositories.visibility,
        webUrl: hostRepositories.webUrl,
        issuesUrl: hostRepositories.issuesUrl,
      })
      .from(repositories)
      .innerJoin(packages, eq(packages.repositoryId, repositories.id))
      .leftJoin(hostRepositories, eq(hostRepositories.repositoryId, repositories.id))
      .where(eq(packages.id, packageId))
      .get()
    const rows = await this.visible(packageId)
    const blobs = this.db.read.selectDistinct({ blob: versions.blob }).from(versions).where(visible)
    const texts = await this.db.read
      .select()
      .from(manifests)
      .where(and(eq(manifests.repositoryId, owner?.id ?? ''), inArray(manifests.blob, blobs)))
    return {
      versions: rows,
      manifests: new Map(texts.map((row) => [row.blob, row.content])),
      sourceUrl: owner?.exposeSource && owner.vcsType !== 'artifact' ? owner.url : null,
      pages: owner === undefined ? null : pagesOf(owner),
    }
  }

  /** In slices: a package of thousands of versions would hold up everything else. */
  private async visible(packageId: string): Promise<VersionRow[]> {
    const found: VersionRow[] = []
    for (let last = ''; ; ) {
      const rows = await this.db.read
        .select()
        .from(versions)
        .where(and(eq(versions.packageId, packageId), gt(versions.versionNormalized, last), isNull(versions.hiddenAt)))
        .orderBy(asc(versions.versionNormalized))
        .limit(VERSIONS_PER_QUERY)
      for (const row of rows) found.push(row)
      if (rows.length < VERSIONS_PER_QUERY) return found
      last = rows.at(-1)?.versionNormalized ?? ''
      await turn()
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

  /** The versions of a package, hidden ones too, that are these files. */
  versionsAt(packageId: string, reference: string): Promise<Pick<VersionRow, 'versionNormalized' | 'alias'>[]> {
    return this.db.read
      .select({ versionNormalized: versions.versionNormalized, alias: versions.alias })
      .from(versions)
      .where(and(eq(versions.packageId, packageId), eq(versions.reference, reference)))
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

function pagesOf(owner: {
  vcsType: string
  url: string
  exposeSource: boolean
  visibility: HostRepositoryRow['visibility'] | null
  webUrl: string | null
  issuesUrl: string | null
}): RepositoryPages | null {
  const { vcsType, url, exposeSource, visibility, webUrl, issuesUrl } = owner
  if (visibility === null || webUrl === null || !showsPages({ exposeSource }, { visibility })) return null
  return { vcsType, url, webUrl, issuesUrl }
}

/** Packages whose versions are read at once, between two rests of the event loop. */
const PACKAGES_PER_QUERY = 25

function or(left: SQL, versionNormalized: string | null): SQL {
  return versionNormalized === null ? left : sql`(${left} OR ${eq(versions.versionNormalized, versionNormalized)})`
}

/** The columns of a published version that both tables have. */
function pick<Table extends typeof versions | typeof publishedReferences>(table: Table) {
  const { reference, path, version, versionNormalized, alias, releasedAt } = table
  return { reference, path, version, versionNormalized, alias, releasedAt }
}

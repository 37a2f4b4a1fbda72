import { and, asc, eq, inArray, sql } from 'drizzle-orm'
import { turn } from '../pacer.ts'
import type { Database } from './database.ts'
import { saveManifestsAhead } from './manifest-texts.ts'
import { chunks, ownedElsewhere, saveOutcome } from './save-outcome.ts'
import { commits, manifests, packages, publishedReferences, refs, versions } from './schema.ts'

/** A version as stored. */
export type VersionRow = typeof versions.$inferSelect
/** What is known of a commit. */
export type CommitRow = Pick<typeof commits.$inferSelect, 'commit' | 'path' | 'committedAt' | 'blob' | 'problem'>
/** A tag or branch as offered, with the reason when it is not a version. */
export type RefRow = Pick<typeof refs.$inferSelect, 'name' | 'commit' | 'issue'>
/** A version to be written; which package it belongs to follows from its place. */
export type VersionDraft = Omit<
  VersionRow,
  'packageId' | 'hiddenAt' | 'withdrawnAt' | 'firstPublishedAt' | 'shasum'
> & {
  /** Null while it is not decided; written as empty. */
  readonly shasum: string | null
}

/** A package of a repository with all its versions, hidden ones included. */
export interface StoredPackage {
  readonly id: string
  readonly name: string
  readonly summary: PackageSummary
  readonly offered: boolean
  readonly versions: readonly VersionRow[]
}

/** What listings show of a package. */
export interface PackageSummary {
  readonly prettyName: string
  readonly description: string | null
  readonly type: string
  readonly abandoned: boolean | string
  readonly latestVersion: string | null
}

/** Everything stored that a sync compares with what is offered. */
export interface SyncState {
  readonly refs: ReadonlyMap<string, string>
  /** By commit: a row for its root, and one for each directory with a composer.json that was asked for. */
  readonly commits: ReadonlyMap<string, readonly CommitRow[]>
  readonly blobs: ReadonlySet<string>
  readonly packages: readonly StoredPackage[]
}

/** What changes of one package. `save` rows are new or differ; `hide` are normalised versions no longer offered. */
export interface PackageChange {
  readonly name: string
  readonly summary: PackageSummary
  readonly offered: boolean
  readonly save: readonly VersionDraft[]
  readonly hide: readonly string[]
}

/** A tag that names another commit than the one its version was published from, which is refused. */
export interface TagMove {
  readonly packageId: string
  readonly name: string
  readonly version: string
  /** Full name of the tag. */
  readonly ref: string
  readonly from: string
  readonly to: string
}

/** The outcome of one sync. */
export interface SyncOutcome {
  readonly repositoryId: string
  readonly refs: readonly RefRow[]
  readonly refsDigest: string
  /** The digest that was stored when the sync began; null before the first one. */
  readonly basedOn: string | null
  readonly defaultBranch: string | null
  readonly commits: readonly CommitRow[]
  readonly manifests: readonly { readonly blob: string; readonly content: string }[]
  readonly packages: readonly PackageChange[]
  /** Those that were not refused before already. */
  readonly moves: readonly TagMove[]
  readonly nextSyncAt: number
  /** Why nothing is offered although the source was read; null when something is. */
  readonly problem: { readonly code: string; readonly message: string } | null
}

/** What a sync reads and writes. */
export class SyncStateTable {
  constructor(private readonly db: Database) {}

  /** What is stored of a repository. */
  async load(repositoryId: string): Promise<SyncState> {
    const { read } = this.db
    const refRows = await rested(
      read.select({ name: refs.name, commit: refs.commit }).from(refs).where(eq(refs.repositoryId, repositoryId)),
    )
    const commitRows = await this.#commits(repositoryId)
    const blobRows = await rested(
      read.select({ blob: manifests.blob }).from(manifests).where(eq(manifests.repositoryId, repositoryId)),
    )
    const mine = eq(packages.repositoryId, repositoryId)
    const packageRows = await rested(read.select().from(packages).where(mine))
    const versionRows: VersionRow[] = []
    for await (const some of chunks(packageRows, PACKAGES_PER_QUERY)) {
      const ids = some.map((row) => row.id)
      versionRows.push(...(await read.select().from(versions).where(inArray(versions.packageId, ids))))
    }
    const byPackage = Map.groupBy(versionRows, (version) => version.packageId)
    return {
      refs: new Map(refRows.map((row) => [row.name, row.commit])),
      commits: Map.groupBy(commitRows, (row) => row.commit),
      blobs: new Set(blobRows.map((row) => row.blob)),
      packages: packageRows.map((row) => ({
        id: row.id,
        name: row.name,
        summary: row,
        offered: row.offered,
        versions: byPackage.get(row.id) ?? [],
      })),
    }
  }

  /** In slices: a repository of many packages has as many rows of each commit. */
  async #commits(repositoryId: string): Promise<CommitRow[]> {
    const found: CommitRow[] = []
    for (let last: CommitRow | undefined; ; ) {
      const after = last && sql`(${commits.commit}, ${commits.path}) > (${last.commit}, ${last.path})`
      const rows: CommitRow[] = await rested(
        this.db.read
          .select()
          .from(commits)
          .where(and(eq(commits.repositoryId, repositoryId), after))
          .orderBy(asc(commits.commit), asc(commits.path))
          .limit(COMMITS_PER_QUERY),
      )
      for (const row of rows) found.push(row)
      last = rows.at(-1)
      if (rows.length < COMMITS_PER_QUERY) return found
    }
  }

  /** The directory of every reference that was ever published for packages of the repository, by `publishedKey`. */
  async publishedPaths(repositoryId: string): Promise<Map<string, string>> {
    const rows = await rested(
      this.db.read
        .select({ name: packages.name, reference: publishedReferences.reference, path: publishedReferences.path })
        .from(publishedReferences)
        .innerJoin(packages, eq(packages.id, publishedReferences.packageId))
        .where(eq(packages.repositoryId, repositoryId)),
    )
    return new Map(rows.map(({ name, reference, path }) => [publishedKey(name, reference), path]))
  }

  /** True when at least one version of the repository is offered. */
  async offersAnything(repositoryId: string): Promise<boolean> {
    const row = await this.db.read
      .select({ id: packages.id })
      .from(packages)
      .where(and(eq(packages.repositoryId, repositoryId), eq(packages.offered, true)))
      .limit(1)
      .get()
    return row !== undefined
  }

  /** The composer.json texts of these blobs. */
  async manifests(repositoryId: string, blobs: readonly string[]): Promise<Map<string, string>> {
    const found = new Map<string, string>()
    for await (const some of chunks(blobs)) {
      const rows = await this.db.read
        .select()
        .from(manifests)
        .where(and(eq(manifests.repositoryId, repositoryId), inArray(manifests.blob, [...some])))
      for (const row of rows) found.set(row.blob, row.content)
    }
    return found
  }

  /** Which of these names another repository owns, with the id of the owner. */
  async ownedElsewhere(repositoryId: string, names: readonly string[]): Promise<Map<string, string>> {
    return ownedElsewhere(this.db.read, repositoryId, names)
  }

  /**
   * Writes the outcome of a sync in one transaction, except that many composer.json texts are written before it. Throws AppError('conflict') when the repository was deleted or
   * synchronised by another worker, or another repository took a name, since they were read.
   */
  async save(outcome: SyncOutcome, now: number): Promise<void> {
    const manifestsLeft = await saveManifestsAhead(this.db, outcome)
    await this.db.write((tx) => saveOutcome(tx, outcome, manifestsLeft, now))
  }
}

/** What names a reference of a package among all of a repository. */
export function publishedKey(name: string, reference: string): string {
  return `${name} ${reference}`
}

const COMMITS_PER_QUERY = 2_000
const PACKAGES_PER_QUERY = 10

/** The rows of a query, and a turn of the event loop after it: a local database answers synchronously. */
async function rested<Row>(query: PromiseLike<Row[]>): Promise<Row[]> {
  const rows = await query
  await turn()
  return rows
}

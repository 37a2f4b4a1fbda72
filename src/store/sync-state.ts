import { and, eq, inArray, sql } from 'drizzle-orm'
import { AppError } from '../errors.ts'
import type { Database, Queries } from './database.ts'
import { newId } from './ids.ts'
import { commits, manifests, packages, publishedReferences, refs, repositories, versions } from './schema.ts'
import { nextRevision } from './settings.ts'

/** A version as stored. */
export type VersionRow = typeof versions.$inferSelect
/** What is known of a commit. */
export type CommitRow = Pick<typeof commits.$inferSelect, 'commit' | 'committedAt' | 'blob' | 'problem'>
/** A tag or branch as offered, with the reason when it is not a version. */
export type RefRow = Pick<typeof refs.$inferSelect, 'name' | 'commit' | 'issue'>
/** A version to be written; which package it belongs to follows from its place. */
export type VersionDraft = Omit<VersionRow, 'packageId' | 'hiddenAt' | 'firstPublishedAt' | 'shasum'> & {
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
  readonly commits: ReadonlyMap<string, CommitRow>
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

/** The outcome of one sync. */
export interface SyncOutcome {
  readonly repositoryId: string
  readonly refs: readonly RefRow[]
  readonly refsDigest: string
  readonly defaultBranch: string | null
  readonly commits: readonly CommitRow[]
  readonly manifests: readonly { readonly blob: string; readonly content: string }[]
  readonly packages: readonly PackageChange[]
  readonly nextSyncAt: number
  /** Why nothing is offered although the source was read; null when something is. */
  readonly problem: { readonly code: string; readonly message: string } | null
}

/** Rows per statement: SQLite binds at most 32,766 values, and a shorter statement lets other work in between. */
const CHUNK = 200

/** What a sync reads and writes. */
export class SyncStateTable {
  constructor(private readonly db: Database) {}

  /** What is stored of a repository. */
  async load(repositoryId: string): Promise<SyncState> {
    const mine = eq(refs.repositoryId, repositoryId)
    const [refRows, commitRows, blobRows, packageRows] = await Promise.all([
      this.db.read.select({ name: refs.name, commit: refs.commit }).from(refs).where(mine),
      this.db.read.select().from(commits).where(eq(commits.repositoryId, repositoryId)),
      this.db.read.select({ blob: manifests.blob }).from(manifests).where(eq(manifests.repositoryId, repositoryId)),
      this.db.read.select().from(packages).where(eq(packages.repositoryId, repositoryId)),
    ])
    const ids = packageRows.map((row) => row.id)
    const versionRows = await this.db.read.select().from(versions).where(inArray(versions.packageId, ids))
    return {
      refs: new Map(refRows.map((row) => [row.name, row.commit])),
      commits: new Map(commitRows.map((row) => [row.commit, row])),
      blobs: new Set(blobRows.map((row) => row.blob)),
      packages: packageRows.map((row) => ({
        id: row.id,
        name: row.name,
        summary: row,
        offered: row.offered,
        versions: versionRows.filter((version) => version.packageId === row.id),
      })),
    }
  }

  /** The composer.json texts of these blobs. */
  async manifests(repositoryId: string, blobs: readonly string[]): Promise<Map<string, string>> {
    const found = new Map<string, string>()
    for (const some of chunks(blobs)) {
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
   * Writes the outcome of a sync in one transaction.
   * Throws AppError('conflict') when the repository was deleted, or another one took a name, since they were read.
   */
  async save(outcome: SyncOutcome, now: number): Promise<void> {
    await this.db.write(async (tx) => {
      const names = outcome.packages.map((change) => change.name)
      const taken = await ownedElsewhere(tx, outcome.repositoryId, names)
      if (taken.size > 0)
        throw new AppError('conflict', `Another repository has just taken ${[...taken.keys()].join(', ')}.`)
      await saveRepository(tx, outcome, now)
      await saveRefs(tx, outcome)
      for (const change of outcome.packages) await savePackage(tx, outcome.repositoryId, change, now)
    })
  }
}

async function ownedElsewhere(
  read: Queries,
  repositoryId: string,
  names: readonly string[],
): Promise<Map<string, string>> {
  const owners = new Map<string, string>()
  for (const some of chunks(names)) {
    const rows = await read
      .select({ name: packages.name, owner: packages.repositoryId })
      .from(packages)
      .where(inArray(packages.name, [...some]))
    for (const row of rows) if (row.owner !== null && row.owner !== repositoryId) owners.set(row.name, row.owner)
  }
  return owners
}

async function saveRepository(tx: Queries, outcome: SyncOutcome, now: number): Promise<void> {
  const rows = await tx
    .update(repositories)
    .set({
      status: outcome.problem === null ? 'active' : 'error',
      errorCode: outcome.problem?.code ?? null,
      errorMessage: outcome.problem?.message ?? null,
      failures: 0,
      defaultBranch: outcome.defaultBranch,
      refsDigest: outcome.refsDigest,
      lastSyncedAt: now,
      nextSyncAt: outcome.nextSyncAt,
    })
    .where(eq(repositories.id, outcome.repositoryId))
    .returning({ id: repositories.id })
  if (rows.length === 0) throw new AppError('conflict', 'The repository was deleted meanwhile.')
}

async function saveRefs(tx: Queries, outcome: SyncOutcome): Promise<void> {
  const { repositoryId } = outcome
  await tx.delete(refs).where(eq(refs.repositoryId, repositoryId))
  for (const some of chunks(outcome.refs)) await tx.insert(refs).values(some.map((row) => ({ repositoryId, ...row })))
  for (const some of chunks(outcome.manifests)) {
    await tx
      .insert(manifests)
      .values(some.map((row) => ({ repositoryId, ...row })))
      .onConflictDoNothing()
  }
  for (const some of chunks(outcome.commits)) {
    const rows = some.map(({ commit, committedAt, blob, problem }) => ({
      repositoryId,
      commit,
      committedAt,
      blob,
      problem,
    }))
    await tx.insert(commits).values(rows).onConflictDoNothing()
  }
}

async function savePackage(tx: Queries, repositoryId: string, change: PackageChange, now: number): Promise<void> {
  const packageId = await savePackageRow(tx, repositoryId, change, now)
  for (const some of chunks(change.save)) {
    const rows = some.map((draft) => ({
      ...draft,
      shasum: draft.shasum ?? '',
      packageId,
      hiddenAt: null,
      firstPublishedAt: now,
    }))
    await tx
      .insert(versions)
      .values(rows)
      .onConflictDoUpdate({ target: [versions.packageId, versions.versionNormalized], set: OVERWRITTEN })
    const published = some.map(({ reference, version }) => ({
      packageId,
      repositoryId,
      reference,
      version,
      publishedAt: now,
    }))
    await tx.insert(publishedReferences).values(published).onConflictDoNothing()
  }
  for (const some of chunks(change.hide)) {
    await tx
      .update(versions)
      .set({ hiddenAt: now })
      .where(and(eq(versions.packageId, packageId), inArray(versions.versionNormalized, [...some])))
  }
}

async function savePackageRow(tx: Queries, repositoryId: string, change: PackageChange, now: number): Promise<string> {
  const existing = await tx.select().from(packages).where(eq(packages.name, change.name)).get()
  const { prettyName, description, type, abandoned, latestVersion } = change.summary
  const row = {
    ...{ prettyName, description, type, abandoned, latestVersion },
    repositoryId,
    offered: change.offered,
    revision: await nextRevision(tx),
    // Strictly rising, also when the clock was set back or two changes fall into one second.
    modifiedAt: Math.max(now, (existing?.modifiedAt ?? 0) + 1),
    updatedAt: now,
  }
  if (existing) {
    await tx.update(packages).set(row).where(eq(packages.id, existing.id))
    return existing.id
  }
  const id = newId('pkg')
  await tx.insert(packages).values({ id, name: change.name, createdAt: now, ...row })
  return id
}

/** Columns of a version that a later sync may change; when it was first published is not among them. */
const OVERWRITTEN = {
  version: sql`excluded.version`,
  stability: sql`excluded.stability`,
  kind: sql`excluded.kind`,
  refName: sql`excluded.ref_name`,
  reference: sql`excluded.reference`,
  blob: sql`excluded.blob_id`,
  defaultBranch: sql`excluded.default_branch`,
  time: sql`excluded.time`,
  releasedAt: sql`excluded.released_at`,
  shasum: sql`excluded.shasum`,
  hiddenAt: sql`NULL`,
}

function* chunks<Row>(rows: readonly Row[]): Generator<readonly Row[]> {
  for (let start = 0; start < rows.length; start += CHUNK) yield rows.slice(start, start + CHUNK)
}

import { and, asc, count, eq, gt, inArray, isNotNull, lte, ne, notInArray, type SQL, sql } from 'drizzle-orm'
import { alias } from 'drizzle-orm/sqlite-core'
import { AppError } from '../errors.ts'
import { turn } from '../pacer.ts'
import { withoutControls } from '../printable.ts'
import { type Alongside, type Database, nothingElse, type Queries } from './database.ts'
import { type Page, type PageOf, pageOf } from './paging.ts'
import { republish } from './republish.ts'
import { archives, commits, jobs, packages, refs, repositories, versions } from './schema.ts'
import { discoveries } from './schema-hosts.ts'
import { nextRevision } from './settings.ts'

/** A repository as stored; credentials are sealed. */
export type RepositoryRow = typeof repositories.$inferSelect

/** The columns that syncs and hosts fill, before the first one. */
export const NEVER_SYNCED = {
  hostKey: null,
  webhookId: null,
  lastWebhookAt: null,
  errorCode: null,
  errorMessage: null,
  defaultBranch: null,
  refsDigest: null,
  failures: 0,
  lastSyncedAt: null,
} satisfies Partial<RepositoryRow>

/** What a change of a repository may set. */
export type RepositoryChange = Partial<
  Pick<
    RepositoryRow,
    | 'url'
    | 'urlKey'
    | 'credentialType'
    | 'credentials'
    | 'hostKey'
    | 'packageFilter'
    | 'composerJsonPaths'
    | 'webhookSecret'
    | 'webhookId'
    | 'syncInterval'
    | 'archives'
    | 'exposeSource'
    | 'refsDigest'
    | 'failures'
    | 'nextSyncAt'
  >
>

/** What happens with a change of a repository. */
export interface UpdateOptions {
  /** Documents of its packages show what is changed, so they are dated anew. */
  readonly republished?: boolean
  /** Done in the same transaction. */
  readonly alongside?: (before: RepositoryRow, after: RepositoryRow) => Alongside
}

/** A ref that is not offered as a version, and why. */
export interface RefIssue {
  readonly ref: string
  readonly reason: string
}

/** What is shown of a sync that failed, how many there were in a row, and when the next one is, Unix seconds. */
export interface RepositoryFailure {
  readonly code: string
  readonly message: string
  readonly failures: number
  readonly nextSyncAt: number
}

/** What is counted of a repository. */
export interface RepositoryCounts {
  readonly packages: number
  readonly versions: number
}

/** The places packages come from. */
export class RepositoryTable {
  constructor(private readonly db: Database) {}

  /**
   * Stores a new repository. `alongside` comes first and may refuse it, `settings` afterwards.
   * Throws AppError('conflict') with the id of the one that has this address already.
   */
  async insert(row: RepositoryRow, alongside: Alongside = nothingElse, settings: Alongside = nothingElse) {
    await this.db.write(async (tx) => {
      await alongside(tx)
      const same = await repositoryWithAddress(tx, row.urlKey)
      if (same) throw conflict(same)
      await tx.insert(repositories).values(row)
      await settings(tx)
    })
  }

  /** The repository with this id, or null. */
  async find(id: string): Promise<RepositoryRow | null> {
    return (await this.db.read.select().from(repositories).where(eq(repositories.id, id)).get()) ?? null
  }

  /** Those of these repositories that there are, by id. */
  async findMany(ids: readonly string[]): Promise<Map<string, RepositoryRow>> {
    const rows = await this.db.read
      .select()
      .from(repositories)
      .where(inArray(repositories.id, [...ids]))
    return new Map(rows.map((row) => [row.id, row]))
  }

  /** A page of repositories, oldest first. */
  async list(page: Page): Promise<PageOf<RepositoryRow>> {
    const after =
      page.cursor === null ? undefined : gt(sql`(${repositories.createdAt}, ${repositories.id})`, placeOf(page.cursor))
    const [rows, total] = await Promise.all([
      this.db.read
        .select()
        .from(repositories)
        .where(after)
        .orderBy(asc(repositories.createdAt), asc(repositories.id))
        .limit(page.limit + 1),
      this.db.read.select({ total: count() }).from(repositories).get(),
    ])
    return pageOf(rows, total?.total ?? 0, page)
  }

  /** Packages and offered versions of each of these repositories. */
  async counts(ids: readonly string[]): Promise<Map<string, RepositoryCounts>> {
    const rows = await this.db.read
      .select({
        id: packages.repositoryId,
        packages: sql<number>`count(DISTINCT ${packages.id})`,
        versions: count(versions.versionNormalized),
      })
      .from(packages)
      .leftJoin(versions, and(eq(versions.packageId, packages.id), sql`${versions.hiddenAt} IS NULL`))
      .where(and(inArray(packages.repositoryId, [...ids]), eq(packages.offered, true)))
      .groupBy(packages.repositoryId)
    return new Map(rows.map((row) => [row.id ?? '', { packages: row.packages, versions: row.versions }]))
  }

  /** Refs of a repository that are not offered, by name, as they can be shown. At most `limit`. */
  async issues(id: string, limit = 1_000): Promise<RefIssue[]> {
    const rows = await this.db.read
      .select({ ref: refs.name, reason: refs.issue })
      .from(refs)
      .where(and(eq(refs.repositoryId, id), isNotNull(refs.issue)))
      .orderBy(asc(refs.name))
      .limit(limit)
    return rows.map(({ ref, reason }) => ({ ref: withoutControls(ref), reason: withoutControls(reason ?? '') }))
  }

  /** Changes a repository; returns it as it is then, or null when there is none. Throws AppError('conflict'). */
  async update(
    id: string,
    change: RepositoryChange,
    now: number,
    { republished = false, alongside = () => nothingElse }: UpdateOptions = {},
  ): Promise<RepositoryRow | null> {
    return this.db.write(async (tx) => {
      const before = await tx.select().from(repositories).where(eq(repositories.id, id)).get()
      if (!before) return null
      if (change.urlKey !== undefined) {
        const same = await repositoryWithAddress(tx, change.urlKey)
        if (same && same.id !== id) throw conflict(same)
      }
      const after = await tx
        .update(repositories)
        .set({ ...change, updatedAt: now })
        .where(eq(repositories.id, id))
        .returning()
        .get()
      // What is known of its commits was read by other globs.
      if (change.composerJsonPaths !== undefined) await tx.delete(commits).where(eq(commits.repositoryId, id))
      if (republished) await republish(tx, id, now)
      await alongside(before, after)(tx)
      return after
    })
  }

  /** Puts the key of an ssh host on record, unless the repository has another address by now. */
  async pinHostKey({ id, url }: Pick<RepositoryRow, 'id' | 'url'>, hostKey: string): Promise<void> {
    const same = and(eq(repositories.id, id), eq(repositories.url, url))
    await this.db.write((tx) => tx.update(repositories).set({ hostKey }).where(same))
  }

  /**
   * Removes a repository with its packages. Returns the digests (SHA-256) of archives that nothing refers to any more,
   * or null when there was no such repository. The names stay known as once owned here.
   */
  async delete(id: string, now: number, alongside: Alongside = nothingElse): Promise<string[] | null> {
    return this.db.write(async (tx) => {
      const owned = await tx.select().from(packages).where(eq(packages.repositoryId, id))
      for (const [index, row] of owned.entries()) {
        if (index % 10 === 9) await turn()
        const modifiedAt = Math.max(now, row.modifiedAt + 1)
        await tx.delete(versions).where(eq(versions.packageId, row.id))
        await tx
          .update(packages)
          .set({ offered: false, latestVersion: null, revision: await nextRevision(tx), modifiedAt, updatedAt: now })
          .where(eq(packages.id, row.id))
      }
      // Uploads, built archives and those of upstreams are different files, even with the same bytes.
      const kept = tx
        .select({ sha256: other.sha256 })
        .from(other)
        .where(sql`${other.repositoryId} <> ${id} AND ${origin(other.format)} = ${origin(archives.format)}`)
      const freed = await tx
        .selectDistinct({ sha256: archives.sha256 })
        .from(archives)
        .where(and(eq(archives.repositoryId, id), notInArray(archives.sha256, kept)))
      const gone = await tx.delete(repositories).where(eq(repositories.id, id)).returning({ id: repositories.id })
      if (gone.length > 0) await alongside(tx)
      return gone.length === 0 ? null : freed.map((row) => row.sha256)
    })
  }

  /** How each repository that is looked at does; times in Unix seconds. */
  async conditions(): Promise<Pick<RepositoryRow, 'id' | 'status' | 'lastSyncedAt' | 'createdAt'>[]> {
    const { id, status, lastSyncedAt, createdAt } = repositories
    return this.db.read
      .select({ id, status, lastSyncedAt, createdAt })
      .from(repositories)
      .where(ne(repositories.vcsType, 'artifact'))
  }

  /** Ids of repositories whose next look is due and that have no unfinished job. */
  async due(now: number, limit: number): Promise<string[]> {
    const busy = this.db.read.select({ id: jobs.repositoryId }).from(jobs).where(isNotNull(jobs.dedupeKey))
    const rows = await this.db.read
      .select({ id: repositories.id })
      .from(repositories)
      .where(and(lte(repositories.nextSyncAt, now), notInArray(repositories.id, busy)))
      .orderBy(asc(repositories.nextSyncAt))
      .limit(limit)
    return rows.map((row) => row.id)
  }

  /** Notes that a sync has begun. */
  async noteSyncing(id: string): Promise<void> {
    await this.db.write((tx) => tx.update(repositories).set({ status: 'syncing' }).where(eq(repositories.id, id)))
  }

  /** Notes a sync that found nothing new; `problem` says why nothing is offered, if so. */
  async noteUnchanged(
    id: string,
    found: { now: number; nextSyncAt: number; problem: { code: string; message: string } | null },
  ): Promise<void> {
    const { now, nextSyncAt, problem } = found
    const status = problem === null ? ('active' as const) : ('error' as const)
    const error = { errorCode: problem?.code ?? null, errorMessage: problem?.message ?? null }
    await this.db.write((tx) =>
      tx
        .update(repositories)
        .set({ status, ...error, failures: 0, lastSyncedAt: now, nextSyncAt })
        .where(eq(repositories.id, id)),
    )
  }

  /** Notes a sync that failed, in the transaction that ends its job; what is stored stays. */
  failing(id: string, failure: RepositoryFailure): Alongside {
    const { code, message, failures, nextSyncAt } = failure
    const change = { status: 'error', errorCode: code, errorMessage: message, failures, nextSyncAt } as const
    return (tx) => tx.update(repositories).set(change).where(eq(repositories.id, id))
  }

  /** When the owner of a repository was last asked what changed, Unix seconds; null when nobody asks, or it failed. */
  async probedAt({ discoveryId }: Pick<RepositoryRow, 'discoveryId'>): Promise<number | null> {
    if (discoveryId === null) return null
    const healthy = and(eq(discoveries.id, discoveryId), eq(discoveries.status, 'active'))
    const row = await this.db.read.select({ at: discoveries.lastProbedAt }).from(discoveries).where(healthy).get()
    return row?.at ?? null
  }
}

/** The repository with this address, in any spelling, inside a write transaction. */
export function repositoryWithAddress(tx: Queries, urlKey: string): Promise<RepositoryRow | undefined> {
  return tx.select().from(repositories).where(eq(repositories.urlKey, urlKey)).get()
}

function conflict(existing: RepositoryRow): AppError {
  return new AppError('conflict', `This repository exists already as ${existing.id} (${existing.url}).`, {
    details: { id: existing.id },
  })
}

function placeOf(id: string): SQL {
  return sql`(SELECT created_at, id FROM repositories WHERE id = ${id})`
}

const other = alias(archives, 'other')

/** Which of the stores of archives has the file of a record: the sign of its `format`. */
const origin = (format: typeof archives.format | typeof other.format) => sql`min(1, max(-1, ${format}))`

/** Where the credentials of a repository are stored, which is what they are sealed to. */
export function credentialsPlace(repositoryId: string): string {
  return `repositories/${repositoryId}/credentials`
}

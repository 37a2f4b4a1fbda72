import { and, asc, desc, eq, like, sql } from 'drizzle-orm'
import { AppError } from '../errors.ts'
import { type ArchiveDigests, type ArchivePlace, keepDigests } from './archives.ts'
import type { Database, Queries } from './database.ts'
import { repositories } from './schema.ts'
import { retiredDists, upstreamIssues, upstreams } from './schema-upstream.ts'

/** What an address of an archive means, for ever. */
export type KnownDist = Omit<typeof retiredDists.$inferSelect, 'retiredAt'>

/** How the sentences about an archive begin. Other issues of the same version are about what is said of it. */
const ABOUT_ARCHIVES = 'The archive %'

/** Archives of upstreams: what their addresses mean, their digests, and why some were refused. */
export class UpstreamArchiveTable {
  constructor(private readonly db: Database) {}

  /**
   * What this address meant when its archive was fetched, or when the documents ceased to name it. Of several upstreams,
   * in the order they are asked.
   */
  async known(name: string, dist: string): Promise<KnownDist[]> {
    return this.db.read
      .select(COLUMNS)
      .from(upstreams)
      .innerJoin(repositories, eq(repositories.id, upstreams.repositoryId))
      .innerJoin(
        retiredDists,
        and(
          eq(retiredDists.repositoryId, upstreams.repositoryId),
          eq(retiredDists.name, name),
          eq(retiredDists.dist, dist),
        ),
      )
      .orderBy(desc(upstreams.priority), asc(repositories.createdAt), asc(repositories.id))
  }

  /**
   * Keeps what an archive is that was fetched: the digests unless there are some, and what its address means. An issue
   * about the archive is over. Returns the digests that count. `now` in Unix seconds. Throws AppError('not_found') when
   * the upstream was removed meanwhile.
   */
  async record(
    known: KnownDist,
    { subject, digests, now }: { subject: string; digests: ArchiveDigests; now: number },
  ): Promise<ArchiveDigests> {
    const place: ArchivePlace = { repositoryId: known.repositoryId, reference: known.dist, path: '' }
    return this.db.write(async (tx) => {
      if (!(await isThere(tx, known.repositoryId))) {
        throw new AppError('not_found', 'The repository that this archive is from was removed.')
      }
      const counts = await keepDigests(tx, place, digests)
      await tx
        .insert(retiredDists)
        .values({ ...known, retiredAt: now })
        .onConflictDoNothing()
      if (counts.sha256 === digests.sha256) await tx.delete(upstreamIssues).where(issueOf(known.repositoryId, subject))
      return counts
    })
  }

  /** Keeps why an archive was refused. Nothing when the upstream is gone. `now` in Unix seconds. */
  async refuse(repositoryId: string, { subject, reason, now }: { subject: string; reason: string; now: number }) {
    await this.db.write(async (tx) => {
      if (!(await isThere(tx, repositoryId))) return
      await tx
        .insert(upstreamIssues)
        .values({ repositoryId, subject, reason, at: now })
        .onConflictDoUpdate({
          target: [upstreamIssues.repositoryId, upstreamIssues.subject],
          set: { reason: sql`excluded.reason`, at: sql`excluded.at` },
        })
    })
  }
}

const COLUMNS = {
  repositoryId: retiredDists.repositoryId,
  name: retiredDists.name,
  dist: retiredDists.dist,
  content: retiredDists.content,
  version: retiredDists.version,
  versionNormalized: retiredDists.versionNormalized,
  releasedAt: retiredDists.releasedAt,
}

async function isThere(tx: Queries, repositoryId: string): Promise<boolean> {
  const row = await tx.select().from(upstreams).where(eq(upstreams.repositoryId, repositoryId)).get()
  return row !== undefined
}

function issueOf(repositoryId: string, subject: string) {
  return and(
    eq(upstreamIssues.repositoryId, repositoryId),
    eq(upstreamIssues.subject, subject),
    like(upstreamIssues.reason, ABOUT_ARCHIVES),
  )
}

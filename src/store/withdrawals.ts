import { and, eq, isNotNull, isNull, sql } from 'drizzle-orm'
import type { Database, Queries } from './database.ts'
import { packages, refs, repositories, versions } from './schema.ts'
import { nextRevision } from './settings.ts'
import type { VersionRow } from './sync-state.ts'

/** Which version, and when, in Unix seconds. */
export interface Withdrawal {
  readonly packageId: string
  readonly versionNormalized: string
  readonly now: number
  /** Pretty form of the version that listings show of these; null of none. */
  readonly latestOf: (versions: readonly VersionRow[]) => string | null
}

/** What is written in the transaction of a change beside it; gets the version as it is then. */
export type AlongsideVersion = (tx: Queries, after: VersionRow) => Promise<unknown>

const nothingElse: AlongsideVersion = async () => {}

/**
 * Versions that a person takes back. The row stays with its reference, so that the version can never come again with
 * other content, and every published reference stays downloadable, because lock files name it.
 */
export class WithdrawalTable {
  constructor(private readonly db: Database) {}

  /** Hides a version for good. Returns it as it is then; null when there is none, or it was withdrawn before. */
  withdraw(request: Withdrawal, alongside = nothingElse): Promise<VersionRow | null> {
    const { packageId, versionNormalized, now } = request
    return this.db.write(async (tx) => {
      const row = await tx
        .update(versions)
        .set({ withdrawnAt: now, hiddenAt: sql`coalesce(${versions.hiddenAt}, ${now})` })
        .where(and(at(packageId, versionNormalized), isNull(versions.withdrawnAt)))
        .returning()
        .get()
      if (!row) return null
      await noteChange(tx, request)
      await alongside(tx, row)
      return row
    })
  }

  /**
   * Undoes a withdrawal. The version is offered again at once when its tag or branch still names the same commit;
   * otherwise the next sync decides. Returns it as it is then; null when it is not withdrawn.
   */
  restore(request: Withdrawal, alongside = nothingElse): Promise<VersionRow | null> {
    const { packageId, versionNormalized } = request
    return this.db.write(async (tx) => {
      const row = await tx
        .select()
        .from(versions)
        .where(and(at(packageId, versionNormalized), isNotNull(versions.withdrawnAt)))
        .get()
      if (!row) return null
      const offered = row.kind === 'artifact' || (await stillNamed(tx, row))
      const hiddenAt = offered ? null : row.hiddenAt
      await tx.update(versions).set({ withdrawnAt: null, hiddenAt }).where(at(packageId, versionNormalized))
      await noteChange(tx, request)
      const after = { ...row, withdrawnAt: null, hiddenAt }
      await alongside(tx, after)
      return after
    })
  }
}

function at(packageId: string, versionNormalized: string) {
  return and(eq(versions.packageId, packageId), eq(versions.versionNormalized, versionNormalized))
}

/** True when the ref of a version names its commit; the reason why it was refused is cleared then. */
async function stillNamed(tx: Queries, row: VersionRow): Promise<boolean> {
  const owner = tx.select({ id: packages.repositoryId }).from(packages).where(eq(packages.id, row.packageId))
  const found = await tx
    .update(refs)
    .set({ issue: null })
    .where(and(sql`${refs.repositoryId} = (${owner})`, eq(refs.name, row.refName), eq(refs.commit, row.reference)))
    .returning({ name: refs.name })
  return found.length > 0
}

/** Takes the change over into the package, and has the next sync of its repository read everything through. */
async function noteChange(tx: Queries, { packageId, now, latestOf }: Withdrawal): Promise<void> {
  const offered = await tx
    .select()
    .from(versions)
    .where(and(eq(versions.packageId, packageId), isNull(versions.hiddenAt)))
  const revision = await nextRevision(tx)
  const changed = await tx
    .update(packages)
    .set({
      latestVersion: latestOf(offered),
      offered: offered.length > 0,
      revision,
      modifiedAt: sql`max(${now}, ${packages.modifiedAt} + 1)`,
      updatedAt: now,
    })
    .where(eq(packages.id, packageId))
    .returning({ repositoryId: packages.repositoryId })
    .get()
  // A sync under way has read the state before, and is refused when it saves: the digest is not the one it began with.
  await tx
    .update(repositories)
    .set({ refsDigest: sql`substr(${repositories.refsDigest}, 1, 64) || ${` withdrawal ${revision}`}` })
    .where(eq(repositories.id, changed?.repositoryId ?? ''))
}

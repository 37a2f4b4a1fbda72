import { and, eq, isNull } from 'drizzle-orm'
import { AppError } from '../errors.ts'
import { type ArchiveDigests, UPLOADED_FORMAT } from './archives.ts'
import type { Alongside, Database, Queries } from './database.ts'
import { ownedElsewhere, savePackage } from './save-outcome.ts'
import { archives, manifests, packages, repositories, versions } from './schema.ts'
import type { PackageSummary, VersionDraft, VersionRow } from './sync-state.ts'

/** An uploaded version with everything that is stored of it. */
export interface ArtifactDraft {
  readonly repositoryId: string
  /** Lower-case full name. */
  readonly packageName: string
  /** What listings show of the package when this version is the one they show. */
  readonly summary: Omit<PackageSummary, 'latestVersion'>
  readonly version: VersionDraft & { readonly shasum: string }
  /** Text of composer.json, whose blob the version names. */
  readonly manifest: string
  readonly digests: Omit<ArchiveDigests, 'format' | 'createdAt'>
  /** Pretty form of the version that listings show of these; null of none. */
  readonly latestOf: (versions: readonly VersionRow[]) => string | null
}

/** What became of an upload. */
export interface StoredArtifact {
  /** False when the very same bytes were there already. */
  readonly created: boolean
  readonly packageId: string
  readonly row: VersionRow
}

/** Versions that are uploaded. */
export class ArtifactTable {
  constructor(private readonly db: Database) {}

  /**
   * Stores an uploaded version, once: the same bytes again change nothing. Throws AppError('conflict') when the version
   * has other bytes or was withdrawn, or the name belongs to another repository; AppError('not_found') when the
   * repository is gone. `alongside` writes what belongs to a new one in the same transaction.
   */
  publish(
    draft: ArtifactDraft,
    now: number,
    alongside: (stored: StoredArtifact) => Alongside = () => async () => {},
  ): Promise<StoredArtifact> {
    return this.db.write(async (tx) => {
      await assertRepository(tx, draft)
      const owner = await tx.select().from(packages).where(eq(packages.name, draft.packageName)).get()
      const stored = owner && (await storedVersion(tx, owner.id, draft.version.versionNormalized))
      if (owner && stored) {
        await assertSame(tx, draft, stored)
        return { created: false, packageId: owner.id, row: stored }
      }
      await saveFile(tx, draft, now)
      const added = rowOf(draft.version, owner?.id ?? '', now)
      const offered = owner?.repositoryId === draft.repositoryId ? await offeredVersions(tx, owner.id) : []
      const latestVersion = draft.latestOf([...offered, added])
      const shown = latestVersion === added.version || !owner || offered.length === 0 ? draft.summary : owner
      const packageId = await savePackage(
        tx,
        draft.repositoryId,
        {
          name: draft.packageName,
          summary: { ...shown, latestVersion },
          offered: true,
          save: [draft.version],
          hide: [],
        },
        now,
      )
      const created = { created: true, packageId, row: { ...added, packageId } }
      await alongside(created)(tx)
      return created
    })
  }
}

async function assertRepository(tx: Queries, { repositoryId, packageName }: ArtifactDraft): Promise<void> {
  const repository = await tx.select().from(repositories).where(eq(repositories.id, repositoryId)).get()
  if (!repository) throw new AppError('not_found', `There is no repository ${repositoryId}.`)
  const elsewhere = (await ownedElsewhere(tx, repositoryId, [packageName])).get(packageName)
  if (elsewhere === undefined) return
  throw new AppError('conflict', `The package name ${packageName} is owned by repository ${elsewhere}.`, {
    details: { repository_id: elsewhere },
  })
}

function storedVersion(tx: Queries, packageId: string, versionNormalized: string): Promise<VersionRow | undefined> {
  return tx
    .select()
    .from(versions)
    .where(and(eq(versions.packageId, packageId), eq(versions.versionNormalized, versionNormalized)))
    .get()
}

/** The reference is a SHA-1, for which two files can be made; so the SHA-256 decides whether they are the same. */
async function assertSame(tx: Queries, draft: ArtifactDraft, stored: VersionRow): Promise<void> {
  const { packageName, digests, repositoryId } = draft
  if (stored.withdrawnAt !== null) {
    throw new AppError('conflict', `Version ${stored.version} of ${packageName} was withdrawn; upload another version.`)
  }
  const digest = await digestOf(tx, repositoryId, stored.reference)
  if (stored.kind === 'artifact' && digest === digests.sha256) return
  throw new AppError(
    'conflict',
    `Version ${stored.version} of ${packageName} is there already with other content, and a published version never changes; upload another version.`,
    { details: { reference: stored.reference } },
  )
}

async function digestOf(tx: Queries, repositoryId: string, reference: string): Promise<string | null> {
  const place = and(eq(archives.repositoryId, repositoryId), eq(archives.reference, reference), eq(archives.path, ''))
  return (await tx.select({ sha256: archives.sha256 }).from(archives).where(place).get())?.sha256 ?? null
}

async function saveFile(tx: Queries, { repositoryId, version, manifest, digests }: ArtifactDraft, now: number) {
  await tx.insert(manifests).values({ repositoryId, blob: version.blob, content: manifest }).onConflictDoNothing()
  await tx
    .insert(archives)
    .values({ repositoryId, reference: digests.sha1, path: '', ...digests, format: UPLOADED_FORMAT, createdAt: now })
    .onConflictDoNothing()
  if ((await digestOf(tx, repositoryId, digests.sha1)) === digests.sha256) return
  throw new AppError(
    'conflict',
    'Another file with the same SHA-1 was uploaded before, so this one cannot be told apart.',
  )
}

function offeredVersions(tx: Queries, packageId: string): Promise<VersionRow[]> {
  return tx
    .select()
    .from(versions)
    .where(and(eq(versions.packageId, packageId), isNull(versions.hiddenAt)))
}

function rowOf(version: ArtifactDraft['version'], packageId: string, now: number): VersionRow {
  return { ...version, packageId, hiddenAt: null, withdrawnAt: null, firstPublishedAt: now }
}

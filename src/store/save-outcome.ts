import { and, eq, inArray, sql } from 'drizzle-orm'
import { AppError } from '../errors.ts'
import { turn } from '../pacer.ts'
import { type AuditDraft, recording } from './audit.ts'
import type { Queries } from './database.ts'
import { newId } from './ids.ts'
import { saveManifests } from './manifest-texts.ts'
import { manyRows } from './many-rows.ts'
import { commits, packages, publishedReferences, refs, repositories, versions } from './schema.ts'
import { nextRevision } from './settings.ts'
import type { PackageChange, SyncOutcome, TagMove } from './sync-state.ts'

/** Rows per statement: SQLite binds at most 32,766 values. */
const CHUNK = 200

/** Rows written between two rests of the event loop; a package without versions counts for some too. */
const ROWS_PER_REST = 200
const ROWS_OF_PACKAGE = 25

/**
 * Writes the outcome of a sync, inside a write transaction. Local statements are synchronous, so the event loop gets a
 * turn after every few of them; reads go on meanwhile, other writes wait for their turn in any case.
 * Throws AppError('conflict') when the repository was deleted or synchronised by somebody else, or another repository
 * took a name, since the state that the outcome was made from was read. `manifestsLeft` are those of its texts that
 * were not written before.
 */
export async function saveOutcome(
  tx: Queries,
  outcome: SyncOutcome,
  manifestsLeft: SyncOutcome['manifests'],
  now: number,
): Promise<void> {
  const names = outcome.packages.map((change) => change.name)
  const taken = await ownedElsewhere(tx, outcome.repositoryId, names)
  if (taken.size > 0) {
    throw new AppError('conflict', `Another repository has just taken ${[...taken.keys()].slice(0, 10).join(', ')}.`)
  }
  await saveRepository(tx, outcome, now)
  await saveRefs(tx, outcome)
  await saveManifests(tx, outcome.repositoryId, manifestsLeft)
  await saveCommits(tx, outcome)
  for (const move of outcome.moves) await recording(refusedMove(move, now))(tx)
  let rows = 0
  for (const change of outcome.packages) {
    await savePackage(tx, outcome.repositoryId, change, now)
    rows += ROWS_OF_PACKAGE + change.save.length + change.hide.length
    if (rows < ROWS_PER_REST) continue
    rows = 0
    await turn()
  }
}

/** Which of these names another repository owns, with the id of the owner. */
export async function ownedElsewhere(
  read: Queries,
  repositoryId: string,
  names: readonly string[],
): Promise<Map<string, string>> {
  const owners = new Map<string, string>()
  for await (const some of chunks(names)) {
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
    // A worker that was thought dead must not overwrite what its successor has stored.
    .where(and(eq(repositories.id, outcome.repositoryId), sql`${repositories.refsDigest} IS ${outcome.basedOn}`))
    .returning({ id: repositories.id })
  if (rows.length === 0) {
    throw new AppError('conflict', 'The repository was deleted, or synchronised by another worker, meanwhile.')
  }
}

async function saveRefs(tx: Queries, outcome: SyncOutcome): Promise<void> {
  const { repositoryId } = outcome
  await tx.delete(refs).where(eq(refs.repositoryId, repositoryId))
  for await (const some of chunks(outcome.refs))
    await tx.insert(refs).select(
      manyRows(
        refs,
        some.map((row) => ({ repositoryId, ...row })),
      ),
    )
}

async function saveCommits(tx: Queries, outcome: SyncOutcome): Promise<void> {
  const { repositoryId } = outcome
  for await (const some of chunks(outcome.commits)) {
    const rows = some.map(({ commit, path, committedAt, blob, problem }) => ({
      repositoryId,
      commit,
      path,
      committedAt,
      blob,
      problem,
    }))
    await tx
      .insert(commits)
      .select(manyRows(commits, rows))
      .onConflictDoUpdate({ target: [commits.repositoryId, commits.commit, commits.path], set: READ_ANEW })
  }
}

/** Writes what changes of one package, inside a write transaction. Returns the package's id. */
export async function savePackage(
  tx: Queries,
  repositoryId: string,
  change: PackageChange,
  now: number,
): Promise<string> {
  const packageId = await savePackageRow(tx, repositoryId, change, now)
  for await (const some of chunks(change.save)) {
    const rows = some.map((draft) => ({
      ...draft,
      shasum: draft.shasum ?? '',
      packageId,
      hiddenAt: null,
      firstPublishedAt: now,
    }))
    await tx
      .insert(versions)
      .select(manyRows(versions, rows))
      .onConflictDoUpdate({
        target: [versions.packageId, versions.versionNormalized],
        set: OVERWRITTEN,
        // The last guard of the promises that a published version never changes and a withdrawn one never comes back.
        setWhere: sql`(${versions.kind} = 'branch'
            OR (${versions.reference} = excluded.reference AND ${versions.path} = excluded.path))
          AND ${versions.withdrawnAt} IS NULL`,
      })
    const published = some.map(({ reference, path, version, versionNormalized, alias, releasedAt }) => ({
      packageId,
      repositoryId,
      reference,
      path,
      version,
      versionNormalized,
      alias,
      releasedAt,
      publishedAt: now,
    }))
    await tx.insert(publishedReferences).select(manyRows(publishedReferences, published)).onConflictDoNothing()
  }
  for await (const some of chunks(change.hide)) {
    await tx
      .update(versions)
      .set({ hiddenAt: now })
      .where(and(eq(versions.packageId, packageId), inArray(versions.versionNormalized, [...some])))
  }
  return packageId
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
  path: sql`excluded.path`,
  blob: sql`excluded.blob_id`,
  defaultBranch: sql`excluded.default_branch`,
  alias: sql`excluded.alias`,
  time: sql`excluded.time`,
  releasedAt: sql`excluded.released_at`,
  shasum: sql`excluded.shasum`,
  hiddenAt: sql`NULL`,
}

/** What is known of a commit is replaced when it was asked for again. */
const READ_ANEW = {
  committedAt: sql`excluded.committed_at`,
  blob: sql`excluded.blob_id`,
  problem: sql`excluded.problem`,
}

/** Slices for one statement each, with a turn of the event loop between them. */
export async function* chunks<Row>(rows: readonly Row[], size = CHUNK): AsyncGenerator<readonly Row[]> {
  for (let start = 0; start < rows.length; start += size) {
    if (start > 0) await turn()
    yield rows.slice(start, start + size)
  }
}

/** Whoever moves a published tag wants it known, or does not. */
function refusedMove({ packageId, name, version, ref, from, to }: TagMove, now: number): AuditDraft {
  return {
    at: now,
    actor: 'sync',
    action: 'tag.refuse',
    subject: packageId,
    before: { package: name, version, reference: from },
    after: { ref, reference: to },
    requestId: 'sync',
    address: null,
  }
}

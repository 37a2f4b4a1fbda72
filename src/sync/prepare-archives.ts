import { isAppError } from '../errors.ts'
import { Pacer } from '../pacer.ts'
import { hostPlace } from '../sources/host-place.ts'
import type { Source } from '../sources/source.ts'
import { type ArchivePlace, placeKey } from '../store/archives.ts'
import type { JobProgress } from '../store/jobs.ts'
import type { RepositoryRow } from '../store/repositories.ts'
import type { SyncOutcome, VersionDraft } from '../store/sync-state.ts'

/** Whose turn a build takes, and at which host; all syncs together are one client. */
export interface BuildAsker {
  readonly host: string
  readonly client: string
  readonly signal: AbortSignal
}

/** What a sync asks of the archive store. */
export interface ArchiveParts {
  /** SHA-1 of every archive of a repository that was ever built, by `placeKey`. */
  known(repositoryId: string): Promise<ReadonlyMap<string, string>>
  /** Builds the archive of a commit, or of a directory in it, unless it is there; returns its SHA-1. */
  build(place: ArchivePlace, source: Source, asker: BuildAsker): Promise<string>
}

/**
 * Builds the archives that the operator wants in advance, and fixes the shasum of every version published for the first
 * time: the SHA-1 when the archive is known by now, else empty for ever.
 */
export async function prepareArchives(
  archives: ArchiveParts,
  row: RepositoryRow,
  source: Source,
  outcome: SyncOutcome,
  request: { report: (progress: JobProgress) => void; signal: AbortSignal },
): Promise<SyncOutcome> {
  const undecided = outcome.packages.flatMap((change) => change.save).filter((draft) => draft.shasum === null)
  if (undecided.length === 0) return outcome
  const shasums = new Map(await archives.known(row.id))
  const pace = new Pacer(request.signal)
  const asker = { host: hostPlace(row.url), client: 'sync', signal: request.signal }
  for (const [done, { reference, path, kind }] of undecided.entries()) {
    await pace.step()
    const wanted = row.archives === 'all' || (row.archives === 'tags' && kind === 'tag')
    const key = placeKey({ reference, path })
    if (!wanted || shasums.has(key)) continue
    request.report({ done, total: undecided.length, step: 'building archives' })
    const sha1 = await built(() => archives.build({ repositoryId: row.id, reference, path }, source, asker))
    if (sha1 !== null) shasums.set(key, sha1)
  }
  const decide = (draft: VersionDraft): VersionDraft => ({
    ...draft,
    shasum: draft.shasum ?? shasums.get(placeKey(draft)) ?? '',
  })
  return {
    ...outcome,
    packages: outcome.packages.map((change) => ({ ...change, save: change.save.map(decide) })),
  }
}

/**
 * The SHA-1 of an archive; null when the commit cannot be packed, which must not keep the others from being published:
 * a download says what is wrong with it. Throws every failure that may be over when the sync is tried again.
 */
async function built(build: () => Promise<string>, tries = 2): Promise<string | null> {
  try {
    return await build()
  } catch (error) {
    if (isAppError(error, 'invalid')) return null
    if (!isAppError(error, 'upstream') || !UNFIT.includes(error.details.reason)) throw error
    // A broken transfer looks like a broken commit, and is not likely to happen twice.
    return tries > 1 ? built(build, tries - 1) : null
  }
}

/** What git says of one commit, where other reasons are about the host. */
const UNFIT: readonly unknown[] = ['too_large', 'protocol', 'refused', 'missing']

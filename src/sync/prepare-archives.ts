import { isAppError } from '../errors.ts'
import { Pacer } from '../pacer.ts'
import type { Source } from '../sources/source.ts'
import type { JobProgress } from '../store/jobs.ts'
import type { RepositoryRow } from '../store/repositories.ts'
import type { SyncOutcome, VersionDraft } from '../store/sync-state.ts'

/** What a sync asks of the archive store. Both answer with the SHA-1 of the archive of a commit. */
export interface ArchiveParts {
  /** Null when the archive was never built. */
  known(repositoryId: string, commit: string): Promise<string | null>
  /** Builds it unless it is there. */
  build(repositoryId: string, commit: string, source: Source, signal: AbortSignal): Promise<string>
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
  const shasums = new Map<string, string>()
  const pace = new Pacer(request.signal)
  for (const [done, { reference, kind }] of undecided.entries()) {
    await pace.step()
    const wanted = row.archives === 'all' || (row.archives === 'tags' && kind === 'tag')
    if (wanted) request.report({ done, total: undecided.length, step: 'building archives' })
    const sha1 = wanted
      ? await archives.build(row.id, reference, source, request.signal).catch(unlessUnfit)
      : await archives.known(row.id, reference)
    if (sha1 !== null) shasums.set(reference, sha1)
  }
  const decide = (draft: VersionDraft): VersionDraft => ({
    ...draft,
    shasum: draft.shasum ?? shasums.get(draft.reference) ?? '',
  })
  return {
    ...outcome,
    packages: outcome.packages.map((change) => ({ ...change, save: change.save.map(decide) })),
  }
}

/**
 * A commit that can never be packed does not keep the others from being published: null stands for its shasum, and a
 * download says what is wrong. Throws every other failure, which may be over when the sync is tried again.
 */
function unlessUnfit(error: unknown): null {
  if (isAppError(error, 'invalid')) return null
  if (isAppError(error, 'upstream') && error.details.reason === 'too_large') return null
  throw error
}

import type { ArchiveFile } from '../archives/archive-index.ts'
import type { ArchiveStore } from '../archives/archive-store.ts'
import type { UploadStore } from '../archives/upload-store.ts'
import { hostPlace } from '../sources/host-place.ts'
import type { Source } from '../sources/source.ts'
import type { RepositoryRow, RepositoryTable } from '../store/repositories.ts'
import { soonEnough } from './soon-enough.ts'

/** Longest reading of one commit, in milliseconds: a source that drips must not hold a place in the queue for ever. */
const LONGEST_READ_MS = 10 * 60_000

/** What finding the archive of a reference takes. */
export interface PublishedArchiveParts {
  readonly repositories: RepositoryTable
  readonly archives: ArchiveStore
  readonly uploads: UploadStore
  readonly openSource: (row: RepositoryRow) => Promise<Source>
}

/**
 * The archive of a published reference: uploaded, or built from its commit, or a directory in it, when it is not on disk. Null when the
 * repository it came from is gone. `client` is whose turn a build takes. Throws AppError('upstream') and what the archive store throws;
 * AppError('unavailable') when it takes too long for a client to wait, while the build goes on.
 */
export async function publishedArchive(
  parts: PublishedArchiveParts,
  published: { readonly repositoryId: string; readonly reference: string; readonly path: string },
  client: string,
): Promise<ArchiveFile | null> {
  const row = await parts.repositories.find(published.repositoryId)
  if (!row) return null
  const key = { repositoryId: row.id, reference: published.reference, path: published.path }
  if (row.vcsType === 'artifact') return parts.uploads.get(key)
  const read = async (stopped: AbortSignal) => {
    const source = await parts.openSource(row)
    try {
      const signal = AbortSignal.any([stopped, AbortSignal.timeout(LONGEST_READ_MS)])
      return await source.snapshot(published.reference, published.path, signal)
    } finally {
      await source.close()
    }
  }
  return soonEnough(parts.archives.get(key, read, { host: hostPlace(row.url), client }))
}

import type { JobProgress, JobResult } from '../store/jobs.ts'
import type { RepositoryRow, RepositoryTable } from '../store/repositories.ts'
import type { UpstreamTable } from '../store/upstreams.ts'

/** What a look works with. Times are Unix seconds. */
export interface LookParts {
  readonly repositories: RepositoryTable
  readonly upstreams: UpstreamTable
  /** When a repository is looked at next, by its interval. */
  readonly nextLookAt: (row: RepositoryRow) => number
  readonly now: () => number
}

/** One look at one upstream. */
export interface LookRequest {
  readonly repositoryId: string
  readonly report: (progress: JobProgress) => void
  readonly signal: AbortSignal
}

/** Looks at an upstream. Resolves to what became known. */
export async function lookAtUpstream(parts: LookParts, request: LookRequest): Promise<JobResult> {
  const row = await parts.repositories.find(request.repositoryId)
  const issues = await parts.upstreams.issues(request.repositoryId)
  if (row) {
    const now = parts.now()
    await parts.repositories.noteUnchanged(row.id, { now, nextSyncAt: parts.nextLookAt(row), problem: null })
  }
  return { added: [], changed: [], removed: [], issues }
}

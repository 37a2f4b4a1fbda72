import type { Logger } from '../observability/logger.ts'
import type { JobProgress, JobResult } from '../store/jobs.ts'
import type { RepositoryRow, RepositoryTable } from '../store/repositories.ts'
import type { UpstreamLogTable } from '../store/upstream-log.ts'
import type { UpstreamNameTable } from '../store/upstream-names.ts'
import type { UpstreamTable } from '../store/upstreams.ts'
import { followChanges } from './follow-changes.ts'
import { lookAtNames } from './look-names.ts'
import type { OpenMirror } from './open-mirror.ts'
import type { UpstreamSet } from './upstreams.ts'

/** What a look works with. Times are Unix seconds. */
export interface LookParts {
  readonly set: UpstreamSet
  readonly mirror: Pick<OpenMirror, 'documents' | 'readerOf'>
  readonly repositories: RepositoryTable
  readonly upstreams: UpstreamTable
  readonly upstreamNames: UpstreamNameTable
  readonly upstreamLog: UpstreamLogTable
  readonly claimedVendors: () => readonly string[]
  /** When a repository is looked at next: by its own interval, or this one in seconds, or for null the usual one. */
  readonly nextLookAt: (row: RepositoryRow, interval: number | null) => Promise<number>
  readonly now: () => number
  readonly logger: Logger
}

/** One look at one upstream. */
export interface LookRequest {
  readonly repositoryId: string
  readonly report: (progress: JobProgress) => void
  readonly signal: AbortSignal
}

/** How often a log of changes is read, in seconds. */
const LOG_INTERVAL = 120
/** Most names of each kind that a result tells. */
const MOST_TOLD = 1_000

/**
 * Sees whether an upstream can be asked, which names it has, and what changed of the documents known here. Resolves to
 * the names that came, changed and went. Throws AppError('upstream') when it cannot be asked; what is known stays.
 */
export async function lookAtUpstream(parts: LookParts, request: LookRequest): Promise<JobResult> {
  const { repositoryId, signal } = request
  await parts.set.refresh()
  const upstream = parts.set.get(repositoryId)
  if (upstream === null) return { added: [], changed: [], removed: [], issues: [] }
  const step = (done: number, what: string) => request.report({ done, total: 3, step: what })
  const reader = parts.mirror.readerOf(upstream)
  step(0, 'reading the root document')
  await reader.askedRoot(signal)
  step(1, 'reading the names')
  const names = await lookAtNames({ ...parts, reader }, upstream, signal)
  step(2, 'reading the changes')
  const { documents } = parts.mirror
  const follow = { log: parts.upstreamLog, reader, forget: documents.forget.bind(documents), now: parts.now }
  const followed = await followChanges(follow, upstream, signal)
  await noteLook(parts, repositoryId, followed === null ? null : LOG_INTERVAL)
  return {
    added: names.added.slice(0, MOST_TOLD),
    changed: followed?.changed.slice(0, MOST_TOLD) ?? [],
    removed: [...new Set([...names.removed, ...(followed?.removed ?? [])])].slice(0, MOST_TOLD),
    issues: await parts.upstreams.issues(repositoryId),
  }
}

async function noteLook(parts: LookParts, repositoryId: string, interval: number | null): Promise<void> {
  const row = await parts.repositories.find(repositoryId)
  if (row === null) return
  const nextSyncAt = await parts.nextLookAt(row, interval)
  await parts.repositories.noteUnchanged(row.id, { now: parts.now(), nextSyncAt, problem: null })
}

import type { JobRow, JobTable } from '../../store/jobs.ts'
import type { RepositoryRow, RepositoryTable } from '../../store/repositories.ts'

/** Repositories as the API shows them: credentials never, progress while one is syncing. */
export async function shownRepositories(
  parts: { repositories: RepositoryTable; jobs: JobTable },
  rows: readonly RepositoryRow[],
) {
  const ids = rows.map((row) => row.id)
  const [counts, jobs] = await Promise.all([parts.repositories.counts(ids), parts.jobs.latest(ids)])
  return Promise.all(
    rows.map(async (row) => {
      const job = jobs.get(row.id)
      const unfinished = job?.state === 'queued' || job?.state === 'running'
      return {
        id: row.id,
        url: row.url,
        vcs_type: row.vcsType,
        credential_type: row.credentialType,
        has_credentials: row.credentials !== null,
        package_filter: row.packageFilter,
        sync_interval: row.syncInterval,
        archives: row.archives,
        expose_source: row.exposeSource,
        status: row.status,
        error_code: row.errorCode,
        error_message: row.errorMessage,
        packages: counts.get(row.id)?.packages ?? 0,
        versions: counts.get(row.id)?.versions ?? 0,
        issues: await parts.repositories.issues(row.id),
        progress: job && unfinished ? shownJob(job).progress : null,
        last_synced_at: row.lastSyncedAt,
        next_sync_at: row.nextSyncAt,
        webhook_url: null,
        created_at: row.createdAt,
        updated_at: row.updatedAt,
      }
    }),
  )
}

/** A job as the API shows it. */
export function shownJob(job: JobRow) {
  return {
    id: job.id,
    repository_id: job.repositoryId,
    state: job.state,
    progress: { done: job.progressDone, total: job.progressTotal, step: job.progressStep },
    error: job.error,
    created_at: job.createdAt,
    started_at: job.startedAt,
    finished_at: job.finishedAt,
  }
}

import type { HostRepositoryTable, KnownByHost } from '../../store/host-repositories.ts'
import type { JobRow, JobTable } from '../../store/jobs.ts'
import type { RefIssue, RepositoryCounts, RepositoryRow, RepositoryTable } from '../../store/repositories.ts'
import type { UpstreamSettings, UpstreamTable } from '../../store/upstreams.ts'
import type { NewRepositoryRows } from './new-repository.ts'
import { shownUpstream } from './upstream-settings.ts'

/** What is shown of a repository beside its row. */
interface RepositoryFacts {
  readonly host: KnownByHost | undefined
  readonly upstream: UpstreamSettings | null
  readonly counts: RepositoryCounts
  readonly issues: readonly RefIssue[]
  readonly progress: ReturnType<typeof shownJob>['progress'] | null
  /** Public origin of this server. */
  readonly baseUrl: string
}

/** Repositories as the API shows them: credentials never, progress while one is syncing. */
export async function shownRepositories(
  parts: {
    repositories: RepositoryTable
    upstreams: UpstreamTable
    hostRepositories: HostRepositoryTable
    jobs: JobTable
    now: () => number
  },
  rows: readonly RepositoryRow[],
  baseUrl: string,
) {
  const ids = rows.map((row) => row.id)
  const [counts, held, upstreams, jobs, hosts] = await Promise.all([
    parts.repositories.counts(ids),
    parts.upstreams.counts(ids),
    parts.upstreams.settings(ids),
    parts.jobs.latest(ids),
    parts.hostRepositories.of(ids),
  ])
  return Promise.all(
    rows.map(async (row) => {
      const upstream = upstreams.get(row.id) ?? null
      const job = jobs.get(row.id)
      return shownRepository(row, {
        upstream,
        host: hosts.get(row.id),
        counts: counts.get(row.id) ?? held.get(row.id) ?? NOTHING,
        issues: await (upstream ? parts.upstreams : parts.repositories).issues(row.id),
        progress: job && isUnderWay(job, row, parts.now()) ? shownJob(job).progress : null,
        baseUrl,
      })
    }),
  )
}

/** True while a job runs or is about to; false while it is put off for its host, which `next_sync_at` tells. */
export function isUnderWay(job: JobRow, row: RepositoryRow, now: number): boolean {
  const putOff = job.runAt > now && job.runAt === row.nextSyncAt && row.errorCode !== null
  return job.state === 'running' || (job.state === 'queued' && !putOff)
}

/** A repository that is just being added; its first sync waits unless it has no source. */
export function shownNewRepository({ row, upstream }: NewRepositoryRows, baseUrl: string) {
  const progress = row.nextSyncAt === null ? null : { done: 0, total: 0, step: WAITING }
  return shownRepository(row, { upstream, host: undefined, counts: NOTHING, issues: [], progress, baseUrl })
}

/** What was set about a repository: what the audit keeps of it. Whether there are secrets, never which. */
export function repositorySettings(row: RepositoryRow, upstream: UpstreamSettings | null) {
  return {
    url: row.url,
    vcs_type: row.vcsType,
    credential_type: row.credentialType,
    has_credentials: row.credentials !== null,
    host_key: row.hostKey,
    package_filter: row.packageFilter,
    composer_json_paths: row.composerJsonPaths,
    sync_interval: row.syncInterval,
    archives: row.archives,
    expose_source: row.exposeSource,
    has_webhook_secret: row.webhookSecret !== null,
    webhook_registered: row.webhookId !== null,
    ...shownUpstream(upstream),
  }
}

function shownRepository(row: RepositoryRow, { upstream, host, counts, issues, progress, baseUrl }: RepositoryFacts) {
  return {
    id: row.id,
    ...repositorySettings(row, upstream),
    status: row.status,
    error_code: row.errorCode,
    error_message: row.errorMessage,
    ...shownHost(host),
    packages: counts.packages,
    versions: counts.versions,
    issues,
    progress,
    last_synced_at: row.lastSyncedAt,
    next_sync_at: row.nextSyncAt,
    webhook_url: webhookUrl(row, baseUrl),
    last_webhook_at: row.lastWebhookAt,
    created_at: row.createdAt,
    updated_at: row.updatedAt,
  }
}

/** What a host said last, and why it did not answer since. */
function shownHost({ facts, check }: KnownByHost = { facts: null, check: null }) {
  return {
    host: facts && {
      id: facts.hostId,
      path: facts.path,
      visibility: facts.visibility,
      archived: facts.archived,
      default_branch: facts.defaultBranch,
      web_url: facts.webUrl,
      checked_at: facts.checkedAt,
    },
    host_error: check?.problemMessage
      ? { code: check.problemCode, message: check.problemMessage, at: check.askedAt }
      : null,
  }
}

/** Where the host of a repository may send its webhooks; null while it has no secret to check them with. */
export function webhookUrl(row: RepositoryRow, baseUrl: string): string | null {
  return row.webhookSecret === null ? null : `${baseUrl}/webhooks/${row.id}`
}

/** The step of a job that has not begun. */
const WAITING = 'waiting'
const NOTHING: RepositoryCounts = { packages: 0, versions: 0 }

/** A job as the API shows it. What ended before a step of it was written does not wait any more. */
export function shownJob(job: JobRow) {
  const step = job.finishedAt !== null && job.progressStep === WAITING ? '' : job.progressStep
  return {
    id: job.id,
    repository_id: job.repositoryId,
    state: job.state,
    progress: { done: job.progressDone, total: job.progressTotal, step },
    error: job.error,
    created_at: job.createdAt,
    started_at: job.startedAt,
    finished_at: job.finishedAt,
  }
}

/** A sync in the history of a repository, with what it changed. `duration` in seconds; null while it has not ended. */
export function shownSync(job: JobRow) {
  const { started_at: started, finished_at: finished, ...rest } = shownJob(job)
  const { added = [], changed = [], removed = [], issues = [] } = job.result ?? {}
  const duration = started === null || finished === null ? null : Math.max(0, finished - started)
  return { ...rest, started_at: started, finished_at: finished, duration, added, changed, removed, issues }
}

import { readdirSync, statSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import type { Foundation } from './foundation.ts'
import type { Metrics, Sample } from './observability/metrics.ts'
import { databaseFile } from './store/database.ts'

/** What keeps documents in memory. */
interface Counted {
  readonly counts: { readonly found: number; readonly rendered: number; readonly joined: number }
}

/** What is looked at when somebody asks for metrics. */
export interface Sampled extends Foundation {
  readonly budgets: { left(): readonly { host: string; credential: string; requests: number }[] }
  readonly documents: Readonly<Record<string, Counted>>
}

/** Adds what is known elsewhere and only looked at when somebody asks. */
export function addSamples(metrics: Metrics, parts: Sampled): void {
  addJobs(metrics, parts)
  addRepositories(metrics, parts)
  addBudgets(metrics, parts)
  addArchives(metrics, parts)
  addScrubbing(metrics, parts)
  addDisk(metrics, parts)
  addProcess(metrics, parts)
  metrics.sampled({
    name: 'documents_total',
    help: 'Documents asked for: found in memory, rendered, or waited for while somebody else had them rendered.',
    kind: 'counter',
    labels: ['kind', 'result'],
    samples: () => Object.entries(parts.documents).flatMap(([kind, { counts }]) => counted(counts, { kind })),
  })
}

function addBudgets(metrics: Metrics, { budgets }: Sampled): void {
  metrics.sampled({
    name: 'upstream_rate_limit_remaining',
    help: 'Requests that a host last said are left, for each credential by a mark that tells nothing of it.',
    kind: 'gauge',
    labels: ['host', 'credential'],
    samples: () => budgets.left().map(({ requests, ...labels }) => ({ value: requests, labels })),
  })
}

function addJobs(metrics: Metrics, { tables, now }: Sampled): void {
  const unfinished = joined(() => tables.jobs.unfinished())
  metrics.sampled({
    name: 'jobs',
    help: 'Unfinished jobs by state.',
    kind: 'gauge',
    labels: ['state'],
    samples: async () => (await unfinished()).map(({ state, count }) => ({ value: count, labels: { state } })),
  })
  metrics.sampled({
    name: 'oldest_job_age_seconds',
    help: 'How long the oldest job of each state has been able to run, or runs.',
    kind: 'gauge',
    labels: ['state'],
    samples: async () =>
      (await unfinished()).map(({ state, since }) => ({
        value: Math.max(0, now() - since),
        labels: { state },
      })),
  })
}

function addRepositories(metrics: Metrics, { tables, now }: Sampled): void {
  const conditions = joined(() => tables.repositories.conditions())
  metrics.sampled({
    name: 'repository_sync_age_seconds',
    help: 'Time since a repository was last found to be what its source offers.',
    kind: 'gauge',
    labels: ['repository'],
    samples: async () =>
      (await conditions()).map(({ id, lastSyncedAt, createdAt }) => ({
        value: Math.max(0, now() - (lastSyncedAt ?? createdAt)),
        labels: { repository: id },
      })),
  })
  metrics.sampled({
    name: 'repositories',
    help: 'Repositories with a source, by status.',
    kind: 'gauge',
    labels: ['status'],
    samples: async () => {
      const byStatus = Map.groupBy(await conditions(), ({ status }) => status)
      return [...byStatus].map(([status, rows]) => ({ value: rows.length, labels: { status } }))
    },
  })
  metrics.sampled({
    name: 'discoveries',
    help: 'Owners that are looked at, by status.',
    kind: 'gauge',
    labels: ['status'],
    samples: async () =>
      (await tables.discoveries.statuses()).map(({ status, count }) => ({ value: count, labels: { status } })),
  })
}

function addArchives(metrics: Metrics, { archives, archiveDownloads }: Sampled): void {
  const stores = { built: archives, fetched: archiveDownloads }
  metrics.sampled({
    name: 'archive_lookups_total',
    help: 'Archives asked for: found on disk, absent, or waited for while somebody else had them come.',
    kind: 'counter',
    labels: ['store', 'result'],
    samples: () => Object.entries(stores).flatMap(([store, { counts }]) => counted(counts, { store })),
  })
  metrics.sampled({
    name: 'archive_jobs',
    help: 'Archives being built or fetched, and those that wait for their turn.',
    kind: 'gauge',
    labels: ['store', 'state'],
    samples: () =>
      Object.entries(stores).flatMap(([store, { queue }]) => [
        { value: queue.running, labels: { store, state: 'running' } },
        { value: queue.waiting, labels: { store, state: 'waiting' } },
      ]),
  })
  metrics.sampled({
    name: 'archive_jobs_refused_total',
    help: 'Archives that were not built or fetched because too many waited.',
    kind: 'counter',
    labels: ['store'],
    samples: () => Object.entries(stores).map(([store, { queue }]) => ({ value: queue.refused, labels: { store } })),
  })
  metrics.sampled({
    name: 'archive_bytes',
    help: 'Bytes of archives on disk, by store.',
    kind: 'gauge',
    labels: ['store'],
    samples: () => Object.entries(stores).map(([store, { bytes }]) => ({ value: bytes, labels: { store } })),
  })
}

function addScrubbing(metrics: Metrics, { scrubber }: Sampled): void {
  metrics.sampled({
    name: 'scrubbed_archives_total',
    help: 'Archives that were read again in the background, and those of them with other bytes than recorded.',
    kind: 'counter',
    labels: ['result'],
    samples: () => {
      const { archives, corrupt } = scrubber.counts
      return counted({ sound: archives - corrupt, corrupt }, {})
    },
  })
  metrics.sampled({
    name: 'scrubbed_bytes_total',
    help: 'Bytes of archives that were read again in the background.',
    kind: 'counter',
    samples: () => [{ value: scrubber.counts.bytes }],
  })
}

function addDisk(metrics: Metrics, { config }: Sampled): void {
  const directories = { data: config.dataDir, archives: config.archiveDir }
  metrics.sampled({
    name: 'disk_free_bytes',
    help: 'Room left for this user where data and archives are.',
    kind: 'gauge',
    labels: ['directory'],
    samples: () =>
      Promise.all(
        Object.entries(directories).map(async ([directory, path]) => {
          const { bavail, bsize } = await statfs(path)
          return { value: bavail * bsize, labels: { directory } }
        }),
      ),
  })
  const file = databaseFile({ url: config.databaseUrl })
  if (file === null) return
  metrics.sampled({
    name: 'database_bytes',
    help: 'Size of the database file and of its write-ahead log.',
    kind: 'gauge',
    labels: ['file'],
    samples: () => [
      { value: sizeOf(file), labels: { file: 'database' } },
      { value: sizeOf(`${file}-wal`), labels: { file: 'wal' } },
    ],
  })
}

function addProcess(metrics: Metrics, { droppedLines }: Sampled): void {
  const startedAt = Date.now() / 1_000 - process.uptime()
  const gauge = (name: string, help: string, value: () => number | null) =>
    metrics.sampled({
      name,
      help,
      kind: 'gauge',
      samples: () => {
        const found = value()
        return found === null ? [] : [{ value: found }]
      },
    })
  gauge('process_start_time_seconds', 'When the process began, Unix seconds.', () => startedAt)
  gauge('process_resident_memory_bytes', 'Resident memory.', () => process.memoryUsage.rss())
  gauge('process_open_fds', 'Open file descriptors.', openFiles)
  metrics.sampled({
    name: 'log_lines_dropped_total',
    help: 'Lines of the log that could not be written, since nobody read them or the disk was full.',
    kind: 'counter',
    samples: () => [{ value: droppedLines() }],
  })
  metrics.sampled({
    name: 'process_cpu_seconds_total',
    help: 'Processor time used, user and system.',
    kind: 'counter',
    samples: () => {
      const { user, system } = process.cpuUsage()
      return [{ value: (user + system) / 1_000_000 }]
    },
  })
}

/** The same question, asked once for all who ask it before it is answered: the metrics of one look are asked for at once. */
function joined<Answer>(ask: () => Promise<Answer>): () => Promise<Answer> {
  let asked: Promise<Answer> | null = null
  return () => {
    asked ??= ask().finally(() => {
      asked = null
    })
    return asked
  }
}

function counted(counts: Readonly<Record<string, number>>, labels: Readonly<Record<string, string>>): Sample[] {
  return Object.entries(counts).map(([result, value]) => ({ value, labels: { ...labels, result } }))
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0
}

/** Null where the system does not tell. */
function openFiles(): number | null {
  try {
    return readdirSync('/proc/self/fd').length
  } catch {
    return null
  }
}

import type { Caller } from '../../auth/scope.ts'
import type { TokenVerifier } from '../../auth/tokens.ts'
import { AppError, messageOf } from '../../errors.ts'
import type { Logger } from '../../observability/logger.ts'
import type { JobRow, JobTable } from '../../store/jobs.ts'
import type { RepositoryRow, RepositoryTable } from '../../store/repositories.ts'
import { EventStream } from '../event-stream.ts'
import { mayStill } from '../plugins/authenticate.ts'
import { isUnderWay, shownJob, shownSync } from './shown-repository.ts'

/** What a feed works with. `now` gives Unix seconds. */
export interface FeedParts {
  readonly repositories: RepositoryTable
  readonly jobs: JobTable
  readonly verifier: TokenVerifier
  readonly now: () => number
  readonly logger: Logger
}

/** Streams at once; each is a connection, and a few rows a second. */
const MOST_STREAMS = 100
/** Seconds after which one more may have a place. */
const COME_AGAIN = 10
/** How often the database is asked for all streams together, in milliseconds. */
const LOOK_MS = 1_000
/** What happens in this process is shown at once, what happens at the same time together. */
const GATHER_MS = 20
/** Connections are cut after thirty seconds of silence. */
const BEAT_MS = 15_000

/** One client and what it was told. */
interface Watcher {
  readonly repositoryId: string
  readonly caller: Caller
  readonly stream: EventStream
  /** As text, to compare; empty before the first look. */
  status: string
  progress: string
  /** The newest job that it was told of, and whether it had ended then. */
  job: { readonly id: string; readonly ended: boolean } | null
}

/** Tells clients what happens to repositories, as it happens. */
export class RepositoryFeed {
  private readonly watchers = new Set<Watcher>()
  private timer: ReturnType<typeof setInterval> | null = null
  private gathering: ReturnType<typeof setTimeout> | null = null
  private looking: Promise<void> | null = null
  private lookedAt = 0
  private stopped = false

  /** `beatAfter` is the silence in milliseconds after which a stream says that it is still there. */
  constructor(
    private readonly parts: FeedParts,
    private readonly beatAfter = BEAT_MS,
  ) {}

  /**
   * A stream of events of one repository. It ends with the client, the repository, the token or the server.
   * Throws AppError('unavailable') when there are too many, or the server is shutting down.
   */
  open(repositoryId: string, caller: Caller): Response {
    if (this.stopped) throw new AppError('unavailable', 'The server is shutting down.')
    if (this.watchers.size >= MOST_STREAMS) {
      throw new AppError('unavailable', `There are ${MOST_STREAMS} streams of events already; try again later.`, {
        details: { retry_after: COME_AGAIN },
      })
    }
    const stream = new EventStream(() => this.leave(watcher))
    const watcher: Watcher = { repositoryId, caller, stream, status: '', progress: '', job: null }
    this.watchers.add(watcher)
    this.timer ??= setInterval(() => this.tick(), LOOK_MS)
    this.wake(repositoryId)
    return stream.response
  }

  /** Something happened to a repository; whoever watches it is told soon. */
  wake(repositoryId: string): void {
    if (this.gathering !== null || ![...this.watchers].some((watcher) => watcher.repositoryId === repositoryId)) return
    this.gathering = setTimeout(() => {
      this.gathering = null
      // A look under way may have read what was before.
      void (this.looking ?? Promise.resolve()).then(() => this.look())
    }, GATHER_MS)
  }

  /** Ends every stream, and lets none begin. */
  async stop(): Promise<void> {
    this.stopped = true
    for (const { stream } of [...this.watchers]) stream.end()
    await this.looking
  }

  private leave(watcher: Watcher): void {
    this.watchers.delete(watcher)
    if (this.watchers.size > 0) return
    if (this.timer !== null) clearInterval(this.timer)
    if (this.gathering !== null) clearTimeout(this.gathering)
    this.timer = null
    this.gathering = null
  }

  private tick(): void {
    for (const { stream } of this.watchers) if (performance.now() - stream.sentAt >= this.beatAfter) stream.beat()
    if (performance.now() - this.lookedAt >= LOOK_MS / 2) void this.look()
  }

  /** Reads what is watched, for all streams at once. */
  private look(): Promise<void> {
    this.looking ??= this.tellAll()
      .catch((error: unknown) => this.parts.logger.warn('events could not be read', { error: messageOf(error) }))
      .finally(() => {
        this.looking = null
      })
    return this.looking
  }

  private async tellAll(): Promise<void> {
    this.lookedAt = performance.now()
    const watchers = [...this.watchers]
    if (watchers.length === 0) return
    const ids = [...new Set(watchers.map((watcher) => watcher.repositoryId))]
    const tokens = [...new Set(watchers.flatMap(({ caller }) => (caller.tokenId === null ? [] : [caller.tokenId])))]
    // Jobs first: a job that has ended is then never shown with the repository as it was before.
    const jobs = await this.parts.jobs.latest(ids)
    const [rows, callers] = await Promise.all([
      this.parts.repositories.findMany(ids),
      tokens.length === 0 ? new Map<string, Caller>() : this.parts.verifier.callers(tokens),
    ])
    for (const watcher of watchers) {
      const { tokenId } = watcher.caller
      const caller = tokenId === null ? watcher.caller : callers.get(tokenId)
      const row = rows.get(watcher.repositoryId)
      if (row === undefined || caller === undefined || !mayStill(caller, 'unrestricted token')) watcher.stream.end()
      else await this.tell(watcher, row, jobs.get(row.id) ?? null)
    }
  }

  private async tell(watcher: Watcher, row: RepositoryRow, job: JobRow | null): Promise<void> {
    const { stream } = watcher
    const first = watcher.status === ''
    const underWay = job !== null && isUnderWay(job, row, this.parts.now())
    if (job !== null && underWay) {
      const progress = { job: job.id, ...shownJob(job).progress }
      if (changed(watcher, 'progress', progress)) stream.send('progress', progress)
    }
    const status = {
      status: row.status,
      error_code: row.errorCode,
      error_message: row.errorMessage,
      under_way: underWay,
      last_synced_at: row.lastSyncedAt,
      next_sync_at: row.nextSyncAt,
    }
    if (changed(watcher, 'status', status)) stream.send('status', status)
    if (!first) for (const ended of await this.endedSince(watcher, job)) sendEnd(stream, ended)
    watcher.job = job === null ? null : { id: job.id, ended: hasEnded(job) }
  }

  /** Jobs that ended since the last look: the one that was newest then, and the one that is it now. */
  private async endedSince({ job: before }: Watcher, job: JobRow | null): Promise<JobRow[]> {
    const ended: JobRow[] = []
    if (before !== null && !before.ended && before.id !== job?.id) {
      const older = await this.parts.jobs.find(before.id)
      if (older !== null) ended.push(older)
    }
    const told = before?.id === job?.id && before?.ended === true
    if (job !== null && hasEnded(job) && !told) ended.push(job)
    return ended.filter(hasEnded)
  }
}

function hasEnded(job: JobRow): boolean {
  return job.state === 'done' || job.state === 'failed'
}

function sendEnd(stream: EventStream, job: JobRow): void {
  stream.send(job.state === 'done' ? 'done' : 'failed', shownSync(job))
}

/** Whether something is to be told again, which is noted then. */
function changed(watcher: Watcher, what: 'status' | 'progress', value: unknown): boolean {
  const text = JSON.stringify(value)
  if (watcher[what] === text) return false
  watcher[what] = text
  return true
}

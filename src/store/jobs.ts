import { and, asc, count, desc, eq, inArray, isNotNull, lt, lte, or, sql } from 'drizzle-orm'
import { type Alongside, type Database, nothingElse, type Queries } from './database.ts'
import { newId } from './ids.ts'
import { type ClaimBounds, insideBounds, UNBOUNDED } from './job-holds.ts'
import { type Page, type PageOf, pageOf } from './paging.ts'
import { type JobResult, jobs } from './schema.ts'

/** A job as stored. */
export type JobRow = typeof jobs.$inferSelect

/** How far a job is: refs done of all, and what it does now. */
export interface JobProgress {
  readonly done: number
  readonly total: number
  readonly step: string
}

/** What is asked for. A higher priority runs first. */
export interface JobRequest {
  readonly repositoryId: string
  readonly priority: number
  /** Unix seconds before which it does not start. */
  readonly runAt: number
  /** The person who asked has seen that most refs are gone and wants them gone. */
  readonly acceptRemovals: boolean
  /** What it speaks to, for bounds on jobs at once; empty for nothing that is bounded. */
  readonly host?: string
  readonly credential?: string
}

export type { JobResult } from './schema.ts'

/** Seconds of waiting that make a job more urgent by one, so that nothing waits for ever behind what is more urgent. */
const AGEING = 600

/** Finished jobs kept per repository. */
const HISTORY = 50

/**
 * Leased jobs, one unfinished per repository. Workers of any process may claim them; a worker that dies loses its
 * lease and the job is claimed again.
 */
export class JobTable {
  constructor(private readonly db: Database) {}

  /** Adds a job, or raises the unfinished one of the repository; asked for while running, it runs once more. */
  async enqueue(
    request: JobRequest,
    now: number,
    alongside: (job: JobRow) => Alongside = () => nothingElse,
  ): Promise<JobRow> {
    return this.db.write(async (tx) => {
      const job = await enqueueIn(tx, request, now)
      await alongside(job)(tx)
      return job
    })
  }

  /**
   * Claims the most urgent job inside the bounds that is ready, or whose worker is gone, until `leaseUntil`; null when
   * there is none.
   */
  async claim(owner: string, now: number, leaseUntil: number, bounds: ClaimBounds = UNBOUNDED): Promise<JobRow | null> {
    const ready = and(
      or(and(eq(jobs.state, 'queued'), lte(jobs.runAt, now)), and(eq(jobs.state, 'running'), lt(jobs.leaseUntil, now))),
      insideBounds(bounds),
    )
    const next = this.db.read.select({ id: jobs.id }).from(jobs).where(ready)
    // Looking first spares an idle server a write transaction each second.
    if (!(await next.limit(1).get())) return null
    return this.db.write(async (tx) => {
      const candidate = tx
        .select({ id: jobs.id })
        .from(jobs)
        .where(ready)
        .orderBy(desc(sql`${jobs.priority} + (${now} - ${jobs.createdAt}) / ${AGEING}`), asc(jobs.runAt), asc(jobs.id))
        .limit(1)
      const rows = await tx
        .update(jobs)
        .set({ state: 'running', owner, leaseUntil, startedAt: now, rerun: false, attempt: sql`${jobs.attempt} + 1` })
        .where(inArray(jobs.id, candidate))
        .returning()
      return rows[0] ?? null
    })
  }

  /** Extends the lease and notes progress; false when the job was lost to another worker. */
  async renew(job: JobRow, leaseUntil: number, progress: JobProgress): Promise<boolean> {
    return this.db.write(async (tx) => {
      const rows = await tx
        .update(jobs)
        .set({ leaseUntil, progressDone: progress.done, progressTotal: progress.total, progressStep: progress.step })
        .where(held(job))
        .returning({ id: jobs.id })
      return rows.length > 0
    })
  }

  /** Ends every lease: for a process that has just found itself the only one, so that no worker can be alive. */
  async endLeases(): Promise<void> {
    await this.db.write((tx) => tx.update(jobs).set({ leaseUntil: 0 }).where(eq(jobs.state, 'running')))
  }

  /**
   * Ends a job with what it changed or why it failed; queues it anew when it was asked for while it ran. False, and
   * nothing of `alongside` is done, when it was lost to another worker.
   */
  async finish(
    job: JobRow,
    error: string | null,
    now: number,
    result: JobResult | null = null,
    alongside: Alongside = nothingElse,
  ): Promise<boolean> {
    return this.db.write(async (tx) => {
      const row = await tx.select().from(jobs).where(held(job)).get()
      if (!row) return false
      await alongside(tx)
      const state = error === null ? 'done' : 'failed'
      await tx
        .update(jobs)
        .set({ state, error, result, dedupeKey: null, leaseUntil: null, finishedAt: now })
        .where(eq(jobs.id, job.id))
      if (row.rerun) {
        await tx.insert(jobs).values(newJob({ ...row, runAt: now }, now))
      }
      const old = tx
        .select({ id: jobs.id })
        .from(jobs)
        .where(and(eq(jobs.repositoryId, job.repositoryId), inArray(jobs.state, ['done', 'failed'])))
        .orderBy(desc(sql`rowid`))
        .limit(Number.MAX_SAFE_INTEGER)
        .offset(HISTORY)
      await tx.delete(jobs).where(inArray(jobs.id, old))
      return true
    })
  }

  /** Gives a job back at shutdown, to be claimed at once by the next process. */
  async release(job: JobRow, now: number): Promise<void> {
    await this.db.write((tx) =>
      tx.update(jobs).set({ state: 'queued', owner: null, leaseUntil: null, runAt: now }).where(held(job)),
    )
  }

  /** The newest job of each of these repositories. */
  async latest(repositoryIds: readonly string[]): Promise<Map<string, JobRow>> {
    // Rows are numbered as they are inserted, and the newest of a repository is never deleted alone.
    const newest = this.db.read
      .select({ row: sql`max(rowid)` })
      .from(jobs)
      .where(inArray(jobs.repositoryId, [...repositoryIds]))
      .groupBy(jobs.repositoryId)
    const rows = await this.db.read.select().from(jobs).where(inArray(sql`rowid`, newest))
    return new Map(rows.map((row) => [row.repositoryId, row]))
  }

  /** A page of the jobs of a repository, newest first; of those that ended the last 50 are kept. */
  async list(repositoryId: string, page: Page): Promise<PageOf<JobRow>> {
    const mine = eq(jobs.repositoryId, repositoryId)
    const before =
      page.cursor === null ? undefined : sql`rowid < (SELECT rowid FROM jobs AS last WHERE last.id = ${page.cursor})`
    const [rows, total] = await Promise.all([
      this.db.read
        .select()
        .from(jobs)
        .where(and(mine, before))
        .orderBy(desc(sql`rowid`))
        .limit(page.limit + 1),
      this.db.read.select({ total: count() }).from(jobs).where(mine).get(),
    ])
    return pageOf(rows, total?.total ?? 0, page)
  }

  /** How many jobs are unfinished, and since when the oldest of each state could run or runs, Unix seconds. */
  async unfinished(): Promise<{ state: 'queued' | 'running'; count: number; since: number }[]> {
    const since = sql<number>`min(coalesce(${jobs.startedAt}, ${jobs.runAt}))`
    const rows = await this.db.read
      .select({ state: jobs.state, count: count(), since })
      .from(jobs)
      .where(isNotNull(jobs.dedupeKey))
      .groupBy(jobs.state)
    return rows.map(({ state, ...row }) => ({ ...row, state: state === 'running' ? state : 'queued' }))
  }

  /** The job with this id, or null. */
  async find(id: string): Promise<JobRow | null> {
    return (await this.db.read.select().from(jobs).where(eq(jobs.id, id)).get()) ?? null
  }
}

async function enqueueIn(tx: Queries, request: JobRequest, now: number): Promise<JobRow> {
  const existing = await tx.select().from(jobs).where(eq(jobs.dedupeKey, request.repositoryId)).get()
  if (!existing) return tx.insert(jobs).values(newJob(request, now)).returning().get()
  const running = existing.state === 'running'
  // The run under way keeps what it was asked; from then on the row says what the next one is asked.
  const asked = running && !existing.rerun ? false : existing.acceptRemovals
  return tx
    .update(jobs)
    .set({
      priority: Math.max(existing.priority, request.priority),
      runAt: Math.min(existing.runAt, request.runAt),
      acceptRemovals: asked || request.acceptRemovals,
      // Address and credential may be others by now.
      host: request.host ?? existing.host,
      credential: request.credential ?? existing.credential,
      rerun: running,
    })
    .where(eq(jobs.id, existing.id))
    .returning()
    .get()
}

/** A finished write is only valid while the worker still holds the lease of this very attempt. */
function held(job: JobRow) {
  return and(
    eq(jobs.id, job.id),
    eq(jobs.owner, job.owner ?? ''),
    eq(jobs.attempt, job.attempt),
    eq(jobs.state, 'running'),
  )
}

function newJob(request: JobRequest, now: number): typeof jobs.$inferInsert {
  return {
    id: newId('job'),
    repositoryId: request.repositoryId,
    state: 'queued',
    dedupeKey: request.repositoryId,
    priority: request.priority,
    acceptRemovals: request.acceptRemovals,
    host: request.host ?? '',
    credential: request.credential ?? '',
    rerun: false,
    runAt: request.runAt,
    attempt: 0,
    progressDone: 0,
    progressTotal: 0,
    progressStep: 'waiting',
    createdAt: now,
  }
}

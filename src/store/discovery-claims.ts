import { and, asc, eq, inArray, isNotNull, isNull, lte, ne, or, sql } from 'drizzle-orm'
import { AppError } from '../errors.ts'
import type { Database, Queries } from './database.ts'
import type { DiscoveryRow } from './discoveries.ts'
import { discoveries } from './schema-hosts.ts'

/** How a look ended that failed. `nextLookAt` null waits for a change of the discovery. */
export interface LookFailure {
  readonly code: string
  readonly message: string
  readonly nextLookAt: number | null
}

/** Who looks at which owner, and who asks after it in between. A worker that dies loses its claim. Times are Unix seconds. */
export class DiscoveryClaimTable {
  constructor(private readonly db: Database) {}

  /** Claims the discovery that is due longest, or whose worker is gone, until `until`; null when there is none. */
  async claimLook(owner: string, now: number, until: number): Promise<DiscoveryRow | null> {
    const due = this.db.read
      .select({ id: discoveries.id })
      .from(discoveries)
      .where(lte(discoveries.nextLookAt, now))
      .orderBy(asc(discoveries.nextLookAt), asc(discoveries.id))
      .limit(1)
    // Looking first spares an idle server a write transaction each second.
    if (!(await due.get())) return null
    return this.db.write(async (tx) => {
      const rows = await tx
        .update(discoveries)
        .set({ nextLookAt: until, claimedBy: owner, lookAgain: false })
        .where(inArray(discoveries.id, due))
        .returning()
      return rows[0] ?? null
    })
  }

  /** Extends a claim; false when another worker has it. */
  async renewLook(claim: DiscoveryRow, until: number): Promise<boolean> {
    return this.db.write(async (tx) => {
      const set = { nextLookAt: until }
      const rows = await tx.update(discoveries).set(set).where(held(claim)).returning({ id: discoveries.id })
      return rows.length > 0
    })
  }

  /** Gives a claim back, to be taken at once by the next process. */
  async releaseLook(claim: DiscoveryRow, now: number): Promise<void> {
    const set = { nextLookAt: now, claimedBy: null }
    await this.db.write((tx) => tx.update(discoveries).set(set).where(held(claim)))
  }

  /** Gives every claim back: for a process that has just found itself the only one. */
  async endClaims(now: number): Promise<void> {
    const set = { nextLookAt: now, claimedBy: null }
    await this.db.write((tx) => tx.update(discoveries).set(set).where(isNotNull(discoveries.claimedBy)))
  }

  /** Notes a look that failed; what is stored stays. False when another worker has the claim. */
  async failLook(claim: DiscoveryRow, failure: LookFailure, now: number): Promise<boolean> {
    return this.db.write((tx) => endLook(tx, claim, { ...failed(failure), nextLookAt: failure.nextLookAt }, now))
  }

  /**
   * Claims the discovery whose owner is to be asked whether anything changed, until `until`; null when there is none. A host without
   * dependable dates is not asked, nor is an owner whose listing failed.
   */
  async claimProbe(now: number, until: number): Promise<DiscoveryRow | null> {
    const due = this.db.read
      .select({ id: discoveries.id })
      .from(discoveries)
      .where(
        and(
          or(isNull(discoveries.nextProbeAt), lte(discoveries.nextProbeAt, now)),
          eq(discoveries.status, 'active'),
          ne(discoveries.vcsType, 'gitlab'),
          isNotNull(discoveries.lastListedAt),
          isNull(discoveries.claimedBy),
        ),
      )
      .orderBy(asc(discoveries.nextProbeAt), asc(discoveries.id))
      .limit(1)
    if (!(await due.get())) return null
    return this.db.write(async (tx) => {
      const rows = await tx
        .update(discoveries)
        .set({ nextProbeAt: until })
        .where(inArray(discoveries.id, due))
        .returning()
      return rows[0] ?? null
    })
  }

  /** Notes what a probe found; `validator` is for the next one. */
  async noteProbed(id: string, probe: { lastProbedAt: number | null; validator: string | null }): Promise<void> {
    await this.db.write((tx) => tx.update(discoveries).set(probe).where(eq(discoveries.id, id)))
  }

  /** Notes a probe that failed, unless something else has happened to the discovery since it was claimed. */
  async failProbe(claim: DiscoveryRow, failure: LookFailure): Promise<void> {
    const same = and(
      eq(discoveries.id, claim.id),
      isNull(discoveries.claimedBy),
      eq(discoveries.updatedAt, claim.updatedAt),
    )
    await this.db.write((tx) =>
      tx
        .update(discoveries)
        .set({ ...failed(failure), nextLookAt: failure.nextLookAt })
        .where(same),
    )
  }
}

/** Ends a look in the transaction of what it found. False when another worker has the claim. `now` in Unix seconds. */
export async function endLook(
  tx: Queries,
  claim: DiscoveryRow,
  outcome: Pick<DiscoveryRow, 'nextLookAt'> & Partial<Record<keyof DiscoveryRow, unknown>>,
  now: number,
): Promise<boolean> {
  const again = sql`CASE WHEN ${discoveries.lookAgain} THEN ${now} ELSE ${outcome.nextLookAt} END`
  const rows = await tx
    .update(discoveries)
    .set({
      ...(outcome as Partial<DiscoveryRow>),
      nextLookAt: again,
      acceptRemovals: sql`${discoveries.acceptRemovals} AND ${discoveries.lookAgain}`,
      claimedBy: null,
      lookAgain: false,
    })
    .where(held(claim))
    .returning({ id: discoveries.id })
  return rows.length > 0
}

/** Throws AppError('conflict') when another worker has the claim, or the discovery is gone. */
export async function checkHeld(tx: Queries, claim: DiscoveryRow): Promise<void> {
  const row = await tx.select({ id: discoveries.id }).from(discoveries).where(held(claim)).get()
  if (!row) throw new AppError('conflict', 'Another worker has taken over this look, or its discovery is gone.')
}

function held(claim: DiscoveryRow) {
  return and(eq(discoveries.id, claim.id), eq(discoveries.claimedBy, claim.claimedBy ?? ''))
}

function failed({ code, message }: LookFailure) {
  return {
    status: 'error' as const,
    errorCode: code,
    errorMessage: message,
    failures: sql`${discoveries.failures} + 1`,
  }
}

import { and, asc, count, eq, gt, isNull, sql } from 'drizzle-orm'
import { AppError } from '../errors.ts'
import { type Alongside, type Database, nothingElse, type Queries } from './database.ts'
import { askHostAgain } from './host-repositories.ts'
import { type Page, type PageOf, pageOf } from './paging.ts'
import { repositories } from './schema.ts'
import { discoveredRepositories, discoveries } from './schema-hosts.ts'

/** A discovery as stored; credentials are sealed. */
export type DiscoveryRow = typeof discoveries.$inferSelect

/** What a change of a discovery may set. */
export type DiscoveryChange = Partial<
  Pick<
    DiscoveryRow,
    | 'credentialType'
    | 'credentials'
    | 'include'
    | 'exclude'
    | 'includeArchived'
    | 'includeForks'
    | 'interval'
    | 'template'
  >
>

/** A repository of a discovery whose credential becomes another one: `sealed` is what it must have until then. */
export interface Resealed {
  readonly id: string
  readonly sealed: string | null
  readonly credentialType: string
  readonly credentials: string | null
}

/** Columns of a discovery that looks fill, before the first one. */
export const NEVER_LOOKED = {
  status: 'pending',
  errorCode: null,
  errorMessage: null,
  failures: 0,
  validator: null,
  lastListedAt: null,
  lastProbedAt: null,
  claimedBy: null,
  lookAgain: false,
  acceptRemovals: false,
  nextProbeAt: null,
} as const satisfies Partial<DiscoveryRow>

/** Owners at hosts whose repositories are added as they appear. Times are Unix seconds. */
export class DiscoveryTable {
  constructor(private readonly db: Database) {}

  /** Stores a new one. `alongside` comes first. Throws AppError('conflict') with the id of the one of this owner. */
  async insert(row: DiscoveryRow, alongside: Alongside = nothingElse): Promise<void> {
    await this.db.write(async (tx) => {
      await alongside(tx)
      const same = await tx.select().from(discoveries).where(eq(discoveries.urlKey, row.urlKey)).get()
      if (same) {
        throw new AppError('conflict', `This owner is looked at already by ${same.id} (${same.url}).`, {
          details: { id: same.id },
        })
      }
      await tx.insert(discoveries).values(row)
    })
  }

  /** The discovery with this id, or null. */
  async find(id: string): Promise<DiscoveryRow | null> {
    return (await this.db.read.select().from(discoveries).where(eq(discoveries.id, id)).get()) ?? null
  }

  /** A page of discoveries, oldest first. */
  async list(page: Page): Promise<PageOf<DiscoveryRow>> {
    const known = this.db.read
      .select({ place: sql`${discoveries.createdAt}, ${discoveries.id}` })
      .from(discoveries)
      .where(eq(discoveries.id, page.cursor ?? ''))
    const after =
      page.cursor === null ? undefined : gt(sql`(${discoveries.createdAt}, ${discoveries.id})`, sql`(${known})`)
    const [rows, total] = await Promise.all([
      this.db.read
        .select()
        .from(discoveries)
        .where(after)
        .orderBy(asc(discoveries.createdAt), asc(discoveries.id))
        .limit(page.limit + 1),
      this.db.read.select({ total: count() }).from(discoveries).get(),
    ])
    return pageOf(rows, total?.total ?? 0, page)
  }

  /** How many there are in each status that one is in. */
  async statuses(): Promise<{ status: DiscoveryRow['status']; count: number }[]> {
    const { status } = discoveries
    return this.db.read.select({ status, count: count() }).from(discoveries).groupBy(status)
  }

  /** Id and sealed credential of each repository that a discovery added. */
  async credentialsOfRepositories(id: string): Promise<{ id: string; credentials: string | null }[]> {
    return this.db.read
      .select({ id: repositories.id, credentials: repositories.credentials })
      .from(repositories)
      .where(eq(repositories.discoveryId, id))
  }

  /**
   * Changes a discovery, with the credentials of its repositories, and has it looked at now. Returns it as it is then, or null when there is
   * none. `alongside` may refuse it.
   */
  async update(
    id: string,
    change: DiscoveryChange,
    now: number,
    options: {
      readonly resealed: readonly Resealed[]
      readonly alongside: (before: DiscoveryRow, after: DiscoveryRow) => Alongside
    },
  ): Promise<DiscoveryRow | null> {
    return this.db.write(async (tx) => {
      const before = await tx.select().from(discoveries).where(eq(discoveries.id, id)).get()
      if (!before) return null
      await tx
        .update(discoveries)
        .set({ ...change, updatedAt: now, failures: 0, ...lookNow(now) })
        .where(eq(discoveries.id, id))
      for (const { id: repositoryId, sealed, ...credential } of options.resealed) {
        const same = sealed === null ? isNull(repositories.credentials) : eq(repositories.credentials, sealed)
        await tx
          .update(repositories)
          .set({ ...credential, failures: 0, nextSyncAt: now, updatedAt: now })
          .where(and(eq(repositories.id, repositoryId), eq(repositories.discoveryId, id), same))
        // What the host said to the credential before is no word about this one.
        await askHostAgain(repositoryId)(tx)
      }
      if (change.template !== undefined) await forgetAsked(tx, id)
      const after = await tx.select().from(discoveries).where(eq(discoveries.id, id)).get()
      await options.alongside(before, after ?? before)(tx)
      return after ?? null
    })
  }

  /** Removes a discovery; its repositories stay. False when there was none. */
  async delete(id: string, alongside: Alongside = nothingElse): Promise<boolean> {
    return this.db.write(async (tx) => {
      const gone = await tx.delete(discoveries).where(eq(discoveries.id, id)).returning({ id: discoveries.id })
      if (gone.length > 0) await alongside(tx)
      return gone.length > 0
    })
  }

  /** Has a discovery looked at now, or once more when that is under way. False when there is none. */
  async requestLook(
    id: string,
    now: number,
    { acceptRemovals = false, alongside = nothingElse }: { acceptRemovals?: boolean; alongside?: Alongside } = {},
  ): Promise<boolean> {
    return this.db.write(async (tx) => {
      const accepted = acceptRemovals ? { acceptRemovals } : {}
      const set = { ...lookNow(now), ...accepted }
      const rows = await tx.update(discoveries).set(set).where(eq(discoveries.id, id)).returning({ id: discoveries.id })
      if (rows.length > 0) await alongside(tx)
      return rows.length > 0
    })
  }
}

/** What was found without a composer.json is asked again, which may be one in another place now. */
async function forgetAsked(tx: Queries, id: string): Promise<void> {
  const mine = and(eq(discoveredRepositories.discoveryId, id), isNull(discoveredRepositories.repositoryId))
  await tx.update(discoveredRepositories).set({ pushedAt: null }).where(mine)
}

function lookNow(now: number) {
  return {
    nextLookAt: sql`CASE WHEN ${discoveries.claimedBy} IS NULL THEN ${now} ELSE ${discoveries.nextLookAt} END`,
    lookAgain: sql`${discoveries.claimedBy} IS NOT NULL`,
  }
}

/** Where the credentials of a discovery are stored, which is what they are sealed to. */
export function discoveryCredentialsPlace(discoveryId: string): string {
  return `discoveries/${discoveryId}/credentials`
}

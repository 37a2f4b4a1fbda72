import { eq, inArray } from 'drizzle-orm'
import { AppError } from '../errors.ts'
import { recording } from './audit.ts'
import type { Alongside, Database, Queries } from './database.ts'
import { type RepositoryRow, repositoryWithAddress } from './repositories.ts'
import { republish } from './republish.ts'
import { repositories } from './schema.ts'
import { hostChecks, hostRepositories } from './schema-hosts.ts'

/** What a host said of a repository last. */
export type HostRepositoryRow = typeof hostRepositories.$inferSelect
/** When it was asked, and what was in the way. */
export type HostCheckRow = typeof hostChecks.$inferSelect

/** What is known of a repository by its host; null for what never was. */
export interface KnownByHost {
  readonly facts: HostRepositoryRow | null
  readonly check: HostCheckRow | null
}

/** An answer of a host about the repository of this row. */
export interface HostAnswer {
  readonly row: RepositoryRow
  readonly facts: HostRepositoryRow
  readonly nextAskAt: number
  /** The address it has now; null when that is the stored one. */
  readonly address: { readonly url: string; readonly urlKey: string } | null
}

/** What a listing says of a repository that is here. */
export interface ListedHere extends Pick<HostRepositoryRow, 'repositoryId' | 'path' | 'archived'> {}

/** What hosts say of repositories beside their refs and files. */
export class HostRepositoryTable {
  constructor(private readonly db: Database) {}

  /** What is known of one repository. */
  async find(repositoryId: string): Promise<KnownByHost> {
    return (await this.of([repositoryId])).get(repositoryId) ?? NOTHING
  }

  /** What is known of each of these repositories; those of which nothing is are left out. */
  async of(repositoryIds: readonly string[]): Promise<Map<string, KnownByHost>> {
    const ids = [...repositoryIds]
    const [facts, checks] = await Promise.all([
      this.db.read.select().from(hostRepositories).where(inArray(hostRepositories.repositoryId, ids)),
      this.db.read.select().from(hostChecks).where(inArray(hostChecks.repositoryId, ids)),
    ])
    const known = new Map<string, KnownByHost>(facts.map((row) => [row.repositoryId, { facts: row, check: null }]))
    for (const check of checks) {
      known.set(check.repositoryId, { facts: known.get(check.repositoryId)?.facts ?? null, check })
    }
    return known
  }

  /**
   * Stores what a host answered. A repository that has another address there gets it, recorded as a change that nobody
   * here made. Documents that show something else since then are dated anew. Resolves to the repository as it is then,
   * or to null when it was changed or removed meanwhile. Throws AppError('conflict') when another repository has the
   * new address; nothing is stored then.
   */
  noteAnswer({ row, facts, nextAskAt, address }: HostAnswer): Promise<RepositoryRow | null> {
    const now = facts.checkedAt
    return this.db.write(async (tx) => {
      const current = await tx.select().from(repositories).where(eq(repositories.id, row.id)).get()
      if (current?.url !== row.url || current.credentials !== row.credentials) return null
      const before = await tx.select().from(hostRepositories).where(eq(hostRepositories.repositoryId, row.id)).get()
      await tx
        .insert(hostRepositories)
        .values(facts)
        .onConflictDoUpdate({ target: hostRepositories.repositoryId, set: facts })
      const check = { repositoryId: row.id, askedAt: now, nextAskAt, problemCode: null, problemMessage: null }
      await tx.insert(hostChecks).values(check).onConflictDoUpdate({ target: hostChecks.repositoryId, set: check })
      const after = address === null ? current : await moved(tx, current, address, now)
      const shows = shownSupport(current, before ?? null) !== shownSupport(after, facts)
      if (shows || (current.exposeSource && after.url !== current.url)) await republish(tx, row.id, now)
      return after
    })
  }

  /**
   * Has the hosts of those repositories asked again, at their next sync, of which a listing says something else than the
   * host did: another path, or whether it is archived. Resolves to their ids. One whose host could not be asked is left
   * to its own next time.
   */
  async askAgainWhereOther(listed: readonly ListedHere[]): Promise<string[]> {
    const known = await this.of(listed.map(({ repositoryId }) => repositoryId))
    const ids = listed.flatMap(({ repositoryId, path, archived }) => {
      const { facts, check } = known.get(repositoryId) ?? NOTHING
      const isOther = facts !== null && (facts.path !== path || facts.archived !== archived)
      return isOther && check?.problemCode === null ? [repositoryId] : []
    })
    if (ids.length > 0) {
      await this.db.write((tx) => tx.delete(hostChecks).where(inArray(hostChecks.repositoryId, ids)))
    }
    return ids
  }

  /** Stores that a host gave no answer; what it said before stays. A repository that is gone is let be. */
  async noteProblem(check: HostCheckRow): Promise<void> {
    await this.db.write(async (tx) => {
      const row = await tx.select().from(repositories).where(eq(repositories.id, check.repositoryId)).get()
      if (!row) return
      await tx.insert(hostChecks).values(check).onConflictDoUpdate({ target: hostChecks.repositoryId, set: check })
    })
  }
}

const NOTHING: KnownByHost = { facts: null, check: null }

/** Has the host of a repository asked again at its next sync, because something about it is said to have changed. */
export function askHostAgain(repositoryId: string): Alongside {
  return async (tx) => {
    await tx.delete(hostChecks).where(eq(hostChecks.repositoryId, repositoryId))
  }
}

/** Forgets what the host of a repository said: it is another address now, or somebody else asks. */
export function forgetHost(repositoryId: string): Alongside {
  return async (tx) => {
    await tx.delete(hostChecks).where(eq(hostChecks.repositoryId, repositoryId))
    await tx.delete(hostRepositories).where(eq(hostRepositories.repositoryId, repositoryId))
  }
}

/** Whether the pages of a repository at its host are named in metadata: those of a private one are where its source is. */
export function showsPages(
  row: Pick<RepositoryRow, 'exposeSource'>,
  facts: Pick<HostRepositoryRow, 'visibility'>,
): boolean {
  return row.exposeSource || facts.visibility === 'public'
}

/** Equal texts mean the same `support` in documents. */
function shownSupport(row: RepositoryRow, facts: HostRepositoryRow | null): string {
  return facts !== null && showsPages(row, facts) ? JSON.stringify([facts.webUrl, facts.issuesUrl]) : ''
}

async function moved(
  tx: Queries,
  row: RepositoryRow,
  address: { url: string; urlKey: string },
  now: number,
): Promise<RepositoryRow> {
  const same = await repositoryWithAddress(tx, address.urlKey)
  if (same && same.id !== row.id) {
    const sentence = `The repository has moved to ${address.url}, which is here already as ${same.id}; remove one of them.`
    throw new AppError('conflict', sentence, { details: { id: same.id, reason: 'moved' } })
  }
  await recording({
    at: now,
    actor: 'sync',
    action: 'repository.move',
    subject: row.id,
    before: { url: row.url },
    after: { url: address.url },
    requestId: 'sync',
    address: null,
  })(tx)
  const change = { ...address, updatedAt: now }
  return tx.update(repositories).set(change).where(eq(repositories.id, row.id)).returning().get()
}

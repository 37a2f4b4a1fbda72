import { and, eq, gt, inArray, lte, notInArray, sql } from 'drizzle-orm'
import { AppError } from '../errors.ts'
import type { Alongside, Database } from './database.ts'
import { askHostAgain } from './host-repositories.ts'
import { repositories } from './schema.ts'
import { webhookDeliveries } from './schema-hosts.ts'

/** How long a delivery is remembered, in seconds, so that the same one again is dropped. */
export const REMEMBERED_FOR = 86_400

/** A delivery that was verified. */
export interface AcceptedDelivery {
  readonly repositoryId: string
  /** The same each time the host sends it again. */
  readonly deliveryId: string
  /** Whether what the host says of the repository changed, not only its refs. */
  readonly facts: boolean
}

/** The delivery was accepted before. */
export class RepeatedDeliveryError extends AppError {
  constructor() {
    super('conflict', 'This delivery was accepted before.')
  }
}

/** Deliveries of webhooks. Times are Unix seconds. */
export class WebhookTable {
  constructor(private readonly db: Database) {}

  /** Ids of the git repositories whose addresses have one of these keys, whatever the case of their letters. */
  async repositoriesAt(keys: readonly string[]): Promise<string[]> {
    const lower = keys.map((key) => key.toLowerCase())
    const rows = await this.db.read
      .select({ id: repositories.id })
      .from(repositories)
      .where(
        and(
          inArray(sql`lower(${repositories.urlKey})`, lower),
          notInArray(repositories.vcsType, ['composer', 'artifact']),
        ),
      )
    return rows.map(({ id }) => id)
  }

  /** Whether a delivery was accepted after `since`. */
  async isRepeated({ repositoryId, deliveryId }: AcceptedDelivery, since: number): Promise<boolean> {
    const same = and(eq(webhookDeliveries.repositoryId, repositoryId), eq(webhookDeliveries.deliveryId, deliveryId))
    const recent = and(same, gt(webhookDeliveries.receivedAt, since))
    return (await this.db.read.select({ one: sql`1` }).from(webhookDeliveries).where(recent).get()) !== undefined
  }

  /**
   * Notes a delivery in the transaction of what it leads to, so that one that was answered has its effect. The facts of
   * the repository become due when they changed. The transaction throws RepeatedDeliveryError when the same was accepted
   * after `since`.
   */
  accepting({ repositoryId, deliveryId, facts }: AcceptedDelivery, now: number, since: number): Alongside {
    return async (tx) => {
      const noted = await tx
        .insert(webhookDeliveries)
        .values({ repositoryId, deliveryId, receivedAt: now })
        .onConflictDoUpdate({
          target: [webhookDeliveries.repositoryId, webhookDeliveries.deliveryId],
          set: { receivedAt: now },
          setWhere: lte(webhookDeliveries.receivedAt, since),
        })
        .returning({ one: sql`1` })
      if (noted.length === 0) throw new RepeatedDeliveryError()
      await tx.update(repositories).set({ lastWebhookAt: now }).where(eq(repositories.id, repositoryId))
      if (facts) await askHostAgain(repositoryId)(tx)
    }
  }

  /** Notes a delivery that tells of nothing, such as the first one of a new webhook. */
  async noteContact(repositoryId: string, now: number): Promise<void> {
    await this.db.write((tx) =>
      tx.update(repositories).set({ lastWebhookAt: now }).where(eq(repositories.id, repositoryId)),
    )
  }

  /** Forgets deliveries that were accepted until `since`. */
  async dropOld(since: number): Promise<void> {
    const old = lte(webhookDeliveries.receivedAt, since)
    // Looking first spares an idle server the write.
    if (!(await this.db.read.select({ one: sql`1` }).from(webhookDeliveries).where(old).limit(1).get())) return
    await this.db.write((tx) => tx.delete(webhookDeliveries).where(old))
  }
}

/** Where the webhook secret of a repository is stored, which is what it is sealed to. */
export function webhookSecretPlace(repositoryId: string): string {
  return `repositories/${repositoryId}/webhook_secret`
}

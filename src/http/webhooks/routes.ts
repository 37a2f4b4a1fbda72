import { randomBytes } from 'node:crypto'
import { Elysia } from 'elysia'
import type { FailedLogins } from '../../auth/failed-logins.ts'
import type { SecretBox } from '../../auth/secret-box.ts'
import { AppError, isAppError } from '../../errors.ts'
import type { Logger } from '../../observability/logger.ts'
import { verifyWebhook, type WebhookSender } from '../../sources/hosts/verify-webhook.ts'
import { LONGEST_WEBHOOK, type PushNotice } from '../../sources/hosts/webhook.ts'
import type { RepositoryRow, RepositoryTable } from '../../store/repositories.ts'
import { REMEMBERED_FOR, RepeatedDeliveryError, type WebhookTable, webhookSecretPlace } from '../../store/webhooks.ts'
import { PRIORITY, type SyncQueue } from '../../sync/queue.ts'
import type { PeerOf } from '../base-url.ts'
import { readBytes } from '../plugins/body-bytes.ts'
import { RECEIVE_WEBHOOK } from './operations.ts'

/** Seconds between a notice and its sync: a push of several refs comes as several notices. */
const GATHERED_FOR = 3

/** What receiving webhooks takes. `now` gives Unix seconds. */
export interface WebhookRoutesParts {
  readonly repositories: RepositoryTable
  readonly webhooks: WebhookTable
  readonly queue: SyncQueue
  readonly secretBox: SecretBox
  /** Deliveries that were not signed as they should be, by the address they came from. */
  readonly webhookFailures: FailedLogins
  /** Address of the client behind a request; null over the local socket. */
  readonly clientAddressOf: PeerOf
  readonly logger: Logger
  readonly now: () => number
}

/** What came of a delivery. */
type Outcome = 'queued' | 'repeated' | 'ignored'

/**
 * `POST /webhooks/{repository id}`: a host tells of a push, signed with the secret of the repository. It is a hint that
 * the repository is worth a look; what is there is read from the repository. Nothing is asked of anybody meanwhile.
 */
export function webhookRoutes(parts: WebhookRoutesParts) {
  // What a repository without a secret is checked with, so that it is refused like one with another secret.
  const nobodys = randomBytes(32).toString('base64url')
  return new Elysia({ name: 'webhooks' }).post(
    '/webhooks/:id',
    async ({ params, request, status }) => {
      const body = await readBytes(request, LONGEST_WEBHOOK)
      const row = await parts.repositories.find(params.id)
      const sender = row?.webhookSecret == null ? null : SENDERS[row.vcsType]
      const secret = row && sender ? secretOf(parts.secretBox, row) : nobodys
      const delivery = { headers: request.headers, body, secret, now: parts.now() }
      const refused = (error: unknown) => {
        // What comes for no repository, or for one without a secret, is not worth a line.
        if (sender) parts.logger.warn('webhook refused', { repository: params.id, error })
      }
      const notice = verified(parts, { request, refused }, () => verifyWebhook(sender ?? 'github', delivery))
      return status(202, { status: await take(parts, params.id, notice) })
    },
    // The bytes that were signed, not what a parser makes of them.
    { parse: 'none', detail: RECEIVE_WEBHOOK },
  )
}

/** Who sends webhooks to a repository, by its `vcs_type`; a plain git repository is notified in the way of GitHub. */
const SENDERS: Readonly<Record<string, WebhookSender>> = {
  git: 'github',
  github: 'github',
  gitlab: 'gitlab',
  bitbucket: 'bitbucket',
  gitea: 'gitea',
}

function secretOf(secretBox: SecretBox, row: RepositoryRow): string {
  return secretBox.open(row.webhookSecret ?? '', webhookSecretPlace(row.id))
}

/** What `verify` returns; a wrong signature is told to `refused` and counted for the address it comes from. */
function verified(
  { webhookFailures, clientAddressOf }: WebhookRoutesParts,
  { request, refused }: { request: Request; refused: (error: unknown) => void },
  verify: () => PushNotice | null,
): PushNotice | null {
  try {
    return verify()
  } catch (error) {
    refused(error)
    const address = isAppError(error, 'unauthorized') ? clientAddressOf(request) : null
    const wait = address === null ? 0 : webhookFailures.note(address)
    if (wait === 0) throw error
    throw new AppError(
      'rate_limited',
      `Too many webhooks with a wrong signature came from this address; check the secret and try again in ${wait} seconds.`,
      { details: { retry_after: wait } },
    )
  }
}

async function take(parts: WebhookRoutesParts, id: string, notice: PushNotice | null): Promise<Outcome> {
  const { webhooks, queue } = parts
  const now = parts.now()
  if (notice === null) {
    await webhooks.noteContact(id, now)
    return 'ignored'
  }
  const delivery = { repositoryId: id, deliveryId: notice.deliveryId, facts: notice.concerns === 'facts' }
  const since = now - REMEMBERED_FOR
  if (await webhooks.isRepeated(delivery, since)) return 'repeated'
  try {
    await queue.request(id, PRIORITY.webhook, {
      delay: GATHERED_FOR,
      alongside: () => webhooks.accepting(delivery, now, since),
    })
    return 'queued'
  } catch (error) {
    if (error instanceof RepeatedDeliveryError) return 'repeated'
    throw error
  }
}

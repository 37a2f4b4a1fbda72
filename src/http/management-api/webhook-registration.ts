import { Elysia, t } from 'elysia'
import type { Caller } from '../../auth/scope.ts'
import type { SecretBox } from '../../auth/secret-box.ts'
import type { TokenVerifier } from '../../auth/tokens.ts'
import { AppError, messageOf } from '../../errors.ts'
import { COMPOSER } from '../../mirror/upstream-address.ts'
import { hostFailureReason } from '../../sources/hosts/failure.ts'
import type { RepositoryChange, RepositoryRow, RepositoryTable } from '../../store/repositories.ts'
import { webhookSecretPlace } from '../../store/webhooks.ts'
import type { BaseUrlOf } from '../base-url.ts'
import { authenticate } from '../plugins/authenticate.ts'
import { ARTIFACT } from './artifact-repository.ts'
import type { AuditTrail } from './audit-trail.ts'
import { refuseStale } from './change-repository.ts'
import type { HostWebhooks } from './host-webhooks.ts'
import { repositorySettings, webhookUrl } from './shown-repository.ts'
import { WEBHOOK_OPERATIONS } from './webhook-operations.ts'
import { makeWebhookSecret, sealedWebhookSecret } from './webhook-secret.ts'

/** What registering webhooks takes. `now` gives Unix seconds. */
export interface WebhookRegistrationParts {
  readonly verifier: TokenVerifier
  readonly repositories: RepositoryTable
  readonly secretBox: SecretBox
  readonly hostWebhooks: HostWebhooks
  readonly audit: AuditTrail
  readonly baseUrlOf: BaseUrlOf
  readonly now: () => number
}

interface Asked {
  readonly request: Request
  readonly caller: Caller
}

const NewWebhook = t.Object(
  { register: t.Optional(t.Boolean({ description: 'true or false, which leaves it to you to add it at the host' })) },
  { additionalProperties: false, description: 'how the webhook is added, or nothing' },
)

/** `/api/repositories/{id}/webhook`: the webhook of a repository, here and at its host. */
export function webhookRegistrationRoutes(parts: WebhookRegistrationParts) {
  return new Elysia({ prefix: '/api/repositories' })
    .use(authenticate(parts.verifier, 'unrestricted token'))
    .post(
      '/:id/webhook',
      async ({ params, body, status, ...asked }) =>
        status(201, await addWebhook(parts, asked, params.id, body?.register ?? true)),
      { body: t.Optional(NewWebhook), detail: WEBHOOK_OPERATIONS.add },
    )
    .delete('/:id/webhook', ({ params, ...asked }) => removeWebhook(parts, asked, params.id), {
      detail: WEBHOOK_OPERATIONS.remove,
    })
}

async function addWebhook(parts: WebhookRegistrationParts, asked: Asked, id: string, register: boolean) {
  const row = await found(parts, id)
  refuseUnfit(row)
  const baseUrl = publicOrigin(parts, asked.request)
  const made = row.webhookSecret === null ? makeWebhookSecret() : null
  // Before the host is told: it may send a first delivery at once.
  const ready =
    made === null
      ? row
      : await save(parts, asked, row, { webhookSecret: sealedWebhookSecret(parts.secretBox, id, made) })
  const url = webhookUrl(ready, baseUrl)
  if (!register || !parts.hostWebhooks.canRegister(ready)) {
    const message = made === null ? BY_HAND_KNOWN : BY_HAND_NEW
    return { id, webhook_url: url, webhook_secret: made, webhook_registered: false, message }
  }
  await registerAtHost(parts, asked, ready, { url: url ?? '', isNew: made !== null })
  return { id, webhook_url: url, webhook_secret: null, webhook_registered: true, message: REGISTERED }
}

const REGISTERED = 'The host sends its notices here from now on.'
const BY_HAND_NEW = 'Add the webhook at the host by hand, with this address and this secret, which is not shown again.'
const BY_HAND_KNOWN = 'Add the webhook at the host by hand, with this address and the secret that was set before.'

async function registerAtHost(
  parts: WebhookRegistrationParts,
  asked: Asked,
  row: RepositoryRow,
  { url, isNew }: { url: string; isNew: boolean },
): Promise<void> {
  const secret = parts.secretBox.open(row.webhookSecret ?? '', webhookSecretPlace(row.id))
  let webhookId: string
  try {
    webhookId = await parts.hostWebhooks.register(row, { url, secret })
  } catch (error) {
    // Nobody knows the secret that was made for it.
    if (isNew) await save(parts, asked, row, { webhookSecret: null })
    throw withAdvice(row.id, error)
  }
  try {
    await save(parts, asked, row, { webhookId })
  } catch (error) {
    parts.hostWebhooks.removeLater({ ...row, webhookId })
    throw error
  }
}

/** What a host refuses is in the way of the request, and not broken: who asks can do something about it. */
function withAdvice(id: string, error: unknown): unknown {
  const reason = hostFailureReason(error)
  if (reason === null || ['unreachable', 'protocol', 'rate_limited'].includes(reason)) return error
  const byHand = `or ask for a secret with {"register": false} at /api/repositories/${id}/webhook and add the webhook by hand`
  return new AppError('conflict', `${messageOf(error)} Give the credential that permission, ${byHand}.`, {
    details: { reason },
    cause: error,
  })
}

async function removeWebhook(parts: WebhookRegistrationParts, asked: Asked, id: string) {
  const row = await found(parts, id)
  if (row.webhookSecret === null) throw new AppError('not_found', `Repository ${id} has no webhook.`)
  // First here: whatever its host does, nothing is taken any more.
  await save(parts, asked, row, { webhookSecret: null, webhookId: null })
  if (row.webhookId === null) {
    return { message: 'Webhooks are not taken any more; remove it at the host by hand.', removed_at_host: false }
  }
  try {
    await parts.hostWebhooks.remove(row)
    return { message: 'The webhook is removed, here and at its host.', removed_at_host: true }
  } catch (error) {
    parts.hostWebhooks.leftBehind(row, error)
    const message = `Webhooks are not taken any more; remove it at the host by hand. ${messageOf(error)}`
    return { message, removed_at_host: false }
  }
}

/** Stores a change of the webhook with its record. Throws AppError('conflict') when somebody else was faster. */
async function save(parts: WebhookRegistrationParts, asked: Asked, row: RepositoryRow, change: RepositoryChange) {
  const after = await parts.repositories.update(row.id, change, parts.now(), {
    alongside: (before, changed) => async (tx) => {
      refuseStale(row, before)
      const record = {
        action: 'repository.update',
        subject: row.id,
        before: repositorySettings(before, null),
        after: repositorySettings(changed, null),
      }
      await parts.audit.recording(asked.request, asked.caller, record)(tx)
    },
  })
  if (!after) throw unknown(row.id)
  return after
}

function refuseUnfit(row: RepositoryRow): void {
  if (row.vcsType === COMPOSER || row.vcsType === ARTIFACT) {
    throw new AppError('conflict', `Repository ${row.id} is of vcs_type ${row.vcsType}, which no git host notifies.`)
  }
  if (row.webhookId === null) return
  const way = `to register it anew, remove it first: DELETE /api/repositories/${row.id}/webhook, or repository webhook remove`
  throw new AppError('conflict', `The webhook of repository ${row.id} is registered already; ${way}.`)
}

/** The origin that a host can reach this server at; commands ask as localhost, which it is for nobody else. */
function publicOrigin(parts: WebhookRegistrationParts, request: Request): string {
  const baseUrl = parts.baseUrlOf(request)
  if (baseUrl !== 'http://localhost') return baseUrl
  throw new AppError(
    'conflict',
    'No host can reach this server at http://localhost; set BASE_URL to its public address.',
  )
}

async function found({ repositories }: WebhookRegistrationParts, id: string): Promise<RepositoryRow> {
  const row = await repositories.find(id)
  if (!row) throw unknown(id)
  return row
}

function unknown(id: string): AppError {
  return new AppError('not_found', `There is no repository ${id}.`)
}

import { createHmac, timingSafeEqual } from 'node:crypto'
import { AppError } from '../../errors.ts'
import type { Fields } from './fields.ts'
import {
  badSignature,
  LONGEST_WEBHOOK,
  type PushNotice,
  readingWebhook,
  requiredHeader,
  sameSecret,
  signedInHex,
  type WebhookDelivery,
  webhookBody,
} from './webhook.ts'

/** Kinds of host that send webhooks, as `vcs_type` names them. */
export type WebhookSender = 'github' | 'gitlab' | 'bitbucket' | 'gitea'

/** Seconds by which the clock of a sender may differ (Standard Webhooks: verifying webhook authenticity). */
const CLOCK_TOLERANCE = 300

/**
 * Verifies a delivery over its raw bytes before anything of it is read, and says what it tells; null for an event that
 * changes nothing here. The sender is told by the repository, never by headers: Gitea sends those of GitHub as well.
 * Throws AppError('unauthorized') for a wrong signature, 'too_large', and 'invalid' for what cannot be read.
 */
export function verifyWebhook(sender: WebhookSender, delivery: WebhookDelivery): PushNotice | null {
  if (delivery.body.length > LONGEST_WEBHOOK) {
    throw new AppError('too_large', `The body of a webhook has at most ${LONGEST_WEBHOOK} bytes.`)
  }
  const rules = SENDERS[sender]
  if (!rules.genuine(delivery)) throw badSignature()
  const event = requiredHeader(delivery.headers, rules.event)
  const concerns = rules.concerns(event)
  if (concerns === null) return null
  const deliveryId = requiredHeader(delivery.headers, rules.deliveryId(delivery.headers))
  const body = webhookBody(delivery)
  return readingWebhook(() => ({ deliveryId, event, concerns, repository: rules.repository(body) }))
}

interface SenderRules {
  readonly genuine: (delivery: WebhookDelivery) => boolean
  readonly event: string
  readonly deliveryId: (headers: Headers) => string
  readonly concerns: (event: string) => PushNotice['concerns'] | null
  readonly repository: (body: Fields) => PushNotice['repository']
}

const SENDERS: Readonly<Record<WebhookSender, SenderRules>> = {
  github: {
    genuine: ({ headers, body, secret }) => signedInHex(secret, body, hexOf(headers.get('x-hub-signature-256'))),
    event: 'x-github-event',
    deliveryId: () => 'x-github-delivery',
    concerns: among(['push', 'create', 'delete'], ['repository']),
    repository: numbered,
  },
  gitlab: {
    genuine: genuineGitlab,
    event: 'x-gitlab-event',
    deliveryId: (headers) =>
      ['webhook-id', 'idempotency-key'].find((name) => headers.has(name)) ?? 'x-gitlab-event-uuid',
    concerns: among(['Push Hook', 'Tag Push Hook'], ['Project Hook']),
    repository: ofGitlab,
  },
  bitbucket: {
    genuine: ({ headers, body, secret }) => signedInHex(secret, body, hexOf(headers.get('x-hub-signature'))),
    event: 'x-event-key',
    // Cloud has the first, Data Center the second.
    deliveryId: (headers) => (headers.has('x-request-uuid') ? 'x-request-uuid' : 'x-request-id'),
    concerns: among(
      ['repo:push', 'repo:refs_changed'],
      ['repo:updated', 'repo:transfer', 'repo:modified', 'repo:deleted'],
    ),
    repository: ofBitbucket,
  },
  gitea: {
    genuine: ({ headers, body, secret }) =>
      signedInHex(secret, body, headers.get('x-forgejo-signature') ?? headers.get('x-gitea-signature') ?? ''),
    event: 'x-gitea-event',
    deliveryId: () => 'x-gitea-delivery',
    concerns: among(['push', 'create', 'delete'], ['repository']),
    repository: numbered,
  },
}

/** `sha256=…`; a signature by a weaker hash is none. */
function hexOf(header: string | null): string {
  return header?.startsWith('sha256=') ? header.slice('sha256='.length) : ''
}

function among(refs: readonly string[], facts: readonly string[]): SenderRules['concerns'] {
  return (event) => (refs.includes(event) ? 'refs' : facts.includes(event) ? 'facts' : null)
}

/**
 * A signing token (`whsec_…`) signs as Standard Webhooks has it; any other secret comes in clear, in `X-Gitlab-Token`
 * (GitLab: webhooks, validate payloads by using a secret token).
 */
function genuineGitlab({ headers, body, secret, now }: WebhookDelivery): boolean {
  if (!secret.startsWith('whsec_')) return sameSecret(secret, headers.get('x-gitlab-token') ?? '')
  const id = headers.get('webhook-id') ?? ''
  const sentAt = headers.get('webhook-timestamp') ?? ''
  if (id === '' || !/^\d{1,12}$/.test(sentAt) || Math.abs(Number(sentAt) - now) > CLOCK_TOLERANCE) return false
  const key = Buffer.from(secret.slice('whsec_'.length), 'base64')
  if (key.length === 0) return false
  const expected = createHmac('sha256', key).update(`${id}.${sentAt}.`).update(body).digest()
  const given = (headers.get('webhook-signature') ?? '').slice(0, 2000).split(' ')
  return given.some((each) => {
    const signature = each.startsWith('v1,') ? Buffer.from(each.slice(3), 'base64') : Buffer.alloc(0)
    return signature.length === expected.length && timingSafeEqual(signature, expected)
  })
}

function numbered(body: Fields): PushNotice['repository'] {
  const repository = body.object('repository')
  return { id: repository.id('id'), path: repository.text('full_name') }
}

function ofGitlab(body: Fields): PushNotice['repository'] {
  const path =
    body.optionalObject('project')?.optionalText('path_with_namespace') ?? body.optionalText('path_with_namespace')
  return { id: body.id('project_id'), path }
}

/** Cloud has the UUID as its id; Data Center a number, and the path in two parts. */
function ofBitbucket(body: Fields): PushNotice['repository'] {
  const repository = body.optionalObject('repository') ?? body.object('new')
  const uuid = repository.optionalText('uuid')
  if (uuid !== null) return { id: uuid, path: repository.text('full_name') }
  return { id: repository.id('id'), path: `${repository.object('project').text('key')}/${repository.text('slug')}` }
}

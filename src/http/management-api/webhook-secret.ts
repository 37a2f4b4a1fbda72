import { randomBytes } from 'node:crypto'
import type { SecretBox } from '../../auth/secret-box.ts'
import { COMPOSER } from '../../mirror/upstream-address.ts'
import type { RepositoryChange, RepositoryRow } from '../../store/repositories.ts'
import { webhookSecretPlace } from '../../store/webhooks.ts'
import { ARTIFACT } from './artifact-repository.ts'
import { wrongField } from './request-body.ts'

/** Fewest bytes in a signing token of GitLab (Standard Webhooks: signing secret). */
const SHORTEST_KEY = 24

/** A new secret: 256 random bits in 43 URL-safe characters. */
export function makeWebhookSecret(): string {
  return randomBytes(32).toString('base64url')
}

/** A secret as it is stored; null for none. */
export function sealedWebhookSecret(secretBox: SecretBox, id: string, secret: string | null): string | null {
  return secret === null ? null : secretBox.seal(secret, webhookSecretPlace(id))
}

/** What is stored of the `webhook_secret` of a new repository. Throws AppError('invalid') with `details.fields`. */
export function newWebhookSecret(
  secretBox: SecretBox,
  id: string,
  body: { readonly vcs_type: string; readonly webhook_secret?: string | null },
): string | null {
  const secret = body.webhook_secret ?? null
  if (secret !== null) checkWebhookSecret(body.vcs_type, secret)
  return sealedWebhookSecret(secretBox, id, secret)
}

/**
 * What a `webhook_secret` in a body changes; nothing when none is named. Throws AppError('invalid') with
 * `details.fields`, also while the webhook is registered at its host, which would go on with the old secret.
 */
export function changedWebhookSecret(
  secretBox: SecretBox,
  row: RepositoryRow,
  secret: string | null | undefined,
): Pick<RepositoryChange, 'webhookSecret'> {
  if (secret === undefined) return {}
  if (secret !== null) checkWebhookSecret(row.vcsType, secret)
  if (row.webhookId !== null) {
    const way = `remove it with DELETE /api/repositories/${row.id}/webhook first`
    throw wrongField('webhook_secret', `cannot be changed while the webhook is registered at its host; ${way}`)
  }
  if (secret === null && row.webhookSecret === null) return {}
  return { webhookSecret: sealedWebhookSecret(secretBox, row.id, secret) }
}

/** Throws AppError('invalid') for a repository that has no host to notify it. */
export function checkWebhookSecret(vcsType: string, secret: string): void {
  if (vcsType === COMPOSER || vcsType === ARTIFACT) {
    throw wrongField('webhook_secret', `has no meaning for vcs_type ${vcsType}, which no git host notifies`)
  }
  if (vcsType !== 'gitlab' || !secret.startsWith('whsec_')) return
  const key = secret.slice('whsec_'.length)
  if (/^[A-Za-z0-9+/]+={0,2}$/.test(key) && Buffer.from(key, 'base64').length >= SHORTEST_KEY) return
  throw wrongField('webhook_secret', 'is no signing token: whsec_ and at least 24 bytes in base64')
}

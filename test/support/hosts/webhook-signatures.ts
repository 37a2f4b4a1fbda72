import { createHmac } from 'node:crypto'
import type { WebhookSender } from '../../../src/sources/hosts/verify-webhook.ts'

/** The headers that a host signs a body with; GitLab’s secret token is the same for every body. */
export function signature(sender: WebhookSender, secret: string, body: string | Uint8Array): Record<string, string> {
  const hex = createHmac('sha256', secret).update(body).digest('hex')
  switch (sender) {
    case 'github':
      return { 'X-Hub-Signature-256': `sha256=${hex}` }
    case 'gitlab':
      return { 'X-Gitlab-Token': secret }
    case 'bitbucket':
      return { 'X-Hub-Signature': `sha256=${hex}` }
    case 'gitea':
      return { 'X-Gitea-Signature': hex, 'X-Hub-Signature-256': `sha256=${hex}` }
  }
}

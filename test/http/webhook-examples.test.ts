import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import type { WebhookSender } from '../../src/sources/hosts/verify-webhook.ts'
import type { Broker } from '../support/broker.ts'
import documented from '../support/hosts/documented-webhooks.json'
import published from '../support/hosts/github-webhooks.json'
import { signature } from '../support/hosts/webhook-signatures.ts'
import { startBroker } from '../support/start-broker.ts'
import { deliver } from '../support/webhooks.ts'

const SECRET = 'canary-webhook-secret-3f90'
const SENDERS: readonly WebhookSender[] = ['github', 'gitlab', 'bitbucket', 'gitea']
/** Events of GitHub that queue a sync. */
const HEARD = ['push', 'create', 'delete', 'repository']

let app: Broker
const ids = new Map<WebhookSender, string>()

beforeAll(async () => {
  app = await startBroker()
  for (const sender of SENDERS) {
    const url = `http://127.0.0.1:1/acme/${sender}.git`
    ids.set(sender, (await app.addRepository(url, { vcs_type: sender, webhook_secret: SECRET })).id)
  }
})
afterAll(() => app?.stop())

async function outcome(sender: WebhookSender, headers: Record<string, string>, example: unknown): Promise<unknown> {
  const body = JSON.stringify(example)
  const signed = { 'Content-Type': 'application/json', ...headers, ...signature(sender, SECRET, body) }
  const response = await deliver(app, ids.get(sender) ?? '', { headers: signed, body })
  return { code: response.status, ...((await response.json()) as object) }
}

describe('published webhooks are taken in', () => {
  test.each(published.examples.map(({ event, body }, at) => [event, at, body] as const))(
    'GitHub: %s (%i)',
    async (event, at, body) => {
      const headers = { 'X-GitHub-Event': event, 'X-GitHub-Delivery': `72d3162e-${at}` }
      const expected = HEARD.includes(event) ? 'queued' : 'ignored'
      expect(await outcome('github', headers, body)).toEqual({ code: 202, status: expected })
      const again = expected === 'queued' ? 'repeated' : 'ignored'
      expect(await outcome('github', headers, body)).toEqual({ code: 202, status: again })
    },
  )

  test.each(documented.examples.map((each, at) => [each.sender, at, each] as const))(
    '%s (%i)',
    async (sender, _, { headers, body, tells }) => {
      const expected = { code: 202, status: tells === null ? 'ignored' : 'queued' }
      expect(await outcome(sender as WebhookSender, headers as unknown as Record<string, string>, body)).toEqual(
        expected,
      )
    },
  )
})

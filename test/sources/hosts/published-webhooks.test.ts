import { describe, expect, test } from 'bun:test'
import { verifyWebhook, type WebhookSender } from '../../../src/sources/hosts/verify-webhook.ts'
import documented from '../../support/hosts/documented-webhooks.json'
import published from '../../support/hosts/github-webhooks.json'
import { signature } from '../../support/hosts/webhook-signatures.ts'

const SECRET = 'a secret of the repository'

function told(sender: WebhookSender, headers: Record<string, string>, text: string, sent = text) {
  const all = new Headers({ 'Content-Type': 'application/json', ...headers, ...signature(sender, SECRET, text) })
  return verifyWebhook(sender, {
    headers: all,
    body: new TextEncoder().encode(sent),
    secret: SECRET,
    now: 1_700_000_000,
  })
}

/** Events of GitHub that are heard. */
const CONCERNS: Readonly<Record<string, string>> = {
  push: 'refs',
  create: 'refs',
  delete: 'refs',
  repository: 'facts',
}

describe('published examples of GitHub', () => {
  for (const [at, { event, body }] of published.examples.entries()) {
    const action = 'action' in body ? `, ${body.action}` : ''
    test(`${event}${action} (${at})`, () => {
      const text = JSON.stringify(body)
      const headers = { 'X-GitHub-Event': event, 'X-GitHub-Delivery': `72d3162e-${at}` }
      const repository = 'repository' in body ? body.repository : undefined
      const concerns = CONCERNS[event]
      const expected = {
        deliveryId: `72d3162e-${at}`,
        event,
        concerns,
        repository: { id: String(repository?.id), path: String(repository?.full_name) },
      }
      expect<unknown>(told('github', headers, text)).toEqual(concerns === undefined ? null : expected)
      expect(() => told('github', headers, text, `${text} `)).toThrow('signature')
    })
  }

  test('are all that there are of the events that are heard', () => {
    const count = (event: string) => published.examples.filter((each) => each.event === event).length
    expect(['push', 'create', 'delete', 'repository', 'ping', 'installation_repositories'].map(count)).toEqual([
      7, 5, 4, 13, 4, 3,
    ])
  })
})

describe('documented examples', () => {
  for (const { sender, headers, body, tells } of documented.examples) {
    const event = Object.entries(headers).find(([name]) => /event(?:-key)?$/i.test(name))?.[1]
    test(`of ${sender}: ${event}`, () => {
      const text = JSON.stringify(body)
      const kind = sender as WebhookSender
      expect<unknown>(told(kind, headers as Record<string, string>, text)).toEqual(tells)
      // GitLab’s secret token says nothing of the body.
      if (kind === 'gitlab') return
      expect(() => told(kind, headers as Record<string, string>, text, `${text} `)).toThrow('signature')
    })
  }
})

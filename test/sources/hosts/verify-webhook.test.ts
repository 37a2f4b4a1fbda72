import { describe, expect, test } from 'bun:test'
import { createHmac } from 'node:crypto'
import { isAppError } from '../../../src/errors.ts'
import { verifyWebhook, type WebhookSender } from '../../../src/sources/hosts/verify-webhook.ts'
import { LONGEST_WEBHOOK, signedInHex } from '../../../src/sources/hosts/webhook.ts'

const NOW = 1_700_000_000
const SECRET = 'a secret of the repository'
const bytes = (text: string) => new TextEncoder().encode(text)
const hex = (body: string, secret = SECRET) => createHmac('sha256', secret).update(body).digest('hex')

function verify(sender: WebhookSender, headers: Record<string, string>, body: string, secret = SECRET) {
  return verifyWebhook(sender, { headers: new Headers(headers), body: bytes(body), secret, now: NOW })
}

/** The kind of the error that a delivery ends with. */
function refused(...delivery: Parameters<typeof verify>): string | null {
  try {
    verify(...delivery)
    return null
  } catch (error) {
    return isAppError(error) ? error.kind : 'crash'
  }
}

describe('published vectors', () => {
  test('GitHub: validating webhook deliveries', () => {
    const signature = '757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17'
    expect(signedInHex("It's a Secret to Everybody", bytes('Hello, World!'), signature)).toBe(true)
    expect(signedInHex("It's a Secret to Everybody", bytes('Hello, World?'), signature)).toBe(false)
  })

  test('Bitbucket Cloud: manage webhooks', () => {
    const signature = 'a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9'
    expect(signedInHex("It's a Secret to Everybody", bytes('Hello World!'), signature)).toBe(true)
  })

  test('Standard Webhooks, as GitLab signs', () => {
    const headers = {
      'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
      'webhook-timestamp': '1614265330',
      'webhook-signature': 'v1,aaaa v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
      'x-gitlab-event': 'Job Hook',
    }
    const at = (now: number) => () =>
      verifyWebhook('gitlab', {
        headers: new Headers(headers),
        body: bytes('{"test": 2432232314}'),
        secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
        now,
      })
    expect(at(1614265330)()).toBeNull()
    expect(at(1614265330 + 300)()).toBeNull()
    expect(at(1614265330 + 301)).toThrow('signature')
    expect(at(1614265330 - 301)).toThrow('signature')
  })
})

/** A push of each host in the form it documents. */
const PUSHES: {
  name: string
  sender: WebhookSender
  body: object
  headers: (body: string) => Record<string, string>
  id: string
  path: string
  delivery: string
}[] = [
  {
    name: 'GitLab with a token',
    sender: 'gitlab',
    body: { object_kind: 'push', project_id: 15, project: { path_with_namespace: 'acme/php/lib' } },
    headers: () => ({ 'x-gitlab-event': 'Tag Push Hook', 'x-gitlab-token': SECRET, 'x-gitlab-event-uuid': 'uuid-1' }),
    id: '15',
    path: 'acme/php/lib',
    delivery: 'uuid-1',
  },
  {
    name: 'Bitbucket Cloud',
    sender: 'bitbucket',
    body: { push: { changes: [] }, repository: { uuid: '{673a6070}', full_name: 'acme/lib' } },
    headers: (body) => ({
      'x-event-key': 'repo:push',
      'x-request-uuid': 'r-1',
      'x-hub-signature': `sha256=${hex(body)}`,
    }),
    id: '{673a6070}',
    path: 'acme/lib',
    delivery: 'r-1',
  },
  {
    name: 'Bitbucket Data Center',
    sender: 'bitbucket',
    body: { changes: [], repository: { slug: 'lib', id: 84, project: { key: 'ACME' } } },
    headers: (body) => ({
      'x-event-key': 'repo:refs_changed',
      'x-request-id': 'r-2',
      'x-hub-signature': `sha256=${hex(body)}`,
    }),
    id: '84',
    path: 'ACME/lib',
    delivery: 'r-2',
  },
  {
    name: 'Gitea, which sends headers of GitHub too',
    sender: 'gitea',
    body: { ref: 'refs/heads/main', repository: { id: 140, full_name: 'acme/lib' } },
    headers: (body) => ({
      'x-gitea-event': 'push',
      'x-github-event': 'push',
      'x-gitea-delivery': 'd-1',
      'x-gitea-signature': hex(body),
    }),
    id: '140',
    path: 'acme/lib',
    delivery: 'd-1',
  },
]

for (const { name, sender, body, headers, id, path, delivery } of PUSHES) {
  describe(name, () => {
    const text = JSON.stringify(body)
    const signed = headers(text)

    test('a push is told, with the id of its delivery', () => {
      expect(verify(sender, signed, text)).toMatchObject({
        deliveryId: delivery,
        concerns: 'refs',
        repository: { id, path },
      })
    })

    test('another secret, none, and no signature at all', () => {
      expect(refused(sender, signed, text, 'another')).toBe('unauthorized')
      expect(refused(sender, signed, text, '')).toBe('unauthorized')
      const bare = Object.fromEntries(Object.entries(signed).filter(([key]) => !/signature|token/.test(key)))
      expect(refused(sender, bare, text)).toBe('unauthorized')
    })

    test('a signed body of another form is invalid', () => {
      for (const odd of ['[]', '{', '{"repository":7}', '{"repository":{"id":"x"},"project_id":[]}']) {
        expect(refused(sender, headers(odd), odd)).toBe('invalid')
      }
    })

    test('a body beyond the limit is not looked at', () => {
      const large = ' '.repeat(LONGEST_WEBHOOK + 1)
      expect(refused(sender, headers(large), large)).toBe('too_large')
    })
  })
}

test('a signing token of GitLab is not to be had in clear', () => {
  const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
  expect(refused('gitlab', { 'x-gitlab-token': secret, 'x-gitlab-event': 'Push Hook' }, '{}', secret)).toBe(
    'unauthorized',
  )
})

test('the SHA-1 signature of GitHub is none', () => {
  const sha1 = createHmac('sha1', SECRET).update('{}').digest('hex')
  expect(refused('github', { 'x-hub-signature': `sha1=${sha1}`, 'x-hub-signature-256': `sha1=${sha1}` }, '{}')).toBe(
    'unauthorized',
  )
})

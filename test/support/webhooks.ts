import { createHmac } from 'node:crypto'
import type { Broker } from './broker.ts'

/** A delivery as a host sends it. */
export interface Delivery {
  headers: Record<string, string>
  body: string
}

/** What of a delivery a test chooses. */
export interface DeliveryOptions {
  secret: string
  /** Id of the delivery; a new one unless it is given. */
  id?: string
  /** Whether the repository itself changed instead of its refs. */
  facts?: boolean
  /** Clock of the host, Unix seconds. */
  now?: number
}

/** A host as it notifies: the `vcs_type` of its repositories, and its deliveries, signed. */
export interface Notifier {
  name: string
  vcsType: string
  secret: string
  delivery(options: DeliveryOptions): Delivery
}

const SECRET = 'canary-webhook-secret-51d0'
const SIGNING_TOKEN = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'

const hex = (secret: string, body: string) => createHmac('sha256', secret).update(body).digest('hex')
const json = { 'Content-Type': 'application/json' }
const newId = () => crypto.randomUUID()

/** A body with the signature of GitHub. */
export function signedAsGithub(secret: string, headers: Record<string, string>, body: string): Delivery {
  return { body, headers: { ...headers, 'X-Hub-Signature-256': `sha256=${hex(secret, body)}` } }
}

/** GitHub: webhook events and payloads. */
export function fromGithub({ secret, id = newId(), facts = false }: DeliveryOptions): Delivery {
  const body = JSON.stringify({ ref: 'refs/heads/main', repository: { id: 35_129_377, full_name: 'acme/lib' } })
  const event = { 'X-GitHub-Event': facts ? 'repository' : 'push', 'X-GitHub-Delivery': id }
  return signedAsGithub(secret, { ...json, ...event }, body)
}

/** The same with its form as content type; the form is what is signed. */
export function githubForm(options: DeliveryOptions): Delivery {
  const { body: payload, headers } = fromGithub(options)
  const body = new URLSearchParams({ payload }).toString()
  return signedAsGithub(options.secret, { ...headers, 'Content-Type': 'application/x-www-form-urlencoded' }, body)
}

function fromGitlab({ secret, id = newId(), facts = false, now }: DeliveryOptions): Delivery {
  const project = { path_with_namespace: 'acme/php/lib' }
  const body = JSON.stringify({ object_kind: 'push', project_id: 15, project })
  const event = { ...json, 'X-Gitlab-Event': facts ? 'Project Hook' : 'Push Hook', 'X-Gitlab-Event-UUID': id }
  if (!secret.startsWith('whsec_')) return { body, headers: { ...event, 'X-Gitlab-Token': secret } }
  const at = String(now ?? Math.floor(Date.now() / 1000))
  const key = Buffer.from(secret.slice('whsec_'.length), 'base64')
  const signature = createHmac('sha256', key).update(`${id}.${at}.${body}`).digest('base64')
  const signed = { 'webhook-id': id, 'webhook-timestamp': at, 'webhook-signature': `v1,${signature}` }
  return { body, headers: { ...event, ...signed } }
}

function fromBitbucketCloud({ secret, id = newId(), facts = false }: DeliveryOptions): Delivery {
  const body = JSON.stringify({ push: { changes: [] }, repository: { uuid: '{673a6070}', full_name: 'acme/lib' } })
  const event = { 'X-Event-Key': facts ? 'repo:updated' : 'repo:push', 'X-Request-UUID': id }
  return { body, headers: { ...json, ...event, 'X-Hub-Signature': `sha256=${hex(secret, body)}` } }
}

function fromBitbucketDataCenter({ secret, id = newId(), facts = false }: DeliveryOptions): Delivery {
  const repository = { slug: 'lib', id: 84, project: { key: 'ACME' } }
  const body = JSON.stringify(facts ? { new: repository } : { changes: [], repository })
  const event = { 'X-Event-Key': facts ? 'repo:modified' : 'repo:refs_changed', 'X-Request-Id': id }
  const type = { 'Content-Type': 'application/json; charset=utf-8' }
  return { body, headers: { ...type, ...event, 'X-Hub-Signature': `sha256=${hex(secret, body)}` } }
}

function fromGitea({ secret, id = newId(), facts = false }: DeliveryOptions): Delivery {
  const body = JSON.stringify({ ref: 'refs/heads/main', repository: { id: 140, full_name: 'acme/lib' } })
  const event = facts ? 'repository' : 'push'
  const named = { 'X-Gitea-Event': event, 'X-GitHub-Event': event, 'X-Gitea-Delivery': id, 'X-GitHub-Delivery': id }
  return { body, headers: { ...json, ...named, 'X-Gitea-Signature': hex(secret, body) } }
}

/** Every host, in each way that it notifies. */
export const NOTIFIERS: readonly Notifier[] = [
  { name: 'GitHub', vcsType: 'github', secret: SECRET, delivery: fromGithub },
  { name: 'GitHub with a form', vcsType: 'github', secret: SECRET, delivery: githubForm },
  { name: 'GitLab with a token', vcsType: 'gitlab', secret: SECRET, delivery: fromGitlab },
  { name: 'GitLab with a signing token', vcsType: 'gitlab', secret: SIGNING_TOKEN, delivery: fromGitlab },
  { name: 'Bitbucket Cloud', vcsType: 'bitbucket', secret: SECRET, delivery: fromBitbucketCloud },
  { name: 'Bitbucket Data Center', vcsType: 'bitbucket', secret: SECRET, delivery: fromBitbucketDataCenter },
  { name: 'Gitea', vcsType: 'gitea', secret: SECRET, delivery: fromGitea },
  { name: 'a script, for plain git', vcsType: 'git', secret: SECRET, delivery: fromGithub },
]

/** Sends a delivery, as a host does: without a token. */
export function deliver(app: Broker, repositoryId: string, { headers, body }: Delivery): Promise<Response> {
  return app.ask(`/webhooks/${repositoryId}`, { method: 'POST', token: null, headers, body })
}

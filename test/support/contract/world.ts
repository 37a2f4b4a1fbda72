import { strToU8, zipSync } from 'fflate'
import type { Listener } from '../../../src/http/listen.ts'
import { TestApp } from '../app.ts'
import { createGitRepository } from '../git-repository.ts'
import { library } from '../packages.ts'
import { signedAsGithub } from '../webhooks.ts'
import type { ReadAnswer } from './check.ts'
import type { PlacedOperation } from './document.ts'
import type { Draft, Piece, Sender } from './requests.ts'

/** A request as it is sent. */
export interface Sent {
  readonly method: string
  readonly url: string
  readonly headers: Record<string, string>
  readonly body: string | Uint8Array<ArrayBuffer> | null
}

/** Values of path parameters that lead somewhere, beside ids. */
const PATHS: Readonly<Record<string, readonly string[]>> = {
  vendor: ['acme', 'acme', 'acme', 'acme', 'acme', 'ACME', 'other'],
  package: ['lib', 'lib', 'lib', 'uploaded', 'other'],
  file: ['lib.json', 'lib~dev.json', 'lib$abc.json', 'other.json', 'lib'],
  version: ['1.0.0', '1.0.0', '1.1.0', 'dev-main', 'v1.1.0', 'dev-feature/x', '9.9.9'],
  name: ['acme/lib.json', 'acme/other.json', 'lib.json'],
}

/** What ids of a collection begin with. */
const PREFIXES: Readonly<Record<string, string>> = {
  repositories: 'repo',
  discoveries: 'disc',
  tokens: 'tok',
  packages: 'pkg',
  advisories: 'PB',
  filters: 'flt',
}

const ID = /"((?:(?:repo|disc|tok|pkg|job|aud|ver|dlv|res|flt)_|PB-)[A-Za-z0-9_-]{5,40})"/g
const REMEMBERED = 40
/** `ETag` and `Last-Modified` of the last answers. */
const VALIDATORS = 12
const RANGES = ['bytes=0-0', 'bytes=10-', 'bytes=-5', 'bytes=9999999-']
const NOWHERE = 'http://127.0.0.1:1'
const WEBHOOK_SECRET = 'secret-of-the-contract'

/** A running server with a repository, packages and tokens, and what the requests so far have brought to light. */
export class ContractWorld {
  private readonly ids = new Map<string, string[]>()
  private readonly validators: string[] = []
  private readonly uploads = uploads()
  private made = 0

  private constructor(
    readonly app: TestApp,
    private readonly listener: Listener,
    private readonly tokens: Readonly<Record<Sender, string | null>>,
    /** Ids that the senders depend on: no request may change what they name. */
    private readonly kept: ReadonlySet<string>,
    private readonly artifactRepository: string,
    /** It takes webhooks. */
    private readonly repository: string,
    /** It has a document that names one archive. */
    private readonly upstream: { readonly id: string; readonly dist: string },
  ) {}

  static async start(): Promise<ContractWorld> {
    // The schedule would read again and again what the requests have added.
    const app = await TestApp.start({ SYNC_INTERVAL: '86400', RATE_LIMIT_READONLY: '0', RATE_LIMIT_WRITE: '0' })
    createGitRepository(app.path('lib.git'), {
      commits: [
        { files: { 'README.md': '# Library\n' } },
        library('acme/lib', 'one', { tags: ['1.0.0', 'no-version'] }),
        library('acme/lib', 'two', { tags: ['v1.1.0'] }),
        library('acme/lib', 'three', { branch: 'feature/x' }),
      ],
    })
    const repository = await app.addRepository(app.path('lib.git'), { webhook_secret: WEBHOOK_SECRET })
    const artifacts = await app.addRepository('uploads', { vcs_type: 'artifact' })
    const upstream = await importedUpstream(app)
    const owner = await app.token({ permissions: 'write', rate_limit_max: 0 })
    const readonly = await app.token({ rate_limit_max: 1_000_000 })
    const restricted = await app.token({ allowed_packages: [{ name: 'acme/lib', constraint: '^1.0' }] })
    const shop = await app.token({
      permissions: 'write',
      allowed_package_prefixes: ['acme/'],
      rate_limit_max: 1_000_000,
    })
    const expired = await app.token({ expires_at: app.clock.now + 60 })
    app.clock.now += 61
    const tokens = {
      owner: owner.token,
      readonly: readonly.token,
      restricted: restricted.token,
      shop: shop.token,
      expired: expired.token,
      stranger: `pb_${'x'.repeat(43)}`,
      nobody: null,
    }
    const kept = new Set(
      [repository, artifacts, upstream, owner, readonly, restricted, shop, expired].map(({ id }) => id),
    )
    const world = new ContractWorld(app, await app.app.start(), tokens, kept, artifacts.id, repository.id, upstream)
    for (const id of kept) world.noteId(id)
    return world
  }

  stop(): Promise<void> {
    return this.app.stop()
  }

  urlOf(path: string): string {
    return `${this.listener.url}${path}`
  }

  /** A draft with what is known put in. */
  request({ method, path, operation }: PlacedOperation, draft: Draft): Sent {
    const filled = path.replace(/\{(\w+)\}/g, (_, name) => this.pathValue(path, method, name, draft.path[name]))
    const query = new URLSearchParams()
    for (const [name, value] of draft.query) query.append(name, this.queryValue(name, value))
    const headers: Record<string, string> = { ...this.authorization(draft.sender) }
    for (const [name, piece] of Object.entries(draft.headers)) {
      if (piece === undefined) continue
      const known = name === 'Range' ? RANGES : this.validators
      const value = 'text' in piece ? piece.text : known[piece.known % Math.max(known.length, 1)]
      if (value !== undefined && value !== '') headers[name] = value
    }
    const body = method === 'GET' || method === 'HEAD' ? null : this.body(operation.operationId, draft.body)
    if (draft.contentType !== null && body !== null) headers['Content-Type'] = draft.contentType
    const search = query.size === 0 ? '' : `?${query}`
    const sent = { method, url: `${this.listener.url}${filled}${search}`, headers, body }
    return path.startsWith('/webhooks/') ? this.webhook(sent, draft) : sent
  }

  /** Sends a request over the network and reads the answer to its end. */
  async send({ method, url, headers, body }: Sent): Promise<ReadAnswer> {
    const response = await fetch(url, {
      method,
      headers,
      body,
      redirect: 'manual',
      signal: AbortSignal.timeout(10_000),
    })
    const endless = response.headers.get('content-type') === 'text/event-stream'
    const bytes = endless ? await firstBytes(response) : await response.bytes()
    const read = { status: response.status, headers: response.headers, body: bytes }
    // Its examples name what there is not.
    if (!url.endsWith('/swagger/json')) this.learn(read)
    return read
  }

  private learn({ status, headers, body }: ReadAnswer): void {
    for (const name of ['etag', 'last-modified']) {
      const value = headers.get(name)
      if (value !== null && !this.validators.includes(value)) this.validators.push(value)
    }
    while (this.validators.length > VALIDATORS) this.validators.shift()
    if (status >= 300 || headers.get('content-type') !== 'application/json') return
    for (const [, id = ''] of new TextDecoder().decode(body).matchAll(ID)) this.noteId(id)
  }

  private noteId(id: string): void {
    const prefix = id.slice(0, id.search(/[_-]/))
    const known = this.ids.get(prefix) ?? []
    if (!known.includes(id)) known.push(id)
    // The first ones stay: they are those that the senders depend on and that reading is tried with.
    if (known.length > REMEMBERED) known.splice(this.kept.size, 1)
    this.ids.set(prefix, known)
  }

  private pathValue(path: string, method: string, name: string, piece: Piece = { text: '' }): string {
    // A client takes `..` out of an address before it is sent.
    if ('text' in piece) return encodeURIComponent(piece.text.toWellFormed().replace(/^\.{0,2}$/, '...'))
    if (path.startsWith('/webhooks/')) return this.repository
    const collection = path.split('/')[2] ?? ''
    const prefix = PREFIXES[collection]
    const reads = method === 'GET' || method === 'HEAD'
    if (path.endsWith('/artifacts') && piece.known % 4 > 0) return this.artifactRepository
    const isImport = path.endsWith('/documents') || path.endsWith('/archives/{dist}')
    if (isImport && piece.known % 4 > 0) return name === 'dist' ? this.upstream.dist : this.upstream.id
    const candidates =
      PATHS[name] ??
      (this.ids.get(prefix ?? '') ?? []).filter((id) => reads || path.endsWith('/sync') || !this.kept.has(id))
    const value = candidates[piece.known % Math.max(candidates.length, 1)] ?? `${prefix}_unknown`
    return value.split('/').map(encodeURIComponent).join('/')
  }

  /** Most deliveries are signed, for nothing else of one would be looked at; those of a stranger are not. */
  private webhook(sent: Sent, { sender }: Draft): Sent {
    this.made += 1
    if (sender !== 'owner' || typeof sent.body !== 'string') return sent
    const event = { 'X-GitHub-Event': ['push', 'repository', 'ping'][this.made % 3] ?? '' }
    const delivery = { 'X-GitHub-Delivery': `delivery-${this.made % 7}`, ...event }
    return { ...sent, ...signedAsGithub(WEBHOOK_SECRET, { ...sent.headers, ...delivery }, sent.body) }
  }

  private queryValue(name: string, value: string): string {
    const prefix = { repo_id: 'repo', cursor: 'tok' }[name]
    return (prefix && value.length % 2 === 0 ? this.ids.get(prefix)?.[0] : undefined) ?? value.toWellFormed()
  }

  /** Repositories and owners that requests add are on a port of this machine where nobody listens: nothing is asked elsewhere. */
  private body(operationId: string, body: Draft['body']): Sent['body'] {
    if (typeof body === 'number') return this.uploads[body % this.uploads.length] ?? null
    if (body !== null && operationId === 'updatePackage') {
      return body.replace(/"url":"(?:[^"\\]|\\.)+"/, () => `"url":"${this.app.path('lib.git')}"`)
    }
    if (body === null || !/repositor|discover/i.test(operationId)) return body
    this.made += 1
    return body.replace(/"url":"(?:[^"\\]|\\.)+"/, () => `"url":"${NOWHERE}/acme/made-${this.made}.git"`)
  }

  private authorization(sender: Sender): Record<string, string> {
    const token = this.tokens[sender]
    if (token === null) return {}
    this.made += 1
    // Failures of an address are counted over time; turned away by that count is one answer, refused the other.
    if (sender === 'expired' || sender === 'stranger') this.app.clock.now += 20
    return { Authorization: this.made % 2 === 0 ? `Bearer ${token}` : `Basic ${btoa(`token:${token}`)}` }
  }
}

/** Archives to upload: versions, one of them twice with other bytes, and some that have to be refused. */
function uploads(): Uint8Array<ArrayBuffer>[] {
  const zip = (files: Record<string, string>) =>
    new Uint8Array(zipSync(Object.fromEntries(Object.entries(files).map(([name, text]) => [name, strToU8(text)]))))
  const version = (number: string, mark = '') =>
    zip({
      'composer.json': JSON.stringify({ name: 'acme/uploaded', version: number }),
      'src/a.php': `<?php // ${mark}`,
    })
  return [
    version('1.0.0'),
    version('1.0.0'),
    version('1.0.0', 'other'),
    version('2.0.0'),
    version('no version'),
    version('1.2.0').slice(0, 100),
    zip({ 'composer.json': '{' }),
    zip({ 'composer.json': JSON.stringify({ name: 'acme/uploaded' }), '../evil.php': '' }),
    zip({ 'src/a.php': '' }),
  ]
}

/** An upstream that cannot be asked, with an imported document. */
async function importedUpstream(app: TestApp): Promise<{ id: string; dist: string }> {
  const { id } = await app.addRepository(`${NOWHERE}/imported`, { vcs_type: 'composer' })
  const dist = { type: 'zip', url: `${NOWHERE}/imported/lib.zip`, reference: 'abc' }
  const version = { name: 'acme/lib', version: '1.0.0', version_normalized: '1.0.0.0', dist }
  const text = JSON.stringify({ packages: { 'acme/lib': [version] } })
  const json = { documents: [{ name: 'acme/lib', dev: false, text }] }
  const response = await app.ask(`/api/repositories/${id}/documents`, { method: 'PUT', json })
  const { missing } = (await response.json()) as { missing: { dist: string }[] }
  return { id, dist: missing[0]?.dist ?? '' }
}

/** What comes first of an answer that goes on; the connection is given up. */
async function firstBytes({ body }: Response): Promise<Uint8Array> {
  if (body === null) return new Uint8Array()
  for await (const chunk of body) return chunk
  return new Uint8Array()
}

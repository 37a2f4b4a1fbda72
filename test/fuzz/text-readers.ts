import fc from 'fast-check'
import { readLockFile } from '../../src/bundle/lock-file.ts'
import { readFile } from '../../src/composer/commit-reader.ts'
import { constraintText, matchesConstraint, parseConstraint } from '../../src/composer/constraint.ts'
import { readJsonObject, writeJsonObject } from '../../src/composer/json.ts'
import { readManifest, servedFields } from '../../src/composer/manifest.ts'
import { packageNameProblem } from '../../src/composer/package-name.ts'
import { normalizeBranch, normalizeVersion, parseStability } from '../../src/composer/version-parser.ts'
import { hasControls } from '../../src/printable.ts'
import { verifyWebhook, type WebhookSender } from '../../src/sources/hosts/verify-webhook.ts'
import { Random, randomConstraint, randomVersion } from '../composer/random.ts'
import { signature } from '../support/hosts/webhook-signatures.ts'
import { damaged, type Reader, refused } from './reader.ts'

const encode = (text: string) => new Uint8Array(Buffer.from(text))
const decode = (bytes: Uint8Array) => Buffer.from(bytes).toString('utf8')

const ODD = fc.constantFrom(
  '\u001b[31m',
  '\u009b2J',
  '\u202e',
  '\ud800',
  '\u0000',
  '../x',
  '1.0',
  '^1 || ^2',
  'dev-main',
  'self.version',
  'a/b',
  '',
  'é',
)
const KEYS = fc.constantFrom(
  ...[
    'name',
    'version',
    'require',
    'require-dev',
    'replace',
    'provide',
    'conflict',
    'autoload',
    'bin',
    'type',
    'extra',
  ],
  ...['description', 'authors', 'support', 'suggest', 'abandoned', 'time', 'branch-alias', 'psr-4', '__proto__', 'a/b'],
  ...[
    'constructor',
    'php',
    'default-branch',
    'minimum-stability',
    'transport-options',
    'keywords',
    'license',
    'funding',
  ],
)
const { value } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, depthSize: 'small' },
    fc.oneof(ODD, fc.string({ unit: 'binary', maxLength: 6 })),
    fc.oneof(fc.integer(), fc.double(), fc.boolean(), fc.constant(null)),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.array(fc.tuple(KEYS, tie('value')), { maxLength: 4 }).map((entries) => ({ [MEMBERS]: entries })),
  ),
}))
/** Members of an object as a list, so that keys may come twice and be called anything. */
const MEMBERS = Symbol('members')

function written(given: unknown): string {
  if (Array.isArray(given)) return `[${given.map(written).join(',')}]`
  if (typeof given !== 'object' || given === null) return JSON.stringify(given) ?? 'null'
  const members = (given as { [MEMBERS]: [string, unknown][] })[MEMBERS]
  return `{${members.map(([key, member]) => `${JSON.stringify(key)} : ${written(member)}`).join(',\n')}}`
}

const manifests = fc
  .tuple(fc.constantFrom('acme/lib', 'Acme/Lib', 'nope', ''), fc.array(fc.tuple(KEYS, value), { maxLength: 7 }))
  .map(([name, members]) => encode(written({ [MEMBERS]: [['name', name], ...members] })))
const seeds = fc.nat()

function readManifestText(input: Uint8Array): void {
  const manifest = readManifest(input)
  const served = servedFields(manifest)
  // The bytes are JSON to everybody else as well, and mean the same.
  const known = new Map(Object.entries(JSON.parse(decode(input)) as object))
  for (const [key, raw] of manifest.fields) {
    if (JSON.stringify(known.get(key)) !== JSON.stringify(JSON.parse(raw))) throw new Error(`${key} is another value`)
  }
  const again = readJsonObject(encode(writeJsonObject(served)))
  if (writeJsonObject(again) !== writeJsonObject(served)) throw new Error('what is served is not read back')
  const description = JSON.parse(served.get('description') ?? '""')
  if (typeof description === 'string' && hasControls(description.replaceAll('\n', '')))
    throw new Error('a description with controls')
  const reading = readFile(input)
  if ('problem' in reading) throw new Error(`read once, and then not: ${reading.problem}`)
  if (hasControls(`${reading.file.summary.description}${reading.file.summary.type}`))
    throw new Error('controls in lists')
}

function readVersion(input: Uint8Array): void {
  const text = decode(input)
  normalizeBranch(text)
  parseStability(text)
  packageNameProblem(text)
  const normalized = normalizeVersion(text)
  if (normalized === null) throw refused()
  // Read again it may be another one (of dates, as with Composer), but never none.
  if (normalizeVersion(normalized) === null) throw new Error(`${normalized} is none`)
  if (normalized.length > 2 * input.length + 20) throw new Error(`${normalized} is too long`)
}

function readConstraint(input: Uint8Array): void {
  const constraint = parseConstraint(decode(input))
  const text = constraintText(constraint)
  if (text.length > 200 * (input.length + 10)) throw new Error(`a constraint of ${text.length} characters`)
  for (const version of ['1.0.0.0', '2.0.0.0-beta1', 'dev-main', '9999999-dev']) matchesConstraint(constraint, version)
}

const SENDERS: readonly WebhookSender[] = ['github', 'gitlab', 'bitbucket', 'gitea']
const EVENTS = {
  github: ['x-github-event', 'push'],
  gitlab: ['x-gitlab-event', 'Push Hook'],
  bitbucket: ['x-event-key', 'repo:push'],
  gitea: ['x-gitea-event', 'push'],
} as const
const IDS = {
  github: 'x-github-delivery',
  gitlab: 'x-gitlab-event-uuid',
  bitbucket: 'x-request-uuid',
  gitea: 'x-gitea-delivery',
} as const
const webhooks = fc
  .tuple(
    fc.array(fc.tuple(fc.constantFrom('repository', 'project', 'project_id', 'new', 'ref', '__proto__'), value), {
      maxLength: 4,
    }),
    fc.array(
      fc.tuple(
        fc.constantFrom('id', 'full_name', 'uuid', 'path_with_namespace', 'slug', 'project'),
        fc.oneof(fc.integer(), ODD, value),
      ),
      { maxLength: 4 },
    ),
  )
  .map(([members, inner]) => encode(written({ [MEMBERS]: [['repository', { [MEMBERS]: inner }], ...members] })))

/** A body that is signed as it should be, by each sender in each form; refused when all of them refuse it. */
function readWebhook(input: Uint8Array): void {
  let refused: unknown = null
  let taken = 0
  for (const sender of SENDERS) {
    for (const type of ['application/json', 'application/x-www-form-urlencoded', '']) {
      const [event, name] = EVENTS[sender]
      const headers = new Headers({
        [event]: name,
        [IDS[sender]]: 'delivery',
        ...(type === '' ? {} : { 'content-type': type }),
      })
      for (const [header, given] of Object.entries(signed(sender, input))) headers.set(header, given)
      try {
        const notice = verifyWebhook(sender, { headers, body: input, secret: 'a secret', now: 1_700_000_000 })
        if (notice?.deliveryId !== 'delivery') throw new Error('another delivery')
        taken += 1
      } catch (error) {
        refused = error
      }
    }
  }
  if (taken === 0 || !(refused === null || (refused as { name?: string }).name === 'AppError')) throw refused
}

const signed = (sender: WebhookSender, body: Uint8Array) => signature(sender, 'a secret', body)

const lockFiles = fc
  .array(
    fc.tuple(fc.constantFrom('name', 'version', 'dist', 'source', 'url', 'reference', 'mirrors', 'shasum'), value),
    { maxLength: 6 },
  )
  .map((members) =>
    encode(
      written({
        [MEMBERS]: [
          ['packages', [{ [MEMBERS]: [['name', 'acme/lib'], ['version', '1.0'], ...members] }]],
          ['packages-dev', []],
        ],
      }),
    ),
  )

export const TEXT_READERS: readonly Reader[] = [
  {
    name: 'composer.json',
    inputs: fc.oneof({ arbitrary: manifests, weight: 2 }, damaged(manifests)),
    read: readManifestText,
  },
  { name: 'version', inputs: damaged(seeds.map((seed) => encode(randomVersion(new Random(seed))))), read: readVersion },
  {
    name: 'constraint',
    inputs: damaged(seeds.map((seed) => encode(randomConstraint(new Random(seed))))),
    read: readConstraint,
  },
  { name: 'webhook', inputs: fc.oneof(webhooks, damaged(webhooks)), read: readWebhook },
  { name: 'composer.lock', inputs: damaged(lockFiles), read: (input) => readLockFile(decode(input)) },
]

import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { LONGEST_WEBHOOK } from '../../src/sources/hosts/webhook.ts'
import type { Broker } from '../support/broker.ts'
import { createGitRepository, type TestGitRepository } from '../support/git-repository.ts'
import { library } from '../support/packages.ts'
import { startBroker } from '../support/start-broker.ts'
import { type Delivery, deliver, fromGithub, githubForm, NOTIFIERS, signedAsGithub } from '../support/webhooks.ts'

const SECRET = 'canary-webhook-secret-7a2e'
const BASE_URL = 'https://packages.example.com/composer'

let app: Broker
let origin: TestGitRepository
/** A plain git repository with a secret, and one without. */
let repositoryId: string
let silentId: string
let port = 1

beforeAll(async () => {
  app = await startBroker({ BASE_URL })
  origin = createGitRepository(app.path('lib.git'), { commits: [library('acme/lib', 'one', { tags: ['1.0.0'] })] })
  createGitRepository(app.path('silent.git'), { commits: [library('acme/silent', 'one', { tags: ['1.0.0'] })] })
  repositoryId = (await app.addRepository(origin.path, { webhook_secret: SECRET })).id
  silentId = (await app.addRepository(app.path('silent.git'))).id
})

afterAll(() => app?.stop())

const statusOf = async (response: Response) => ({ status: response.status, body: await response.json() })
const outcome = (status: string) => ({ status: 202, body: { status } })
const show = async (id: string) => (await (await app.ask(`/api/repositories/${id}`)).json()) as Record<string, unknown>
const syncsOf = async (id: string) =>
  (await (await app.ask(`/api/repositories/${id}/syncs`)).json()) as { state: string; added: string[] }[]

/** The repository when what was queued is done. */
async function settled(id: string) {
  await app.passTo(app.now() + 3)
  return app.synced(id)
}

describe.each([...NOTIFIERS])('$name', ({ vcsType, secret, delivery }) => {
  let id: string
  const ask = (given: Delivery) => deliver(app, id, given)

  beforeAll(async () => {
    // Nobody listens there, and each is a host of its own: one that fails often is left alone.
    const url = `http://127.0.0.1:${port++}/acme/${crypto.randomUUID()}.git`
    id = (await app.addRepository(url, { vcs_type: vcsType, webhook_secret: secret })).id
  })

  test('a signed push queues a sync and is noted; the same delivery again does nothing', async () => {
    const before = (await syncsOf(id)).length
    const push = delivery({ secret, now: app.now() })
    expect(await statusOf(await ask(push))).toEqual(outcome('queued'))
    expect((await syncsOf(id)).length).toBe(before + 1)
    expect(await show(id)).toMatchObject({ last_webhook_at: expect.any(Number) })
    expect(await statusOf(await ask(push))).toEqual(outcome('repeated'))
    await settled(id)
    expect(await statusOf(await ask(push))).toEqual(outcome('repeated'))
    expect((await syncsOf(id)).length).toBe(before + 1)
  })

  test('a change of the repository itself queues one too', async () => {
    expect(await statusOf(await ask(delivery({ secret, facts: true, now: app.now() })))).toEqual(outcome('queued'))
    await settled(id)
  })

  test('another secret, a changed body and no signature are refused alike', async () => {
    const { headers, body } = delivery({ secret, now: app.now() })
    const bare = Object.fromEntries(Object.entries(headers).filter(([name]) => !/signature|token/i.test(name)))
    const foreign = delivery({ secret: secret.replace(/..$/, 'AA'), now: app.now() })
    const signsBody = !('X-Gitlab-Token' in headers)
    const before = (await syncsOf(id)).length
    for (const wrong of [foreign, { headers: bare, body }, ...(signsBody ? [{ headers, body: `${body} ` }] : [])]) {
      const logged = app.logged.length
      const response = await ask(wrong)
      expect(await statusOf(response)).toEqual({ status: 401, body: BAD_SIGNATURE })
      const refusals = () => app.logged.slice(logged).filter((line) => line.includes('webhook refused'))
      // Of an executable the line may come after the answer.
      for (let looks = 0; looks < 200 && refusals().length === 0; looks++) await Bun.sleep(10)
      const lines = refusals()
      expect(lines).toEqual([expect.stringContaining(id)])
      expect(lines.join()).not.toContain(secret)
    }
    expect((await syncsOf(id)).length).toBe(before)
  })
})

const BAD_SIGNATURE = {
  error: 'The signature of the webhook does not fit its body and the secret of this repository.',
  code: 'UNAUTHORIZED',
  details: { reason: 'bad_signature' },
}

describe('what cannot be told from a wrong signature', () => {
  test('an unknown repository, one without a secret, an upstream and one for uploads', async () => {
    const upstream = await app.addRepository('http://127.0.0.1:1/upstream', { vcs_type: 'composer' })
    const artifact = await app.addRepository('uploads', { vcs_type: 'artifact' })
    for (const id of ['repo_unknown', silentId, upstream.id, artifact.id, '%2Fx', `${repositoryId}x`]) {
      const logged = app.logged.length
      const response = await deliver(app, id, fromGithub({ secret: SECRET }))
      expect({ id, ...(await statusOf(response)) }).toEqual({ id, status: 401, body: BAD_SIGNATURE })
      expect(app.logged.slice(logged).filter((line) => line.includes('webhook refused'))).toEqual([])
    }
  })

  test('a body in another form, or none', async () => {
    for (const body of ['', '[]', '{', 'payload=', '\u0000']) {
      const { headers } = fromGithub({ secret: 'another-secret-0123' })
      expect((await deliver(app, repositoryId, { headers, body })).status).toBe(401)
      expect((await deliver(app, 'repo_unknown', { headers, body })).status).toBe(401)
    }
  })
})

describe('what is signed and no delivery', () => {
  const signed = (headers: Record<string, string>, body = fromGithub({ secret: SECRET }).body) =>
    signedAsGithub(SECRET, headers, body)
  const push = { 'X-GitHub-Event': 'push', 'X-GitHub-Delivery': 'one-of-a-kind', 'Content-Type': 'application/json' }

  test('another content type, a form without payload, a body of another form, a missing header', async () => {
    const cases = [
      signed({ ...push, 'Content-Type': 'text/plain' }),
      signed({ ...push, 'Content-Type': 'multipart/form-data; boundary=x' }),
      signed({ ...push, 'Content-Type': 'application/x-www-form-urlencoded' }, 'other=%7B%7D'),
      signed(push, '{"repository":'),
      signed(push, '{"repository":7}'),
      signed({ 'X-GitHub-Event': 'push' }),
      signed({ 'X-GitHub-Delivery': 'x' }),
      signed({ ...push, 'Content-Encoding': 'gzip' }, '\u001f\u008b nothing is inflated'),
    ]
    for (const given of cases) {
      const { status, body } = await statusOf(await deliver(app, repositoryId, given))
      expect({ given, status, body }).toMatchObject({ status: 400, body: { code: 'INVALID_REQUEST' } })
    }
  })

  test('an event that means nothing here is taken, noted and queues nothing', async () => {
    const before = (await syncsOf(repositoryId)).length
    const ping = signed({ ...push, 'X-GitHub-Event': 'ping' })
    expect(await statusOf(await deliver(app, repositoryId, ping))).toEqual(outcome('ignored'))
    expect((await syncsOf(repositoryId)).length).toBe(before)
    expect(await show(repositoryId)).toMatchObject({ last_webhook_at: expect.any(Number) })
  })
})

test('a body beyond a megabyte is refused, whether its length is told or not', async () => {
  const body = ' '.repeat(LONGEST_WEBHOOK + 1)
  const { headers } = fromGithub({ secret: SECRET })
  const response = await deliver(app, repositoryId, { headers, body })
  expect(await statusOf(response)).toMatchObject({ status: 413, body: { code: 'PAYLOAD_TOO_LARGE' } })
  const stream = new Blob([body]).stream()
  const server = await app.listen()
  const sent = await fetch(`${server}/webhooks/${repositoryId}`, { method: 'POST', headers, body: stream })
  expect(sent.status).toBe(413)
})

test('a burst is one sync, and at most one more', async () => {
  const before = (await syncsOf(repositoryId)).length
  const answers = await Promise.all(
    Array.from({ length: 50 }, () => deliver(app, repositoryId, fromGithub({ secret: SECRET }))),
  )
  expect(answers.map(({ status }) => status)).toEqual(Array(50).fill(202))
  await settled(repositoryId)
  const made = (await syncsOf(repositoryId)).length - before
  expect([1, 2]).toContain(made)
})

test('a burst of one delivery queues once', async () => {
  const push = githubForm({ secret: SECRET })
  const answers = await Promise.all(Array.from({ length: 10 }, () => deliver(app, repositoryId, push)))
  const outcomes = await Promise.all(
    answers.map(async (answer) => ((await answer.json()) as { status: string }).status),
  )
  expect(outcomes.sort()).toEqual(['queued', ...Array(9).fill('repeated')])
  await settled(repositoryId)
})

test('what was pushed is offered after the notice', async () => {
  origin.commit(library('acme/lib', 'two', { tags: ['1.1.0'] }))
  expect((await deliver(app, repositoryId, fromGithub({ secret: SECRET }))).status).toBe(202)
  await settled(repositoryId)
  const [newest] = await syncsOf(repositoryId)
  expect(newest).toMatchObject({ state: 'done', added: ['acme/lib 1.1.0'] })
  const document = await (await app.ask('/p2/acme/lib.json')).json()
  expect(Object.keys((document as { packages: Record<string, object> }).packages['acme/lib'] ?? {})).toContain('1.1.0')
})

describe('the secret', () => {
  const patch = (id: string, json: object) => app.ask(`/api/repositories/${id}`, { method: 'PATCH', json })

  test('is never shown; the address is, while there is one', async () => {
    const url = `${BASE_URL}/webhooks/${repositoryId}`
    const shown = { webhook_url: url, has_webhook_secret: true, webhook_registered: false }
    expect(await show(repositoryId)).toMatchObject(shown)
    const list = (await (await app.ask('/api/repositories')).json()) as { id: string }[]
    expect(list.find(({ id }) => id === repositoryId)).toMatchObject(shown)
    expect(await show(silentId)).toMatchObject({
      webhook_url: null,
      has_webhook_secret: false,
      webhook_registered: false,
      last_webhook_at: null,
    })
    expect(JSON.stringify(list)).not.toContain('canary-webhook-secret')
  })

  test('can be set, changed and taken away; the old one is worth nothing from then on', async () => {
    const first = 'canary-webhook-secret-first'
    const second = 'canary-webhook-secret-second'
    const statuses = async () => {
      const answers: number[] = []
      for (const secret of [first, second]) answers.push((await deliver(app, silentId, fromGithub({ secret }))).status)
      return answers
    }
    for (const [webhook_secret, expected] of [
      [first, [202, 401]],
      [second, [401, 202]],
      [null, [401, 401]],
    ] as const) {
      const response = await patch(silentId, { webhook_secret })
      expect(await statusOf(response)).toMatchObject({
        status: 200,
        body: { has_webhook_secret: webhook_secret !== null },
      })
      expect(await statuses()).toEqual([...expected])
    }
    await settled(silentId)
    const audit = await (await app.ask(`/api/audit?subject=${silentId}&action=repository.update`)).text()
    expect(audit).toContain('"webhook_secret":"(changed)"')
    expect(audit).not.toContain('canary-webhook-secret')
  })

  test.each([
    ['short', 'fifteen-letters'],
    ['long', 'x'.repeat(201)],
    ['with a space', 'sixteen letters 16'],
    ['not ASCII', 'sechzehn-umlaute-ä'],
    ['a number', 1_234_567_890_123_456],
  ])('%s is refused', async (_, webhook_secret) => {
    const response = await patch(silentId, { webhook_secret })
    expect(await statusOf(response)).toMatchObject({
      status: 400,
      body: { details: { fields: { webhook_secret: '16 to 200 visible ASCII characters, or null for none' } } },
    })
  })

  test('has to fit the kind of repository', async () => {
    const add = (spec: object) => app.ask('/api/repositories', { json: { webhook_secret: SECRET, ...spec } })
    for (const spec of [
      { url: 'http://127.0.0.1:1/x', vcs_type: 'composer' },
      { url: 'label', vcs_type: 'artifact' },
      { url: 'http://127.0.0.1:1/acme/y', vcs_type: 'gitlab', webhook_secret: 'whsec_no-base64-at-all' },
    ]) {
      const { status, body } = await statusOf(await add(spec))
      expect({ spec, status, body }).toMatchObject({ status: 400, body: { details: { fields: {} } } })
      expect(Object.keys((body as { details: { fields: object } }).details.fields)).toEqual(['webhook_secret'])
    }
  })

  test('is in no log line and in no file', async () => {
    expect(app.logged.join('\n')).not.toContain('canary-webhook-secret')
    for (const name of new Bun.Glob('**/*').scanSync({ cwd: app.dataDirectory, onlyFiles: true })) {
      const bytes = Buffer.from(await Bun.file(`${app.dataDirectory}/${name}`).arrayBuffer())
      expect({ name, found: bytes.includes('canary-webhook-secret') }).toEqual({ name, found: false })
    }
  })
})

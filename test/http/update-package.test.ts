import { afterAll, beforeAll, expect, test } from 'bun:test'
import type { Broker } from '../support/broker.ts'
import { startBroker } from '../support/start-broker.ts'

const HOST = '127.0.0.1:1'

let app: Broker
let token: string
const ids: Record<string, string> = {}

beforeAll(async () => {
  app = await startBroker()
  token = (await app.token({ permissions: 'write' })).token
  for (const name of ['Lib', 'tool']) ids[name] = (await app.addRepository(`http://${HOST}/acme/${name}.git`)).id
  await app.addRepository(`http://${HOST}/acme/up`, { vcs_type: 'composer' })
})

afterAll(() => app?.stop())

const send = (json: unknown, headers: Record<string, string> = { Authorization: `Bearer ${token}` }, query = '') =>
  app.ask(`/api/update-package${query}`, { json, token: null, headers })

test.each([
  ['an address', { repository: `http://${HOST}/acme/Lib` }],
  ['an object', { repository: { url: `http://${HOST}/acme/Lib` } }],
  ['letters of another case, and .git', { repository: { url: `http://${HOST}/Acme/lib.git` } }],
  [
    'a push of GitHub',
    {
      ref: 'x',
      repository: { id: 7, url: 'https://api.github.com/repos/a/b', clone_url: `http://${HOST}/acme/Lib.git` },
    },
  ],
  ['a push of GitLab', { object_kind: 'push', project: { id: 7, git_http_url: `http://${HOST}/acme/Lib.git` } }],
  ['a push of Bitbucket', { push: {}, repository: { links: { html: { href: `http://${HOST}/acme/Lib` } } } }],
])('%s queues a sync of the repository there', async (_, body) => {
  const response = await send(body)
  const answer = (await response.json()) as { status: string; jobs: string[]; type: string }
  expect({ status: response.status, answer }).toEqual({
    status: 202,
    answer: { status: 'success', jobs: [expect.stringMatching(/^job_/)], type: 'manual' },
  })
  const [newest] = (await (await app.ask(`/api/repositories/${ids.Lib}/syncs`)).json()) as { id: string }[]
  expect(answer.jobs).toEqual([newest?.id ?? ''])
  const [entry] = (await (await app.ask(`/api/audit?subject=${ids.Lib}&limit=1`)).json()) as object[]
  expect(entry).toMatchObject({ action: 'repository.sync', after: { job: newest?.id } })
})

test('an address that is nobody’s, an upstream’s, or none at all', async () => {
  for (const url of [
    `http://${HOST}/acme/other`,
    `http://${HOST}/acme/up`,
    'nonsense',
    `http://a:b@${HOST}/acme/Lib`,
  ]) {
    const response = await send({ repository: { url } })
    expect({ url, status: response.status }).toEqual({ url, status: 404 })
    expect(await response.text()).not.toContain(url)
  }
  for (const body of [{}, { repository: {} }, { repository: { url: 7 } }, { repository: '' }, { project: {} }]) {
    const response = await send(body)
    expect({ body, status: response.status }).toEqual({ body, status: 400 })
    expect(await response.json()).toMatchObject({ details: { fields: { repository: expect.any(String) } } })
  }
})

test('the token comes in the header, in each way that clients send it, and never in the query', async () => {
  const body = { repository: `http://${HOST}/acme/tool` }
  for (const Authorization of [`Bearer ${token}`, `Bearer ann:${token}`, `Basic ${btoa(`ann:${token}`)}`]) {
    expect((await send(body, { Authorization })).status).toBe(202)
  }
  for (const Authorization of [`Bearer ann:${token}x`, `Bearer ${token}:ann`, `Bearer :${token}`]) {
    expect({ Authorization, status: (await send(body, { Authorization })).status }).toMatchObject({ status: 401 })
  }
  expect((await send(body, {}, `?username=ann&apiToken=${token}`)).status).toBe(401)
  const both = await send(body, { Authorization: `Bearer ${token}` }, `?username=ann&apiToken=${token}`)
  expect(both.status).toBe(400)
  expect(app.logged.join('\n')).not.toContain(token)
  const restricted = await app.token({ permissions: 'write', allowed_package_prefixes: ['acme/'] })
  expect((await send(body, { Authorization: `Bearer ${restricted.token}` })).status).toBe(403)
})

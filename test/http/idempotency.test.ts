import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { TestApp } from '../support/app.ts'
import { createGitRepository } from '../support/git-repository.ts'
import { library } from '../support/packages.ts'
import { stored } from '../support/stored.ts'

const DAY = 86_400

let app: TestApp
let count = 0

beforeAll(async () => {
  app = await TestApp.start()
})

afterAll(() => app?.stop())

interface Answered {
  status: number
  type: string | null
  text: string
}

async function post(path: string, key: string | null, json: unknown, token?: string): Promise<Answered> {
  const headers = key === null ? {} : { headers: { 'Idempotency-Key': key } }
  const response = await app.ask(path, { json, ...headers, ...(token === undefined ? {} : { token }) })
  return { status: response.status, type: response.headers.get('content-type'), text: await response.text() }
}

const TOKEN = { permissions: 'readonly', description: 'customer' }

function source(): { url: string; vcs_type: string } {
  count += 1
  const { path } = createGitRepository(app.path(`lib-${count}.git`), { commits: [library(`acme/lib-${count}`, 'one')] })
  return { url: path, vcs_type: 'git' }
}

async function total(path: string): Promise<number> {
  return Number((await app.ask(`${path}?limit=1`)).headers.get('x-total-count'))
}

describe.each([
  ['/api/tokens', () => ({ ...TOKEN, description: `customer ${count++}` }), 'token.create'],
  ['/api/repositories', source, 'repository.create'],
  [
    '/api/advisories',
    () => ({ package_name: 'acme/x', title: `${count++}`, affected_versions: '<1' }),
    'advisory.create',
  ],
  ['/api/filters', () => ({ package_name: 'acme/x', list: 'own', constraint: `${count++}.0` }), 'filter.create'],
] as const)('a key on POST %s', (path, bodyOf, action) => {
  const keyOf = (name: string) => `${name}-${count}`

  test('gives the first answer again, to the letter, and creates one thing', async () => {
    const body = bodyOf()
    const key = keyOf('again')
    const before = await total(path)
    const first = await post(path, key, body)
    expect(first).toMatchObject({ status: 201, type: 'application/json' })
    app.clock.now += DAY - 1
    for (let round = 0; round < 3; round++) expect(await post(path, key, body)).toEqual(first)
    expect(await total(path)).toBe(before + 1)
    const { id } = JSON.parse(first.text) as { id: string }
    const entries = await stored(app, 'SELECT action FROM audit_entries WHERE subject = ?', id)
    expect(entries.map((entry) => entry.action)).toEqual([action])
  })

  test('with another body is 409', async () => {
    const key = keyOf('other')
    expect((await post(path, key, bodyOf())).status).toBe(201)
    const before = await total(path)
    const other = await post(path, key, bodyOf())
    expect(other.status).toBe(409)
    expect(other.text).toContain('another body')
    expect(await total(path)).toBe(before)
  })

  test('of many requests at once creates one thing', async () => {
    const body = bodyOf()
    const key = keyOf('parallel')
    const before = await total(path)
    const answers = await Promise.all(Array.from({ length: 20 }, () => post(path, key, body)))
    expect(new Set(answers.map(({ text }) => text)).size).toBe(1)
    expect(answers.every(({ status }) => status === 201)).toBe(true)
    expect(await total(path)).toBe(before + 1)
  })

  test('belongs to one caller', async () => {
    const body = bodyOf()
    const key = keyOf('caller')
    const other = await app.token({ permissions: 'write' })
    const first = await post(path, key, body)
    const second = await post(path, key, body, other.token)
    expect(second.text).not.toBe(first.text)
    expect(second.status).toBe(path === '/api/repositories' ? 409 : 201)
  })

  test('is not used up by a request that failed', async () => {
    const key = keyOf('failed')
    const wrong = path === '/api/tokens' ? { ...TOKEN, expires_at: 1 } : { url: 'ext::sh', vcs_type: 'git' }
    expect((await post(path, key, wrong)).status).toBe(400)
    if (path === '/api/repositories') {
      const taken = bodyOf()
      await post(path, null, taken)
      expect((await post(path, key, taken)).status).toBe(409)
    }
    expect((await post(path, key, bodyOf())).status).toBe(201)
  })

  test('may be used anew after a day', async () => {
    const key = keyOf('day')
    const first = await post(path, key, bodyOf())
    app.clock.now += DAY
    const second = await post(path, key, bodyOf())
    expect([first.status, second.status]).toEqual([201, 201])
    expect(second.text).not.toBe(first.text)
    const { id } = JSON.parse(second.text) as { id: string }
    expect((await app.ask(`${path}/${id}`)).status).toBe(200)
  })

  test.each([['x'.repeat(256)], ['two words'], ['a\tb'], ['é'], ['']])('%p is no key', async (key) => {
    const before = await total(path)
    const { status, text } = await post(path, key, bodyOf())
    expect({ status, text }).toEqual({ status: 400, text: expect.stringContaining('Idempotency-Key') })
    expect(await total(path)).toBe(before)
  })

  test('may have 255 visible characters', async () => {
    const key = `${'!~"/'.repeat(60)}${keyOf('long')}`.padEnd(255, 'x')
    const body = bodyOf()
    const first = await post(path, key, body)
    expect(first.status).toBe(201)
    expect(await post(path, key, body)).toEqual(first)
  })
})

test('the same key on two routes is two keys', async () => {
  expect((await post('/api/tokens', 'both', TOKEN)).status).toBe(201)
  expect((await post('/api/repositories', 'both', source())).status).toBe(201)
})

test('the token in a repeated answer works, and is nowhere in the database as it is', async () => {
  const answers = [await post('/api/tokens', 'sealed', TOKEN), await post('/api/tokens', 'sealed', TOKEN)]
  const [first, second] = answers.map(({ text }) => (JSON.parse(text) as { token: string }).token)
  expect(first).toBe(second ?? '')
  expect((await app.ask('/packages.json', { token: first ?? '' })).status).toBe(200)
  const data = join(app.directory, 'data')
  const files = readdirSync(data).filter((name) => name.startsWith('package-broker.db'))
  expect(files.length).toBeGreaterThan(0)
  for (const name of files) expect(readFileSync(join(data, name)).includes(first ?? '-')).toBe(false)
  expect(app.logged.join('\n')).not.toContain(first ?? '-')
})

test('an answer opens only at its own place', async () => {
  await post('/api/tokens', 'place-1', TOKEN)
  await post('/api/tokens', 'place-2', TOKEN)
  await stored(
    app,
    "UPDATE idempotent_answers SET answer = (SELECT answer FROM idempotent_answers WHERE key = 'place-1') WHERE key = 'place-2'",
  )
  expect((await post('/api/tokens', 'place-2', TOKEN)).status).toBe(503)
})

test('nothing is kept of a request that does not come to its end', async () => {
  const kept = async () => (await stored(app, 'SELECT count(*) AS rows FROM idempotent_answers'))[0]?.rows
  const before = [await kept(), await total('/api/tokens'), await total('/api/audit')]
  await stored(app, "CREATE TRIGGER broken BEFORE INSERT ON tokens BEGIN SELECT RAISE(ABORT, 'broken'); END")
  expect((await post('/api/tokens', 'broken', TOKEN)).status).toBe(500)
  expect([await kept(), await total('/api/tokens'), await total('/api/audit')]).toEqual(before)
  await stored(app, 'DROP TRIGGER broken')
  expect((await post('/api/tokens', 'broken', TOKEN)).status).toBe(201)
})

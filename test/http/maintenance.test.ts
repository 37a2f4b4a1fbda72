import { afterAll, beforeAll, expect, test } from 'bun:test'
import { socketPath } from '../../src/data-directory.ts'
import { TestApp } from '../support/app.ts'

const PATHS = ['hold', `hold/${crypto.randomUUID()}/copied`, 'recheck', 'gc']

let app: TestApp
let url: string

beforeAll(async () => {
  app = await TestApp.start()
  url = await app.listen()
})

afterAll(() => app?.stop())

function local(path: string, body?: unknown, init: RequestInit = {}): Promise<Response> {
  return fetch(`http://localhost/maintenance/${path}`, {
    method: 'POST',
    unix: socketPath(app.app.config),
    headers: { 'Content-Type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    ...init,
  })
}

/** Begins a hold; `leave` ends its connection. */
async function hold(): Promise<{ id: string; leave: () => void; end: Promise<void> }> {
  const leaving = new AbortController()
  const response = await local('hold', undefined, { signal: leaving.signal })
  const reader = response.body?.getReader()
  const first = new TextDecoder().decode((await reader?.read())?.value)
  const drain = async () => {
    while (!(await reader?.read())?.done);
  }
  return { id: JSON.parse(first).hold, leave: () => leaving.abort(), end: drain().catch(() => {}) }
}

const create = () => app.ask('/api/tokens', { json: { permissions: 'readonly' } })

test('nobody reaches it but by the socket, with whatever token', async () => {
  for (const path of PATHS) {
    const headers = { Authorization: `Bearer ${app.app.localToken}`, 'Content-Type': 'application/json' }
    const response = await fetch(`${url}/maintenance/${path}`, { method: 'POST', headers, body: '{"dry_run":true}' })
    expect({ path, status: response.status }).toEqual({ path, status: 404 })
  }
})

test('what it does not know is refused in the usual form', async () => {
  const refused: [string, unknown, number][] = [
    ['recheck', {}, 400],
    ['recheck', { folder: 'git', sha256: '../../etc' }, 400],
    ['recheck', { folder: '../git', sha256: 'a'.repeat(64) }, 400],
    ['gc', { dry_run: 'yes' }, 400],
    ['else', {}, 404],
    [`hold/${crypto.randomUUID()}/copied`, undefined, 503],
  ]
  for (const [path, body, status] of refused) {
    const response = await local(path, body)
    expect({ path, status: response.status }).toEqual({ path, status })
    expect(await response.json()).toMatchObject({ error: expect.any(String), code: expect.any(String) })
  }
  expect(await (await local('recheck', { folder: 'git', sha256: 'a'.repeat(64) })).json()).toEqual({
    condition: 'absent',
  })
})

test('writes wait for the copy, and go on when the client leaves without a word', async () => {
  const first = await hold()
  let answered = false
  const waiting = create().then((response) => {
    answered = true
    return response.status
  })
  expect((await app.ask('/packages.json')).status).toBe(200)
  expect(answered).toBe(false)
  expect((await local(`hold/${first.id}/copied`)).status).toBe(200)
  expect(await waiting).toBe(201)
  first.leave()
  const second = await hold()
  const blocked = create()
  second.leave()
  expect((await blocked).status).toBe(201)
  while ((await local(`hold/${second.id}/copied`)).status !== 503) await Bun.sleep(1)
})

test('a server that stops does not wait for it', async () => {
  const { end } = await hold()
  await app.app.stop(600_000)
  await end
})

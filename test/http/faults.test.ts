import { afterEach, beforeEach, expect, test } from 'bun:test'
import { TestApp } from '../support/app.ts'
import { createGitRepository } from '../support/git-repository.ts'
import { library } from '../support/packages.ts'

let app: TestApp
let token: string

beforeEach(async () => {
  app = await TestApp.start()
  createGitRepository(app.path('lib.git'), { commits: [library('acme/lib', 'one', { tags: ['1.0.0'] })] })
  await app.addRepository(app.path('lib.git'))
  token = (await app.token()).token
  await app.ask('/dist/acme/lib/1.0.0.zip', { token })
})

afterEach(async () => {
  await app.stop()
})

/** Another program runs a statement on the database, and ends when the returned function is called. */
async function outside(statement: string): Promise<() => Promise<void>> {
  // In a process of its own: locks of SQLite are between processes.
  const script = `
    const { Database } = require('bun:sqlite')
    const db = new Database(process.argv.at(-1))
    db.exec(${JSON.stringify(statement)})
    console.log('done')
    process.stdin.on('data', () => process.exit(0))`
  const file = `${app.app.config.dataDir}/package-broker.db`
  const child = Bun.spawn([process.execPath, '-e', script, file], { stdin: 'pipe', stdout: 'pipe' })
  const { value } = await child.stdout.getReader().read()
  if (!value) throw new Error('the other program did not get at the database')
  return async () => {
    child.stdin.write('end')
    child.stdin.end()
    await child.exited
  }
}

test('a database that another program holds: reads go on, writes say so, and work again afterwards', async () => {
  const release = await outside('BEGIN IMMEDIATE')
  for (const path of [
    '/health',
    '/ready',
    '/packages.json',
    '/p2/acme/lib.json',
    '/dist/acme/lib/1.0.0.zip',
    '/api/tokens',
  ]) {
    const response = await app.ask(path, path.startsWith('/api') ? {} : { token })
    expect({ path, status: response.status }).toEqual({ path, status: 200 })
  }
  const refused = await app.ask('/api/tokens', { json: { permissions: 'readonly', description: 'refused' } })
  expect(refused.status).toBe(503)
  expect(await refused.json()).toMatchObject({ code: 'UNAVAILABLE', error: expect.stringContaining('Another program') })
  await release()
  // For a moment writes are still refused without a try.
  const first = () => app.ask('/api/tokens', { json: { permissions: 'readonly', description: 'first' } })
  let response = await first()
  for (; response.status === 503; response = await first()) await Bun.sleep(10)
  const created = [((await response.json()) as { id: string }).id]
  for (let index = 0; index < 20; index++) created.push((await app.token({ description: `after ${index}` })).id)
  const list = (await (await app.ask('/api/tokens?limit=1000')).json()) as { id: string; description: string }[]
  expect(list.map((row) => row.id)).toEqual(expect.arrayContaining(created))
  expect(list.map((row) => row.description)).not.toContain('refused')
})

test('a bug tells the request id and nothing of the inside; its log tells the rest', async () => {
  await (await outside('ALTER TABLE repositories RENAME TO gone'))()
  const response = await app.ask('/api/repositories', { headers: { 'X-Request-Id': 'request-7' } })
  expect(response.status).toBe(500)
  expect(response.headers.get('content-type')).toBe('application/json')
  const text = await response.text()
  expect(JSON.parse(text)).toMatchObject({ code: 'INTERNAL_ERROR', details: { request_id: 'request-7' } })
  expect(text).not.toMatch(/repositories|SQLITE|select/i)
  const line = app.logged.find((entry) => entry.includes('request failed') && entry.includes('request-7'))
  expect(line).toContain('repositories')
})

test('a database that is gone: /ready says so, /health does not', async () => {
  await (await outside('ALTER TABLE settings RENAME TO gone'))()
  const ready = await app.ask('/ready', { token: null })
  expect(ready.status).toBe(503)
  expect(await ready.json()).toMatchObject({ code: 'UNAVAILABLE' })
  expect((await app.ask('/health', { token: null })).status).toBe(200)
})

test('/ready is 503 as soon as the stop begins', async () => {
  const app = await TestApp.start()
  const stopped = app.stop()
  const response = await app.ask('/ready', { token: null })
  expect({ status: response.status, body: await response.json() }).toMatchObject({
    status: 503,
    body: { code: 'UNAVAILABLE', error: 'The server is stopping.' },
  })
  await stopped
})

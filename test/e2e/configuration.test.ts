import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, rmSync, utimesSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startHranaServer } from '../store/hrana-server.ts'
import { Installation } from '../support/binary.ts'
import { type GitServer, startGitServer } from '../support/git-http-server.ts'
import { createGitRepository } from '../support/git-repository.ts'
import { Management } from '../support/management.ts'
import { library } from '../support/packages.ts'
import { libraryZip } from '../support/zip-builder.ts'

/*
 * What each variable of the configuration does in the executable. DATA_DIR, ENCRYPTION_KEY, ADMIN_TOKEN and ports are in
 * process.test.ts, limits in limits.test.ts, files of secrets and wrong values in test/commands.
 */

setDefaultTimeout(90_000)

const ADMIN = 'administrator-of-the-variables-0123456789'

let root: string
let source: GitServer
const installations: Installation[] = []

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'package-broker-sources-'))
  for (const name of ['lib', 'tool']) {
    createGitRepository(join(root, `${name}.git`), { commits: [library(`acme/${name}`, name, { tags: ['1.0.0'] })] })
  }
  source = await startGitServer({ root })
})

afterAll(async () => {
  for (const installation of installations) await installation.remove()
  await source?.stop()
  rmSync(root, { recursive: true, force: true })
})

async function start(environment: Record<string, string>) {
  const installation = await Installation.create({ ADMIN_TOKEN: ADMIN, ...environment })
  installations.push(installation)
  const server = await installation.serve()
  const api = new Management(server.url, ADMIN)
  const ask = (path: string, init: RequestInit = {}) =>
    fetch(server.url + path, { ...init, headers: { Authorization: `Bearer ${ADMIN}`, ...(init.headers as object) } })
  return { installation, server, api, ask }
}

/** Where the root document says that archives and documents are. */
async function told(
  ask: (path: string, init?: RequestInit) => Promise<Response>,
  headers: Record<string, string> = {},
) {
  return ((await (await ask('/packages.json', { headers })).json()) as { 'metadata-url': string })['metadata-url']
}

test('HOST: it listens there and nowhere else', async () => {
  const { server } = await start({ HOST: '127.0.0.2' })
  expect(new URL(server.url).hostname).toBe('127.0.0.2')
  expect((await fetch(`${server.url}/health`)).status).toBe(200)
  await expect(fetch(server.url.replace('127.0.0.2', '127.0.0.1'))).rejects.toThrow()
})

test('BASE_URL: written into metadata, with its path', async () => {
  const { ask } = await start({ BASE_URL: 'https://packages.example.com/composer' })
  expect(await told(ask)).toStartWith('https://packages.example.com/composer/p2/')
})

test('TRUST_PROXY: only then X-Forwarded-* are believed', async () => {
  const forwarded = { 'X-Forwarded-Proto': 'https', 'X-Forwarded-Host': 'packages.example.com' }
  const trusting = await start({ TRUST_PROXY: '127.0.0.0/8' })
  expect(await told(trusting.ask, forwarded)).toStartWith('https://packages.example.com/p2/')
  const wary = await start({})
  expect(await told(wary.ask, forwarded)).toStartWith(`${wary.server.url}/p2/`)
})

test('DATABASE_URL and DATABASE_AUTH_TOKEN: a libSQL server instead of a file, which another instance shares', async () => {
  const database = startHranaServer(join(root, 'remote.db'))
  const guard = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    async fetch(request) {
      if (request.headers.get('authorization') !== 'Bearer token-of-the-database')
        return new Response('', { status: 401 })
      const { pathname } = new URL(request.url)
      return fetch(`${database.url}${pathname}`, { method: request.method, body: await request.arrayBuffer() })
    },
  })
  const environment = { DATABASE_URL: `http://127.0.0.1:${guard.port}`, DATABASE_AUTH_TOKEN: 'token-of-the-database' }
  const one = await start({ ...environment, ENCRYPTION_KEY: Buffer.alloc(32, 7).toString('base64') })
  const other = await start({ ...environment, ENCRYPTION_KEY: Buffer.alloc(32, 7).toString('base64') })
  expect(existsSync(join(one.installation.directory, 'data/package-broker.db'))).toBe(false)
  const created = (await one.api.call('POST', '/api/tokens', { permissions: 'readonly' })) as {
    id: string
    token: string
  }
  const headers = { Authorization: `Bearer ${created.token}` }
  expect((await other.ask('/packages.json', { headers })).status).toBe(200)
  await one.api.call('DELETE', `/api/tokens/${created.id}`)
  expect((await one.ask('/packages.json', { headers })).status).toBe(401)
  // The contract gives the other one two seconds.
  await Bun.sleep(2_000)
  expect((await other.ask('/packages.json', { headers })).status).toBe(401)
  await one.server.stop()
  await other.server.stop()
  await guard.stop(true)
  await database.stop()
})

test('ARCHIVE_DIR and ARCHIVE_MAX_BYTES: where archives are kept, and when the oldest go', async () => {
  const elsewhere = mkdtempSync(join(root, 'archives-'))
  const { api, ask, installation, server } = await start({ ARCHIVE_DIR: elsewhere })
  const kept = () =>
    readdirSync(elsewhere, { recursive: true }).filter((name) => String(name).endsWith('.zip')) as string[]
  for (const name of ['lib', 'tool']) await api.addRepository(`${source.url}/${name}.git`)
  expect((await ask('/dist/acme/lib/1.0.0.zip')).status).toBe(200)
  const [old = ''] = kept()
  expect(existsSync(join(installation.directory, 'data/archives'))).toBe(false)
  expect(await server.stop()).toBe(0)
  utimesSync(join(elsewhere, old), 1_700_000_000, 1_700_000_000)
  const again = await installation.serve({ ARCHIVE_MAX_BYTES: '1' })
  const headers = { Authorization: `Bearer ${ADMIN}` }
  expect((await fetch(`${again.url}/dist/acme/tool/1.0.0.zip`, { headers })).status).toBe(200)
  const until = Date.now() + 10_000
  while (kept().includes(old) && Date.now() < until) await Bun.sleep(20)
  // What was used a moment ago stays, however small the bound.
  expect(kept()).toHaveLength(1)
  expect(kept()).not.toContain(old)
})

test('UPLOAD_MAX_BYTES: a larger upload is refused', async () => {
  const { api, ask } = await start({ UPLOAD_MAX_BYTES: '1024' })
  const { id } = (await api.call('POST', '/api/repositories', { vcs_type: 'artifact' })) as { id: string }
  const upload = (size: number) => {
    const zip = libraryZip({ name: 'acme/up', version: '1.0.0', description: randomBytes(size).toString('hex') })
    return ask(`/api/repositories/${id}/artifacts`, { method: 'PUT', body: zip })
  }
  expect((await upload(2_000)).status).toBe(413)
  expect((await upload(10)).status).toBe(201)
})

test('SYNC_INTERVAL: a new release is found by itself', async () => {
  const git = createGitRepository(join(root, 'timed.git'), {
    commits: [library('acme/timed', 'one', { tags: ['1.0.0'] })],
  })
  const { api, ask } = await start({ SYNC_INTERVAL: '10' })
  const before = await api.addRepository(`${source.url}/timed.git`)
  expect(before.versions).toBe(2)
  git.commit(library('acme/timed', 'two', { tags: ['2.0.0'] }))
  const document = async () => (await ask('/p2/acme/timed.json')).text()
  const until = Date.now() + 40_000
  while (!(await document()).includes('"2.0.0"') && Date.now() < until) await Bun.sleep(100)
  expect(await document()).toContain('"2.0.0"')
})

test('SYNC_CONCURRENCY: no more sources are read at once', async () => {
  let now = 0
  let most = 0
  const slow = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    async fetch(request) {
      now += 1
      most = Math.max(most, now)
      await Bun.sleep(30)
      const { pathname, search } = new URL(request.url)
      const path = pathname.replace(/^\/\d+/, '')
      const body = request.method === 'POST' ? { body: await request.arrayBuffer() } : {}
      const answer = await fetch(`${source.url}${path}${search}`, {
        method: request.method,
        headers: request.headers,
        ...body,
      })
      now -= 1
      return answer
    },
  })
  const { api } = await start({ SYNC_CONCURRENCY: '1' })
  await Promise.all(
    [1, 2, 3].map((turn) => api.addRepository(`http://127.0.0.1:${slow.port}/${turn}/lib.git`).catch(() => {})),
  )
  await slow.stop(true)
  expect(most).toBe(1)
})

test('ALLOWED_NETWORKS: without it a source on this network is refused', async () => {
  const { api } = await start({ ALLOWED_NETWORKS: '' })
  await expect(api.addRepository(`${source.url}/lib.git`)).rejects.toThrow('ALLOWED_NETWORKS')
})

test('LOG_LEVEL and LOG_FORMAT', async () => {
  const { server } = await start({ LOG_LEVEL: 'debug' })
  await fetch(`${server.url}/health`)
  expect(await server.stop()).toBe(0)
  const lines = server.stdout.trim().split('\n')
  expect(lines.map((line) => (JSON.parse(line) as { level: string }).level)).toContain('debug')
  const { installation } = await start({})
  const { code, stdout, stderr } = await installation.run(['config'], { env: { LOG_FORMAT: 'nonsense' } })
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
  expect(stderr).toContain('LOG_FORMAT')
})

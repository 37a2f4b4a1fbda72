import { Database } from 'bun:sqlite'
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { executable, Installation, RunningServer } from '../support/binary.ts'
import { until } from '../support/discoveries.ts'
import { type GitServer, startGitServer } from '../support/git-http-server.ts'
import { createGitRepository } from '../support/git-repository.ts'
import { Management } from '../support/management.ts'
import { library } from '../support/packages.ts'
import { libraryZip } from '../support/zip-builder.ts'

/* Every status of the contract's table of errors, from the executable. Those that a request alone can reach are in errors.test.ts too. */

setDefaultTimeout(90_000)

const ADMIN = 'administrator-of-the-table-0123456789'

let root: string
let source: GitServer
let installation: Installation
let server: RunningServer
let api: Management

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'package-broker-sources-'))
  for (const name of ['lib', 'gone']) {
    createGitRepository(join(root, `${name}.git`), { commits: [library(`acme/${name}`, 'one', { tags: ['1.0.0'] })] })
  }
  source = await startGitServer({ root })
  installation = await Installation.create({ ADMIN_TOKEN: ADMIN })
  server = await installation.serve()
  api = new Management(server.url, ADMIN)
})

afterAll(async () => {
  await installation?.remove()
  await source?.stop()
  rmSync(root, { recursive: true, force: true })
})

function ask(method: string, path: string, { token = ADMIN, json }: { token?: string; json?: unknown } = {}) {
  return fetch(server.url + path, {
    method,
    headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
    ...(json === undefined ? {} : { body: JSON.stringify(json) }),
  })
}

async function refused(response: Response, status: number, code: string) {
  const body = (await response.json()) as { error: string; code: string; details: Record<string, unknown> }
  expect({ status: response.status, code: body.code, body }).toEqual({ status, code, body })
  expect(response.headers.get('content-type')).toBe('application/json')
  return body
}

const database = () => new Database(join(installation.directory, 'data/package-broker.db'))

test('401: unknown, revoked and expired credentials', async () => {
  const unknown = await ask('GET', '/packages.json', { token: `pb_${'x'.repeat(43)}` })
  expect(unknown.headers.get('www-authenticate')).toStartWith('Basic realm="')
  await refused(unknown, 401, 'UNAUTHORIZED')
  const { id, token } = (await api.call('POST', '/api/tokens', { permissions: 'readonly' })) as {
    id: string
    token: string
  }
  await api.call('DELETE', `/api/tokens/${id}`)
  await refused(await ask('GET', '/packages.json', { token }), 401, 'UNAUTHORIZED')
  const end = Math.floor(Date.now() / 1000) + 1
  const short = await api.token({ expires_at: end })
  while (Date.now() < end * 1000) await Bun.sleep(20)
  await refused(await ask('GET', '/packages.json', { token: short }), 401, 'TOKEN_EXPIRED')
})

test('403: no permission, and outside the prefixes', async () => {
  const token = await api.token({ allowed_package_prefixes: ['acme/'] })
  await refused(await ask('GET', '/api/repositories', { token }), 403, 'FORBIDDEN')
  await refused(await ask('GET', '/dist/globex/tool/1.0.0.zip', { token }), 403, 'FORBIDDEN')
})

test('409: an address, a name and an upload that are there already', async () => {
  const url = `${source.url}/lib.git`
  const { id } = await api.addRepository(url)
  const again = await ask('POST', '/api/repositories', { json: { url: `${url}/`, vcs_type: 'git' } })
  expect((await refused(again, 409, 'CONFLICT')).details).toEqual({ id })
  const uploads = (await api.call('POST', '/api/repositories', { vcs_type: 'artifact' })) as { id: string }
  const upload = (name: string, mark: string) =>
    fetch(`${server.url}/api/repositories/${uploads.id}/artifacts`, {
      method: 'PUT',
      headers: { Authorization: `Bearer ${ADMIN}` },
      body: libraryZip({ name, version: '5.0.0', description: mark }),
    })
  expect((await refused(await upload('acme/lib', 'x'), 409, 'CONFLICT')).details).toEqual({ repository_id: id })
  expect((await upload('acme/upload', 'one')).status).toBe(201)
  expect((await upload('acme/upload', 'one')).status).toBe(200)
  await refused(await upload('acme/upload', 'two'), 409, 'CONFLICT')
})

test('500: a bug tells nothing but the id of the request', async () => {
  const outside = database()
  outside.run('ALTER TABLE audit_entries RENAME TO audit_moved')
  try {
    const response = await ask('GET', '/api/audit')
    const { error, details } = await refused(response, 500, 'INTERNAL_ERROR')
    expect(details).toEqual({ request_id: response.headers.get('x-request-id') ?? '' })
    expect(error).not.toMatch(/audit|SQL|table/)
    // The answer may be here before the line is read out of the pipe.
    for (let looks = 0; looks < 200 && !server.stdout.includes(String(details.request_id)); looks++) await Bun.sleep(10)
    expect(server.stdout).toContain(String(details.request_id))
  } finally {
    outside.run('ALTER TABLE audit_moved RENAME TO audit_entries')
    outside.close()
  }
  expect((await ask('GET', '/api/audit')).status).toBe(200)
})

test('502: the source is gone and nothing of it is stored', async () => {
  await api.addRepository(`${source.url}/gone.git`)
  rmSync(join(root, 'gone.git'), { recursive: true })
  await refused(await ask('GET', '/dist/acme/gone/1.0.0.zip'), 502, 'UPSTREAM_ERROR')
  expect((await ask('GET', '/p2/acme/gone.json')).status).toBe(200)
})

test('503: another program holds the database; reads go on', async () => {
  const outside = database()
  outside.run('BEGIN IMMEDIATE')
  try {
    await refused(await ask('POST', '/api/tokens', { json: { permissions: 'readonly' } }), 503, 'UNAVAILABLE')
    expect((await ask('GET', '/p2/acme/lib.json')).status).toBe(200)
  } finally {
    outside.run('ROLLBACK')
    outside.close()
  }
  // It is tried again four times a second.
  const written = async () => (await ask('POST', '/api/tokens', { json: { permissions: 'readonly' } })).status
  expect(await until(written, (status) => status !== 503)).toBe(201)
})

/** A file system of a few megabytes of its own, for a program and what it starts. Not every system allows that. */
const SMALL_DISK = ['unshare', '--map-root-user', '--mount', '--propagation', 'private']
const allowed = Bun.spawnSync([...SMALL_DISK, 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt'], { stderr: 'ignore' }).success

test.skipIf(!allowed)('507: no room for a write; reads go on', async () => {
  const home = mkdtempSync(join(tmpdir(), 'package-broker-small-'))
  const data = join(home, 'data')
  mkdirSync(data)
  const script = join(home, 'start')
  writeFileSync(
    script,
    `#!/bin/sh\nexec ${SMALL_DISK.join(' ')} sh -c 'mount -t tmpfs -o size=6m tmpfs "${data}" && exec "${await executable()}"'\n`,
    { mode: 0o755 },
  )
  const small = await RunningServer.start(script, home, {
    ...installation.environment,
    PATH: process.env.PATH ?? '',
    DATA_DIR: data,
    ARCHIVE_DIR: join(home, 'archives'),
  })
  try {
    const headers = { Authorization: `Bearer ${ADMIN}`, 'Content-Type': 'application/json' }
    const metadata = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`key-${index}`, 'x'.repeat(1_000)]))
    const body = JSON.stringify({ permissions: 'readonly', metadata })
    let response = await fetch(`${small.url}/api/tokens`, { method: 'POST', headers, body })
    for (let count = 0; response.status === 201 && count < 200; count++) {
      await response.text()
      response = await fetch(`${small.url}/api/tokens`, { method: 'POST', headers, body })
    }
    await refused(response, 507, 'DISK_FULL')
    expect((await fetch(`${small.url}/api/tokens?limit=1`, { headers })).status).toBe(200)
    expect((await fetch(`${small.url}/packages.json`, { headers })).status).toBe(200)
  } finally {
    await small.kill()
    rmSync(home, { recursive: true, force: true })
  }
})

import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Installation, type RunningServer } from '../support/binary.ts'
import { type GitServer, startGitServer } from '../support/git-http-server.ts'
import { createGitRepository } from '../support/git-repository.ts'
import { Management } from '../support/management.ts'
import { library } from '../support/packages.ts'

setDefaultTimeout(60_000)

const PASSWORD = 'canary-password-7c1f4b'
const BASIC = Buffer.from(`ann:${PASSWORD}`).toString('base64')

let root: string
let closed: GitServer
let installation: Installation
let server: RunningServer
let api: Management
let admin: string
const answers: string[] = []

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'package-broker-sources-'))
  createGitRepository(join(root, 'lib.git'), { commits: [library('acme/lib', 'one', { tags: ['1.0.0'] })] })
  closed = await startGitServer({ root, auth: { user: 'ann', password: PASSWORD } })
  installation = await Installation.create({ LOG_LEVEL: 'debug' })
  server = await installation.serve()
  admin = server.adminToken ?? ''
  api = new Management(server.url, admin)
})

afterAll(async () => {
  await installation?.remove()
  await closed?.stop()
  rmSync(root, { recursive: true, force: true })
})

async function ask(path: string, token: string, init: RequestInit = {}): Promise<Response> {
  const response = await fetch(server.url + path, {
    ...init,
    headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
  })
  answers.push(JSON.stringify([...response.headers]), await response.clone().text())
  return response
}

function create(body: Record<string, unknown>): Promise<Response> {
  return ask('/api/repositories', admin, { method: 'POST', body: JSON.stringify(body) })
}

/** Every file below the data directory, with the database and its log. */
function storedFiles(): Map<string, Buffer> {
  const data = join(installation.directory, 'data')
  const entries = readdirSync(data, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  return new Map(
    entries.map((entry) => [join(entry.parentPath, entry.name), readFileSync(join(entry.parentPath, entry.name))]),
  )
}

test('credentials and tokens are in no answer, no log and in the database only sealed or hashed', async () => {
  const { id } = await api.addRepository(`${closed.url}/lib.git`, {
    archives: 'all',
    credential_type: 'http_basic',
    auth_credentials: `ann:${PASSWORD}`,
  })
  const token = await api.token()
  const refused = [
    {
      url: `${closed.url}/lib.git`,
      vcs_type: 'git',
      credential_type: 'http_basic',
      auth_credentials: `ann:${PASSWORD}`,
    },
    { url: `${closed.url}/x.git`, vcs_type: 'nonsense', credential_type: 'token', auth_credentials: PASSWORD },
    { url: `${closed.url}/x.git`, vcs_type: 'git', credential_type: 'http_basic', auth_credentials: PASSWORD },
    { url: `${closed.url}/x.git`, vcs_type: 'git', credential_type: 'none', auth_credentials: PASSWORD },
    { url: `${closed.url}/x.git`, vcs_type: 'git', credential_type: 'token', auth_credentials: { nonsense: PASSWORD } },
    { url: `ssh://git@127.0.0.1/x.git`, vcs_type: 'git', credential_type: 'ssh_key', auth_credentials: PASSWORD },
  ]
  for (const body of refused) {
    const response = await ask('/api/repositories', admin, { method: 'POST', body: JSON.stringify(body) })
    expect({ body, status: response.status }).toMatchObject({ status: expect.any(Number) })
    expect([400, 409]).toContain(response.status)
  }
  for (const path of [`/api/repositories`, `/api/repositories/${id}`, '/api/tokens', '/packages.json']) {
    expect((await ask(path, path.startsWith('/api') ? admin : token)).status).toBe(200)
  }
  await ask('/p2/acme/lib.json', token)
  await ask(`/api/tokens/${'x'.repeat(10)}`, admin)

  for (const secret of [PASSWORD, BASIC, admin, token]) {
    expect(answers.join('\n')).not.toContain(secret)
    expect(server.stdout).not.toContain(secret)
    expect(server.stderr.split(secret).length - 1).toBe(secret === admin ? 1 : 0)
    for (const [path, bytes] of storedFiles())
      expect({ path, found: bytes.includes(secret) }).toEqual({ path, found: false })
  }
  await server.stop()
  for (const secret of [PASSWORD, BASIC, admin, token]) {
    for (const [path, bytes] of storedFiles())
      expect({ path, found: bytes.includes(secret) }).toEqual({ path, found: false })
  }
  server = await installation.serve()
})

test('nor when the source refuses them, or is gone', async () => {
  const response = await create({
    url: `${closed.url}/lib2.git`,
    vcs_type: 'git',
    credential_type: 'http_basic',
    auth_credentials: `bob:${PASSWORD}`,
  })
  expect(response.status).toBe(201)
  expect(await response.text()).not.toContain(PASSWORD)
  const { stdout, code } = await installation.run(
    [
      'repository',
      'add',
      `${closed.url}/lib3.git`,
      '--credential-type',
      'http_basic',
      '--credential-file',
      '-',
      '--json',
    ],
    { stdin: `bob:${PASSWORD}` },
  )
  expect(code).toBe(1)
  expect(stdout).not.toContain(PASSWORD)
  expect(JSON.parse(stdout)).toMatchObject({ status: 'error', error_code: 'auth', error_message: expect.any(String) })
  expect(server.stdout).toContain('repository sync failed')
  expect(server.stdout).not.toContain(PASSWORD)
})

test('an address with a password in it is refused, and the password not repeated', async () => {
  const { code, stdout, stderr } = await installation.run([
    'repository',
    'add',
    `http://ann:${PASSWORD}@${new URL(closed.url).host}/lib4.git`,
  ])
  expect(code).toBe(1)
  expect(stdout + stderr).not.toContain(PASSWORD)
  expect(server.stdout).not.toContain(PASSWORD)
})

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { generateKeyPairSync } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Installation, type RunningServer } from '../support/binary.ts'

setDefaultTimeout(120_000)

/** Something that nobody may read anywhere, for each kind of secret that can be given to the server. */
const CANARIES = {
  admin: 'canary-admin-2f6d8a1c9b7e4053-of-the-environment',
  token: 'canary-token-9d1e5b',
  password: 'canary-password-41c7aa',
  bearer: 'canary-bearer-77b0e2',
  header: 'canary-header-c3d981',
  webhook: 'canary-webhook-secret-5e6f70',
  discovery: 'canary-discovery-8a9b0c',
  changed: 'canary-changed-d4e5f6',
  commandLine: 'canary-file-1a2b3c',
}
const KEY = Buffer.alloc(32, 0xa7).toString('base64')

/** A private key, of which a line in the middle is as secret as all of it. */
const PEM = generateKeyPairSync('rsa', { modulusLength: 2048 })
  .privateKey.export({ type: 'pkcs1', format: 'pem' })
  .toString()
const PEM_LINE = PEM.split('\n')[5] ?? ''

/** Nothing listens there, so that every sync and every check fails in the middle of what it does. */
const NOWHERE = 'http://127.0.0.1:9'

let installation: Installation
let server: RunningServer
const shown: { place: string; text: string }[] = []

beforeAll(async () => {
  installation = await Installation.create({ ADMIN_TOKEN: CANARIES.admin, ENCRYPTION_KEY: KEY, LOG_LEVEL: 'debug' })
  server = await installation.serve()
})

afterAll(() => installation?.remove())

async function ask(method: string, path: string, json?: unknown): Promise<Response> {
  const response = await fetch(server.url + path, {
    method,
    headers: { Authorization: `Bearer ${CANARIES.admin}`, 'Content-Type': 'application/json' },
    ...(json === undefined ? {} : { body: JSON.stringify(json) }),
    signal: AbortSignal.timeout(20_000),
  })
  const text = response.headers.get('content-type')?.includes('event-stream') ? '' : await response.clone().text()
  shown.push({ place: `${method} ${path}`, text: JSON.stringify([...response.headers]) + text })
  return response
}

async function add(body: Record<string, unknown>): Promise<string> {
  const response = await ask('POST', '/api/repositories', body)
  expect({ body: body.url, status: response.status }).toEqual({ body: body.url, status: 201 })
  return ((await response.json()) as { id: string }).id
}

async function run(...args: string[]): Promise<void> {
  const { stdout, stderr } = await installation.run(args)
  shown.push({ place: args.join(' '), text: stdout + stderr })
}

/** Puts a canary into every place that takes a secret; returns the ids of the repositories. */
async function fill(): Promise<string[]> {
  const git = { vcs_type: 'git', credential_type: 'http_basic', auth_credentials: `ann:${CANARIES.password}` }
  const hosts = ['github', 'gitlab', 'gitea'].map((vcs_type) => ({
    url: `${NOWHERE}/acme/${vcs_type}.git`,
    vcs_type,
    credential_type: 'token',
    auth_credentials: CANARIES.token,
  }))
  const app = { app_id: '12', installation_id: '34', private_key: PEM }
  const bodies = [
    { url: `${NOWHERE}/basic.git`, ...git, webhook_secret: CANARIES.webhook },
    ...hosts,
    { url: `${NOWHERE}/acme/app.git`, vcs_type: 'github', credential_type: 'github_app', auth_credentials: app },
    { url: 'ssh://git@127.0.0.1:9/acme/key.git', vcs_type: 'git', credential_type: 'ssh_key', auth_credentials: PEM },
    { url: NOWHERE, vcs_type: 'composer', credential_type: 'bearer', auth_credentials: CANARIES.bearer },
    {
      url: `${NOWHERE}/two`,
      vcs_type: 'composer',
      credential_type: 'custom_header',
      auth_credentials: `X-Key: ${CANARIES.header}`,
    },
  ]
  const ids: string[] = []
  for (const body of bodies) ids.push(await add(body))
  await ask('PATCH', `/api/repositories/${ids[0]}`, { auth_credentials: `bob:${CANARIES.changed}` })
  const discovery = { credential_type: 'token', auth_credentials: CANARIES.discovery }
  await ask('POST', '/api/discoveries', { url: `${NOWHERE}/acme`, vcs_type: 'gitea', ...discovery })
  await Bun.write(join(installation.directory, 'secret'), CANARIES.commandLine)
  await run('repository', 'add', `${NOWHERE}/acme/cli.git`, '--credential-type', 'token', '--credential-file', 'secret')
  return ids
}

/** Every GET of the API, with ids that exist where there are any. */
async function lookAround(ids: readonly string[]): Promise<void> {
  const document = (await (await ask('GET', '/swagger/json')).json()) as {
    paths: Record<string, Record<string, unknown>>
  }
  const gets = Object.entries(document.paths).flatMap(([path, operations]) => ('get' in operations ? [path] : []))
  expect(gets.length).toBeGreaterThan(25)
  for (const path of gets.filter((entry) => !entry.endsWith('/events'))) {
    const own = path.startsWith('/api/repositories/') ? ids : ids.slice(0, 1)
    for (const id of path.includes('{') ? own : ['']) await ask('GET', path.replaceAll(/\{\w+\}/g, id))
  }
}

async function useCommands(): Promise<void> {
  await run('config')
  await run('config', '--json')
  await run('doctor')
  await run('audit', 'export')
  await run('repository', 'list', '--json')
  await run('discovery', 'list', '--json')
  await run('token', 'list')
  await run('verify')
  await run('backup', 'copy')
  await run('backup', 'copy.tar')
}

/** Every file of the installation, but the one that the test itself put a secret in. */
function files(): { place: string; text: string }[] {
  return readdirSync(installation.directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name !== 'secret')
    .map((entry) => join(entry.parentPath, entry.name))
    .map((place) => ({ place, text: readFileSync(place, 'latin1') }))
}

/** A secret as it could be written: as it is, as Basic has it, in an address. */
function forms(secret: string): string[] {
  return [
    secret,
    ...['ann', 'bob', 'oauth2', 'x-access-token', 'token'].map((user) =>
      Buffer.from(`${user}:${secret}`).toString('base64').slice(0, -4),
    ),
    encodeURIComponent(secret),
    Buffer.from(secret).toString('hex'),
  ]
}

describe('what was given in confidence', () => {
  test('is in no answer, no output of a command, no log, no file and no process', async () => {
    const ids = await fill()
    for (const id of ids) await ask('POST', `/api/repositories/${id}/sync`)
    await lookAround(ids)
    await useCommands()
    for (const id of ids.slice(0, 2)) await ask('DELETE', `/api/repositories/${id}`)
    await ask('POST', '/api/encryption-key/rotation')
    shown.push({ place: 'cmdline', text: readFileSync(`/proc/${server.pid}/cmdline`, 'latin1') })
    await server.stop()
    shown.push({ place: 'log', text: server.stdout }, { place: 'errors', text: server.stderr }, ...files())

    // They are what was meant to be looked for: something of each was shown, logged and stored.
    expect(shown.map(({ text }) => text).join('\n')).toContain('/acme/app.git')
    expect(server.stdout).toContain('repository sync failed')
    for (const [name, secret] of Object.entries({ ...CANARIES, key: KEY, pem: PEM_LINE })) {
      for (const form of forms(secret)) {
        const found = shown.filter(({ text }) => text.includes(form)).map(({ place }) => place)
        expect({ name, form: form.slice(0, 12), found }).toEqual({ name, form: form.slice(0, 12), found: [] })
      }
    }
  })
})

import { afterEach, describe, expect, test } from 'bun:test'
import { existsSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { createNextKey, encryptionKeys } from '../../src/auth/encryption-key.ts'
import { createSecretBox } from '../../src/auth/secret-box.ts'
import { TestApp } from '../support/app.ts'
import { startGitServer } from '../support/git-http-server.ts'
import { createGitRepository } from '../support/git-repository.ts'
import { library } from '../support/packages.ts'
import { stored } from '../support/stored.ts'
import { deliver, fromGithub } from '../support/webhooks.ts'

const PASSWORD = 'canary-of-rotation'
const WEBHOOK_SECRET = 'canary-of-webhooks'
const ends: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const end of ends.splice(0)) await end()
})

/** An app with every kind of sealed value, and a repository that can only be read with its credential. */
async function filled() {
  const app = await TestApp.start()
  createGitRepository(join(app.directory, 'closed/lib.git'), {
    commits: [library('acme/lib', 'one', { tags: ['1.0.0'] })],
  })
  const auth = { user: 'ann', password: PASSWORD }
  const server = await startGitServer({ root: join(app.directory, 'closed'), auth })
  ends.push(() => server.stop())
  const response = await app.ask('/api/repositories', {
    method: 'POST',
    headers: { 'Idempotency-Key': 'first' },
    json: {
      url: `${server.url}/lib.git`,
      vcs_type: 'git',
      credential_type: 'http_basic',
      auth_credentials: `ann:${PASSWORD}`,
      webhook_secret: WEBHOOK_SECRET,
    },
  })
  expect(response.status).toBe(201)
  const { id } = (await response.json()) as { id: string }
  await app.synced(id)
  // Nobody answers there, so that nobody refuses the credential.
  const owner = {
    url: 'http://127.0.0.1:9/nobody',
    vcs_type: 'gitea',
    credential_type: 'token',
    auth_credentials: PASSWORD,
  }
  expect((await app.ask('/api/discoveries', { json: owner })).status).toBe(201)
  return { app, id }
}

/** Every text in the database that has the form of a sealed one. */
async function sealedTexts(app: TestApp): Promise<string[]> {
  const texts: string[] = []
  for (const { name } of await stored(app, "SELECT name FROM sqlite_master WHERE type = 'table'")) {
    for (const row of await stored(app, `SELECT * FROM "${name}"`)) {
      texts.push(
        ...Object.values(row)
          .filter((value) => /^v1\.[\w-]{38,}$/.test(String(value)))
          .map(String),
      )
    }
  }
  return texts.sort()
}

const keyFile = (app: TestApp) => join(app.dataDirectory, 'encryption.key')

async function resynced(app: TestApp, id: string): Promise<void> {
  await app.ask(`/api/repositories/${id}/sync`, { method: 'POST' })
  expect(await app.synced(id)).toMatchObject({ status: 'active' })
  expect((await deliver(app, id, fromGithub({ secret: WEBHOOK_SECRET }))).status).toBe(202)
  await app.passTo(app.now() + 3)
  await app.synced(id)
}

describe('the key of stored secrets', () => {
  test('becomes another one while requests go on, and seals everything anew', async () => {
    const { app, id } = await filled()
    ends.push(() => app.stop())
    const before = await sealedTexts(app)
    expect(before.length).toBeGreaterThanOrEqual(5)
    const old = readFileSync(keyFile(app), 'utf8')

    const answer = await app.ask('/api/encryption-key/rotation', { method: 'POST' })
    expect(await answer.json()).toEqual({ resealed: before.length, key: 'file' })
    expect(readFileSync(keyFile(app), 'utf8')).not.toBe(old)
    expect(statSync(keyFile(app)).mode & 0o777).toBe(0o600)
    expect(existsSync(`${keyFile(app)}.next`)).toBe(false)
    const after = await sealedTexts(app)
    expect(after).toHaveLength(before.length)
    expect(after.filter((text) => before.includes(text))).toEqual([])
    await resynced(app, id)
    const [entry] = (await (await app.ask('/api/audit?action=key.rotate')).json()) as unknown[]
    expect(entry).toMatchObject({ subject: 'encryption-key', after: { key: 'file' } })
  })

  test('is found again after a restart, and opens what was sealed before', async () => {
    const { app, id } = await filled()
    await app.ask('/api/encryption-key/rotation', { method: 'POST' })
    await app.stop(true)
    const again = await TestApp.start({}, app.directory)
    ends.push(() => again.stop())
    await resynced(again, id)
  })

  test('goes on changing when it was cut short, wherever that was', async () => {
    const { app, id } = await filled()
    const place = { encryptionKey: null, previousEncryptionKey: null, dataDir: app.dataDirectory }
    const [old] = encryptionKeys(place)
    await app.stop(true)
    // As after a crash when some values were sealed anew, and the key was not in its place yet.
    const next = createNextKey(place)
    const half = createSecretBox(next, old)
    const [{ credentials = '' } = {}] = await stored(app, 'SELECT credentials FROM repositories')
    const moved = half.resealed(String(credentials), `repositories/${id}/credentials`)
    await stored(app, 'UPDATE repositories SET credentials = ?', moved)

    const again = await TestApp.start({}, app.directory)
    ends.push(() => again.stop())
    expect(encryptionKeys(place)).toEqual([next])
    await resynced(again, id)
    for (const text of await sealedTexts(again)) expect(text).not.toBe(String(credentials))
  })

  test('a successor without its file is refused before anything is overwritten', async () => {
    const { app } = await filled()
    await app.ask('/api/encryption-key/rotation', { method: 'POST' })
    const sealed = await sealedTexts(app)
    await app.stop(true)
    ends.push(async () => rmSync(app.directory, { recursive: true, force: true }))
    rmSync(keyFile(app))
    expect(TestApp.start({}, app.directory)).rejects.toThrow('The key of stored credentials is missing')
    expect(await sealedTexts(app)).toEqual(sealed)
  })
})

import { Database } from 'bun:sqlite'
import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Installation, type RunningServer } from '../support/binary.ts'
import { filesUnder } from '../support/damage.ts'
import { type GitServer, startGitServer } from '../support/git-http-server.ts'
import { createGitRepository } from '../support/git-repository.ts'
import { Management } from '../support/management.ts'
import { library } from '../support/packages.ts'
import { SmallDisk } from '../support/small-disk.ts'
import { libraryZip } from '../support/zip-builder.ts'

/* Disks of their own for the database, the archives and temporary files, filled while the server runs. */

setDefaultTimeout(60_000)

const ADMIN = 'administrator-of-the-disk-tests-0123456789'
const RECOVERY_MS = 10_000
const WARM = ['/packages.json', '/p2/acme/lib.json', '/dist/acme/lib/1.0.0.zip', '/api/tokens', '/health', '/ready']

let root: string
let source: GitServer
let cleanUp: (() => unknown)[] = []

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'package-broker-disks-'))
  const commits = ['1.0.0', '1.1.0'].map((tag) => library('acme/lib', tag, { tags: [tag] }))
  createGitRepository(join(root, 'lib.git'), { commits })
  source = await startGitServer({ root })
})

afterEach(async () => {
  for (const step of cleanUp.reverse()) await step()
  cleanUp = []
})

afterAll(async () => {
  await source?.stop()
  rmSync(root, { recursive: true, force: true })
})

function mount(name: string, kilobytes: number): SmallDisk {
  const disk = SmallDisk.mount(join(root, name), kilobytes)
  cleanUp.push(() => disk.unmount())
  return disk
}

async function install(environment: Record<string, string>): Promise<Installation> {
  const installation = await Installation.create({ ADMIN_TOKEN: ADMIN, ...environment })
  cleanUp.push(() => installation.remove())
  return installation
}

function ask(server: RunningServer, path: string, init: RequestInit = {}): Promise<Response> {
  return fetch(server.url + path, {
    ...init,
    headers: { Authorization: `Bearer ${ADMIN}`, 'Content-Type': 'application/json' },
  })
}

/** A server with a repository, of which one archive has been built, and the id of one for uploads. */
async function prepared(server: RunningServer): Promise<string> {
  const api = new Management(server.url, ADMIN)
  await api.addRepository(`${source.url}/lib.git`)
  const { id } = (await api.call('POST', '/api/repositories', { vcs_type: 'artifact' })) as { id: string }
  await expectWarm(server)
  return id
}

async function expectWarm(server: RunningServer): Promise<void> {
  for (const path of WARM) {
    const response = await ask(server, path)
    expect({ path, status: response.status }).toEqual({ path, status: 200 })
    await response.bytes()
  }
}

const makeToken = (server: RunningServer) =>
  ask(server, '/api/tokens', { method: 'POST', body: JSON.stringify({ permissions: 'readonly' }) })

const upload = (server: RunningServer, id: string, version: string) =>
  ask(server, `/api/repositories/${id}/artifacts`, {
    method: 'PUT',
    body: libraryZip({ name: 'acme/built', version }, version),
  })

/** Its status, and the body as JSON. */
async function answer(response: Response) {
  return { status: response.status, ...((await response.json()) as { code?: string; id?: string }) }
}

/** Asks until it is a success. */
async function recovered(request: () => Promise<Response>): Promise<Response> {
  const end = Date.now() + RECOVERY_MS
  for (;;) {
    const response = await request()
    if (response.ok) return response
    if (Date.now() > end) throw new Error(`still ${response.status}: ${await response.text()}`)
    await Bun.sleep(50)
  }
}

describe.skipIf(!SmallDisk.available)('a full disk', () => {
  test('of the database: reads go on, writes are 507 until there is room, and nothing is lost', async () => {
    const disk = mount('database', 4_096)
    const file = join(disk.path, 'broker.db')
    const installation = await install({ DATABASE_URL: `file:${file}` })
    const server = await installation.serve()
    const id = await prepared(server)
    disk.fill()
    const made: string[] = []
    let refused = await answer(await makeToken(server))
    // The log has some room of its own.
    for (; refused.status === 201; refused = await answer(await makeToken(server))) made.push(refused.id ?? '')
    expect(refused).toMatchObject({ status: 507, code: 'DISK_FULL' })
    expect(await answer(await upload(server, id, '1.0.0'))).toMatchObject({ status: 507, code: 'DISK_FULL' })
    for (let round = 0; round < 5; round++) await expectWarm(server)
    disk.empty()
    made.push((await answer(await recovered(() => makeToken(server)))).id ?? '')
    expect((await recovered(() => upload(server, id, '1.0.0'))).status).toBe(201)
    await expectWarm(server)
    await server.kill()
    const database = new Database(file)
    expect(database.query('PRAGMA integrity_check').values()).toEqual([['ok']])
    expect(database.query('SELECT id FROM tokens').values().flat().sort()).toEqual(made.sort())
    database.close()
    disk.fill()
    const { code, stderr } = await installation.run(['serve'])
    expect({ code, stderr }).toEqual({ code: 75, stderr: expect.stringMatching(/no space left|no room left|is full/i) })
    disk.empty()
    await expectWarm(await installation.serve())
  })

  test('of the archives: what is there is served, what has to be built or taken in is 507 until there is room', async () => {
    const disk = mount('archives', 1_024)
    const server = await (await install({ ARCHIVE_DIR: disk.path })).serve()
    const id = await prepared(server)
    disk.fill()
    for (let round = 0; round < 3; round++) {
      const built = await ask(server, '/dist/acme/lib/1.1.0.zip')
      expect(await answer(built)).toMatchObject({ status: 507, code: 'DISK_FULL' })
      expect(await answer(await upload(server, id, '1.0.0'))).toMatchObject({ status: 507, code: 'DISK_FULL' })
    }
    await expectWarm(server)
    expect((await makeToken(server)).status).toBe(201)
    expect(readdirSync(join(disk.path, 'tmp'))).toEqual([])
    disk.empty()
    await recovered(() => ask(server, '/dist/acme/lib/1.1.0.zip'))
    await recovered(() => upload(server, id, '1.0.0'))
    expect(filesUnder(join(disk.path, 'quarantine'))).toEqual([])
    expect(await server.stop()).toBe(0)
  })

  test('of temporary files: a server that runs does not need it, and a start says what is missing', async () => {
    const disk = mount('temporary', 65_536)
    const installation = await install({ TMPDIR: disk.path })
    const server = await installation.serve()
    const id = await prepared(server)
    disk.fill()
    expect((await upload(server, id, '1.0.0')).status).toBe(201)
    expect((await ask(server, '/dist/acme/lib/1.1.0.zip')).status).toBe(200)
    await expectWarm(server)
    await server.stop()
    for (const name of readdirSync(disk.path)) if (name !== 'filler') rmSync(join(disk.path, name))
    disk.fill()
    const { code, stderr } = await installation.run(['serve'])
    expect({ code, stderr }).toEqual({ code: 78, stderr: expect.stringContaining('TMPDIR names another one') })
    disk.empty()
    await expectWarm(await installation.serve())
  })
})

test.skipIf(!SmallDisk.available)(
  'a disk of the database that cannot be written: exit code 78 and a sentence',
  async () => {
    const disk = mount('read-only', 8_192)
    const installation = await install({ DATABASE_URL: `file:${join(disk.path, 'broker.db')}` })
    const first = await installation.serve()
    await prepared(first)
    await first.stop()
    disk.readOnly(true)
    const { code, stderr } = await installation.run(['serve'])
    expect({ code, stderr }).toEqual({ code: 78, stderr: expect.stringMatching(/cannot be (written|used)/) })
    disk.readOnly(false)
    await expectWarm(await installation.serve())
  },
)

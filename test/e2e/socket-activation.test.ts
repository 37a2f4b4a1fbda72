import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test'
import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { executable, Installation } from '../support/binary.ts'
import { ComposerProject, composerAvailable } from '../support/composer-project.ts'
import { type GitServer, startGitServer } from '../support/git-http-server.ts'
import { createGitRepository } from '../support/git-repository.ts'
import { Management } from '../support/management.ts'
import { library, libraryFiles } from '../support/packages.ts'
import { slowDownload } from '../support/slow-download.ts'
import { SocketOwner } from '../support/socket-owner.ts'

setDefaultTimeout(120_000)

/* A socket that the service manager has opened and keeps while the server ends and starts again. */

const ADMIN = 'administrator-behind-the-socket-0123456789'
const BIG = '/dist/acme/big/1.0.0.zip'

let root: string
let source: GitServer
let installation: Installation
let owner: SocketOwner
let api: Management

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'package-broker-sources-'))
  const files = { ...libraryFiles('acme/big', 'big'), 'data.bin': randomBytes(24_000_000) }
  createGitRepository(join(root, 'big.git'), { commits: [{ files, tags: ['1.0.0'] }] })
  createGitRepository(join(root, 'lib.git'), { commits: [library('acme/lib', 'one', { tags: ['1.0.0'] })] })
  source = await startGitServer({ root })
  installation = await Installation.create({ ADMIN_TOKEN: ADMIN, RATE_LIMIT_READONLY: '0' })
  owner = await SocketOwner.start(await executable(), installation.directory, installation.environment)
  api = new Management(owner.url, ADMIN)
  for (const name of ['big', 'lib']) await api.addRepository(`${source.url}/${name}.git`, { archives: 'tags' })
})

afterAll(async () => {
  await owner?.stop()
  await installation?.remove()
  await source?.stop()
  rmSync(root, { recursive: true, force: true })
})

test('the client’s own address is known', async () => {
  const body = JSON.stringify({ permissions: 'readonly', description: 'from elsewhere' })
  const from = ['curl', '-fsS', '--interface', '127.0.0.7', '-H', `Authorization: Bearer ${ADMIN}`]
  const curl = Bun.spawn([...from, '--json', body, `${owner.url}/api/tokens`], { stdout: 'pipe', stderr: 'inherit' })
  const { id } = (await new Response(curl.stdout).json()) as { id: string }
  expect(await api.call('GET', `/api/audit?subject=${id}`)).toMatchObject([{ address: '127.0.0.7' }])
})

test('large bodies arrive whole in both directions, whoever is slow', async () => {
  const headers = { Authorization: `Bearer ${ADMIN}` }
  const bytes = async () => new Uint8Array(await (await fetch(owner.url + BIG, { headers })).arrayBuffer())
  const sha256 = (body: Uint8Array) => createHash('sha256').update(body).digest('hex')
  const first = await bytes()
  expect(first.length).toBeGreaterThan(24_000_000)
  const readers = await Promise.all([1, 2, 3].map(() => slowDownload(owner.url, BIG, ADMIN)))
  const others = await Promise.all([1, 2, 3, 4].map(bytes))
  expect(others.map(sha256)).toEqual(others.map(() => sha256(first)))
  for (const reader of readers) {
    const { expected, received } = await reader.rest()
    expect(received).toBe(expected)
  }
  const tooLarge = await fetch(`${owner.url}/api/tokens`, { method: 'POST', headers, body: new Uint8Array(9_000_000) })
  expect(tooLarge.status).toBeGreaterThanOrEqual(400)
})

test.skipIf(!composerAvailable)('composer installs through restarts that a slow download holds up', async () => {
  const token = await api.token()
  let more = true
  let installs = 0
  const failures: string[] = []

  async function installAgainAndAgain(): Promise<void> {
    const tokens = { [owner.url]: token }
    const project = ComposerProject.create({ repositories: [owner.url], tokens, require: { 'acme/lib': '1.0.0' } })
    while (more) {
      project.forget()
      const { code, output } = await project.run('update')
      installs += 1
      if (code !== 0) failures.push(output)
    }
    project.remove()
  }

  const clients = [installAgainAndAgain(), installAgainAndAgain()]
  for (let restart = 2; restart < 5; restart++) {
    const reader = await slowDownload(owner.url, BIG, ADMIN)
    const before = installs
    while (installs === before) await Bun.sleep(5)
    const pid = owner.pids.at(-1) ?? 0
    process.kill(pid, 'SIGTERM')
    // Longer than Composer tries again for, when it is refused.
    await Bun.sleep(1_500)
    const { expected, received } = await reader.rest()
    expect(received).toBe(expected)
    expect(await owner.code(pid)).toBe(0)
    await owner.listening(restart)
  }
  more = false
  await Promise.all(clients)
  expect(failures).toEqual([])
})

test('more than one socket, and what is no socket, are refused in words', async () => {
  const program = await executable()
  const run = (script: string) =>
    Bun.spawnSync(['/bin/sh', '-c', script, 'sh', program], { cwd: installation.directory, env: { TMPDIR: tmpdir() } })
  const several = run('export LISTEN_PID=$$ LISTEN_FDS=2 DATA_DIR=./several; exec "$1" serve')
  expect({ code: several.exitCode, said: several.stderr.toString() }).toEqual({
    code: 1,
    said: 'LISTEN_FDS 2: only one socket can be listened on.\n',
  })
  const none = run('export LISTEN_PID=$$ LISTEN_FDS=1 DATA_DIR=./none; exec 3</dev/null; exec "$1" serve')
  expect(none.exitCode).toBe(78)
  expect(none.stderr.toString()).toContain('The socket that this process was given cannot be listened on')
})

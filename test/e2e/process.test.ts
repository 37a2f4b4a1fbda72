import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Installation } from '../support/binary.ts'
import { type GitServer, startGitServer } from '../support/git-http-server.ts'
import { createGitRepository } from '../support/git-repository.ts'
import { Management } from '../support/management.ts'
import { library } from '../support/packages.ts'

setDefaultTimeout(90_000)

describe('the process', () => {
  let root: string
  let source: GitServer
  const installations: Installation[] = []

  beforeAll(async () => {
    root = mkdtempSync(join(tmpdir(), 'package-broker-sources-'))
    createGitRepository(join(root, 'lib.git'), { commits: [library('acme/lib', 'one', { tags: ['1.0.0'] })] })
    source = await startGitServer({ root })
  })

  afterAll(async () => {
    for (const installation of installations) await installation.remove()
    await source?.stop()
    rmSync(root, { recursive: true, force: true })
  })

  async function install(environment: Record<string, string> = {}): Promise<Installation> {
    const installation = await Installation.create(environment)
    installations.push(installation)
    return installation
  }

  async function get(url: string, token: string): Promise<{ status: number; body: unknown; modified: string | null }> {
    const response = await fetch(url, { headers: { Authorization: `Bearer ${token}` } })
    const modified = response.headers.get('last-modified')
    return { status: response.status, body: await response.json(), modified }
  }

  test('the administrator token is printed once, and to nobody’s log', async () => {
    const installation = await install()
    const first = await installation.serve()
    const token = first.adminToken ?? ''
    expect(first.stderr.split(token).length).toBe(2)
    expect(first.stdout).not.toContain(token)
    expect((await get(`${first.url}/api/tokens`, token)).status).toBe(200)
    expect(await first.stop()).toBe(0)
    const second = await installation.serve()
    expect(second.adminToken).toBeNull()
    expect(second.stderr).toBe('')
    expect((await get(`${second.url}/api/tokens`, token)).status).toBe(200)
  })

  test('with ADMIN_TOKEN none is made', async () => {
    const adminToken = 'a-token-of-the-operator-0123456789'
    const server = await (await install({ ADMIN_TOKEN: adminToken })).serve()
    expect(server.adminToken).toBeNull()
    expect(await get(`${server.url}/api/tokens`, adminToken)).toMatchObject({ status: 200, body: [] })
  })

  test('what it keeps is for its owner only', async () => {
    const installation = await install()
    await installation.serve()
    const data = join(installation.directory, 'data')
    const others = (path: string) => statSync(path).mode & 0o007
    expect(statSync(join(data, 'encryption.key')).mode & 0o777).toBe(0o600)
    expect(statSync(join(data, 'package-broker.sock')).mode & 0o777).toBe(0o600)
    expect(others(data)).toBe(0)
  })

  test.each(['SIGTERM', 'SIGKILL'] as const)('a restart after %s keeps everything', async (signal) => {
    const installation = await install()
    const before = await installation.serve()
    const admin = before.adminToken ?? ''
    const api = new Management(before.url, admin)
    const { id } = await api.addRepository(`${source.url}/lib.git`, { archives: 'all' })
    const token = await api.token({ metadata: { customer_id: '7' } })
    const paths = ['/packages.json', '/p2/acme/lib.json', '/p2/acme/lib~dev.json?minified=1']
    const ask = (url: string) => Promise.all(paths.map((path) => get(url + path, token)))
    const old = await ask(before.url)
    before.signal(signal)
    expect(await before.ended()).toBe(signal === 'SIGTERM' ? 0 : 137)

    const after = await installation.serve({ PORT: new URL(before.url).port })
    expect(after.adminToken).toBeNull()
    expect(await ask(after.url)).toEqual(old)
    const repositories = await get(`${after.url}/api/repositories`, admin)
    expect(repositories.body).toMatchObject([{ id, status: 'active', packages: 1, versions: 2 }])
    expect((await get(`${after.url}/api/tokens?customer_id=7`, admin)).body).toHaveLength(1)
    const archive = await fetch(`${after.url}/dist/acme/lib/1.0.0.zip`, {
      headers: { Authorization: `Bearer ${token}` },
    })
    expect(archive.status).toBe(200)
  })

  test('nothing is written outside the data directory', async () => {
    const installation = await install({ DATA_DIR: './elsewhere' })
    await (await installation.serve()).stop()
    expect(readdirSync(installation.directory)).toEqual(['elsewhere'])
  })
})

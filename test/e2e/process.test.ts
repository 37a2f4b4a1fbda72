import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Installation } from '../support/binary.ts'
import { type GitServer, startGitServer } from '../support/git-http-server.ts'
import { createGitRepository } from '../support/git-repository.ts'
import { Management } from '../support/management.ts'
import { library, libraryFiles } from '../support/packages.ts'

setDefaultTimeout(90_000)

describe('the process', () => {
  let root: string
  let source: GitServer
  const installations: Installation[] = []

  beforeAll(async () => {
    root = mkdtempSync(join(tmpdir(), 'package-broker-sources-'))
    createGitRepository(join(root, 'lib.git'), { commits: [library('acme/lib', 'one', { tags: ['1.0.0'] })] })
    createGitRepository(join(root, 'big.git'), {
      commits: [
        { files: { ...libraryFiles('acme/big', 'big'), 'data.bin': randomBytes(24_000_000) }, tags: ['1.0.0'] },
      ],
    })
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

  test('SIGTERM: a download under way is finished, nothing new is accepted, exit code 0', async () => {
    const installation = await install()
    const server = await installation.serve()
    const api = new Management(server.url, server.adminToken)
    await api.addRepository(`${source.url}/big.git`, { archives: 'tags' })
    const reader = await slowDownload(server.url, '/dist/acme/big/1.0.0.zip', server.adminToken ?? '')
    server.signal('SIGTERM')
    await refused(server.url)
    const { expected, received } = await reader.rest()
    expect(expected).toBeGreaterThan(24_000_000)
    expect(received).toBe(expected)
    expect(await server.ended()).toBe(0)
  })

  test('a second start on the same data refuses and says who holds it', async () => {
    const installation = await install()
    const server = await installation.serve()
    const second = await installation.run(['serve'])
    expect(second.code).toBe(1)
    expect(second.stderr).toContain(`in use by another package-broker (process ${server.pid}, serve, since `)
    expect((await fetch(`${server.url}/ready`)).status).toBe(200)
    expect(await server.stop()).toBe(0)
    const third = await installation.serve()
    expect((await fetch(`${third.url}/ready`)).status).toBe(200)
  })

  test('a port that is taken: a sentence, exit code 1, and the data is free again', async () => {
    const holder = await (await install()).serve()
    const installation = await install()
    const { code, stderr } = await installation.run(['serve'], { env: { PORT: new URL(holder.url).port } })
    expect(code).toBe(1)
    expect(stderr).toContain(new URL(holder.url).port)
    expect(stderr).not.toMatch(/\n\s+at /)
    // The first token was not used up by the start that failed.
    expect((await installation.serve()).adminToken).not.toBeNull()
  })

  test('a key that is not the one of the data is refused at start', async () => {
    const installation = await install({ ENCRYPTION_KEY: randomBytes(32).toString('base64') })
    const server = await installation.serve()
    await server.stop()
    const wrong = await installation.run(['serve'], { env: { ENCRYPTION_KEY: randomBytes(32).toString('base64') } })
    expect(wrong.code).toBe(1)
    expect(wrong.stderr).toContain('ENCRYPTION_KEY is not the key it was sealed with')
    await installation.serve()
  })

  test('a generated key that got lost is refused at start too', async () => {
    const installation = await install()
    await (await installation.serve()).stop()
    rmSync(join(installation.directory, 'data/encryption.key'))
    const { code, stderr } = await installation.run(['serve'])
    expect(code).toBe(1)
    expect(stderr).toContain('ENCRYPTION_KEY is not the key it was sealed with')
  })

  test('nothing is written outside the data directory', async () => {
    const installation = await install({ DATA_DIR: './elsewhere' })
    await (await installation.serve()).stop()
    expect(readdirSync(installation.directory)).toEqual(['elsewhere'])
  })
})

/** Begins a download, reads the head and some bytes, then holds still until `rest`. */
async function slowDownload(url: string, path: string, token: string) {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  const chunks: Buffer[] = []
  const closed = new Promise<void>((resolve) => {
    socket.on('close', resolve)
  })
  const first = new Promise<void>((resolve, reject) => {
    socket.on('error', reject)
    socket.on('data', (chunk) => {
      chunks.push(Buffer.from(chunk))
      socket.pause()
      resolve()
    })
  })
  socket.write(
    `GET ${path} HTTP/1.1\r\nHost: ${hostname}\r\nConnection: close\r\nAuthorization: Bearer ${token}\r\n\r\n`,
  )
  await first
  return {
    async rest() {
      socket.removeAllListeners('data')
      socket.on('data', (chunk) => chunks.push(Buffer.from(chunk)))
      socket.resume()
      await closed
      const all = Buffer.concat(chunks)
      const head = all.indexOf('\r\n\r\n')
      const expected = Number(/content-length: (\d+)/i.exec(all.toString('latin1', 0, head))?.[1])
      return { expected, received: all.length - head - 4 }
    },
  }
}

/** Waits until no new connection is accepted. */
async function refused(url: string): Promise<void> {
  for (let tries = 0; tries < 500; tries++) {
    const answered = await fetch(`${url}/health`, { headers: { Connection: 'close' } }).catch(() => null)
    if (answered === null) return
    await Bun.sleep(10)
  }
  throw new Error('the server still accepts requests')
}

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Installation, type RunningServer } from '../support/binary.ts'
import { type GitServer, startGitServer } from '../support/git-http-server.ts'
import { createGitRepository } from '../support/git-repository.ts'
import { Management } from '../support/management.ts'
import { library } from '../support/packages.ts'

setDefaultTimeout(60_000)

const TOKEN = /^pb_[A-Za-z0-9_-]{43}\n$/

let root: string
let source: GitServer
let closed: GitServer

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'package-broker-sources-'))
  createGitRepository(join(root, 'lib.git'), {
    commits: [library('acme/lib', 'one', { tags: ['1.0.0', 'nonsense'] })],
  })
  source = await startGitServer({ root })
  closed = await startGitServer({ root, auth: { user: 'ann', password: 'pass:word' } })
})

afterAll(async () => {
  await source?.stop()
  await closed?.stop()
  rmSync(root, { recursive: true, force: true })
})

describe.each(['without a server', 'through the socket of a running server'])('commands %s', (how) => {
  let installation: Installation
  let server: RunningServer | null = null

  beforeAll(async () => {
    installation = await Installation.create()
    if (how.startsWith('through')) server = await installation.serve()
  })

  afterAll(() => installation?.remove())

  async function json(...args: string[]): Promise<unknown> {
    const { code, stdout, stderr } = await installation.run([...args, '--json'])
    expect({ args, code, stderr }).toMatchObject({ code: 0, stderr: '' })
    return JSON.parse(stdout)
  }

  test('token create prints the token and nothing else', async () => {
    const { code, stdout } = await installation.run(['token', 'create', '--prefix', 'Acme/', '--description', 'shop'])
    expect(code).toBe(0)
    expect(stdout).toMatch(TOKEN)
  })

  test('token create, list and revoke', async () => {
    const created = (await json('token', 'create', '--write', '--expires-in', '30', '--metadata', 'customer_id=7')) as {
      id: string
      token: string
      expires_at: number
    }
    expect(created).toMatchObject({
      permissions: 'write',
      metadata: { customer_id: '7' },
      allowed_package_prefixes: [],
    })
    expect(created.expires_at - Date.now() / 1000).toBeWithin(30 * 86_400 - 60, 30 * 86_400 + 1)
    const list = (await json('token', 'list')) as { id: string }[]
    expect(list.map((row) => row.id)).toContain(created.id)
    expect(JSON.stringify(list)).not.toContain(created.token)
    const shown = await installation.run(['token', 'list'])
    expect(shown.stdout).toMatch(/^ID +PERMISSIONS +PREFIXES/)
    expect(shown.stdout).toContain('acme/')
    const allowed = async () =>
      server &&
      (await fetch(`${server.url}/packages.json`, { headers: { Authorization: `Bearer ${created.token}` } })).status
    expect(await allowed()).toBe(server && 200)
    expect((await installation.run(['token', 'revoke', created.id])).code).toBe(0)
    expect(await allowed()).toBe(server && 401)
    expect(((await json('token', 'list')) as { id: string }[]).map((row) => row.id)).not.toContain(created.id)
    const again = await installation.run(['token', 'revoke', created.id])
    expect(again).toMatchObject({ code: 1, stderr: `There is no token ${created.id}.\n` })
  })

  test('repository add, list, sync and remove', async () => {
    const added = await installation.run(['repository', 'add', `${source.url}/lib.git`])
    expect(added).toMatchObject({ code: 0, stderr: '' })
    expect(added.stdout).toMatch(/^repo_[\w-]+ {2}active {2}1 packages, 2 versions {2}http/)
    expect(added.stdout).toContain('  skipped refs/tags/nonsense: ')
    const [row] = (await json('repository', 'list')) as { id: string; status: string; url: string }[]
    expect(row).toMatchObject({ status: 'active', url: `${source.url}/lib.git` })
    const id = row?.id ?? ''
    expect(await json('repository', 'sync', id)).toMatchObject({ id, status: 'active', packages: 1 })
    const followed = await installation.run(['repository', 'sync', id, '--follow'])
    expect(followed).toMatchObject({ code: 0, stdout: expect.stringContaining(id) })
    expect(followed.stderr.split('\n').every((line) => /^[a-z ]*(?: \d+\/\d+)?$/.test(line))).toBe(true)
    const twice = await installation.run(['repository', 'add', `${source.url}/lib`])
    expect(twice).toMatchObject({ code: 1, stderr: expect.stringContaining(`exists already as ${id}`) })
    expect(await installation.run(['repository', 'remove', id])).toMatchObject({ code: 0 })
    expect(await json('repository', 'list')).toEqual([])
    const gone = await installation.run(['repository', 'sync', id])
    expect(gone).toMatchObject({ code: 1, stderr: `There is no repository ${id}.\n` })
  })

  test('a credential from a file, from standard input, and a wrong one', async () => {
    const args = ['repository', 'add', `${closed.url}/lib.git`, '--credential-type', 'http_basic', '--credential-file']
    const file = join(root, `credential-${how.length}`)
    writeFileSync(file, 'ann:pass:word\n')
    const first = await installation.run([...args, file, '--json'])
    expect(first).toMatchObject({ code: 0, stderr: '' })
    expect(first.stdout).not.toContain('pass:word')
    const { id } = JSON.parse(first.stdout) as { id: string }
    await installation.run(['repository', 'remove', id])
    const second = await installation.run([...args, '-', '--json'], { stdin: 'ann:pass:word' })
    expect(second.code).toBe(0)
    await installation.run(['repository', 'remove', (JSON.parse(second.stdout) as { id: string }).id])
    const wrong = await installation.run([...args, '-'], { stdin: 'ann:no' })
    expect(wrong.code).toBe(1)
    expect(wrong.stdout).toContain('error')
    expect(wrong.stdout).not.toContain('ann:no')
    expect((await installation.run([...args, '/nonexistent'])).stderr).toContain('cannot be read from /nonexistent')
  })

  test('an address that is not allowed', async () => {
    const { code, stderr } = await installation.run(['repository', 'add', 'ext::sh -c id'])
    expect(code).toBe(1)
    expect(stderr.split('\n')).toHaveLength(2)
  })
})

test('a long list is read page by page, also when BASE_URL has a path', async () => {
  const installation = await Installation.create({ BASE_URL: 'https://example.com/api/composer' })
  try {
    const server = await installation.serve()
    const api = new Management(server.url, server.adminToken)
    for (let batch = 0; batch < 11; batch++) await Promise.all(Array.from({ length: 100 }, () => api.token()))
    const { code, stdout } = await installation.run(['token', 'list', '--json'])
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toHaveLength(1_101)
  } finally {
    await installation.remove()
  }
})

describe('usage', () => {
  let installation: Installation

  beforeAll(async () => {
    installation = await Installation.create()
  })

  afterAll(() => installation?.remove())

  test('--help lists every command, and each has its own', async () => {
    const { code, stdout } = await installation.run(['--help'])
    expect(code).toBe(0)
    const names = [...stdout.matchAll(/^ {2}([a-z-]+) {2}/gm)].map(([, name]) => name ?? '')
    expect(names).toEqual(expect.arrayContaining(['serve', 'repository', 'token', 'config', 'healthcheck']))
    for (const name of names) {
      const help = await installation.run([name, '--help'])
      expect(help).toMatchObject({ code: 0, stderr: '' })
      expect(help.stdout).toStartWith('Usage: package-broker ')
    }
  })

  test('--version', async () => {
    expect(await installation.run(['--version'])).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^package-broker \d+\.\d+\.\d+ \(.*Bun \d+\.\d+\.\d+, schema \d+\)\n$/),
    })
  })

  test.each([
    [['nonsense'], 'There is no command “nonsense”'],
    [['toString'], 'There is no command “toString”'],
    [['token'], 'token needs one of create, list and revoke.'],
    [['token', 'create', '--nonsense'], '--nonsense'],
    [['token', 'create', '--expires-in', 'soon'], '--expires-in needs a number of days.'],
    [['token', 'create', '--metadata', 'x'], '--metadata needs KEY=VALUE.'],
    [['token', 'revoke'], 'token revoke needs one id.'],
    [['repository', 'add'], 'repository add needs one URL.'],
    [['repository', 'add', 'https://example.com/a.git', '--credential-type', 'token'], 'belong together'],
    [['repository', 'sync', 'a', 'b'], 'repository sync needs one id.'],
    [['config', 'extra'], 'extra'],
    [['serve', '--port', '80'], '--port'],
    [['--port', '80'], '--port'],
  ])('wrong usage %p: exit code 2 and the way to the help', async (args, sentence) => {
    const { code, stdout, stderr } = await installation.run(args)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toContain(sentence)
    expect(stderr).toContain('--help')
  })

  test('mistakes of the configuration are all printed, without secrets, exit code 2', async () => {
    const secret = 'short-secret'
    for (const command of [['serve'], ['config'], ['token', 'list'], ['healthcheck']]) {
      const { code, stderr } = await installation.run(command, {
        env: {
          PORT: '99999',
          SYNC_INTERVAL: 'often',
          BASE_URL: 'ftp://x',
          ADMIN_TOKEN: secret,
          TRUST_PROXY: '10.0.0.0/99',
        },
      })
      expect({ command, code }).toEqual({ command, code: 2 })
      for (const name of ['PORT', 'SYNC_INTERVAL', 'BASE_URL', 'ADMIN_TOKEN', 'TRUST_PROXY']) {
        expect(stderr).toMatch(new RegExp(`^${name}\\b`, 'm'))
      }
      expect(stderr).toContain('“often”')
      expect(stderr).not.toContain(secret)
    }
  })

  test('config prints the table with secrets hidden, also those from files', async () => {
    const file = join(root, 'admin-token')
    const secret = 'a-secret-of-the-operator-0123456789'
    writeFileSync(file, `${secret}\n`)
    const env = { ADMIN_TOKEN_FILE: file, DATABASE_AUTH_TOKEN: secret, SYNC_INTERVAL: '60' }
    const { code, stdout } = await installation.run(['config', '--json'], { env })
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({
      ADMIN_TOKEN: '(set)',
      DATABASE_AUTH_TOKEN: '(set)',
      SYNC_INTERVAL: '60',
    })
    expect(stdout).not.toContain(secret)
    const text = await installation.run(['config'], { env })
    expect(text.stdout).toMatch(/^SYNC_INTERVAL +60 +/m)
    expect(text.stdout).not.toContain(secret)
  })

  test('a token from ADMIN_TOKEN_FILE opens the server', async () => {
    const file = join(root, 'admin-token')
    const secret = 'a-secret-of-the-operator-0123456789'
    writeFileSync(file, `${secret}\n`)
    const server = await installation.serve({ ADMIN_TOKEN_FILE: file })
    const response = await fetch(`${server.url}/api/tokens`, { headers: { Authorization: `Bearer ${secret}` } })
    expect(response.status).toBe(200)
    await server.stop()
  })

  test('a wrong value is told with what it should have been', async () => {
    const wrong = await installation.run(['repository', 'add', 'https://git.example.com/a.git', '--type', 'svn'])
    expect(wrong).toMatchObject({ code: 1, stdout: '' })
    expect(wrong.stderr).toMatch(/^These fields are wrong: vcs_type\.\n {2}vcs_type: one of git, github, .*artifact\n$/)
  })

  test('healthcheck: 0 while the server is ready, else 1 with the reason', async () => {
    const server = await installation.serve()
    const port = new URL(server.url).port
    expect(await installation.run(['healthcheck'], { env: { PORT: port } })).toMatchObject({ code: 0, stderr: '' })
    expect(await installation.run(['healthcheck', '--url', server.url])).toMatchObject({ code: 0 })
    await server.stop()
    const { code, stderr } = await installation.run(['healthcheck'], { env: { PORT: port } })
    expect(code).toBe(1)
    expect(stderr).toContain(`http://127.0.0.1:${port} does not answer: nobody listens there.`)
  })

  test('healthcheck of something that is no package-broker', async () => {
    const other = Bun.serve({ hostname: '127.0.0.1', port: 0, fetch: () => new Response('<html>', { status: 500 }) })
    const { code, stderr } = await installation.run(['healthcheck'], { env: { PORT: String(other.port) } })
    await other.stop(true)
    expect(code).toBe(1)
    expect(stderr).toContain('500')
  })

  test('a socket left over by a server that was killed is no obstacle', async () => {
    const server = await installation.serve()
    await server.kill()
    expect(await installation.run(['token', 'list'])).toMatchObject({ code: 0 })
    const again = await installation.serve()
    expect((await fetch(`${again.url}/ready`)).status).toBe(200)
    await again.stop()
  })

  test('a start without a directory for temporary files says so', async () => {
    const { code, stderr } = await installation.run(['serve'], {
      env: { TMPDIR: '/nonexistent', BUN_TMPDIR: '/nonexistent' },
    })
    expect(code).toBe(78)
    expect(stderr).toContain('TMPDIR')
  })
})

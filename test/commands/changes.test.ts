import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Installation } from '../support/binary.ts'
import { type GitServer, startGitServer } from '../support/git-http-server.ts'
import { createGitRepository } from '../support/git-repository.ts'
import { library } from '../support/packages.ts'
import { type Packagist, startPackagist } from '../support/upstream/packagist.ts'

setDefaultTimeout(60_000)

const SECRET = 'canary:pass-8d1f'

let root: string
let source: GitServer
let closed: GitServer
let upstream: Packagist

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'package-broker-sources-'))
  for (const name of ['lib', 'moved']) {
    createGitRepository(join(root, `${name}.git`), { commits: [library('acme/lib', name, { tags: ['1.0.0'] })] })
  }
  source = await startGitServer({ root })
  closed = await startGitServer({ root, auth: { user: 'ann', password: SECRET } })
  upstream = await startPackagist({ credentials: { kind: 'header', name: 'X-Key', value: SECRET } })
})

afterAll(async () => {
  await source?.stop()
  await closed?.stop()
  await upstream?.stop()
  rmSync(root, { recursive: true, force: true })
})

interface Entry {
  action: string
  actor: string
  subject: string
  before: Record<string, unknown> | null
  after: Record<string, unknown> | null
}

describe.each(['without a server', 'through the socket of a running server'])('changes %s', (how) => {
  let installation: Installation

  beforeAll(async () => {
    installation = await Installation.create()
    if (how.startsWith('through')) await installation.serve()
  })

  afterAll(() => installation?.remove())

  async function json(...args: string[]): Promise<Record<string, unknown>> {
    const { code, stdout, stderr } = await installation.run([...args, '--json'])
    expect({ args, code, stderr }).toMatchObject({ code: 0, stderr: '' })
    return JSON.parse(stdout)
  }

  test('repository set changes what is named, and audit export tells of it', async () => {
    const { id } = (await json('repository', 'add', `${source.url}/lib.git`)) as { id: string }
    const settings = ['--archives', 'tags', '--sync-interval', '60', '--expose-source', 'true']
    expect(await json('repository', 'set', id, ...settings, '--package-filter', 'acme/*')).toMatchObject({
      status: 'active',
      archives: 'tags',
      sync_interval: 60,
      expose_source: true,
      package_filter: 'acme/*',
    })
    const back = ['--sync-interval', 'default', '--package-filter', '', '--forget-host-key']
    expect(await json('repository', 'set', id, ...back)).toMatchObject({ sync_interval: null, package_filter: null })
    const paths = 'composer.json, packages/*'
    expect(await json('repository', 'set', id, '--composer-json-paths', paths)).toMatchObject({
      status: 'active',
      composer_json_paths: paths,
    })
    expect(await json('repository', 'set', id, '--composer-json-paths', '')).toMatchObject({
      composer_json_paths: null,
    })
    const moved = await json('repository', 'set', id, '--url', `${source.url}/moved.git`)
    expect(moved).toMatchObject({ status: 'active', url: `${source.url}/moved.git` })

    const file = join(root, `credential-${how.length}`)
    writeFileSync(file, `ann:${SECRET}\n`)
    const credential = ['--credential-type', 'http_basic', '--credential-file', file]
    const shut = await json('repository', 'set', id, '--url', `${closed.url}/moved.git`, ...credential)
    expect(shut).toMatchObject({ status: 'active', has_credentials: true })
    const elsewhere = await installation.run(['repository', 'set', id, '--url', `${source.url}/lib.git`])
    expect(elsewhere).toMatchObject({ code: 1, stderr: expect.stringContaining('auth_credentials') })
    const open = await json('repository', 'set', id, '--url', `${source.url}/lib.git`, '--credential-type', 'none')
    expect(open).toMatchObject({ status: 'active', has_credentials: false })
    await installation.run(['repository', 'sync', id])
    await installation.run(['repository', 'remove', id])

    const exported = await installation.run(['audit', 'export'])
    expect(exported).toMatchObject({ code: 0, stderr: '' })
    const entries = exported.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Entry)
      .filter((entry) => entry.subject === id)
    const updates = Array.from({ length: 7 }, () => 'repository.update')
    expect(entries.map(({ action }) => action)).toEqual([
      'repository.create',
      ...updates,
      'repository.sync',
      'repository.delete',
    ])
    expect(entries.every(({ actor }) => actor === 'local')).toBe(true)
    expect(entries[1]).toMatchObject({ before: { archives: 'lazy' }, after: { archives: 'tags', sync_interval: 60 } })
    expect(exported.stdout).not.toContain(SECRET)
    expect((await installation.run(['audit', 'export', '--json'])).stdout).toBe(exported.stdout)
  })

  test('an upstream is added with its settings, and set back to what is usual', async () => {
    const file = join(root, `header-${how.length}`)
    writeFileSync(file, `X-Key: ${SECRET}\n`)
    const credential = ['--credential-type', 'custom_header', '--credential-file', file]
    const settings = ['--package-filter', 'psr/*', '--package-deny', 'psr/evil', '--priority=-2', '--fresh-for', '5']
    const ages = ['--minimum-release-age', '86400', '--release-age-exceptions', 'psr/log']
    const url = `${upstream.url}/packages.json`
    const added = await json('repository', 'add', url, '--type', 'composer', ...credential, ...settings, ...ages)
    const set = { package_filter: 'psr/*', package_deny: 'psr/evil', priority: -2, fresh_for: 5 }
    expect(added).toMatchObject({ ...set, minimum_release_age: 86_400, release_age_exceptions: 'psr/log' })
    expect(added).toMatchObject({ url: upstream.url, credential_type: 'custom_header', has_credentials: true })
    expect(added).toMatchObject({ status: 'active', issues: [] })
    const back = ['--package-deny', '', '--priority', '0', '--release-age-passes-fixes', 'true']
    const changed = await json('repository', 'set', String(added.id), ...back)
    expect(changed).toMatchObject({ ...set, package_deny: null, priority: 0, release_age_passes_fixes: true })
  })
})

test('the export is whole and in order beyond one page', async () => {
  const installation = await Installation.create()
  const server = await installation.serve({ RATE_LIMIT_WRITE: '0' })
  const headers = { Authorization: `Bearer ${server.adminToken}`, 'Content-Type': 'application/json' }
  for (let round = 0; round < 11; round++) {
    await Promise.all(
      Array.from({ length: 100 }, () =>
        fetch(`${server.url}/api/tokens`, { method: 'POST', headers, body: '{"permissions":"readonly"}' }),
      ),
    )
  }
  const { stdout } = await installation.run(['audit', 'export'])
  const entries = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { id: string; address: string | null })
  expect(entries.map(({ id }) => id)).toEqual(Array.from({ length: 1_101 }, (_, index) => `aud_${index + 1}`))
  expect(entries.slice(1).every(({ address }) => address === '127.0.0.1')).toBe(true)
  await installation.remove()
})

test('a key creates one thing for requests at once, and for one after a crash', async () => {
  const installation = await Installation.create({ ADMIN_TOKEN: 'an-administrator-token-of-the-environment' })
  const post = async (url: string): Promise<string> => {
    const response = await fetch(`${url}/api/tokens`, {
      method: 'POST',
      headers: {
        Authorization: 'Bearer an-administrator-token-of-the-environment',
        'Content-Type': 'application/json',
        'Idempotency-Key': 'order-1042',
      },
      body: '{"permissions":"readonly"}',
    })
    return `${response.status} ${await response.text()}`
  }
  const server = await installation.serve()
  const answers = await Promise.all(Array.from({ length: 20 }, () => post(server.url)))
  await server.kill()
  const again = await installation.serve()
  answers.push(await post(again.url))
  expect(new Set(answers).size).toBe(1)
  expect(answers[0]).toStartWith('201 ')
  const { stdout } = await installation.run(['token', 'list', '--json'])
  expect(JSON.parse(stdout)).toHaveLength(1)
  await installation.remove()
})

test.each([
  [['audit'], 'audit needs export or verify.'],
  [['audit', 'export', 'all'], 'all'],
  [['repository', 'set'], 'repository set needs one id.'],
  [['repository', 'set', 'repo_x'], 'repository set needs something to change.'],
  [['repository', 'set', 'repo_x', '--sync-interval', 'often'], '--sync-interval needs a whole number'],
  [['repository', 'set', 'repo_x', '--expose-source', 'yes'], '--expose-source needs true or false.'],
  [['repository', 'set', 'repo_x', '--credential-type', 'token'], 'belong together'],
])('wrong usage %p: exit code 2 and the way to the help', async (args, sentence) => {
  const installation = await Installation.create()
  const { code, stdout, stderr } = await installation.run(args)
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
  expect(stderr).toContain(sentence)
  expect(stderr).toContain('--help')
  await installation.remove()
})

import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import { readConfig } from '../src/config.ts'
import { examineConfiguration } from '../src/doctor/configuration.ts'
import { TestApp } from './support/app.ts'
import { type GitServer, startGitServer } from './support/git-http-server.ts'
import { createGitRepository } from './support/git-repository.ts'
import { library } from './support/packages.ts'

interface Finding {
  check: string
  state: string
  found: string
  advice: string | null
}

let app: TestApp
let server: GitServer

beforeAll(async () => {
  app = await TestApp.start()
  createGitRepository(join(app.directory, 'served/lib.git'), {
    commits: [library('acme/lib', 'one', { tags: ['1.0.0'] })],
  })
  server = await startGitServer({ root: join(app.directory, 'served') })
  await app.addRepository(`${server.url}/lib.git`)
})

afterAll(async () => {
  await app?.stop()
  await server?.stop()
})

async function examined(): Promise<Finding[]> {
  const response = await app.ask('/api/doctor')
  expect(response.status).toBe(200)
  return (await response.json()) as Finding[]
}

const named = (findings: Finding[], check: string) => findings.filter((finding) => finding.check === check)

describe('the doctor', () => {
  test('finds nothing wrong with what works', async () => {
    const findings = await examined()
    expect(findings.filter(({ state }) => state === 'failure')).toEqual([])
    for (const check of ['DATA_DIR', 'ARCHIVE_DIR', 'permissions', 'database', 'repositories', 'jobs']) {
      expect(named(findings, check)).toMatchObject([{ state: 'ok', advice: null }])
    }
    expect(named(findings, new URL(server.url).host)).toMatchObject([{ state: 'ok' }])
    expect(named(findings, 'clock')).toMatchObject([{ state: 'ok' }])
  })

  test('sees that the clock is wrong, and by how much', async () => {
    app.clock.now += 7_200
    const [clock] = named(await examined(), 'clock')
    app.clock.now -= 7_200
    expect(clock).toMatchObject({ state: 'warning', advice: expect.stringContaining('NTP') })
    expect(clock?.found).toMatch(/It is 7[12]\d\d seconds ahead/)
  })

  test('sees that the key can be read by everybody', async () => {
    const key = join(app.dataDirectory, 'encryption.key')
    chmodSync(key, 0o644)
    chmodSync(app.dataDirectory, 0o755)
    const [permissions] = named(await examined(), 'permissions')
    chmodSync(app.dataDirectory, 0o750)
    chmodSync(key, 0o600)
    expect(permissions).toMatchObject({ state: 'warning', advice: expect.stringContaining(`chmod o= `) })
    expect(permissions?.found).toContain(key)
  })

  test('names repositories with an error, and hosts that cannot be reached', async () => {
    const gone = await startGitServer({ root: join(app.directory, 'served') })
    const url = `${gone.url}/lib.git`
    await gone.stop()
    await app.ask('/api/repositories', { method: 'POST', json: { url, vcs_type: 'git' } })
    const missing = await app.ask('/api/repositories', {
      method: 'POST',
      json: { url: `${server.url}/none.git`, vcs_type: 'git' },
    })
    const { id } = (await missing.json()) as { id: string }
    await app.synced(id)
    const findings = await examined()
    const broken = named(findings, 'repositories')
    expect(broken.find(({ found }) => found.startsWith(id))).toMatchObject({
      state: 'warning',
      advice: expect.stringContaining(`repository remove ${id}`),
    })
    expect(named(findings, new URL(url).host)).toMatchObject([
      { state: 'failure', found: expect.stringContaining('the connection is refused') },
    ])
  })

  test('tells a host that is in trouble from one that works', async () => {
    const ill = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: () => new Response('', { status: 503 }) })
    const { host, origin } = ill.url
    await app.ask('/api/repositories', { method: 'POST', json: { url: `${origin}/lib.git`, vcs_type: 'git' } })
    expect(named(await examined(), host)).toMatchObject([{ state: 'warning', found: 'It answers with status 503.' }])
    await ill.stop(true)
  })
})

describe('the doctor of a configuration', () => {
  const checks = (environment: Record<string, string>) =>
    examineConfiguration(readConfig({ HOST: '0.0.0.0', ...environment })).map(({ check, state }) => `${check} ${state}`)

  test.each<[Record<string, string>, string[]]>([
    [{ BASE_URL: 'https://packages.acme.example', TRUST_PROXY: '127.0.0.1' }, ['configuration ok']],
    [{}, ['BASE_URL warning']],
    [{ BASE_URL: 'http://packages.acme.example' }, ['BASE_URL warning']],
    [{ BASE_URL: 'http://127.0.0.1:8080' }, ['configuration ok']],
    [{ BASE_URL: 'https://packages.acme.example' }, ['TRUST_PROXY warning']],
    [{ BASE_URL: 'http://localhost:8080', ALLOWED_NETWORKS: '*' }, ['ALLOWED_NETWORKS warning']],
    [{ BASE_URL: 'http://localhost:8080', ALLOWED_NETWORKS: '10.0.0.0/8' }, ['configuration ok']],
    [{ BASE_URL: 'http://localhost:8080', METRICS_PUBLIC: 'on' }, ['METRICS_PUBLIC warning']],
    [{ BASE_URL: 'http://localhost:8080', METRICS_PUBLIC: 'on', HOST: '127.0.0.1' }, ['configuration ok']],
  ])('%p gives %p', (environment, expected) => {
    expect(checks(environment)).toEqual(expected)
  })
})

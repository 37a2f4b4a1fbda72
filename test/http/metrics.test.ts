import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { TestApp } from '../support/app.ts'
import { type GitServer, startGitServer } from '../support/git-http-server.ts'
import { createGitRepository } from '../support/git-repository.ts'
import { readMetrics } from '../support/metrics.ts'
import { library } from '../support/packages.ts'

let app: TestApp
let server: GitServer
let repositoryId: string

beforeAll(async () => {
  app = await TestApp.start()
  createGitRepository(`${app.directory}/served/lib.git`, {
    commits: [library('acme/secret-name', 'one', { tags: ['1.0.0'] })],
  })
  server = await startGitServer({ root: `${app.directory}/served` })
  repositoryId = (await app.addRepository(`${server.url}/lib.git`)).id
})

afterAll(async () => {
  await app?.stop()
  await server?.stop()
})

async function metrics(): Promise<Map<string, number>> {
  const response = await app.ask('/metrics')
  expect(response.status).toBe(200)
  expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
  return readMetrics(await response.text())
}

/** How much each of these values grew. */
async function growth(work: () => Promise<unknown>, ...names: string[]): Promise<number[]> {
  const before = await metrics()
  await work()
  const after = await metrics()
  return names.map((name) => (after.get(name) ?? 0) - (before.get(name) ?? 0))
}

describe('/metrics', () => {
  test('counts requests by the route that answered, also those without a router and those refused', async () => {
    const count = (route: string, status: number, method = 'GET') =>
      `http_requests_total{route="${route}",method="${method}",status="${status}"}`
    const grown = await growth(
      async () => {
        await app.ask('/p2/acme/secret-name.json?minified=1')
        await app.ask('/p2/acme/secret-name.json')
        await app.ask('/p2/acme/secret-name.json', { token: 'pb_wrong' })
        await app.ask('/dist/acme/secret-name/1.0.0.zip')
        await app.ask(`/api/repositories/${repositoryId}`)
        await app.ask('/api/repositories/repo_none')
        await app.ask('/api/repositories', { token: 'pb_wrong' })
        await app.ask('/nowhere/acme')
        await app.ask('/nowhere', { method: 'PURGE' })
      },
      count('/p2/:vendor/:file', 200),
      count('/p2/:vendor/:file', 401),
      count('/dist/*', 200),
      count('/api/repositories/:id', 200),
      count('/api/repositories/:id', 404),
      count('none', 404),
      count('none', 404, 'other'),
    )
    expect(grown).toEqual([2, 1, 1, 1, 1, 1, 1])
  })

  test('counts what is found in caches, built, written and asked of other servers', async () => {
    const { host } = new URL(server.url)
    const grown = await growth(
      async () => {
        await app.ask('/p2/acme/secret-name.json')
        await app.ask(`/api/repositories/${repositoryId}/sync`, { method: 'POST' })
        await app.synced(repositoryId)
      },
      'documents_total{kind="owned",result="found"}',
      'archive_events_total{type="built"}',
    )
    expect(grown).toEqual([1, 0])
    const values = await metrics()
    expect(values.get('archive_events_total{type="built"}')).toBe(1)
    expect(values.get('archive_lookups_total{store="built",result="absent"}')).toBe(1)
    expect(values.get(`upstream_requests_total{host="${host}",status="200"}`)).toBeGreaterThan(2)
    expect(values.get('database_write_duration_seconds_count')).toBeGreaterThan(3)
    expect(values.get('database_write_wait_seconds_count')).toBeGreaterThan(3)
  })

  test('shows the age of syncs and of jobs, room, memory and open files', async () => {
    const age = `repository_sync_age_seconds{repository="${repositoryId}"}`
    const before = await metrics()
    app.clock.now += 500
    const after = await metrics()
    expect((after.get(age) ?? 0) - (before.get(age) ?? 0)).toBe(500)
    expect(after.get('repositories{status="active"}')).toBe(1)
    for (const name of [
      'disk_free_bytes{directory="data"}',
      'database_bytes{file="database"}',
      'archive_bytes{store="built"}',
      'process_resident_memory_bytes',
      'process_open_fds',
      'process_cpu_seconds_total',
    ]) {
      expect({ name, positive: (after.get(name) ?? 0) > 0 }).toEqual({ name, positive: true })
    }
    expect(after.has('event_loop_lag_seconds')).toBe(true)
  })

  test('shows what a host says is left of its rate limit', async () => {
    const limited = Bun.serve({
      hostname: '127.0.0.1',
      port: 0,
      fetch: () => new Response('no', { status: 404, headers: { 'X-RateLimit-Remaining': '4321' } }),
    })
    const { host } = limited.url
    const { id } = await app
      .ask('/api/repositories', {
        method: 'POST',
        json: { url: `http://${host}/acme/lib.git`, vcs_type: 'git' },
      })
      .then((response) => response.json() as Promise<{ id: string }>)
    await app.synced(id)
    await limited.stop(true)
    expect((await metrics()).get(`upstream_rate_limit_remaining{host="${host}",credential=""}`)).toBe(4_321)
    await app.ask(`/api/repositories/${id}`, { method: 'DELETE' })
  })

  test('names no package, no address of a client and no token', async () => {
    const text = await (await app.ask('/metrics')).text()
    expect(text).not.toContain('secret-name')
    expect(text).not.toContain('pb_')
  })

  test('is open when the operator says so', async () => {
    expect((await app.ask('/metrics', { token: null })).status).toBe(401)
    const open = await TestApp.start({ METRICS_PUBLIC: 'on' })
    expect((await open.ask('/metrics', { token: null })).status).toBe(200)
    await open.stop()
  })
})

import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { TestApp } from '../support/app.ts'
import { EventReader } from '../support/event-reader.ts'
import { createGitRepository, type TestGitRepository } from '../support/git-repository.ts'
import { library } from '../support/packages.ts'

let app: TestApp
let url: string
let source: TestGitRepository
let id: string

beforeAll(async () => {
  app = await TestApp.start()
  url = await app.listen()
  source = createGitRepository(app.path('lib.git'), { commits: [library('acme/lib', 'one', { tags: ['1.0.0'] })] })
  id = (await app.addRepository(source.path)).id
})
afterAll(() => app?.stop())

const write = async () => app.token({ permissions: 'write' })

/** Over the network, as a client. */
function follow(token: string, repositoryId = id, headers: Record<string, string> = {}): Promise<Response> {
  const sent = { Authorization: `Bearer ${token}`, ...headers }
  return fetch(`${url}/api/repositories/${repositoryId}/events`, { headers: sent })
}

async function opened(token?: string): Promise<EventReader> {
  const reader = new EventReader(await follow(token ?? (await write()).token))
  await reader.next('status')
  return reader
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let waited = 0; waited < 15_000; waited += 10) {
    if (await condition()) return
    await Bun.sleep(10)
  }
  throw new Error('it did not happen')
}

describe('events of a repository', () => {
  test('tell the state, then each sync with what it changed', async () => {
    const response = await follow((await write()).token, id, { 'Accept-Encoding': 'gzip, zstd' })
    expect(response.status).toBe(200)
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    })
    expect(response.headers.get('content-encoding')).toBeNull()
    const reader = new EventReader(response)
    expect(await reader.next('status')).toMatchObject({ status: 'active', error_code: null, under_way: false })
    source.commit({ ...library('acme/lib', 'two'), tags: ['1.1.0'] })
    const job = (await (await app.ask(`/api/repositories/${id}/sync`, { method: 'POST' })).json()) as { id: string }
    expect(await reader.next('done')).toMatchObject({ id: job.id, state: 'done', added: ['acme/lib 1.1.0'] })
    await reader.leave()
  })

  test('tell how far it is, of a failure, and of a rest that the host asked for', async () => {
    const { promise: answered, resolve: answer } = Promise.withResolvers<void>()
    const busy = Bun.serve({
      hostname: '127.0.0.1',
      port: 0,
      fetch: async () => {
        await answered
        return new Response('', { status: 429, headers: { 'Retry-After': '600' } })
      },
    })
    const add = async (name: string) => {
      const json = { url: `http://127.0.0.1:${busy.port}/${name}.git`, vcs_type: 'git' }
      return ((await (await app.ask('/api/repositories', { json })).json()) as { id: string }).id
    }
    const { token } = await write()
    const first = new EventReader(await follow(token, await add('one')))
    expect(await first.next('progress')).toMatchObject({ job: expect.stringMatching(/^job_/), done: 0, total: 0 })
    expect(await first.next('status')).toMatchObject({ under_way: true })
    answer()
    expect(await first.next('failed')).toMatchObject({ state: 'failed', error: expect.any(String), added: [] })
    const second = new EventReader(await follow(token, await add('two')))
    let status = await second.next('status')
    while (status.under_way) status = await second.next('status')
    expect(status).toMatchObject({ status: 'pending', error_code: 'rate_limited' })
    expect(Number(status.next_sync_at) - app.now()).toBeGreaterThanOrEqual(600)
    await Promise.all([first.leave(), second.leave(), busy.stop(true)])
  })

  test('are for unrestricted tokens, and of repositories that there are', async () => {
    const { token } = await app.token({ permissions: 'write', allowed_package_prefixes: ['acme/'] })
    expect((await follow(token)).status).toBe(403)
    expect((await follow((await write()).token, 'repo_none')).status).toBe(404)
  })

  test('of HEAD are headers alone', async () => {
    const response = await app.ask(`/api/repositories/${id}/events`, { method: 'HEAD' })
    expect(response.status).toBe(200)
    expect(await response.text()).toBe('')
  })
})

describe('a stream ends', () => {
  test('when its token is revoked, and no other does', async () => {
    const revoked = await write()
    const stays = await opened()
    const reader = await opened(revoked.token)
    await app.ask(`/api/tokens/${revoked.id}`, { method: 'DELETE' })
    expect(await reader.rest()).toEqual([])
    await app.sync(id)
    await stays.next('done')
    await stays.leave()
  })

  test('when its token may not do this any more', async () => {
    const limited = await write()
    const reader = await opened(limited.token)
    const json = { allowed_package_prefixes: ['acme/'] }
    await app.ask(`/api/tokens/${limited.id}`, { method: 'PATCH', json })
    expect(await reader.rest()).toEqual([])
  })

  test('when its token expires', async () => {
    const { token } = await app.token({ permissions: 'write', expires_at: app.now() + 60 })
    const reader = await opened(token)
    await app.passTo(app.now() + 60)
    expect(await reader.rest()).toEqual([])
  })

  test('when its repository is removed', async () => {
    createGitRepository(app.path('gone.git'), { commits: [library('acme/gone', 'one')] })
    const gone = await app.addRepository(app.path('gone.git'))
    const reader = new EventReader(await follow((await write()).token, gone.id))
    await reader.next('status')
    await app.ask(`/api/repositories/${gone.id}`, { method: 'DELETE' })
    expect(await reader.rest()).toEqual([])
  })

  test('and makes room for another one', async () => {
    const { token } = await write()
    const readers: EventReader[] = []
    // Clients of tests before may just be going.
    await until(async () => {
      const response = await follow(token)
      if (response.status === 200) readers.push(new EventReader(response))
      return readers.length === 100
    })
    for (const reader of readers) await reader.next('status')
    const refused = await follow(token)
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '10'])
    expect(await refused.json()).toMatchObject({ code: 'UNAVAILABLE' })
    await readers[0]?.leave()
    await until(async () => {
      const response = await follow(token)
      await response.body?.cancel()
      return response.status === 200
    })
    await Promise.all(readers.map((reader) => reader.leave()))
  })

  test('when the server stops, without keeping it', async () => {
    const other = await TestApp.start()
    const address = await other.listen()
    createGitRepository(other.path('lib.git'), { commits: [library('acme/lib', 'one')] })
    const repository = await other.addRepository(other.path('lib.git'))
    const { token } = await other.token({ permissions: 'write' })
    const headers = { Authorization: `Bearer ${token}` }
    const reader = new EventReader(await fetch(`${address}/api/repositories/${repository.id}/events`, { headers }))
    await reader.next('status')
    // Were it kept, the connection would be cut off, which is no end.
    const stopped = other.stop()
    expect(await reader.rest()).toEqual([])
    await stopped
  })
})

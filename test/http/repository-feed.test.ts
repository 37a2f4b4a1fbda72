import { afterAll, beforeAll, expect, test } from 'bun:test'
import { EVERYTHING } from '../../src/auth/scope.ts'
import type { TokenVerifier } from '../../src/auth/tokens.ts'
import { EventStream } from '../../src/http/event-stream.ts'
import { RepositoryFeed } from '../../src/http/management-api/repository-feed.ts'
import { silentLogger } from '../../src/observability/logger.ts'
import { openStore, repositoryRow, type TestStore, temporaryDirectory } from '../store/support.ts'

const directory = temporaryDirectory()
const caller = {
  ...{ tokenId: null, actor: 'local', rateLimit: 0, scope: EVERYTHING },
  permissions: 'write' as const,
}
let store: TestStore
let looks = 0

beforeAll(async () => {
  store = await openStore(`file:${directory.path}/test.db`)
  for (let index = 0; index < 20; index++) {
    await store.repositories.insert(repositoryRow(`repo_${index}`))
  }
})
afterAll(async () => {
  await store.db.close()
  directory.remove()
})

function feedOf(beatAfter?: number): RepositoryFeed {
  const { jobs, repositories } = store
  const counted = Object.assign(Object.create(jobs) as typeof jobs, {
    latest(ids: readonly string[]) {
      looks++
      return jobs.latest(ids)
    },
  })
  const parts = { repositories, jobs: counted, verifier: null as unknown as TokenVerifier }
  return new RepositoryFeed({ ...parts, now: () => 1_000, logger: silentLogger }, beatAfter)
}

test('the database is asked once a second for all streams together', async () => {
  const feed = feedOf()
  const readers = Array.from({ length: 60 }, (_, index) => feed.open(`repo_${index % 20}`, caller).body?.getReader())
  for (const reader of readers) for (let chunk = 0; chunk < 2; chunk++) await reader?.read()
  const [before, since] = [looks, performance.now()]
  while (looks < before + 2) await Bun.sleep(20)
  expect(looks - before).toBeLessThanOrEqual((performance.now() - since) / 1_000 + 1)
  await feed.stop()
})

test('a silent stream says that it is still there, and a stopped feed opens none', async () => {
  const feed = feedOf(1)
  const reader = feed.open('repo_0', caller).body?.getReader()
  let text = ''
  while (!text.includes('\n: still here\n\n')) text += new TextDecoder().decode((await reader?.read())?.value)
  expect(text.startsWith('retry: 3000\n\n')).toBe(true)
  await feed.stop()
  expect((await reader?.read())?.done).toBe(true)
  expect(() => feed.open('repo_0', caller)).toThrow('shutting down')
})

test('a client that does not read is let go', async () => {
  let ended = 0
  const stream = new EventStream(() => ended++)
  const long = 'x'.repeat(10_000)
  for (let sent = 0; sent < 20; sent++) stream.send('status', long)
  expect(ended).toBe(1)
  expect((await stream.response.text()).length).toBeLessThan(100_000)
})

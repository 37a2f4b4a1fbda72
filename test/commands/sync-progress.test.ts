import { afterAll, beforeAll, beforeEach, expect, test } from 'bun:test'
import type { ManagementClient } from '../../src/commands/management-client.ts'
import { waitForSync } from '../../src/commands/sync-progress.ts'
import { TestApp } from '../support/app.ts'
import { createGitRepository, type TestGitRepository } from '../support/git-repository.ts'
import { library } from '../support/packages.ts'

let app: TestApp
let source: TestGitRepository
let id: string
let versions = 0
/** Paths that were asked for, in order. */
const asked: string[] = []

beforeAll(async () => {
  app = await TestApp.start()
  source = createGitRepository(app.path('lib.git'), { commits: [library('acme/lib', 'one', { tags: ['0.1.0'] })] })
  id = (await app.addRepository(source.path)).id
})
afterAll(() => app?.stop())
beforeEach(() => {
  asked.length = 0
})

/** The management API, whose events come as `events` has them. */
function client(events: (response: Response) => Response = (response) => response): ManagementClient {
  const ask = (path: string) => {
    asked.push(path.replace(`/api/repositories/${id}`, ''))
    return app.ask(path)
  }
  return {
    call: async (_, path) => (await ask(path)).json(),
    get: async (path) => events(await ask(path)),
    upload: () => Promise.reject(new Error('not here')),
    list: () => Promise.reject(new Error('not here')),
    async *pages() {},
  }
}

/** Has a sync begin that brings one more version. */
async function begin(): Promise<number> {
  source.commit({ ...library('acme/lib', `change ${++versions}`), tags: [`1.${versions}.0`] })
  await app.ask(`/api/repositories/${id}/sync`, { method: 'POST' })
  return versions + 2
}

test('a sync is followed by its events, without asking again and again', async () => {
  const count = await begin()
  expect(await waitForSync(client(), id)).toMatchObject({ status: 'active', versions: count, progress: null })
  expect(asked).toEqual(['/events', ''])
})

test('nothing under way is seen at once', async () => {
  await app.synced(id)
  expect((await waitForSync(client(), id)).status).toBe('active')
  expect(asked).toEqual(['/events', ''])
})

test.each([
  ['there are none', () => new Response('{}', { status: 404 })],
  [
    'they break off',
    (response: Response) => {
      response.body?.cancel()
      return new Response(new ReadableStream({ pull: (controller) => controller.error(new Error('cut')) }))
    },
  ],
  ['they end early', () => new Response('retry: 3000\n\n: nothing\n\n')],
  ['they make no sense', () => new Response('event: status\ndata: {\n\n')],
])('the repository is asked for when %s', async (_, events) => {
  const count = await begin()
  expect(await waitForSync(client(events), id)).toMatchObject({ status: 'active', versions: count })
  expect(asked.filter((path) => path === '/events')).toHaveLength(1)
})

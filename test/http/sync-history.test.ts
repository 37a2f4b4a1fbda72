import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { join } from 'node:path'
import { TestApp } from '../support/app.ts'
import { createGitRepository, TestGitRepository } from '../support/git-repository.ts'
import { library, libraryFiles } from '../support/packages.ts'
import { stored } from '../support/stored.ts'

setDefaultTimeout(30_000)

interface Sync {
  id: string
  state: string
  duration: number | null
  started_at: number | null
  finished_at: number | null
  created_at: number
  error: string | null
  added: string[]
  changed: string[]
  removed: string[]
  issues: { ref: string; reason: string }[]
}

let app: TestApp

beforeAll(async () => {
  app = await TestApp.start()
})

afterAll(() => app?.stop())

async function history(id: string, query = ''): Promise<Sync[]> {
  const response = await app.ask(`/api/repositories/${id}/syncs${query}`)
  expect(response.status).toBe(200)
  return (await response.json()) as Sync[]
}

describe('the history of a repository', () => {
  test('says what each sync added, changed, removed and refused, newest first', async () => {
    const source = createGitRepository(app.path('history.git'), {
      commits: [library('acme/history', 'one', { tags: ['1.0.0', 'nonsense'] })],
    })
    const { id } = await app.addRepository(source.path)
    const refused = [{ ref: 'refs/tags/nonsense', reason: expect.stringContaining('nonsense') }]
    const [first] = await history(id)
    expect(first).toMatchObject({ state: 'done', changed: [], removed: [], error: null, issues: refused })
    expect(first?.added.sort()).toEqual(['acme/history 1.0.0', 'acme/history dev-main'])
    expect(first?.duration).toBe((first?.finished_at ?? 0) - (first?.started_at ?? 0))

    await app.sync(id)
    const unchanged = (await history(id))[0]
    // It ended before a step was written, and waits for nothing.
    expect(unchanged).not.toMatchObject({ progress: { step: 'waiting' } })
    expect(unchanged).toMatchObject({
      state: 'done',
      added: [],
      changed: [],
      removed: [],
      issues: refused,
    })

    source.commit(library('acme/history', 'two', { tags: ['v1.1'] }))
    source.deleteTag('1.0.0')
    source.deleteTag('nonsense')
    app.clock.now += 3
    await app.sync(id)
    expect((await history(id))[0]).toMatchObject({
      created_at: app.clock.now,
      added: ['acme/history v1.1'],
      changed: ['acme/history dev-main'],
      removed: ['acme/history 1.0.0'],
      issues: [],
    })

    source.tag('1.0.0', 'v1.1')
    await app.sync(id)
    const moved = (await history(id))[0]
    expect(moved?.issues).toEqual([{ ref: 'refs/tags/1.0.0', reason: expect.stringContaining('never changes') }])
    expect(moved?.added).toEqual([])
  })

  test('keeps why a sync failed', async () => {
    const source = createGitRepository(app.path('failing.git'), { commits: [library('acme/failing', 'one')] })
    const { id } = await app.addRepository(source.path)
    source.git(['update-ref', '-d', 'refs/heads/main'])
    await app.sync(id)
    const [failed] = await history(id)
    expect(failed).toMatchObject({ state: 'failed', added: [], removed: [], issues: [] })
    expect(failed?.error).toContain('accept_removals')
    await app.ask(`/api/repositories/${id}/sync?accept_removals=true`, { method: 'POST' })
    await app.synced(id)
    expect((await history(id))[0]).toMatchObject({ state: 'done', error: null, removed: ['acme/failing dev-main'] })
  })

  test('comes in pages and keeps fifty', async () => {
    const source = createGitRepository(app.path('pages.git'), { commits: [library('acme/pages', 'one')] })
    const { id } = await app.addRepository(source.path)
    for (let round = 0; round < 51; round++) await app.sync(id)
    const response = await app.ask(`/api/repositories/${id}/syncs?limit=20`)
    expect(response.headers.get('x-total-count')).toBe('50')
    const seen: Sync[] = (await response.json()) as Sync[]
    let link = response.headers.get('link')
    while (link !== null) {
      const page = await app.ask(/^<(.*)>/.exec(link)?.[1] ?? '')
      seen.push(...((await page.json()) as Sync[]))
      link = page.headers.get('link')
    }
    expect(new Set(seen.map((sync) => sync.id)).size).toBe(50)
    const times = seen.map((sync) => sync.created_at)
    expect(times).toEqual([...times].sort((left, right) => right - left))
    expect(seen.map((sync) => sync.id)).toEqual((await history(id)).map((sync) => sync.id))
    expect(seen.every((sync) => sync.added.length === 0)).toBe(true)
  })

  test('of what does not exist is 404', async () => {
    expect((await app.ask('/api/repositories/repo_none/syncs')).status).toBe(404)
  })
})

test('a name that another repository owns stays there and is reported to the newcomer', async () => {
  const files = libraryFiles('acme/owned', 'mine')
  const mine = createGitRepository(app.path('mine.git'), { commits: [{ files, tags: ['1.0.0'] }] })
  const theirs = createGitRepository(app.path('theirs.git'), {
    commits: [library('acme/owned', 'theirs', { tags: ['2.0.0'] })],
  })
  const owner = await app.addRepository(mine.path)
  const newcomer = await app.addRepository(theirs.path)
  const reason = `The package name acme/owned is owned by repository ${owner.id}.`
  const issues = ['refs/heads/main', 'refs/tags/2.0.0'].map((ref) => ({ ref, reason }))
  expect(newcomer).toMatchObject({ packages: 0, versions: 0, issues })
  expect((await history(newcomer.id))[0]?.issues).toEqual(issues)
  const document = (await (await app.ask('/p2/acme/owned.json')).json()) as { packages: Record<string, object> }
  expect(Object.keys(document.packages['acme/owned'] ?? {})).toEqual(['1.0.0'])
  await app.sync(newcomer.id)
  expect((await history(newcomer.id))[0]?.issues).toEqual(issues)

  await app.ask(`/api/repositories/${owner.id}`, { method: 'DELETE' })
  expect(await app.sync(newcomer.id)).toMatchObject({ status: 'active', versions: 2, issues: [] })
  expect((await history(newcomer.id))[0]?.added.sort()).toEqual(['acme/owned 2.0.0', 'acme/owned dev-main'])
})

test('a deleted repository takes its packages and history with it, and only archives that nothing else refers to', async () => {
  // The default branch names the package, so the same commits are versions of two.
  const first = createGitRepository(app.path('shared.git'), {
    commits: [
      library('acme/shared-a', 'a', { tags: ['1.0.0'], branch: 'a' }),
      library('acme/shared-b', 'b', { tags: ['2.0.0'], branch: 'b' }),
    ],
    head: 'a',
  })
  const copy = app.path('shared-copy.git')
  first.git(['clone', '--quiet', '--mirror', first.path, copy])
  new TestGitRepository(copy).setHead('b')
  const one = await app.addRepository(first.path, { archives: 'all' })
  const two = await app.addRepository(copy, { archives: 'tags' })
  const digests = await archiveDigests(one.id)
  expect(digests).toHaveLength(2)
  expect(await archiveDigests(two.id)).toEqual(digests)
  const more = libraryFiles('acme/shared-a', 'only here')
  first.commit({ files: more, branch: 'a', tags: ['3.0.0'] })
  await app.sync(one.id)
  const [own = ''] = (await archiveDigests(one.id)).filter((digest) => !digests.includes(digest))
  expect([...digests, own].map(isOnDisk)).toEqual([true, true, true])

  expect((await app.ask(`/api/repositories/${one.id}`, { method: 'DELETE' })).status).toBe(200)
  expect([...digests, own].map(isOnDisk)).toEqual([true, true, false])
  expect(await (await app.ask('/p2/acme/shared-a.json')).text()).not.toContain('1.0.0')
  expect(await (await app.ask('/packages.json')).text()).not.toContain('acme/shared-a')
  expect((await app.ask('/dist/acme/shared-a/1.0.0.zip')).status).toBe(404)
  for (const path of ['', '/syncs']) expect((await app.ask(`/api/repositories/${one.id}${path}`)).status).toBe(404)
  expect((await app.ask('/dist/acme/shared-b/1.0.0.zip')).status).toBe(200)

  expect((await app.ask(`/api/repositories/${two.id}`, { method: 'DELETE' })).status).toBe(200)
  expect(digests.map(isOnDisk)).toEqual([false, false])
})

async function archiveDigests(repository: string): Promise<string[]> {
  const rows = await stored(app, 'SELECT DISTINCT sha256 FROM archives WHERE repository_id = ? ORDER BY 1', repository)
  return rows.map((row) => String(row.sha256))
}

function isOnDisk(sha256: string): boolean {
  const files = [...new Bun.Glob('**/*').scanSync(join(app.directory, 'data/archives'))]
  return files.some((file) => file.replaceAll('/', '').includes(sha256))
}

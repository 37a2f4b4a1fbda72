import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import type { RepositoryRow } from '../../src/store/repositories.ts'
import type { TestGitRepository } from '../support/git-repository.ts'
import { manifest, SyncStage } from './support.ts'

/* Repositories whose `composer_json_paths` make packages of directories. */

const GLOBS = 'packages/*/composer.json'
let stage: SyncStage
beforeAll(async () => {
  stage = await SyncStage.open()
})
afterAll(() => stage.close())

const file = (name: string, text = '') => ({
  [`packages/${name}/composer.json`]: manifest(`acme/${name}`),
  [`packages/${name}/src/a.php`]: `<?php // ${name} ${text}`,
})

/** Two packages at two tags and `main`; the second comes with the second tag. */
async function synced(name: string, change: Partial<RepositoryRow> = {}) {
  const repository = stage.repository(name, {
    commits: [
      { files: { 'readme.md': 'x', ...file(`${name}-a`, 'one') }, tags: ['v1.0.0'] },
      { files: { ...file(`${name}-a`, 'two'), ...file(`${name}-b`, 'two') }, tags: ['v1.1.0'] },
      { files: { 'readme.md': 'y' } },
    ],
  })
  const id = await stage.add(name, { composerJsonPaths: GLOBS, ...change })
  await stage.sync(id)
  return { repository, id }
}

/** Changes the globs as the management API does. */
async function changeGlobs(id: string, composerJsonPaths: string | null): Promise<void> {
  await stage.store.repositories.update(
    id,
    { composerJsonPaths, refsDigest: `cleared ${crypto.randomUUID()}` },
    stage.now,
  )
}

const paths = async (id: string) =>
  (await stage.stored(id)).filter((row) => row.hiddenAt === null).map((row) => `${row.name} ${row.version} ${row.path}`)

describe('a repository of several packages', () => {
  test('has a package for each directory, at the refs that have it', async () => {
    stage.requests.length = 0
    const { id, repository } = await synced('first')
    expect(await paths(id)).toEqual([
      'acme/first-a v1.0.0 packages/first-a',
      'acme/first-a v1.1.0 packages/first-a',
      'acme/first-a dev-main packages/first-a',
      'acme/first-b v1.1.0 packages/first-b',
      'acme/first-b dev-main packages/first-b',
    ])
    expect(await stage.issues(id)).toEqual({})
    expect((await stage.version(id, 'v1.0.0')).reference).toBe(repository.resolve('v1.0.0'))
    // Advertisement, refs, commits with trees, blobs.
    expect(stage.requests).toHaveLength(4)
  })

  test('is not read again while it does not change, and then only its new commits', async () => {
    const { id, repository } = await synced('again')
    stage.requests.length = 0
    await stage.sync(id)
    expect(stage.requests).toHaveLength(2)
    repository.commit({ files: file('again-c'), tags: ['v2.0.0'] })
    stage.requests.length = 0
    await stage.sync(id)
    expect(stage.requests).toHaveLength(4)
    expect(stage.requests.at(-1)?.body.match(/want /g)).toHaveLength(1)
    expect(await stage.offered(id)).toContain('acme/again-c v2.0.0')
    expect(await stage.offered(id)).toContain('acme/again-a v2.0.0')
  })

  test('a directory that goes from one branch is hidden for that version only, and comes back', async () => {
    const { id, repository } = await synced('leaves')
    repository.commit({ files: {}, branch: '1.x', from: 'main' })
    const gone = { 'packages/leaves-b/composer.json': null, 'packages/leaves-b/src/a.php': null }
    repository.commit({ files: gone })
    await stage.sync(id)
    expect((await stage.offered(id)).filter((name) => name.startsWith('acme/leaves-b'))).toEqual([
      'acme/leaves-b 1.x-dev',
      'acme/leaves-b v1.1.0',
    ])
    expect(await stage.offered(id)).toContain('acme/leaves-a dev-main')
    repository.commit({ files: file('leaves-b', 'back') })
    await stage.sync(id)
    expect(await stage.offered(id)).toContain('acme/leaves-b dev-main')
  })

  test('a directory that moves stays the package, old versions with the files they had', async () => {
    const { id, repository } = await synced('moves', { archives: 'all' })
    const before = (await stage.stored(id)).find((row) => row.name === 'acme/moves-a' && row.version === 'dev-main')
    repository.commit({
      files: {
        'packages/moves-a/composer.json': null,
        'packages/moves-a/src/a.php': null,
        'packages/renamed/composer.json': manifest('acme/moves-a'),
        'packages/renamed/src/b.php': 'new',
      },
    })
    await stage.sync(id)
    expect((await paths(id)).filter((row) => row.startsWith('acme/moves-a'))).toEqual([
      'acme/moves-a v1.0.0 packages/moves-a',
      'acme/moves-a v1.1.0 packages/moves-a',
      'acme/moves-a dev-main packages/renamed',
    ])
    const { id: packageId } =
      (await stage.store.packages.changedSince(0)).find((row) => row.name === 'acme/moves-a') ?? {}
    const old = await stage.store.packages.publishedReference(packageId ?? '', before?.reference ?? '')
    expect(old).toMatchObject({ path: 'packages/moves-a', reference: before?.reference })
    expect(await stage.download(id, before?.reference ?? '', 'packages/moves-a')).toBe(before?.shasum ?? '')
  })

  test('packages of one commit have archives of their own, and equal ones of two commits are one', async () => {
    const { id } = await synced('packed', { archives: 'all' })
    const rows = await stage.stored(id)
    const shasum = (name: string, version: string) =>
      rows.find((row) => row.name === `acme/packed-${name}` && row.version === version)?.shasum
    expect(shasum('a', 'v1.1.0')).toMatch(/^[0-9a-f]{40}$/)
    expect(shasum('a', 'v1.1.0')).not.toBe(shasum('b', 'v1.1.0'))
    expect(shasum('a', 'v1.0.0')).not.toBe(shasum('a', 'v1.1.0'))
    expect(shasum('a', 'dev-main')).toBe(shasum('a', 'v1.1.0'))
    const again = await stage.download(id, rows[0]?.reference ?? '', rows[0]?.path)
    expect(again).toBe(rows[0]?.shasum ?? '')
  })

  test('issues name the ref and the directories, each reason once', async () => {
    const repository = stage.repository('issues', {
      commits: [
        {
          files: {
            ...file('ok'),
            'packages/bad1/composer.json': '{',
            'packages/bad2/composer.json': '{',
            'packages/nameless/composer.json': '{"type":"library"}',
            'packages/twice/composer.json': manifest('acme/ok'),
          },
          tags: ['v1.0.0', 'acme/ok-1.2.0'],
        },
      ],
    })
    repository.commit({ files: { 'readme.md': 'no packages' }, branch: 'docs' })
    const id = await stage.add('issues', { composerJsonPaths: GLOBS, packageFilter: 'acme/*' })
    await stage.sync(id)
    expect(await stage.offered(id)).toEqual(['acme/ok dev-main', 'acme/ok v1.0.0'])
    const issues = await stage.issues(id)
    expect(issues['refs/tags/v1.0.0']).toMatch(/^packages\/bad1, packages\/bad2: composer\.json cannot be read: /)
    expect(issues['refs/tags/v1.0.0']).toContain('packages/nameless: composer.json has no name.')
    expect(issues['refs/tags/v1.0.0']).toContain('packages/twice: The package acme/ok is in packages/ok already.')
    expect(issues['refs/tags/acme/ok-1.2.0']).toBe('The tag name "acme/ok-1.2.0" is no version.')
    expect(issues['refs/heads/docs']).toBe('There is no composer.json that composer_json_paths names.')
  })

  test('package_filter and names of other repositories are about each package', async () => {
    await synced('owner')
    const { id } = await synced('contest', { packageFilter: 'acme/contest-a, acme/owner-*' })
    expect([...new Set((await paths(id)).map((row) => row.split(' ')[0]))]).toEqual(['acme/contest-a'])
    expect((await stage.issues(id))['refs/heads/main']).toBe(
      'packages/contest-b: package_filter leaves out acme/contest-b.',
    )
    stage.repository('rival', { commits: [{ files: { ...file('owner-a'), ...file('rival') }, tags: ['v1.0.0'] }] })
    const rival = await stage.add('rival', { composerJsonPaths: GLOBS })
    await stage.sync(rival)
    expect(await stage.offered(rival)).toEqual(['acme/rival dev-main', 'acme/rival v1.0.0'])
    expect((await stage.issues(rival))['refs/tags/v1.0.0']).toContain('packages/owner-a: The package name')
  })

  test('a moved tag is refused for the packages it had; those it brings are new', async () => {
    const { id, repository } = await synced('tags')
    const before = await stage.version(id, 'v1.0.0')
    repository.tag('v1.0.0', 'main')
    await stage.sync(id)
    const rows = (await stage.stored(id)).filter((row) => row.version === 'v1.0.0')
    expect(rows.map((row) => [row.name, row.reference])).toEqual([
      ['acme/tags-a', before.reference],
      ['acme/tags-b', repository.resolve('main')],
    ])
    expect((await stage.issues(id))['refs/tags/v1.0.0']).toMatch(/^packages\/tags-a: Version v1\.0\.0 was published/)
  })
})

describe('other globs', () => {
  const commitsRead = () => stage.requests.filter(({ body }) => body.includes('deepen')).length

  test('are read with again, and null is the root alone', async () => {
    const { id, repository } = await synced('globs')
    repository.commit({ files: { 'composer.json': manifest('acme/globs') } })
    await changeGlobs(id, 'composer.json, packages/*-b')
    stage.requests.length = 0
    await stage.sync(id)
    expect(commitsRead()).toBe(1)
    expect(await paths(id)).toEqual([
      'acme/globs-b v1.1.0 packages/globs-b',
      'acme/globs-b dev-main packages/globs-b',
      'acme/globs dev-main ',
    ])
    await changeGlobs(id, null)
    await stage.sync(id)
    expect(await stage.offered(id)).toEqual(['acme/globs dev-main'])
    expect((await stage.issues(id))['refs/tags/v1.0.0']).toBe('There is no composer.json.')
    await changeGlobs(id, GLOBS)
    await stage.sync(id)
    expect(await stage.offered(id)).toHaveLength(5)
  })

  test('a commit that was published never gets files of another directory', async () => {
    const repository: TestGitRepository = stage.repository('fixed', {
      commits: [
        { files: { 'one/composer.json': manifest('acme/fixed'), 'two/composer.json': manifest('acme/fixed') } },
      ],
    })
    repository.tag('v1.0.0', 'main')
    const id = await stage.add('fixed', { composerJsonPaths: 'one', archives: 'all' })
    await stage.sync(id)
    const before = await stage.stored(id)
    await changeGlobs(id, 'two')
    repository.tag('v1.0.1', 'main')
    await stage.sync(id)
    expect(await stage.stored(id)).toEqual(before)
    for (const ref of ['heads/main', 'tags/v1.0.0', 'tags/v1.0.1']) {
      expect((await stage.issues(id))[`refs/${ref}`]).toMatch(
        /^two: Commit .* from the directory one and never changes/,
      )
    }
    repository.commit({ files: { 'two/new': 'x' }, tags: ['v1.1.0'] })
    await stage.sync(id)
    expect((await paths(id)).sort()).toEqual([
      'acme/fixed dev-main two',
      'acme/fixed v1.0.0 one',
      'acme/fixed v1.1.0 two',
    ])
  })

  test('a sync that was under way with the old ones saves nothing', async () => {
    const { id, repository } = await synced('race')
    repository.commit({ files: file('race-c') })
    stage.fault = async (request, forward) => {
      if (request.method === 'GET') await changeGlobs(id, 'packages/*-c')
      return forward()
    }
    await stage.sync(id)
    stage.fault = null
    expect(await stage.offered(id)).toHaveLength(5)
    await stage.sync(id)
    expect(await stage.offered(id)).toEqual(['acme/race-c dev-main'])
  })
})

test('a commit that could not be read is asked for again', async () => {
  const repository = stage.repository('unread', { commits: [{ files: file('unread-a'), tags: ['v1.0.0'] }] })
  const [commit = ''] = repository.commit({ files: file('unread-b') })
  const id = await stage.add('unread', { composerJsonPaths: GLOBS })
  stage.fault = (request, forward) => (request.method === 'POST' ? withoutCommit(commit, request, forward) : forward())
  await stage.sync(id)
  stage.fault = null
  expect(await stage.offered(id)).toEqual(['acme/unread-a v1.0.0'])
  await stage.sync(id)
  expect(await stage.offered(id)).toContain('acme/unread-b dev-main')
  expect(await stage.issues(id)).toEqual({})
})

/** What a server says that does not have a commit yet. */
async function withoutCommit(commit: string, request: Request, forward: () => Promise<Response>): Promise<Response> {
  if (!stage.requests.at(-1)?.body.includes(`want ${commit}`)) return forward()
  const error = `ERR upload-pack: not our ref ${commit}`
  const type = request.headers.get('accept') ?? ''
  return new Response(`${(error.length + 4).toString(16).padStart(4, '0')}${error}`, {
    headers: { 'content-type': type },
  })
}

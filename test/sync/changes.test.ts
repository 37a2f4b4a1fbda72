import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { AuditTable } from '../../src/store/audit.ts'
import { PackageCatalog } from '../../src/store/catalog.ts'
import { manifest, SyncStage, simple } from './support.ts'

let stage: SyncStage
beforeAll(async () => {
  stage = await SyncStage.open()
})
afterAll(() => stage.close())

async function synced(name: string, spec = simple(`acme/${name}`)) {
  const repository = stage.repository(name, spec)
  const id = await stage.add(name)
  await stage.sync(id)
  return { repository, id }
}

/** What a client sees of a version, and what its lock file pins. */
async function published(id: string, version: string) {
  const {
    reference,
    shasum,
    time,
    blob,
    versionNormalized,
    version: pretty,
    firstPublishedAt,
  } = await stage.version(id, version)
  return { reference, shasum, time, blob, versionNormalized, pretty, firstPublishedAt }
}

async function packageNamed(name: string) {
  return (await stage.store.packages.changedSince(0)).find((row) => row.name === name)
}

describe('a later sync', () => {
  test('of an unchanged repository asks for the refs and nothing else', async () => {
    const { id } = await synced('same')
    const before = await stage.store.packages.revision()
    stage.requests.length = 0
    stage.now += 100
    expect(await stage.sync(id)).toMatchObject({ status: 'active', lastSyncedAt: stage.now })
    expect(stage.requests.map(({ method, path }) => `${method} ${path}`)).toEqual([
      'GET /same.git/info/refs',
      'POST /same.git/git-upload-pack',
    ])
    expect(await stage.store.packages.revision()).toBe(before)
  })

  test('reads the commits it has never seen and no others', async () => {
    const { repository, id } = await synced('grows')
    const [commit = ''] = repository.commit({
      files: { 'composer.json': manifest('acme/grows', { type: 'project' }) },
      tags: ['v2.0.0'],
    })
    stage.requests.length = 0
    await stage.sync(id)
    expect(await stage.offered(id)).toEqual(['dev-main', 'v1.0.0', 'v1.1.0', 'v2.0.0'].map((v) => `acme/grows ${v}`))
    expect((await stage.version(id, 'v2.0.0')).reference).toBe(commit)
    // Advertisement, refs, the commit with its tree, one blob.
    expect(stage.requests).toHaveLength(4)
    const wants = stage.requests.flatMap(({ body }) =>
      [...body.matchAll(/want ([0-9a-f]{40})/g)].map((match) => match[1]),
    )
    expect(wants).toEqual([commit, repository.resolve('main:composer.json')])
    expect((await stage.store.state.load(id)).commits.size).toBe(4)
  })

  test('refuses a moved tag, reports it, and is content when it moves back', async () => {
    const { repository, id } = await synced('moved')
    const before = await published(id, 'v1.0.0')
    const { modifiedAt } = (await packageNamed('acme/moved')) ?? {}
    repository.tag('v1.0.0', 'main')
    for (let round = 0; round < 2; round++) {
      stage.now += 10
      expect((await stage.sync(id)).status).toBe('active')
      expect(await published(id, 'v1.0.0')).toEqual(before)
      expect((await stage.issues(id))['refs/tags/v1.0.0']).toContain('never changes')
    }
    const after = await packageNamed('acme/moved')
    expect(after?.modifiedAt).toBe(modifiedAt ?? 0)
    repository.tag('v1.0.0', before.reference)
    await stage.sync(id)
    expect(await stage.issues(id)).toEqual({})
    expect(await published(id, 'v1.0.0')).toEqual(before)
  })

  test('records each attempt to move a tag once, however often it is seen', async () => {
    const { repository, id } = await synced('attempts')
    const before = await published(id, 'v1.0.0')
    const audit = new AuditTable(stage.store.db)
    const attempts = async () => {
      const page = { limit: 100, cursor: null, order: 'oldest' } as const
      const { rows } = await audit.list(page, { action: 'tag.refuse' })
      return rows.filter((row) => row.before?.package === 'acme/attempts')
    }
    repository.tag('v1.0.0', 'main')
    const main = repository.resolve('main')
    await stage.sync(id)
    // Other refs change, so that the listing is read through again with the same tag in it.
    repository.tag('v1.0.1', before.reference)
    await stage.sync(id)
    expect(await attempts()).toMatchObject([
      {
        actor: 'sync',
        before: { package: 'acme/attempts', version: 'v1.0.0', reference: before.reference },
        after: { ref: 'refs/tags/v1.0.0', reference: main },
      },
    ])
    repository.tag('v1.0.0', before.reference)
    await stage.sync(id)
    expect(await attempts()).toHaveLength(1)
    repository.tag('v1.0.0', 'main')
    await stage.sync(id)
    expect(await attempts()).toHaveLength(2)
    expect(await published(id, 'v1.0.0')).toEqual(before)
  })

  test('hides a deleted tag, remembers its reference, and restores it when it comes back', async () => {
    const { repository, id } = await synced('deleted')
    const before = await published(id, 'v1.0.0')
    const row = await packageNamed('acme/deleted')
    repository.deleteTag('v1.0.0')
    await stage.sync(id)
    expect(await stage.offered(id)).toEqual(['acme/deleted dev-main', 'acme/deleted v1.1.0'])
    expect((await stage.version(id, 'v1.0.0')).hiddenAt).toBe(stage.now)
    expect(await stage.store.packages.publishedReference(row?.id ?? '', before.reference)).toMatchObject({
      repositoryId: id,
      reference: before.reference,
    })
    expect(await stage.store.packages.publishedVersion(row?.id ?? '', 'v1.0.0', null)).toMatchObject({
      repositoryId: id,
      reference: before.reference,
    })
    expect(await stage.download(id, before.reference)).toMatch(/^[0-9a-f]{40}$/)
    repository.tag('v1.0.0', 'main')
    await stage.sync(id)
    expect(await stage.offered(id)).not.toContain('acme/deleted v1.0.0')
    expect((await stage.issues(id))['refs/tags/v1.0.0']).toContain('never changes')
    repository.tag('v1.0.0', before.reference)
    await stage.sync(id)
    expect(await stage.offered(id)).toContain('acme/deleted v1.0.0')
    expect(await published(id, 'v1.0.0')).toEqual(before)
    expect(await stage.issues(id)).toEqual({})
  })

  test('follows branches: moved, deleted, and a new default', async () => {
    const { repository, id } = await synced('branches')
    const first = (await stage.version(id, 'dev-main')).reference
    const [second = ''] = repository.commit({ files: { 'a.php': 'new' } })
    repository.branch('next', 'main')
    await stage.sync(id)
    expect((await stage.version(id, 'dev-main')).reference).toBe(second)
    const row = await packageNamed('acme/branches')
    for (const reference of [first, second]) {
      expect(await stage.store.packages.publishedReference(row?.id ?? '', reference)).not.toBeNull()
    }
    repository.setHead('next')
    expect((await stage.sync(id)).defaultBranch).toBe('next')
    expect([
      (await stage.version(id, 'dev-main')).defaultBranch,
      (await stage.version(id, 'dev-next')).defaultBranch,
    ]).toEqual([false, true])
    repository.deleteBranch('main')
    await stage.sync(id)
    expect(await stage.offered(id)).toEqual(
      ['dev-next', 'v1.0.0', 'v1.1.0'].map((version) => `acme/branches ${version}`),
    )
  })

  test('follows a package that is renamed by the default branch', async () => {
    const { repository, id } = await synced('renamed')
    repository.commit({ files: { 'composer.json': manifest('acme/new-name') } })
    await stage.sync(id)
    expect(await stage.offered(id)).toEqual(
      ['dev-main', 'v1.0.0', 'v1.1.0'].map((version) => `acme/new-name ${version}`),
    )
    const catalog = new PackageCatalog(stage.store.packages)
    await catalog.refresh()
    expect(catalog.get('acme/renamed')?.offered).toBe(false)
    expect(catalog.get('acme/new-name')?.offered).toBe(true)
  })

  test('leaves a name with its owner, and gives it to the next one when the owner is deleted', async () => {
    const { id: owner } = await synced('owner', simple('acme/wanted'))
    const { repository, id: newcomer } = await synced('newcomer', simple('acme/wanted'))
    expect(await stage.row(newcomer)).toMatchObject({ status: 'error', errorCode: 'no_packages' })
    expect((await stage.issues(newcomer))['refs/tags/v1.0.0']).toContain(owner)
    repository.tag('v9.0.0', 'main')
    await stage.sync(newcomer)
    await stage.sync(owner)
    expect(await stage.offered(owner)).toHaveLength(3)
    expect(await stage.offered(newcomer)).toEqual([])
    await stage.store.repositories.delete(owner, stage.now)
    // Nothing has changed in the newcomer's own repository.
    expect(await stage.sync(newcomer)).toMatchObject({ status: 'active', errorCode: null })
    expect(await stage.offered(newcomer)).toHaveLength(4)
    expect(await stage.issues(newcomer)).toEqual({})
  })

  test('removes nothing when most refs are gone, unless that is accepted', async () => {
    const tags = Array.from({ length: 10 }, (_, index) => `1.${index}.0`)
    const { repository, id } = await synced('vanishing', {
      commits: [{ files: { 'composer.json': manifest('acme/vanishing') }, tags }],
    })
    for (const tag of tags.slice(0, 6)) repository.deleteTag(tag)
    for (let failures = 1; failures <= 2; failures++) {
      expect(await stage.sync(id)).toMatchObject({ status: 'error', errorCode: 'refs_vanished', failures })
      expect(await stage.offered(id)).toHaveLength(11)
    }
    expect(await stage.sync(id, { acceptRemovals: true })).toMatchObject({ status: 'active', failures: 0 })
    expect(await stage.offered(id)).toHaveLength(5)
    for (const tag of tags.slice(6)) repository.deleteTag(tag)
    repository.deleteBranch('main')
    expect(await stage.sync(id)).toMatchObject({ errorCode: 'refs_vanished' })
    expect(await stage.offered(id)).toHaveLength(5)
    await stage.sync(id, { acceptRemovals: true })
    expect(await stage.offered(id)).toEqual([])
  })

  test('asks once more for a commit that one machine of the host did not have', async () => {
    const { repository, id } = await synced('lagging')
    const [late = ''] = repository.commit({ files: { 'a.php': 'late' }, tags: ['v2.0.0'] })
    const refused = `ERR upload-pack: not our ref ${late}`
    const line = (refused.length + 5).toString(16).padStart(4, '0')
    stage.fault = async (request, forward) => {
      if (request.method === 'GET' || stage.requests.length <= 2) return forward()
      const type = 'application/x-git-upload-pack-result'
      return stage.requests.length === 3
        ? new Response(`${line}${refused}\n`, { headers: { 'content-type': type } })
        : forward()
    }
    stage.requests.length = 0
    await stage.sync(id)
    stage.fault = null
    // The branch that moved there keeps what it offered.
    expect(await stage.offered(id)).toEqual(
      ['dev-main', 'v1.0.0', 'v1.1.0'].map((version) => `acme/lagging ${version}`),
    )
    expect((await stage.version(id, 'dev-main')).reference).not.toBe(late)
    await stage.sync(id)
    expect(await stage.offered(id)).toContain('acme/lagging v2.0.0')
    expect((await stage.version(id, 'dev-main')).reference).toBe(late)
    expect(await stage.issues(id)).toEqual({})
  })
})

describe('shasums', () => {
  test.each([
    ['lazy', ['', '', '']],
    ['tags', ['', 'sha1', 'sha1']],
    ['all', ['sha1', 'sha1', 'sha1']],
  ] as const)('with archives: %s are what was known at first publication', async (archives, expected) => {
    const repository = stage.repository(`sums-${archives}`, simple(`acme/sums-${archives}`))
    const id = await stage.add(`sums-${archives}`, { archives })
    await stage.sync(id)
    const shasums = async () => {
      const rows = (await stage.stored(id)).sort((left, right) => (left.version < right.version ? -1 : 1))
      return rows.map((row) => row.shasum)
    }
    const first = await shasums()
    expect(first.map((sum) => (/^[0-9a-f]{40}$/.test(sum) ? 'sha1' : sum))).toEqual([...expected])
    // Built later, on demand: what was published stays as it was.
    for (const row of await stage.stored(id)) {
      const sha1 = await stage.download(id, row.reference)
      expect(row.shasum === '' || row.shasum === sha1).toBe(true)
    }
    repository.tag('v3.0.0', 'main')
    await stage.sync(id)
    expect((await shasums()).slice(0, 3)).toEqual(first)
    expect((await stage.version(id, 'v3.0.0')).shasum).not.toBe('')
    const { reference } = await stage.version(id, 'v1.0.0')
    repository.deleteTag('v1.0.0')
    await stage.sync(id)
    repository.tag('v1.0.0', reference)
    await stage.sync(id)
    expect((await shasums()).slice(0, 3)).toEqual(first)
  })

  test('of a commit that cannot be packed stay empty, and the others are published', async () => {
    const repository = stage.repository('unfit', simple('acme/unfit'))
    // A file called `..` is what no archive may hold.
    const blob = repository.git(['hash-object', '-w', '--stdin'], 'x')
    const json = repository.git(['hash-object', '-w', '--stdin'], manifest('acme/unfit'))
    const inner = repository.git(['mktree'], `100644 blob ${blob}\t..\n`)
    const entries = `100644 blob ${json}\tcomposer.json\n040000 tree ${inner}\tdir\n`
    const tree = repository.git(['mktree'], entries)
    repository.tag('v2.0.0', repository.git(['commit-tree', tree, '-m', 'hostile']))
    const id = await stage.add('unfit', { archives: 'all' })
    expect(await stage.sync(id)).toMatchObject({ status: 'active' })
    expect((await stage.version(id, 'v1.0.0')).shasum).toMatch(/^[0-9a-f]{40}$/)
    expect((await stage.version(id, 'v2.0.0')).shasum).toBe('')
  })
})

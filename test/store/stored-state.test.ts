import { afterAll, describe, expect, test } from 'bun:test'
import { count } from 'drizzle-orm'
import { ArchiveTable } from '../../src/store/archives.ts'
import { PackageCatalog } from '../../src/store/catalog.ts'
import * as schema from '../../src/store/schema.ts'
import { startHranaServer } from './hrana-server.ts'
import {
  failureOf,
  openStore,
  outcomeOf,
  packageChange,
  repositoryRow,
  type TestStore,
  temporaryDirectory,
  versionDraft,
} from './support.ts'

const directory = temporaryDirectory()
const ends: (() => Promise<void>)[] = []
afterAll(async () => {
  for (const end of ends.reverse()) await end()
  directory.remove()
})

let files = 0
async function localStore(): Promise<TestStore> {
  return kept(await openStore(`file:${directory.path}/${files++}.db`))
}

async function remoteStore(): Promise<TestStore> {
  const server = startHranaServer(`${directory.path}/remote-${files++}.db`)
  ends.push(() => server.stop())
  return kept(await openStore(server.url))
}

function kept(store: TestStore): TestStore {
  ends.push(() => store.db.close())
  return store
}

const A = 'a'.repeat(40)
const B = 'b'.repeat(40)

/** What a repository is called in the packages table of the store. */
async function packageNamed(store: TestStore, name: string) {
  const row = (await store.packages.changedSince(0)).find((entry) => entry.name === name)
  if (!row) throw new Error(`${name} is not offered`)
  return row
}

// Nothing may assume that the database is a file of this machine.
describe.each([
  ['a local file', localStore],
  ['a remote server', remoteStore],
])('on %s', (_, open) => {
  test('an outcome is stored as a whole and found again', async () => {
    const store = await open()
    await store.repositories.insert(repositoryRow('repo_a'))
    const drafts = Array.from({ length: 450 }, (_, index) => versionDraft(`1.${index}.0`, A))
    await store.state.save(
      outcomeOf('repo_a', [packageChange('acme/lib', drafts)], {
        refs: drafts.map((draft) => ({ name: draft.refName, commit: A, issue: null })),
        commits: [{ commit: A, path: '', committedAt: 5, blob: B, problem: null }],
        manifests: [{ blob: B, content: '{"name":"acme/lib","über":"\u{1f9e9}"}' }],
      }),
      1_000,
    )
    const state = await store.state.load('repo_a')
    expect(state.packages.map((entry) => [entry.name, entry.versions.length])).toEqual([['acme/lib', 450]])
    expect([state.refs.size, state.commits.get(A)?.[0]?.committedAt, [...state.blobs]]).toEqual([450, 5, [B]])
    expect((await store.state.manifests('repo_a', [B])).get(B)).toContain('\u{1f9e9}')
    expect(await store.repositories.find('repo_a')).toMatchObject({ status: 'active', lastSyncedAt: 1_000 })
    expect((await store.repositories.counts(['repo_a'])).get('repo_a')).toEqual({ packages: 1, versions: 450 })
    expect(await store.state.offersAnything('repo_a')).toBe(true)
  })

  test('an outcome made from an older state is refused and leaves nothing behind', async () => {
    const store = await open()
    await store.repositories.insert(repositoryRow('repo_a'))
    await store.state.save(outcomeOf('repo_a', [packageChange('acme/lib', [versionDraft('1.0.0', A)])]), 1_000)
    const late = outcomeOf('repo_a', [packageChange('acme/other', [versionDraft('2.0.0', B)])], { refsDigest: 'late' })
    expect(await failureOf(store.state.save(late, 1_001))).toMatchObject({ kind: 'conflict' })
    const gone = outcomeOf('repo_none', [])
    expect(await failureOf(store.state.save(gone, 1_001))).toMatchObject({ kind: 'conflict' })
    expect((await store.state.load('repo_a')).packages.map((entry) => entry.name)).toEqual(['acme/lib'])
    expect((await store.repositories.find('repo_a'))?.refsDigest).toBe('digest')
  })

  test('a published tag keeps its reference whatever is saved', async () => {
    const store = await open()
    await store.repositories.insert(repositoryRow('repo_a'))
    const branch = versionDraft('dev-main', A, { kind: 'branch', versionNormalized: 'dev-main' })
    await store.state.save(outcomeOf('repo_a', [packageChange('acme/lib', [versionDraft('1.0.0', A), branch])]), 1_000)
    const moved = [versionDraft('1.0.0', B), { ...branch, reference: B }]
    await store.state.save(outcomeOf('repo_a', [packageChange('acme/lib', moved)], { basedOn: 'digest' }), 1_001)
    const stored = (await store.state.load('repo_a')).packages[0]?.versions ?? []
    expect(stored.map((row) => [row.version, row.reference]).sort()).toEqual([
      ['1.0.0', A],
      ['dev-main', B],
    ])
    const { id } = await packageNamed(store, 'acme/lib')
    for (const reference of [A, B]) expect(await store.packages.publishedReference(id, reference)).not.toBeNull()
  })

  test('a published tag keeps its directory too, and so does every reference', async () => {
    const store = await open()
    await store.repositories.insert(repositoryRow('repo_a'))
    const drafts = (path: string) => [
      versionDraft('1.0.0', A, { path }),
      versionDraft('dev-main', B, { kind: 'branch', versionNormalized: 'dev-main', path }),
    ]
    await store.state.save(outcomeOf('repo_a', [packageChange('acme/lib', drafts('one'))]), 1_000)
    const later = outcomeOf('repo_a', [packageChange('acme/lib', drafts('two'))], { basedOn: 'digest' })
    await store.state.save(later, 1_001)
    const stored = (await store.state.load('repo_a')).packages[0]?.versions ?? []
    expect(stored.map((row) => [row.version, row.path]).sort()).toEqual([
      ['1.0.0', 'one'],
      ['dev-main', 'two'],
    ])
    expect([...(await store.state.publishedPaths('repo_a'))].sort()).toEqual([
      [`acme/lib ${A}`, 'one'],
      [`acme/lib ${B}`, 'one'],
    ])
  })

  test('commits with many directories are loaded whole, and forgotten with other globs', async () => {
    const store = await open()
    await store.repositories.insert(repositoryRow('repo_a'))
    const commits = Array.from({ length: 2_100 }, (_, index) => ({
      commit: (index >> 1).toString(16).padStart(40, '0'),
      path: index % 2 === 0 ? '' : 'packages/a',
      committedAt: index,
      blob: null,
      problem: null,
    }))
    await store.state.save(outcomeOf('repo_a', [], { commits }), 1_000)
    const state = await store.state.load('repo_a')
    expect(state.commits.size).toBe(1_050)
    for (const rows of state.commits.values()) expect(rows.map(({ path }) => path)).toEqual(['', 'packages/a'])
    await store.repositories.update('repo_a', { packageFilter: 'acme/*' }, 1_001)
    expect((await store.state.load('repo_a')).commits.size).toBe(1_050)
    await store.repositories.update('repo_a', { composerJsonPaths: 'packages/*' }, 1_002)
    expect((await store.state.load('repo_a')).commits.size).toBe(0)
  })

  test('a name belongs to one repository until that one is deleted', async () => {
    const store = await open()
    for (const id of ['repo_a', 'repo_b']) await store.repositories.insert(repositoryRow(id))
    const change = packageChange('acme/lib', [versionDraft('1.0.0', A)])
    await store.state.save(outcomeOf('repo_a', [change]), 1_000)
    expect(await failureOf(store.state.save(outcomeOf('repo_b', [change]), 1_001))).toMatchObject({ kind: 'conflict' })
    expect([...(await store.state.ownedElsewhere('repo_b', ['acme/lib', 'acme/free']))]).toEqual([
      ['acme/lib', 'repo_a'],
    ])
    await store.repositories.delete('repo_a', 1_002)
    await store.state.save(outcomeOf('repo_b', [change]), 1_003)
    expect((await packageNamed(store, 'acme/lib')).repositoryId).toBe('repo_b')
  })

  test('a deleted repository takes everything with it and returns the archives nobody needs', async () => {
    const store = await open()
    const archives = new ArchiveTable(store.db)
    const digests = (sha256: string) => ({ sha1: 's', sha256, size: 1, format: 1, createdAt: 1 })
    for (const id of ['repo_a', 'repo_b']) {
      await store.repositories.insert(repositoryRow(id))
      await store.jobs.enqueue({ repositoryId: id, priority: 1, runAt: 1, acceptRemovals: false }, 1)
      const commits = [{ commit: A, path: '', committedAt: 5, blob: B, problem: null }]
      const refs = [{ name: 'refs/tags/1.0.0', commit: A, issue: null }]
      const changes = [packageChange(`acme/${id}`, [versionDraft('1.0.0', A)])]
      await store.state.save(outcomeOf(id, changes, { commits, refs, manifests: [{ blob: B, content: '{}' }] }), 1_000)
      await archives.record({ repositoryId: id, reference: A, path: '' }, digests('shared'))
      await archives.record({ repositoryId: id, reference: B, path: '' }, digests(`own ${id}`))
    }
    expect(await store.repositories.delete('repo_a', 2_000)).toEqual(['own repo_a'])
    expect(await store.repositories.delete('repo_a', 2_000)).toBeNull()
    const { refs, commits, manifests, versions, publishedReferences, archives: kept, jobs, repositories } = schema
    for (const table of [refs, commits, manifests, versions, publishedReferences, jobs, repositories]) {
      expect((await store.db.read.select({ all: count() }).from(table).get())?.all).toBe(1)
    }
    expect((await store.db.read.select({ all: count() }).from(kept).get())?.all).toBe(2)
    const packages = await store.db.read.select().from(schema.packages)
    expect(packages.map((row) => [row.name, row.repositoryId, row.offered]).sort()).toEqual([
      ['acme/repo_a', null, false],
      ['acme/repo_b', 'repo_b', true],
    ])
  })

  test('modification times and revisions rise also when the clock is set back', async () => {
    const store = await open()
    await store.repositories.insert(repositoryRow('repo_a'))
    const seen: { modifiedAt: number; revision: number }[] = []
    let basedOn: string | null = null
    for (const [index, now] of [5_000, 5_000, 4_000, 10].entries()) {
      const change = packageChange('acme/lib', [versionDraft(`1.${index}.0`, A)])
      await store.state.save(outcomeOf('repo_a', [change], { basedOn, refsDigest: `d${index}` }), now)
      basedOn = `d${index}`
      seen.push(await packageNamed(store, 'acme/lib'))
    }
    expect(seen.map((row) => row.modifiedAt)).toEqual([5_000, 5_001, 5_002, 5_003])
    expect(seen.map((row) => row.revision)).toEqual([1, 2, 3, 4])
    await store.repositories.delete('repo_a', 10)
    const [after] = await store.packages.changedSince(4)
    expect(after).toMatchObject({ modifiedAt: 5_004, revision: 5, repositoryId: null })
  })

  test('lists come in pages without a gap or a double', async () => {
    const store = await open()
    const ids = Array.from({ length: 23 }, (_, index) => `repo_${index}`)
    // Many of one second: only the id tells them apart.
    for (const [index, id] of ids.entries()) {
      await store.repositories.insert(repositoryRow(id, { createdAt: 100 + (index >> 3) }))
    }
    const walked: string[] = []
    let cursor: string | null = null
    do {
      const page = await store.repositories.list({ limit: 5, cursor })
      expect(page.total).toBe(23)
      walked.push(...page.rows.map((row) => row.id))
      cursor = page.next
    } while (cursor !== null)
    expect(walked).toHaveLength(23)
    expect([...walked].sort()).toEqual([...ids].sort())
    expect((await store.repositories.list({ limit: 23, cursor: null })).next).toBeNull()
    expect((await store.repositories.list({ limit: 5, cursor: 'repo_unknown' })).rows).toEqual([])
  })

  test('the same address is one repository', async () => {
    const store = await open()
    await store.repositories.insert(repositoryRow('repo_a'))
    const again = store.repositories.insert(repositoryRow('repo_b', { urlKey: 'git.example.org/repo_a' }))
    expect(await failureOf(again)).toMatchObject({ kind: 'conflict', message: expect.stringContaining('repo_a') })
    await store.repositories.insert(repositoryRow('repo_b'))
    const change = store.repositories.update('repo_b', { urlKey: 'git.example.org/repo_a' }, 200)
    expect(await failureOf(change)).toMatchObject({ kind: 'conflict' })
    expect(await store.repositories.update('repo_none', { exposeSource: true }, 200)).toBeNull()
  })

  test('the catalog follows changes, deletions and other instances', async () => {
    const store = await open()
    await store.repositories.insert(repositoryRow('repo_a'))
    const catalog = new PackageCatalog(store.packages)
    await catalog.refresh()
    expect(catalog.offeredNames()).toEqual([])
    const changes = ['acme/b', 'acme/a', 'other/c'].map((name) => packageChange(name, [versionDraft('1.0.0', A)]))
    await store.state.save(outcomeOf('repo_a', changes), 1_000)
    expect(catalog.get('acme/a')).toBeNull()
    await catalog.refresh()
    expect(catalog.offeredNames()).toEqual(['acme/a', 'acme/b', 'other/c'])
    expect(catalog.claimedVendors()).toEqual(['acme', 'other'])
    const hidden = packageChange('acme/b', [], { offered: false, hide: ['1.0.0.0'] })
    const outcome = outcomeOf('repo_a', [hidden], { basedOn: 'digest', refsDigest: 'second' })
    // Asked for before the change is there, and again after it: the second must not be answered by the first.
    const early = catalog.refresh()
    await store.state.save(outcome, 1_001)
    await Promise.all([early, catalog.refresh(), catalog.refresh()])
    expect(catalog.offeredNames()).toEqual(['acme/a', 'other/c'])
    expect(catalog.get('acme/b')?.offered).toBe(false)
    await store.repositories.delete('repo_a', 1_002)
    await catalog.refresh()
    expect([catalog.offeredNames(), catalog.claimsVendor('acme'), catalog.get('acme/a')]).toEqual([[], false, null])
  })
})

test('a server is never told how to keep its journal', async () => {
  const server = startHranaServer(`${directory.path}/pragmas.db`)
  ends.push(() => server.stop())
  const store = kept(await openStore(server.url))
  await store.repositories.insert(repositoryRow('repo_a'))
  const pragmas = server.statements.filter((sql) => /pragma/i.test(sql) && !/defer_foreign_keys/i.test(sql))
  expect(pragmas).toEqual([])
  expect(server.statements.length).toBeGreaterThan(10)
})

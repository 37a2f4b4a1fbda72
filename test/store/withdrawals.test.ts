import { afterAll, describe, expect, test } from 'bun:test'
import { DownloadTable } from '../../src/store/downloads.ts'
import { WithdrawalTable } from '../../src/store/withdrawals.ts'
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

const A = 'a'.repeat(40)
const B = 'b'.repeat(40)
const DIGEST = 'd'.repeat(64)

async function storeAt(url: string) {
  const store: TestStore = await openStore(url)
  ends.push(() => store.db.close())
  await store.repositories.insert(repositoryRow('repo_a'))
  const drafts = [versionDraft('1.0.0', A), versionDraft('2.0.0', B)]
  const refs = drafts.map((draft) => ({ name: draft.refName, commit: draft.reference, issue: null }))
  await store.state.save(outcomeOf('repo_a', [packageChange('acme/lib', drafts)], { refs, refsDigest: DIGEST }), 1_000)
  const [row] = await store.packages.changedSince(0)
  const packageId = row?.id ?? ''
  const withdrawals = new WithdrawalTable(store.db)
  const latestOf = (versions: readonly { version: string }[]) =>
    versions
      .map(({ version }) => version)
      .sort()
      .at(-1) ?? null
  const change = { packageId, versionNormalized: '2.0.0.0', now: 500, latestOf }
  return { store, packageId, withdrawals, change }
}

let files = 0
const local = () => storeAt(`file:${directory.path}/${files++}.db`)
const remote = () => {
  const server = startHranaServer(`${directory.path}/remote-${files++}.db`)
  ends.push(() => server.stop())
  return storeAt(server.url)
}

describe.each([
  ['a local file', local],
  ['a remote server', remote],
])('on %s', (_, open) => {
  test('a withdrawal changes the package, its date and its number, also when the clock was set back', async () => {
    const { store, packageId, withdrawals, change } = await open()
    const before = await store.packages.find(packageId)
    expect(await withdrawals.withdraw(change)).toMatchObject({ version: '2.0.0', withdrawnAt: 500, hiddenAt: 500 })
    const after = await store.packages.find(packageId)
    expect(after).toMatchObject({ latestVersion: '1.0.0', offered: true, modifiedAt: 1_001 })
    expect(after?.revision).toBeGreaterThan(before?.revision ?? 0)
    expect((await store.packages.versions(packageId)).map(({ version }) => version)).toEqual(['1.0.0'])
    expect(await withdrawals.withdraw(change)).toBeNull()
    expect(await withdrawals.withdraw({ ...change, versionNormalized: '9.0.0.0' })).toBeNull()
    expect((await store.packages.find(packageId))?.revision).toBe(after?.revision ?? 0)
    await withdrawals.withdraw({ ...change, versionNormalized: '1.0.0.0' })
    expect(await store.packages.find(packageId)).toMatchObject({
      latestVersion: null,
      offered: false,
      modifiedAt: 1_002,
    })
  })

  test('a sync that read the state before is refused, and the next one reads everything', async () => {
    const { store, change, withdrawals } = await open()
    const read = (await store.repositories.find('repo_a'))?.refsDigest ?? null
    await withdrawals.withdraw(change)
    const late = outcomeOf('repo_a', [packageChange('acme/lib', [versionDraft('2.0.0', B)])], { basedOn: read })
    expect((await failureOf(store.state.save(late, 2_000))).kind).toBe('conflict')
    const digest = (await store.repositories.find('repo_a'))?.refsDigest
    expect(digest).not.toBe(read)
    expect(digest).toStartWith(DIGEST)
  })

  test('no outcome of a sync brings a withdrawn version back', async () => {
    const { store, packageId, change, withdrawals } = await open()
    await withdrawals.withdraw(change)
    const basedOn = (await store.repositories.find('repo_a'))?.refsDigest ?? null
    await store.state.save(
      outcomeOf('repo_a', [packageChange('acme/lib', [versionDraft('2.0.0', B)])], { basedOn }),
      2_000,
    )
    expect((await store.packages.versions(packageId)).map(({ version }) => version)).toEqual(['1.0.0'])
  })

  test('a restored version is offered at once only when its ref names its commit', async () => {
    const { store, packageId, change, withdrawals } = await open()
    expect(await withdrawals.restore(change)).toBeNull()
    await withdrawals.withdraw(change)
    expect(await withdrawals.restore(change)).toMatchObject({ withdrawnAt: null, hiddenAt: null })
    expect(await store.packages.find(packageId)).toMatchObject({ latestVersion: '2.0.0' })
    await withdrawals.withdraw(change)
    const basedOn = (await store.repositories.find('repo_a'))?.refsDigest ?? null
    const refs = [{ name: 'refs/tags/2.0.0', commit: A, issue: 'moved' }]
    await store.state.save(outcomeOf('repo_a', [], { basedOn, refs }), 2_000)
    expect(await withdrawals.restore(change)).toMatchObject({ withdrawnAt: null, hiddenAt: 500 })
    expect(await store.repositories.issues('repo_a')).toHaveLength(1)
  })

  test('downloads add up, and those of unknown versions and packages are left out', async () => {
    const { store, packageId } = await open()
    const downloads = new DownloadTable(store.db)
    const count = (version: string, day: string, more: number, id = packageId) => ({
      packageId: id,
      version,
      day,
      count: more,
    })
    const many = Array.from({ length: 500 }, (_unused, at) =>
      count('1.0.0.0', `2024-${String(at).padStart(3, '0')}`, 1),
    )
    await downloads.add([...many, count('2.0.0.0', '2024-01-01', 2), count('7.0.0.0', '2024-01-01', 9)])
    await downloads.add([count('2.0.0.0', '2024-01-01', 3), count('1.0.0.0', '2024-01-01', 9, 'pkg_none')])
    expect(await downloads.totals([packageId, 'pkg_none'])).toEqual(new Map([[packageId, 505]]))
    const range = { packageId, from: '2024-01-01', to: '2024-01-02', versions: null }
    expect(await downloads.byDay(range)).toEqual([{ day: '2024-01-01', count: 5 }])
    expect(await downloads.byVersion(range)).toEqual([{ version: '2.0.0', count: 5 }])
    expect(await downloads.byVersion({ ...range, versions: ['1.0.0.0'] })).toEqual([])
    const versions = (await downloads.versionTotals([packageId])).get(packageId)
    expect(versions).toEqual(
      new Map([
        ['1.0.0.0', 500],
        ['2.0.0.0', 5],
      ]),
    )
  })
})

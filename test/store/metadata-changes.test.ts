import { afterAll, describe, expect, test } from 'bun:test'
import { sql } from 'drizzle-orm'
import { MetadataChangeTable } from '../../src/store/metadata-changes.ts'
import { ProviderTable } from '../../src/store/providers.ts'
import { startHranaServer } from './hrana-server.ts'
import { openStore, outcomeOf, packageChange, repositoryRow, temporaryDirectory, versionDraft } from './support.ts'

const directory = temporaryDirectory()
const ends: (() => Promise<void>)[] = []
afterAll(async () => {
  for (const end of ends.reverse()) await end()
  directory.remove()
})

let files = 0
async function storeAt(url: string) {
  const store = await openStore(url)
  ends.push(() => store.db.close())
  await store.repositories.insert(repositoryRow('repo_a'))
  await store.repositories.insert(repositoryRow('repo_up', { vcsType: 'composer' }))
  return { ...store, changes: new MetadataChangeTable(store.db), providers: new ProviderTable(store.db) }
}
const local = () => storeAt(`file:${directory.path}/${files++}.db`)
const remote = () => {
  const server = startHranaServer(`${directory.path}/remote-${files++}.db`)
  ends.push(() => server.stop())
  return storeAt(server.url)
}

const A = 'a'.repeat(40)
const document = (name: string, change: object = {}) => ({
  ...{ repositoryId: 'repo_up', name, dev: false, body: 'x', digest: 'one', firstSeen: '{}' },
  ...{ fetchedAt: 1, checkedAt: 1, modifiedAt: 1, ...change },
})

describe.each([
  ['a local file', local],
  ['a remote server', remote],
])('on %s', (_, open) => {
  test('the last change of each package is told, in the order of changes', async () => {
    const { state, changes, repositories } = await open()
    const change = packageChange('acme/lib', [versionDraft('1.0.0', A)])
    await state.save(outcomeOf('repo_a', [change, packageChange('acme/tool', [])]), 1_000)
    await state.save(outcomeOf('repo_a', [change], { basedOn: 'digest', refsDigest: 'next' }), 1_000)
    const before = await changes.since(0, 10)
    expect(before.map(({ name, kind }) => [name, kind])).toEqual([
      ['acme/tool', 'update'],
      ['acme/lib', 'update'],
    ])
    expect(await changes.latest()).toBe(before[1]?.stamp ?? 0)
    expect(await changes.since((before[1]?.stamp ?? 0) + 1, 10)).toEqual([])
    await repositories.delete('repo_a', 1_001)
    const after = await changes.since((before[1]?.stamp ?? 0) + 1, 10)
    expect(after.map(({ name, kind }) => [name, kind]).sort()).toEqual([
      ['acme/lib', 'delete'],
      ['acme/tool', 'delete'],
    ])
  })

  test('a stamp is later than those before, also when the clock was set back', async () => {
    const { db, state, changes } = await open()
    await state.save(outcomeOf('repo_a', [packageChange('acme/lib', [versionDraft('1.0.0', A)])]), 1_000)
    const future = 90_000_000_000_000
    await db.write((tx) => tx.run(sql`UPDATE metadata_changes SET stamp = ${future}`))
    const names = Array.from({ length: 20 }, (_, index) => packageChange(`acme/p${index}`, []))
    await state.save(outcomeOf('repo_a', names, { basedOn: 'digest', refsDigest: 'next' }), 1_001)
    const stamps = (await changes.since(future, 100)).map(({ stamp }) => stamp)
    expect(stamps).toEqual(Array.from({ length: 21 }, (_, index) => future + index))
  })

  test('documents of upstreams are told of, unless the name is owned here', async () => {
    const { db, state, changes } = await open()
    await state.save(outcomeOf('repo_a', [packageChange('acme/lib', [versionDraft('1.0.0', A)])]), 1_000)
    const from = (await changes.latest()) + 1
    const told = async () => (await changes.since(from, 10)).map(({ name, kind }) => `${kind} ${name}`)
    const save = (row: ReturnType<typeof document>) =>
      db.write((tx) =>
        tx.run(sql`INSERT INTO upstream_documents
          (repository_id, name, dev, body, digest, first_seen, fetched_at, checked_at, modified_at)
          VALUES (${row.repositoryId}, ${row.name}, ${row.dev ? 1 : 0}, ${row.body}, ${row.digest}, ${row.firstSeen},
            ${row.fetchedAt}, ${row.checkedAt}, ${row.modifiedAt})
          ON CONFLICT DO UPDATE SET body = excluded.body, digest = excluded.digest, checked_at = excluded.checked_at`),
      )
    await save(document('acme/lib'))
    await save(document('other/absent', { body: null, digest: '' }))
    expect(await told()).toEqual([])
    await save(document('other/lib'))
    expect(await told()).toEqual(['update other/lib'])
    const seen = (await changes.latest()) + 1
    await save(document('other/lib', { checkedAt: 2 }))
    expect(await changes.since(seen, 10)).toEqual([])
    await save(document('other/lib', { dev: true }))
    await save(document('other/lib', { body: null, digest: '' }))
    expect(await told()).toEqual(['update other/lib'])
    await db.write((tx) => tx.run(sql`DELETE FROM repositories WHERE id = 'repo_up'`))
    expect(await told()).toEqual(['delete other/lib'])
  })

  test('packages are found by the names they stand in for', async () => {
    const { state, providers } = await open()
    const [one, two, odd] = ['1', '2', '3'].map((digit) => digit.repeat(40)) as [string, string, string]
    const drafts = [
      versionDraft('1.0.0', A, { blob: one }),
      versionDraft('2.0.0', A, { blob: two }),
      versionDraft('3.0.0', A, { blob: odd }),
    ]
    const manifests = [
      {
        blob: one,
        content: '{"name":"acme/lib","provide":{"Psr/Log-Implementation":"1.0"},"replace":{"old/lib":"*"}}',
      },
      { blob: two, content: '{"name":"acme/lib","provide":[],"replace":"no","require":{"old/lib":"*"}}' },
      { blob: odd, content: '\ufeff no JSON that SQLite reads' },
    ]
    await state.save(outcomeOf('repo_a', [packageChange('acme/lib', drafts)], { manifests }), 1_000)
    const found = async (name: string) =>
      (await providers.of(name)).map((row) => [row.name, row.versionNormalized, row.type])
    expect(await found('psr/log-implementation')).toEqual([['acme/lib', '1.0.0.0', 'library']])
    expect(await found('old/lib')).toEqual([['acme/lib', '1.0.0.0', 'library']])
    expect(await found('acme/lib')).toEqual([])
  })
})

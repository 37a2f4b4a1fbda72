import { afterAll, beforeEach, describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import { AppError } from '../../src/errors.ts'
import { upstreamAddress } from '../../src/mirror/upstream-address.ts'
import { UpstreamSet } from '../../src/mirror/upstreams.ts'
import { PackageCatalog } from '../../src/store/catalog.ts'
import type { RepositoryRow } from '../../src/store/repositories.ts'
import { openTables } from '../../src/store/tables.ts'
import { addUpstream, changeUpstream, countChange, USUAL_UPSTREAM } from '../../src/store/upstreams.ts'
import { openStore, repositoryRow, type TestStore, temporaryDirectory } from '../store/support.ts'

const directory = temporaryDirectory()

let store: TestStore
let count = 0
let opened: string[]

/** Opens nothing; a repository whose credentials are `broken` cannot be opened. */
function open({ id, url, credentials }: RepositoryRow) {
  opened.push(id)
  if (credentials === 'broken') throw new AppError('unavailable', 'A stored secret cannot be opened.')
  return credentials === null ? null : { origin: new URL(url).origin, headers: { Authorization: credentials } }
}

beforeEach(async () => {
  count += 1
  opened = []
  store = await openStore(`file:${join(directory.path, `${count}.db`)}`)
})

afterAll(directory.remove)

async function add(id: string, change: Partial<RepositoryRow> = {}, settings = {}): Promise<void> {
  const row = repositoryRow(id, { vcsType: 'composer', url: `https://${id.slice(5)}.example.org`, ...change })
  await store.repositories.insert(row, undefined, addUpstream(id, { ...USUAL_UPSTREAM, ...settings }))
}

async function started(): Promise<{ set: UpstreamSet; catalog: PackageCatalog }> {
  const set = new UpstreamSet(openTables(store.db), open)
  const catalog = new PackageCatalog(store.packages, { alongside: () => set.refresh() })
  await catalog.refresh()
  return { set, catalog }
}

describe('upstreams', () => {
  test('are those that are stored, the highest priority first and then the oldest', async () => {
    await store.repositories.insert(repositoryRow('repo_git'))
    await add('repo_new', { createdAt: 200 })
    await add('repo_old', { createdAt: 100 })
    await add('repo_last', { createdAt: 50 }, { priority: -1 })
    await add('repo_first', { createdAt: 300 }, { priority: 1 })
    const { set } = await started()
    expect(set.list().map(({ id }) => id)).toEqual(['repo_first', 'repo_old', 'repo_new', 'repo_last'])
    expect(set.get('repo_old')?.url).toBe('https://old.example.org')
    expect(set.get('repo_git')).toBeNull()
  })

  test('have the settings of both rows', async () => {
    const row = { packageFilter: 'Acme/*, psr/log', exposeSource: true, credentials: 'sealed' }
    await add('repo_a', row, { packageDeny: 'acme/secret', freshFor: 5, releaseAgeExceptions: 'psr/*' })
    const { set } = await started()
    expect(set.get('repo_a')).toMatchObject({
      credentials: { origin: 'https://a.example.org', headers: { Authorization: 'sealed' } },
      allow: ['acme/*', 'psr/log'],
      deny: ['acme/secret'],
      freshFor: 5,
      staleIfError: 2_592_000,
      releaseAgeExceptions: ['psr/*'],
      exposeSource: true,
    })
  })

  test('follow changes of their settings, and of nothing else are made anew', async () => {
    await add('repo_a')
    await add('repo_b')
    const { set, catalog } = await started()
    const [a, b] = set.list()
    await store.db.write((tx) => changeUpstream(tx, 'repo_b', { upstream: { freshFor: 1 }, moved: false }, 100))
    expect(set.get('repo_b')?.freshFor).toBe(60)
    const before = catalog.revision
    await catalog.refresh()
    expect(catalog.revision).toBeGreaterThan(before)
    expect(set.get('repo_a')).toBe(a as never)
    expect(set.get('repo_b')).not.toBe(b as never)
    expect(set.get('repo_b')).toMatchObject({ freshFor: 1 })
    expect(set.get('repo_b')?.revision).toBeGreaterThan(b?.revision ?? Number.POSITIVE_INFINITY)
  })

  test('are gone once their repository is', async () => {
    await add('repo_a')
    const { set, catalog } = await started()
    const before = catalog.revision
    await store.repositories.delete('repo_a', 100, countChange)
    await catalog.refresh()
    expect(set.list()).toEqual([])
    expect(catalog.revision).toBeGreaterThan(before)
  })

  test('whose credentials cannot be opened fail alone, when they are needed', async () => {
    await add('repo_a', { credentials: 'broken' })
    await add('repo_b', { credentials: 'sealed' })
    const { set } = await started()
    expect(opened).toEqual([])
    expect(() => set.get('repo_a')?.credentials).toThrow('cannot be opened')
    expect(set.get('repo_b')?.credentials).not.toBeNull()
    set.get('repo_b')?.credentials
    expect(opened).toEqual(['repo_a', 'repo_b'])
  })
})

test('an upstream that moved knows nothing of its documents but what they say', async () => {
  await add('repo_a')
  await store.db.write(async (tx) => {
    await tx.run(
      `INSERT INTO upstream_documents (repository_id, name, dev, digest, etag, last_modified, first_seen, fetched_at, checked_at, modified_at)
       VALUES ('repo_a', 'psr/log', 0, 'd', '"e"', 'then', '{"1.0.0.0": 7}', 5, 9, 5)`,
    )
    await tx.run(
      `INSERT INTO upstream_files VALUES ('repo_a', 'https://a.example.org/packages.json', x'00', null, null, 1, 1)`,
    )
    await changeUpstream(tx, 'repo_a', { upstream: {}, moved: true }, 100)
  })
  const rows = await store.db.read.all(
    'SELECT digest, etag, last_modified, first_seen, checked_at FROM upstream_documents',
  )
  expect(rows).toMatchObject([
    { digest: 'd', etag: null, last_modified: null, first_seen: '{"1.0.0.0": 7}', checked_at: -500 },
  ])
  expect(await store.db.read.all('SELECT * FROM upstream_files')).toEqual([])
})

test.each([
  ['https://repo.packagist.org', 'https://repo.packagist.org', 'composer:repo.packagist.org'],
  ['HTTPS://Repo.Packagist.org/packages.json', 'https://repo.packagist.org', 'composer:repo.packagist.org'],
  ['http://h.example:80/Satis//', 'http://h.example/Satis', 'composer:h.example/Satis'],
  ['https://h.example/my-packages.json', 'https://h.example/my-packages.json', 'composer:h.example/my-packages.json'],
])('the address %s is kept as %s', (text, url, urlKey) => {
  expect(upstreamAddress(text)).toEqual({ url, urlKey })
})

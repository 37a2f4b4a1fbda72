import { afterAll, beforeEach, describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import { currentRevision } from '../../src/store/settings.ts'
import { openTables, type Tables } from '../../src/store/tables.ts'
import type { NamesFound } from '../../src/store/upstream-names.ts'
import { addUpstream, USUAL_UPSTREAM } from '../../src/store/upstreams.ts'
import {
  openStore,
  outcomeOf,
  packageChange,
  repositoryRow,
  type TestStore,
  temporaryDirectory,
  versionDraft,
} from './support.ts'

const directory = temporaryDirectory()

let store: TestStore
let tables: Tables
let count = 0

beforeEach(async () => {
  count += 1
  store = await openStore(`file:${join(directory.path, `${count}.db`)}`)
  tables = openTables(store.db)
  for (const [index, id] of ['repo_a', 'repo_b'].entries()) {
    const row = repositoryRow(id, { vcsType: 'composer', createdAt: 100 + index })
    await store.repositories.insert(row, undefined, addUpstream(id, USUAL_UPSTREAM))
  }
})

afterAll(directory.remove)

async function own(...names: string[]): Promise<void> {
  await store.repositories.insert(repositoryRow('repo_own'))
  const packages = names.map((name) => packageChange(name, [versionDraft('1.0.0', 'c'.repeat(40))]))
  await store.state.save(outcomeOf('repo_own', packages), 100)
}

const found = (names: string[], patterns: string[] | null = []) => ({ names, patterns, digest: `${names} ${patterns}` })

/** Saves names of an upstream as it is now, or as it was at another revision. */
async function save(id: string, names: NamesFound, revision?: number) {
  const now = (await tables.upstreams.settings([id])).get(id)?.revision ?? 0
  return tables.upstreamNames.save({ id, revision: revision ?? now }, names)
}

async function hold(name: string, body: string | null): Promise<void> {
  await store.db.write((tx) =>
    tx.run(
      `INSERT INTO upstream_documents (repository_id, name, dev, body, digest, first_seen, fetched_at, checked_at, modified_at)
       VALUES ('repo_b', '${name}', 0, ${body}, 'd', '{}', 5, 9, 5)`,
    ),
  )
}

describe('names of an upstream', () => {
  test('become those that were found, which says what came and went', async () => {
    const { upstreamNames } = tables
    expect(await upstreamNames.digest('repo_a')).toBe('')
    expect(await save('repo_a', found(['b/b', 'a/a']))).toEqual({ added: ['b/b', 'a/a'], removed: [] })
    expect(await save('repo_a', found(['c/c', 'a/a']))).toEqual({ added: ['c/c'], removed: ['b/b'] })
    expect(await upstreamNames.names('repo_a')).toEqual(['a/a', 'c/c'])
    expect(await upstreamNames.names('repo_b')).toEqual([])
    expect(await upstreamNames.digest('repo_a')).toBe('c/c,a/a ')
  })

  test('count as a change of what is offered here', async () => {
    const before = await currentRevision(store.db.read)
    await save('repo_a', found([]))
    expect(await currentRevision(store.db.read)).toBe(before + 1)
  })

  test('of an upstream that was changed meanwhile are not kept', async () => {
    expect(await save('repo_a', found(['a/a']), 0)).toEqual({ added: [], removed: [] })
    expect(await tables.upstreamNames.names('repo_a')).toEqual([])
  })

  test('of an upstream that was removed meanwhile are not kept', async () => {
    await store.repositories.delete('repo_a', 100)
    expect(await save('repo_a', found(['a/a']))).toEqual({ added: [], removed: [] })
    expect(await tables.upstreamNames.names('repo_a')).toEqual([])
  })
})

describe('conflicts', () => {
  const upstream = (id: string) => ({ repositoryId: id, url: `https://git.example.org/${id}.git` })

  test('are owned names that an upstream says it has, or of which a document is held', async () => {
    await own('acme/both', 'acme/held', 'acme/mine', 'acme/gone')
    await save('repo_b', found(['acme/both', 'psr/log']))
    await save('repo_a', found(['acme/both'], null))
    await hold('acme/held', "x'00'")
    await hold('acme/gone', 'null')
    await hold('psr/cache', "x'00'")
    const { rows, total, next } = await tables.upstreamNames.conflicts({ limit: 100, cursor: null })
    expect(rows).toEqual([
      { name: 'acme/both', repositoryId: 'repo_own', upstreams: [upstream('repo_a'), upstream('repo_b')] },
      { name: 'acme/held', repositoryId: 'repo_own', upstreams: [upstream('repo_b')] },
    ])
    expect({ total, next }).toEqual({ total: 2, next: null })
  })

  test('come in pages', async () => {
    const names = ['acme/a', 'acme/b', 'acme/c']
    await own(...names)
    await save('repo_a', found(names))
    const first = await tables.upstreamNames.conflicts({ limit: 2, cursor: null })
    expect({ names: first.rows.map(({ name }) => name), total: first.total }).toEqual({
      names: ['acme/a', 'acme/b'],
      total: 3,
    })
    const rest = await tables.upstreamNames.conflicts({ limit: 2, cursor: first.next })
    expect({ names: rest.rows.map(({ name }) => name), next: rest.next }).toEqual({ names: ['acme/c'], next: null })
  })

  test('are issues of the upstream, and end with the repository that owned the name', async () => {
    await own('acme/both')
    await save('repo_a', found(['acme/both']))
    await store.db.write((tx) =>
      tx.run(`INSERT INTO upstream_issues VALUES ('repo_a', 'psr/log 1.0', 'It is broken.', 5)`),
    )
    expect(await tables.upstreams.issues('repo_a')).toEqual([
      { ref: 'acme/both', reason: expect.stringContaining('repo_own') },
      { ref: 'psr/log 1.0', reason: 'It is broken.' },
    ])
    expect(await tables.upstreams.issues('repo_b')).toEqual([])
    await store.repositories.delete('repo_own', 200)
    expect(await tables.upstreams.issues('repo_a')).toHaveLength(1)
    expect((await tables.upstreamNames.conflicts({ limit: 1, cursor: null })).total).toBe(0)
  })
})

test('held documents are what is counted of an upstream', async () => {
  await hold('psr/log', "x'00'")
  await hold('psr/none', 'null')
  await store.db.write((tx) => tx.run(`UPDATE upstream_documents SET first_seen = '{"1.0.0.0": 5, "dev-a\\"b": 6}'`))
  expect(await tables.upstreams.counts(['repo_a', 'repo_b'])).toEqual(
    new Map([['repo_b', { packages: 1, versions: 2 }]]),
  )
})

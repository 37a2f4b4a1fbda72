import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { EVERYTHING, type Scope } from '../../src/auth/scope.ts'
import { scopeOf } from '../../src/auth/token-scope.ts'
import { byRelevance, findPackages, type PackageQuery, pageOfPackages } from '../../src/http/package-search.ts'
import { PackageCatalog } from '../../src/store/catalog.ts'
import {
  openStore,
  outcomeOf,
  packageChange,
  repositoryRow,
  type TestStore,
  temporaryDirectory,
} from '../store/support.ts'

/** Packages in the order they were added, and what they say of themselves. */
const PACKAGES: Readonly<Record<string, string | null>> = {
  'acme/http-client': 'Talks to servers',
  'acme/http': 'ÜBERTRAGUNG of Messages',
  'acme/gone': 'Offers nothing any more',
  'acme-evil/http': 'Not for everybody',
  'globex/tool': 'Speaks HTTP, too',
  'globex/plain': null,
}

const directory = temporaryDirectory()
let store: TestStore
let catalog: PackageCatalog

beforeAll(async () => {
  store = await openStore(`file:${directory.path}/search.db`)
  for (const [id, first] of [
    ['repo_a', 'acme'],
    ['repo_g', 'globex'],
  ] as const) {
    await store.repositories.insert(repositoryRow(id))
    const changes = Object.entries(PACKAGES)
      .filter(([name]) => name.startsWith(first))
      .map(([name, description]) => {
        const change = packageChange(name, [], { offered: name !== 'acme/gone' })
        const type = name === 'globex/tool' ? 'composer-plugin' : 'library'
        return { ...change, summary: { ...change.summary, description, type } }
      })
    for (const [index, change] of changes.entries()) {
      const basedOn = index === 0 ? null : 'digest'
      await store.state.save(outcomeOf(id, [change], { basedOn }), 1_000 + index)
    }
  }
  catalog = new PackageCatalog(store.packages)
  await catalog.refresh()
})

afterAll(async () => {
  await store?.db.close()
  directory.remove()
})

function scope(prefixes: string[], packages: string[] = [], updatesUntil: number | null = null): Scope {
  const allowedPackages = packages.map((name) => ({ name, constraint: null }))
  return scopeOf({ allowedPackagePrefixes: prefixes, allowedPackages, updatesUntil })
}

function found(query: Partial<PackageQuery>, from = catalog): string[] {
  return findPackages(from, { scope: EVERYTHING, ...query }).map(({ name }) => name)
}

describe('a search', () => {
  test.each([
    ['http', ['acme/http-client', 'acme/http', 'acme-evil/http', 'globex/tool']],
    ['HTTP', ['acme/http-client', 'acme/http', 'acme-evil/http', 'globex/tool']],
    ['übertragung', ['acme/http']],
    ['messages acme/', ['acme/http']],
    ['  server\ttalk ', ['acme/http-client']],
    ['http messages servers', []],
    ['t', ['acme/http-client', 'acme/http', 'acme-evil/http', 'globex/tool']],
    ['', ['acme/http-client', 'globex/tool', 'acme/http', 'globex/plain', 'acme-evil/http']],
    ['null', []],
    ['http\nnot', ['acme-evil/http']],
    ['.*', []],
  ])('for %j', (text, names) => {
    expect(found({ text }).sort()).toEqual([...names].sort())
  })

  test('lists the oldest first, whatever was asked', () => {
    const ages = findPackages(catalog, { scope: EVERYTHING }).map(({ createdAt }) => createdAt)
    expect(ages).toEqual(ages.toSorted())
    const some = findPackages(catalog, { scope: scope(['globex/', 'acme']) }).map(({ createdAt }) => createdAt)
    expect(some).toEqual(some.toSorted())
  })

  test('by repository and type, and with packages that offer nothing', () => {
    expect(found({ type: 'composer-plugin' })).toEqual(['globex/tool'])
    expect(found({ repositoryId: 'repo_g' })).toEqual(['globex/tool', 'globex/plain'])
    expect(found({ repositoryId: 'repo_a', type: 'composer-plugin' })).toEqual([])
    expect(found({ text: 'gone' })).toEqual([])
    expect(found({ text: 'gone', withEmpty: true })).toEqual(['acme/gone'])
  })
})

describe('within a scope', () => {
  test.each([
    [scope(['acme/']), ['acme/http-client', 'acme/http']],
    [scope(['acme/http-', 'acme/http']), ['acme/http-client', 'acme/http']],
    [scope([], ['acme/http', 'acme/none', 'acme/gone']), ['acme/http']],
    [scope(['globex/'], ['acme/http']), ['acme/http', 'globex/tool']],
    [scope([], [], 5), ['acme/http-client', 'acme/http', 'acme-evil/http', 'globex/tool']],
  ])('%j', (within, names) => {
    expect(found({ scope: within, text: 'http' }).sort()).toEqual([...names].sort())
    const page = pageOfPackages(catalog, { limit: 1, cursor: null }, { scope: within, text: 'http' })
    expect(page.total).toBe(names.length)
  })

  test('nothing else is looked at', () => {
    class Watched extends PackageCatalog {
      readonly asked: string[] = []
      override get(name: string) {
        this.asked.push(name)
        return catalog.get(name)
      }
      override offeredNames() {
        return catalog.offeredNames()
      }
      override oldestFirst(): never {
        throw new Error('every package was looked at')
      }
    }
    const watched = new Watched(store.packages)
    expect(found({ scope: scope(['acme/'], ['globex/tool']), text: 'http' }, watched)).toHaveLength(3)
    expect([...new Set(watched.asked)].sort()).toEqual(['acme/http', 'acme/http-client', 'globex/tool'])
    expect(() => found({}, watched)).toThrow('every package')
  })

  test('a cursor from outside is an unknown one', () => {
    const id = (name: string) => catalog.get(name)?.id ?? ''
    const page = (cursor: string, within: Scope) => {
      const { rows, total, next } = pageOfPackages(catalog, { limit: 1, cursor }, { scope: within })
      return { names: rows.map(({ name }) => name), total, next }
    }
    const acme = scope(['acme/'])
    expect(page(id('acme/http-client'), acme)).toEqual({ names: ['acme/http'], total: 2, next: null })
    expect(page(id('acme-evil/http'), acme)).toEqual({ names: [], total: 2, next: null })
    expect(page('pkg_none', acme)).toEqual({ names: [], total: 2, next: null })
  })
})

test('by relevance: the name, what begins with it, the rest', () => {
  const order = (text: string) => byRelevance(findPackages(catalog, { scope: EVERYTHING, text }), text)
  const names = (text: string) => order(text).map(({ name }) => name)
  expect(names('acme/http')).toEqual(['acme/http', 'acme/http-client'])
  expect(names('HTTP')).toEqual(['acme-evil/http', 'acme/http', 'acme/http-client', 'globex/tool'])
  expect(names('to')).toEqual(['globex/tool', 'acme/http-client'])
})

test('pages go on behind a package whose repository was deleted meanwhile', async () => {
  const first = pageOfPackages(catalog, { limit: 2, cursor: null }, { scope: EVERYTHING })
  expect(first.next).not.toBeNull()
  const gone = first.rows[1]
  await store.repositories.delete(gone?.repositoryId ?? '', 2_000)
  await catalog.refresh()
  const left = findPackages(catalog, { scope: EVERYTHING }).map(({ name }) => name)
  expect(left).not.toContain(gone?.name ?? '')
  const next = pageOfPackages(catalog, { limit: 100, cursor: gone?.id ?? '' }, { scope: EVERYTHING })
  expect(next.total).toBe(left.length)
  expect(next.rows.map(({ name }) => name)).toEqual(left.filter((name) => name !== first.rows[0]?.name))
})

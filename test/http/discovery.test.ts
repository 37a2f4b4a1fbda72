import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { TestApp } from '../support/app.ts'
import { createGitRepository } from '../support/git-repository.ts'

let app: TestApp
let limited: string
let prefixed: string
let repositoryId: string

/** composer.json of a package and nothing else. */
const files = (name: string, fields: object = {}) => ({ 'composer.json': JSON.stringify({ name, ...fields }) })

beforeAll(async () => {
  app = await TestApp.start()
  createGitRepository(app.path('lib.git'), {
    commits: [{ files: files('acme/lib', { provide: { 'psr/log-implementation': '1.0' } }), tags: ['1.0.0'] }],
  })
  createGitRepository(app.path('log.git'), {
    commits: [
      {
        files: files('other/log', {
          description: 'Logs.',
          replace: { 'acme/lib': '1.0', 'Old/Name': '*' },
          provide: { 'psr/log-implementation': '1.0' },
        }),
        tags: ['1.0.0'],
      },
      { files: files('other/log', { type: 'composer-plugin', abandoned: 'acme/lib' }), tags: ['2.0.0'] },
    ],
  })
  await app.addRepository(app.path('lib.git'))
  repositoryId = (await app.addRepository(app.path('log.git'))).id
  prefixed = (await app.token({ allowed_package_prefixes: ['acme/'] })).token
  limited = (await app.token({ allowed_packages: [{ name: 'other/log', constraint: '^2' }] })).token
})
afterAll(() => app?.stop())

async function json(path: string, token?: string): Promise<Record<string, unknown>> {
  const response = await app.ask(path, token === undefined ? {} : { token })
  return { status: response.status, ...((await response.json()) as object) }
}

describe('the list of names', () => {
  const list = (query = '', token?: string) => json(`/packages/list.json${query}`, token)

  test.each([
    ['', ['acme/lib', 'other/log']],
    ['?filter=acme/*', ['acme/lib']],
    ['?filter=ACME/L*b', ['acme/lib']],
    ['?filter=acme', []],
    ['?vendor=other', ['other/log']],
    ['?vendor=oth', []],
    ['?type=composer-plugin', ['other/log']],
    ['?type=library&vendor=other', []],
    ['?unknown=1', ['acme/lib', 'other/log']],
  ])('%p', async (query, packageNames) => {
    expect(await list(query)).toEqual({ status: 200, packageNames })
  })

  test('shows facts when they are asked for, and never where a repository is', async () => {
    const packages = {
      'acme/lib': { repository: null, type: 'library', abandoned: false },
      'other/log': { repository: null, type: 'composer-plugin', abandoned: 'acme/lib' },
    }
    const all = '?fields[]=repository&fields[]=type&fields[]=abandoned'
    expect(await list(all)).toEqual({ status: 200, packages })
    expect(await list('?fields=type&filter=acme/*')).toEqual({
      status: 200,
      packages: { 'acme/lib': { type: 'library' } },
    })
  })

  test('holds what the token covers', async () => {
    expect(await list('', prefixed)).toEqual({ status: 200, packageNames: ['acme/lib'] })
    expect(await list('?filter=acme/*', limited)).toEqual({ status: 200, packageNames: [] })
    expect(await list('', limited)).toEqual({ status: 200, packageNames: ['other/log'] })
  })

  test('is compressed and validated like a document', async () => {
    const first = await app.ask('/packages/list.json', { headers: { 'Accept-Encoding': 'gzip' } })
    expect(first.headers.get('content-encoding')).toBe('gzip')
    expect(first.headers.get('cache-control')).toBe('private, no-cache')
    const headers = { 'If-None-Match': first.headers.get('etag') ?? '' }
    expect((await app.ask('/packages/list.json', { headers })).status).toBe(304)
    expect((await app.ask('/packages/list.json', { headers, token: prefixed })).status).toBe(200)
  })
})

describe('searching', () => {
  interface Found {
    results: { name: string }[]
    total: number
    next?: string
  }
  const search = async (query: string, token?: string) =>
    (await json(`/search.json?${query}`, token)) as unknown as Found
  const names = (found: Found) => found.results.map(({ name }) => name)

  test('finds words of names and descriptions', async () => {
    expect(names(await search('q=log&type='))).toEqual(['other/log'])
    expect(await search('query=acme&type=%type%')).toMatchObject({
      results: [{ name: 'acme/lib', description: '', url: 'http://localhost/p2/acme/lib.json', downloads: 0 }],
      total: 1,
    })
    expect(await search('q=other')).toMatchObject({ results: [{ name: 'other/log', abandoned: 'acme/lib' }] })
    expect(names(await search('type=library'))).toEqual(['acme/lib'])
    expect(await search('q=nothing')).toEqual({ status: 200, results: [], total: 0 } as never)
  })

  test('goes from page to page', async () => {
    const first = await search('q=/&per_page=1')
    expect(names(first)).toEqual(['acme/lib'])
    expect(first).toMatchObject({ total: 2, next: 'http://localhost/search.json?q=%2F&per_page=1&page=2' })
    const second = await search(first.next?.split('?')[1] ?? '')
    expect(names(second)).toEqual(['other/log'])
    expect(second.next).toBeUndefined()
  })

  test('finds what the token covers', async () => {
    expect(await search('q=/', prefixed)).toMatchObject({ results: [{ name: 'acme/lib' }], total: 1 })
    expect(await search('q=log', prefixed)).toMatchObject({ results: [], total: 0 })
  })

  test('needs something to look for', async () => {
    for (const query of ['', 'q=', 'q=%20&type=%25type%25']) {
      const { status, code, warning } = await json(`/search.json?${query}`)
      expect([status, code, warning]).toEqual([
        400,
        'INVALID_REQUEST',
        expect.stringContaining('Nothing to search for'),
      ])
    }
  })
})

describe('packages that stand in for another', () => {
  const names = async (name: string, token?: string) =>
    ((await json(`/providers/${name}.json`, token)).providers as { name: string }[]).map((entry) => entry.name)

  test('are those that provide or replace it', async () => {
    expect(await names('psr/log-implementation')).toEqual(['acme/lib', 'other/log'])
    expect(await json('/providers/old/NAME.json')).toEqual({
      status: 200,
      providers: [{ name: 'other/log', description: '', type: 'composer-plugin' }],
    })
    expect(await names('acme/lib')).toEqual(['other/log'])
    expect(await names('nobody/nothing')).toEqual([])
  })

  test('are shown when the token covers a version that does', async () => {
    expect(await names('psr/log-implementation', prefixed)).toEqual(['acme/lib'])
    expect(await names('psr/log-implementation', limited)).toEqual([])
  })

  test('are asked for by a name with .json', async () => {
    for (const path of ['psr/log', 'psr/.json', 'psr/NUL.json'])
      expect((await app.ask(`/providers/${path}`)).status).toBe(404)
  })
})

describe('changes of metadata', () => {
  interface Changes {
    status: number
    actions: { type: string; package: string; time: number }[]
    timestamp: number
  }
  const changes = async (since: number | string, token?: string) =>
    (await json(`/metadata/changes.json?since=${since}`, token)) as unknown as Changes
  const BEGIN = 15_850_612_240_000

  test('begin at a stamp that a request without one is told', async () => {
    for (const query of ['', '?since=', '?since=123', '?since=1735689600', '?since=x']) {
      const { status, timestamp } = (await json(`/metadata/changes.json${query}`)) as unknown as Changes
      expect({ query, status, stamp: Math.abs(timestamp / 10_000 - app.clock.now) < 1 }).toEqual({
        query,
        status: 400,
        stamp: true,
      })
    }
  })

  test('name both documents of each package, and are told once', async () => {
    const { actions, timestamp } = await changes(BEGIN)
    expect(actions.map((action) => `${action.type} ${action.package}`)).toEqual([
      'update acme/lib',
      'update acme/lib~dev',
      'update other/log',
      'update other/log~dev',
    ])
    expect(await changes(timestamp)).toEqual({ status: 200, actions: [], timestamp })
    for (const action of actions) {
      const response = await app.ask(`/p2/${action.package}.json`)
      expect(Date.parse(response.headers.get('last-modified') ?? '') / 1_000).toBeGreaterThanOrEqual(action.time)
    }
  })

  test('tell of nothing that the token does not cover, nor how far the log is', async () => {
    const mine = await changes(BEGIN, prefixed)
    expect(mine.actions.map((action) => action.package)).toEqual(['acme/lib', 'acme/lib~dev'])
    expect(await changes(mine.timestamp, prefixed)).toEqual({ status: 200, actions: [], timestamp: mine.timestamp })
    expect((await changes(mine.timestamp)).actions.length).toBeGreaterThan(0)
  })

  test('of a package whose versions the token limits can be believed at once', async () => {
    const { actions } = await changes(BEGIN, limited)
    expect(actions.map((action) => action.package)).toEqual(['other/log', 'other/log~dev'])
    const response = await app.ask('/p2/other/log.json', { token: limited })
    const modified = Date.parse(response.headers.get('last-modified') ?? '') / 1_000
    for (const { time } of actions) expect(time).toBeLessThanOrEqual(modified)
  })

  test('tell of what is gone', async () => {
    const { timestamp } = await changes(BEGIN)
    await app.ask(`/api/repositories/${repositoryId}`, { method: 'DELETE' })
    const { actions } = await changes(timestamp)
    expect(actions).toEqual([{ type: 'delete', package: 'other/log', time: expect.any(Number) }])
  })
})

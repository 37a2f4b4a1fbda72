import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import type { Broker } from '../support/broker.ts'
import { createGitRepository } from '../support/git-repository.ts'
import { library, libraryFiles } from '../support/packages.ts'
import { startBroker } from '../support/start-broker.ts'

interface Shown {
  id: string
  name: string
  repository_id: string
  latest_version: string | null
  downloads: number
  versions?: { version: string; dist: { url: string } }[]
}

const RELEASED = 1_700_000_000
const YEAR = 365 * 86_400

let app: Broker
let ids: Record<string, string>
let repositories: Record<string, string>

beforeAll(async () => {
  app = await startBroker()
  const readme = (mark: string) => ({ 'README.md': `# ${mark}\n<script>alert(1)</script>\n` })
  createGitRepository(app.path('lib.git'), {
    commits: [
      { files: { ...libraryFiles('acme/lib', 'one'), ...readme('one') }, tags: ['1.0.0'], date: RELEASED },
      { files: { ...libraryFiles('acme/lib', 'two'), ...readme('two') }, tags: ['2.0.0'], date: RELEASED + YEAR },
      { files: readme('feature'), branch: 'feature/100%', from: 'main' },
    ],
  })
  createGitRepository(app.path('tool.git'), {
    commits: [{ files: libraryFiles('acme/tool', 'one', { type: 'composer-plugin' }), tags: ['1.0.0'] }],
  })
  createGitRepository(app.path('evil.git'), { commits: [library('acme-evil/x', 'secret', { tags: ['9.0.0'] })] })
  createGitRepository(app.path('other.git'), { commits: [library('globex/tool', 'secret', { tags: ['9.0.0'] })] })
  repositories = {}
  for (const name of ['lib', 'evil', 'tool', 'other']) {
    repositories[name] = (await app.addRepository(app.path(`${name}.git`))).id
    await app.passTo(app.now() + 1)
  }
  ids = Object.fromEntries((await list()).body.map((row) => [row.name, row.id]))
})

afterAll(() => app?.stop())

async function list(query = '', token?: string) {
  const response = await app.ask(`/api/packages${query}`, token === undefined ? {} : { token })
  expect(response.status).toBe(200)
  const body = (await response.json()) as Shown[]
  return { body, names: body.map(({ name }) => name), response }
}

async function get(path: string, token?: string) {
  const response = await app.ask(`/api/packages/${path}`, token === undefined ? {} : { token })
  return { status: response.status, text: await response.text(), headers: response.headers }
}

describe('the list', () => {
  test('has every package, oldest first, without versions', async () => {
    const { body, names, response } = await list()
    expect(names).toEqual(['acme/lib', 'acme-evil/x', 'acme/tool', 'globex/tool'])
    expect(response.headers.get('x-total-count')).toBe('4')
    expect(body[0]).toEqual({
      id: expect.stringMatching(/^pkg_/),
      repository_id: repositories.lib,
      name: 'acme/lib',
      description: 'Library acme/lib',
      type: 'library',
      abandoned: false,
      latest_version: '2.0.0',
      downloads: 0,
      created_at: expect.any(Number),
      updated_at: expect.any(Number),
    } as unknown as Shown)
  })

  test('by repository, type and text', async () => {
    expect((await list(`?repo_id=${repositories.tool}`)).names).toEqual(['acme/tool'])
    expect((await list('?repo_id=repo_none')).names).toEqual([])
    expect((await list('?type=composer-plugin')).names).toEqual(['acme/tool'])
    expect((await list('?q=TOOL')).names).toEqual(['acme/tool', 'globex/tool'])
    expect((await list('?q=library%20acme')).names).toEqual(['acme/lib', 'acme-evil/x', 'acme/tool'])
    expect((await list('?q=tool&type=library')).names).toEqual(['globex/tool'])
  })

  test.each(['%25', '_', '%5C', 'a%25b', '%27', 'ac_e', '%25%25%25%25%25%25%25%25'])(
    'a wildcard of the database finds nothing: %s',
    async (q) => {
      expect((await list(`?q=${q}`)).names).toEqual([])
    },
  )

  test.each([`?q=${'x'.repeat(201)}`, '?limit=0', '?limit=1001', '?limit=x', `?cursor=${'x'.repeat(101)}`])(
    '%s is refused',
    async (query) => {
      expect((await app.ask(`/api/packages${query}`)).status).toBe(400)
    },
  )

  test('comes in pages', async () => {
    const first = await list('?limit=3&q=library')
    expect(first.names).toEqual(['acme/lib', 'acme-evil/x', 'acme/tool'])
    expect(first.response.headers.get('x-total-count')).toBe('4')
    const next = /^<http:\/\/localhost\/api\/packages(\?[^>]+)>; rel="next"$/.exec(
      first.response.headers.get('link') ?? '',
    )?.[1]
    const second = await list(next)
    expect(second.names).toEqual(['globex/tool'])
    expect(second.response.headers.get('link')).toBeNull()
  })
})

describe('a package', () => {
  test('has its versions, newest first, with links that work', async () => {
    const shown = JSON.parse((await get(ids['acme/lib'] ?? '')).text) as Shown
    const versions = shown.versions?.map(({ version }) => version)
    expect(versions).toEqual(['dev-main', '2.0.0', '1.0.0', 'dev-feature/100%'])
    expect(shown.versions?.[1]).toEqual({
      version: '2.0.0',
      version_normalized: '2.0.0.0',
      reference: expect.stringMatching(/^[0-9a-f]{40}$/),
      stability: 'stable',
      released_at: RELEASED + YEAR,
      dist: { type: 'zip', url: 'http://localhost/dist/acme/lib/2.0.0.zip', reference: expect.any(String) },
      downloads: 0,
    } as never)
    for (const { dist } of shown.versions ?? []) expect((await app.ask(dist.url)).status).toBe(200)
  })

  test('is unknown once its repository is deleted', async () => {
    createGitRepository(app.path('gone.git'), { commits: [library('acme/gone', 'one', { tags: ['1.0.0'] })] })
    const repository = await app.addRepository(app.path('gone.git'))
    const [row] = (await list('?q=acme/gone')).body
    await app.ask(`/api/repositories/${repository.id}`, { method: 'DELETE' })
    expect((await list('?q=acme/gone')).names).toEqual([])
    const { status, text } = await get(row?.id ?? '')
    expect({ status, text }).toEqual({ status: 404, text: missing(row?.id ?? '') })
  })
})

describe('a README', () => {
  const readme = (version: string, token?: string) => get(`${ids['acme/lib']}/versions/${version}/readme`, token)

  test('is text of the version, never a page', async () => {
    const { status, text, headers } = await readme('1.0.0')
    expect({ status, text }).toEqual({ status: 200, text: '# one\n<script>alert(1)</script>\n' })
    expect(headers.get('content-type')).toBe('text/markdown; charset=utf-8')
    expect(headers.get('x-content-type-options')).toBe('nosniff')
    expect(headers.get('content-security-policy')).toBe("default-src 'none'; sandbox; frame-ancestors 'none'")
    expect((await readme('2.0.0')).text).toStartWith('# two')
    expect((await readme('v2.0')).text).toStartWith('# two')
  })

  test('of a branch with a slash, as it is and encoded', async () => {
    for (const version of ['dev-feature/100%25', 'dev-feature%2F100%25']) {
      expect((await readme(version)).text).toStartWith('# feature')
    }
  })

  test.each(['9.9.9', '..%2F..%2F..%2Fetc%2Fpasswd', 'x'.repeat(600), '', '%00'])(
    'of the version %p is not there',
    async (version) => {
      expect((await readme(version)).status).toBe(404)
    },
  )

  test('is not there when the package has none', async () => {
    const { status, text } = await get(`${ids['acme/tool']}/versions/1.0.0/readme`)
    expect({ status, error: JSON.parse(text).error }).toEqual({
      status: 404,
      error: 'Version 1.0.0 has no README of at most 524288 bytes.',
    })
  })
})

/** The text of the answer for an id that nobody ever had. */
function missing(id: string): string {
  return JSON.stringify({ error: `There is no package ${id}.`, code: 'NOT_FOUND', details: {} })
}

describe('a token for acme/ learns nothing of others', () => {
  let token: string
  beforeAll(async () => {
    token = (await app.token({ allowed_package_prefixes: ['acme/'] })).token
  })

  test.each([
    '',
    '?q=x',
    '?q=evil',
    '?q=secret',
    '?q=globex',
    '?q=library',
    '?type=library',
    '?type=composer-plugin',
    '?limit=1',
    '?limit=1&q=tool',
    '?cursor=pkg_none',
  ])('from the list with %p', async (query) => {
    const { body, names, response } = await list(query, token)
    expect(names.every((name) => name.startsWith('acme/'))).toBe(true)
    expect(JSON.stringify(body) + response.headers.get('link')).not.toMatch(/evil|globex/)
    expect(Number(response.headers.get('x-total-count'))).toBeLessThanOrEqual(2)
  })

  test('from totals and pages', async () => {
    const all = await list('?limit=1', token)
    expect(all.names).toEqual(['acme/lib'])
    expect(all.response.headers.get('x-total-count')).toBe('2')
    const next = /(\?[^>]+)>/.exec(all.response.headers.get('link') ?? '')?.[1]
    const second = await list(next, token)
    // Between the two lies acme-evil/x: were the page cut first, this one would be empty.
    expect(second.names).toEqual(['acme/tool'])
    expect(second.response.headers.get('link')).toBeNull()
    expect((await list('?q=tool', token)).response.headers.get('x-total-count')).toBe('1')
    for (const name of ['evil', 'other']) {
      const { names, response } = await list(`?repo_id=${repositories[name]}`, token)
      expect({ names, total: response.headers.get('x-total-count') }).toEqual({ names: [], total: '0' })
    }
  })

  test('from a cursor', async () => {
    const unknown = await list('?cursor=pkg_none', token)
    const foreign = await list(`?cursor=${ids['acme-evil/x']}`, token)
    expect(foreign.names).toEqual(unknown.names)
    expect((await list(`?cursor=${ids['acme/lib']}`, token)).names).toEqual(['acme/tool'])
  })

  test.each(['acme-evil/x', 'globex/tool'])(
    'from the id of %s: every answer is that of an unknown id',
    async (name) => {
      const rest = ['', '/downloads', '/versions/9.0.0/readme', '/versions/1.1.1/readme']
      for (const end of rest) {
        const id = ids[name] ?? ''
        const known = await get(`${id}${end}`, token)
        const unknown = await get(`pkg_none${end}`, token)
        const told = { status: known.status, text: known.text.replaceAll(id, 'pkg_none') }
        expect(told).toEqual({ status: unknown.status, text: unknown.text })
        expect(told).toEqual({ status: 404, text: missing('pkg_none') })
      }
    },
  )

  test('from trying to change something', async () => {
    for (const write of [
      token,
      (await app.token({ permissions: 'write', allowed_package_prefixes: ['acme/'] })).token,
    ]) {
      for (const [method, end] of [
        ['DELETE', ''],
        ['POST', '/restore'],
      ] as const) {
        const answers = await Promise.all(
          [ids['acme-evil/x'], 'pkg_none', ids['acme/lib']].map(async (id) => {
            const response = await app.ask(`/api/packages/${id}/versions/9.0.0${end}`, { method, token: write })
            return { status: response.status, text: await response.text() }
          }),
        )
        expect(answers[0]?.status).toBe(403)
        expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1)
      }
    }
  })
})

describe('a token with limits on versions', () => {
  test('sees the latest of the versions it covers', async () => {
    const { token } = await app.token({ allowed_packages: [{ name: 'acme/lib', constraint: '^1.0' }] })
    const { body, names } = await list('', token)
    expect(names).toEqual(['acme/lib'])
    expect(body[0]?.latest_version).toBe('1.0.0')
    const shown = JSON.parse((await get(ids['acme/lib'] ?? '', token)).text) as Shown
    expect(shown.latest_version).toBe('1.0.0')
    expect(shown.versions?.map(({ version }) => version)).toEqual(['1.0.0'])
    expect(shown).not.toHaveProperty('withdrawn_versions')
    const readme = (version: string) => get(`${ids['acme/lib']}/versions/${version}/readme`, token)
    expect((await readme('1.0.0')).status).toBe(200)
    const beyond = await readme('2.0.0')
    const unknown = await readme('7.0.0')
    expect(beyond.status).toBe(404)
    expect(beyond.text.replaceAll('2.0.0', '7.0.0')).toBe(unknown.text)
  })

  test('an end of updates is a limit too', async () => {
    const { token } = await app.token({ updates_until: RELEASED + 1 })
    const rows = new Map((await list('', token)).body.map((row) => [row.name, row]))
    expect(rows.get('acme/lib')?.latest_version).toBe('1.0.0')
    expect(JSON.parse((await get(ids['acme/lib'] ?? '', token)).text).versions).toHaveLength(1)
  })

  test('thousands of names and prefixes are no trouble for the database', async () => {
    const { token } = await app.token({
      allowed_package_prefixes: Array.from({ length: 999 }, (_, at) => `vendor${at}/`),
      allowed_packages: Array.from({ length: 999 }, (_, at) => ({ name: at === 500 ? 'acme/lib' : `acme/none-${at}` })),
    })
    expect((await list('?q=lib', token)).names).toEqual(['acme/lib'])
  })
})

import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { TestApp } from '../support/app.ts'
import { createGitRepository, type TestGitRepository } from '../support/git-repository.ts'
import { libraryFiles } from '../support/packages.ts'
import { type Subject, told, watchStatements } from '../support/probe.ts'
import { missing, PROBES, RELEASED } from '../support/scope-probes.ts'

/*
 * What a token does not cover must look like what does not exist, on every route. Each probe is sent twice: about
 * something that exists out of the token's sight, and about something that does not exist. The answers have to be the
 * same, and so do the statements that the database runs for them.
 */

const YEAR = 365 * 86_400

/** Callers that do not see everything. */
const SCOPES = {
  prefix: { allowed_package_prefixes: ['acme/'] },
  packages: { allowed_packages: [{ name: 'acme/lib', constraint: '^1.0' }] },
  updates: { allowed_package_prefixes: ['acme/'], updates_until: RELEASED + 60 },
}
const CALLERS = Object.keys(SCOPES).flatMap((scope) => [`readonly ${scope}`, `write ${scope}`])

let app: TestApp
let tokens: Record<string, { id: string; token: string }>
let hidden: Record<'evil' | 'globex' | 'tool', Subject>
let gits: Record<string, TestGitRepository>
let statements: Awaited<ReturnType<typeof watchStatements>>

beforeAll(async () => {
  app = await TestApp.start({ RATE_LIMIT_READONLY: '0', RATE_LIMIT_WRITE: '0' })
  gits = {}
  const subjects: Record<string, Subject> = {}
  for (const [key, name] of Object.entries({
    lib: 'acme/lib',
    tool: 'acme/tool',
    evil: 'acme-evil/x',
    globex: 'globex/x',
  })) {
    const type = `type-of-${key}`
    const files = { ...libraryFiles(name, 'one', { type, description: `About ${key}` }), 'README.md': `# ${name}` }
    const url = app.path(`${key}.git`)
    const git = createGitRepository(url, { commits: [{ files, tags: ['1.0.0'], date: RELEASED }] })
    gits[key] = git
    const repositoryId = (await app.addRepository(url)).id
    const [shown] = (await (await app.ask(`/api/packages?repo_id=${repositoryId}`)).json()) as { id: string }[]
    const customer = `cus_${key}`
    const scope = { allowed_package_prefixes: [name], metadata: { customer_id: customer } }
    subjects[key] = {
      name,
      vendor: name.split('/')[0] ?? '',
      packageId: shown?.id ?? '',
      repositoryId,
      tokenId: (await app.token(scope)).id,
      customer,
      type,
      reference: git.resolve('refs/tags/1.0.0'),
      url,
    }
  }
  hidden = subjects as typeof hidden
  tokens = {}
  for (const [name, scope] of Object.entries(SCOPES)) {
    tokens[`readonly ${name}`] = await app.token(scope)
    tokens[`write ${name}`] = await app.token({ permissions: 'write', ...scope })
  }
  statements = await watchStatements()
})

afterAll(async () => {
  statements?.stop()
  await app?.stop()
})

/** Routes that answer everybody the same. */
const PUBLIC = ['/health', '/ready', '/swagger', '/swagger/json', '/swagger/page.css', '/swagger/page.js']

test('every route has its probes', () => {
  const routes = app.app.handler.routes.map(({ method, path }) => `${method} ${path.replace(/(.)\/$/, '$1')}`)
  const known = [...Object.keys(PROBES), ...PUBLIC.map((path) => `GET ${path}`)]
  expect(routes.length).toBeGreaterThan(25)
  expect(routes.filter((route) => !known.includes(route))).toEqual([])
})

describe.each(CALLERS)('%s', (caller) => {
  const pairs = [
    ['evil', 'acme-evil/y'],
    ['evil', 'acme-none/x'],
    ['globex', 'nobody/x'],
    ...(caller.endsWith('packages') ? [['tool', 'acme/none']] : []),
  ] as [keyof typeof hidden, string][]

  test.each(pairs)('learns nothing of %s, as if it were %s', async (key, name) => {
    const { id, token } = tokens[caller] ?? { id: '', token: '' }
    const there = hidden[key]
    const notThere = missing(there, name)
    let ran = 0
    for (const [route, probes] of Object.entries(PROBES)) {
      const others = probes(notThere, id)
      for (const [index, probe] of probes(there, id).entries()) {
        const other = others[index] ?? probe
        // The first request of either kind may find less in memory than the second.
        await told(app, other, token, notThere)
        statements.taken()
        const got = { ...(await told(app, probe, token, there)), statements: statements.taken() }
        const without = { ...(await told(app, other, token, notThere)), statements: statements.taken() }
        expect({ route, probe: probe.path, ...got }).toEqual({ route, probe: probe.path, ...without })
        ran += got.statements.length
        if (route.includes('/dist/') && /\.zip(\?|$)/.test(probe.path) && !probe.path.includes('%')) {
          expect(got.status).toBe(403)
        }
      }
    }
    expect(ran).toBeGreaterThan(5)
    expect((await app.ask(`/api/packages/${there.packageId}`)).status).toBe(200)
    expect((await app.ask(`/api/tokens/${there.tokenId}`)).status).toBe(200)
  })
})

describe('changes out of sight change no answer', () => {
  /** Everything a caller can read without naming anything out of its sight. */
  async function seen(caller: string) {
    const { id, token } = tokens[caller] ?? { id: '', token: '' }
    const list = (await (await app.ask('/api/packages?q=acme/lib', { token })).json()) as { id: string }[]
    const lib = list[0]?.id ?? ''
    const paths = [
      '/packages.json',
      '/p2/acme/lib.json',
      '/p2/acme/lib~dev.json',
      '/p2/acme/lib.json?minified=1',
      '/api/packages',
      '/api/packages?limit=1',
      '/api/packages?q=a',
      '/api/packages?type=type-of-lib',
      `/api/packages/${lib}`,
      `/api/packages/${lib}/downloads`,
      `/api/packages/${lib}/versions/1.0.0/readme`,
      '/api/tokens',
      '/api/tokens?limit=1',
      `/api/tokens/${id}`,
      `/api/tokens/${id}/explain?package=acme/lib`,
      '/api/repositories',
      '/ready',
    ]
    const entries = await Promise.all(
      paths.map(async (path) => [path, await told(app, { path }, token, null)] as const),
    )
    return Object.fromEntries(entries)
  }

  async function release(key: string, files: Record<string, string>, tag: string) {
    gits[key]?.commit({ files, branch: `release-${tag}`, tags: [tag], date: RELEASED + YEAR })
    await app.sync(key === 'lib' ? libRepository : hidden[key as keyof typeof hidden].repositoryId)
  }

  let libRepository = ''
  beforeAll(async () => {
    const list = (await (await app.ask('/api/packages?q=acme/lib')).json()) as { repository_id: string }[]
    libRepository = list[0]?.repository_id ?? ''
  })

  const news = {
    'another vendor': async () => {
      await release('evil', libraryFiles('acme-evil/x', 'two'), '2.0.0')
      createGitRepository(app.path('new.git'), {
        commits: [{ files: libraryFiles('acme-evil/new', 'one'), tags: ['1.0.0'], date: RELEASED }],
      })
      await app.addRepository(app.path('new.git'))
      await app.token({ allowed_package_prefixes: ['acme-evil/'] })
      await app.token()
      await app.ask('/downloads', { json: { downloads: [{ name: 'acme-evil/x', version: '1.0.0.0' }] } })
    },
    'another package of the vendor': async () => {
      await release('tool', libraryFiles('acme/tool', 'two'), '2.0.0')
      await app.token({ allowed_package_prefixes: ['acme/tool'] })
    },
    'a version outside its limits': async () => {
      await release('lib', libraryFiles('acme/lib', 'two'), '2.0.0')
      await app.token({ allowed_package_prefixes: ['acme/lib'] })
      await app.token({
        allowed_packages: [{ name: 'acme/lib', constraint: '^2.0' }],
        updates_until: RELEASED + 2 * YEAR,
      })
      await app.ask('/downloads', { json: { downloads: [{ name: 'acme/lib', version: '2.0.0.0' }] } })
    },
  }

  test.each([
    ['another vendor', CALLERS],
    ['another package of the vendor', CALLERS.filter((caller) => caller.endsWith('packages'))],
    ['a version outside its limits', CALLERS.filter((caller) => !caller.endsWith('prefix'))],
  ] as [keyof typeof news, string[]][])('%s', async (what, callers) => {
    const before = await Promise.all(callers.map(seen))
    app.clock.now += 120
    await news[what]()
    app.clock.now += 120
    const after = await Promise.all(callers.map(seen))
    for (const [index, caller] of callers.entries())
      expect({ caller, ...after[index] }).toEqual({ caller, ...before[index] })
    // The change is one that those who may see it do see.
    const everything = await app.token()
    expect(await (await app.ask('/p2/acme-evil/x.json', everything)).text()).toContain('2.0.0')
  })
})

test.each(CALLERS)('a change that a %s token sees is not held back by dates and tags', async (caller) => {
  const { token } = tokens[caller] ?? { token: '' }
  const repository = ((await (await app.ask('/api/packages?q=acme/lib')).json()) as { repository_id: string }[])[0]
  const validators = async (path: string) => {
    const { headers } = await app.ask(path, { token })
    return { 'If-Modified-Since': headers.get('last-modified') ?? '', 'If-None-Match': headers.get('etag') ?? '' }
  }
  const before = await validators('/p2/acme/lib.json')
  const version = `1.0.${CALLERS.indexOf(caller) + 1}`
  gits.lib?.commit({ files: libraryFiles('acme/lib', version), branch: version, tags: [version], date: RELEASED + 30 })
  await app.sync(repository?.repository_id ?? '')
  const after = await validators('/p2/acme/lib.json')
  for (const name of ['If-Modified-Since', 'If-None-Match'] as const) {
    const conditional = (from: typeof before) =>
      app.ask('/p2/acme/lib.json', { token, headers: { [name]: from[name] } })
    const changed = await conditional(before)
    expect(changed.status).toBe(200)
    expect(await changed.text()).toContain(version)
    expect((await conditional(after)).status).toBe(304)
  }
})

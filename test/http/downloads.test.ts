import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { TestApp } from '../support/app.ts'
import { createGitRepository } from '../support/git-repository.ts'
import { library } from '../support/packages.ts'

interface Downloads {
  total: number
  days: { day: string; downloads: number }[]
  versions: { version: string; downloads: number }[]
}

const DAY = 86_400

let app: TestApp
let ids: Record<string, string>

beforeAll(async () => {
  app = await TestApp.start()
  const commits = (name: string) => [
    library(name, 'one', { tags: ['1.0.0'] }),
    library(name, 'two', { tags: ['2.0.0'] }),
  ]
  for (const name of ['acme/lib', 'acme-evil/x', 'acme/full', 'acme/budget', 'acme/days']) {
    const path = app.path(`${name.replace('/', '-')}.git`)
    createGitRepository(path, { commits: commits(name) })
    await app.addRepository(path)
  }
  const rows = (await (await app.ask('/api/packages')).json()) as { name: string; id: string }[]
  ids = Object.fromEntries(rows.map((row) => [row.name, row.id]))
})

afterAll(() => app?.stop())

/** Tells of downloads, without a token unless one is given; the answer is looked at by the caller. */
function notify(downloads: unknown, token: string | null = null) {
  return app.ask('/downloads', { method: 'POST', token, json: { downloads } })
}

const times = (count: number, name: string, version = '1.0.0.0') =>
  Array.from({ length: count }, () => ({ name, version }))

async function downloads(name: string, query = '', token?: string): Promise<Downloads> {
  const response = await app.ask(`/api/packages/${ids[name]}/downloads${query}`, token === undefined ? {} : { token })
  expect(response.status).toBe(200)
  return (await response.json()) as Downloads
}

async function totals(): Promise<Record<string, number>> {
  const rows = (await (await app.ask('/api/packages')).json()) as { name: string; downloads: number }[]
  return Object.fromEntries(rows.map((row) => [row.name, row.downloads]))
}

test('a notice without a token counts, once for each entry, by version', async () => {
  const response = await notify([...times(2, 'acme/lib'), { name: 'Acme/Lib', version: '2.0.0.0' }])
  expect(response.status).toBe(200)
  expect(await response.json()).toEqual({ status: 'success' })
  expect((await totals())['acme/lib']).toBe(3)
  const found = await downloads('acme/lib')
  expect(found.total).toBe(3)
  expect(found.versions).toEqual([
    { version: '1.0.0', downloads: 2 },
    { version: '2.0.0', downloads: 1 },
  ])
  expect(found.days).toHaveLength(30)
  const today = new Date(app.clock.now * 1000).toISOString().slice(0, 10)
  expect(found.days.at(-1)).toEqual({ day: today, downloads: 3 })
  const shown = (await (await app.ask(`/api/packages/${ids['acme/lib']}`)).json()) as {
    downloads: number
    versions: { version: string; downloads: number }[]
  }
  expect(shown.downloads).toBe(3)
  expect(shown.versions.find(({ version }) => version === '1.0.0')?.downloads).toBe(2)
})

test('fetching an archive is not counted: Composer tells of it', async () => {
  const before = await totals()
  expect((await app.ask('/dist/acme/lib/1.0.0.zip')).status).toBe(200)
  expect(await totals()).toEqual(before)
})

const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`
test.each([
  ['nothing', ''],
  ['no JSON', '{"downloads":'],
  ['null', 'null'],
  ['a list', '[]'],
  ['another field', '{"x":1}'],
  ['no list', '{"downloads":{"name":"acme/lib","version":"1.0.0.0"}}'],
  ['no objects', '{"downloads":[null,1,"acme/lib",[]]}'],
  ['no texts', '{"downloads":[{"name":1,"version":"1.0.0.0"},{"name":"acme/lib","version":null},{"name":"acme/lib"}]}'],
  ['an unknown package', '{"downloads":[{"name":"acme/none","version":"1.0.0.0"}]}'],
  [
    'an unknown version',
    '{"downloads":[{"name":"acme/lib","version":"7.0.0.0"},{"name":"acme/lib","version":"__proto__"}]}',
  ],
  ['a version that is not normalised', '{"downloads":[{"name":"acme/lib","version":"1.0.0"}]}'],
  ['a name that is a property of every object', '{"downloads":[{"name":"__proto__","version":"constructor"}]}'],
  ['depth', deep],
  ['too much', JSON.stringify({ downloads: times(1, 'acme/lib'), x: 'x'.repeat(300_000) })],
  ['no UTF-8', new Uint8Array([0x7b, 0xff, 0xfe])],
])('%s is answered as everything else and counts nothing', async (_what, body) => {
  const before = await totals()
  const known = await notify([])
  const response = await app.ask('/downloads', { method: 'POST', token: null, body })
  expect({ status: response.status, text: await response.text() }).toEqual({
    status: known.status,
    text: await known.text(),
  })
  expect(await totals()).toEqual(before)
})

test('any Authorization is taken, a wrong one as none', async () => {
  const before = (await totals())['acme/full'] ?? 0
  for (const token of [`pb_${'x'.repeat(43)}`, 'nonsense', (await app.token()).token]) {
    expect((await notify(times(1, 'acme/full'), token)).status).toBe(200)
  }
  const response = await app.ask('/downloads', {
    method: 'POST',
    headers: { Authorization: 'Digest x' },
    json: { downloads: times(1, 'acme/full') },
  })
  expect(response.status).toBe(200)
  expect((await totals())['acme/full']).toBe(before + 4)
})

test('a token counts only what it covers', async () => {
  const before = await totals()
  const { token } = await app.token({ allowed_package_prefixes: ['acme/'] })
  await notify([...times(1, 'acme/full'), ...times(1, 'acme-evil/x')], token)
  const after = await totals()
  expect(after['acme/full']).toBe((before['acme/full'] ?? 0) + 1)
  expect(after['acme-evil/x']).toBe(before['acme-evil/x'])
})

test('an address is believed 1,000 downloads an hour, a token more', async () => {
  app.clock.now += 3_600
  const count = async () => (await totals())['acme/budget'] ?? 0
  for (let sent = 0; sent < 3; sent++) await notify(times(600, 'acme/budget'))
  expect(await count()).toBe(1_000)
  const { token } = await app.token()
  await notify(times(1_500, 'acme/budget'), token)
  expect(await count()).toBe(2_500)
  app.clock.now += 3_600
  await notify(times(1_200, 'acme/budget'))
  expect(await count()).toBe(3_500)
})

describe('days', () => {
  const dayOf = (time: number) => new Date(time * 1000).toISOString().slice(0, 10)

  test('begin at midnight UTC, and are counted apart', async () => {
    app.clock.now += DAY - (app.clock.now % DAY) + DAY - 1
    const first = app.clock.now
    await notify(times(1, 'acme/days'))
    app.clock.now += 1
    await notify(times(2, 'acme/days', '2.0.0.0'))
    const range = `?from=${dayOf(first)}&to=${dayOf(app.clock.now)}`
    expect(await downloads('acme/days', range)).toEqual({
      total: 3,
      days: [
        { day: dayOf(first), downloads: 1 },
        { day: dayOf(app.clock.now), downloads: 2 },
      ],
      versions: [
        { version: '2.0.0', downloads: 2 },
        { version: '1.0.0', downloads: 1 },
      ],
    })
    expect(await downloads('acme/days', `?from=${dayOf(first)}&to=${dayOf(first)}`)).toMatchObject({
      total: 1,
      versions: [{ version: '1.0.0' }],
    })
  })

  test('are at most 366', async () => {
    expect((await downloads('acme/days', '?from=2023-12-31&to=2024-12-30')).days).toHaveLength(366)
  })

  test.each([
    '?from=2023-12-31&to=2024-12-31',
    '?from=2024-01-02&to=2024-01-01',
    '?from=2024-02-30&to=2024-03-01',
    '?from=1700000000',
    '?to=tomorrow',
    '?from=0000-00-00',
    "?from=2024-01-01'--",
  ])('%s is refused', async (query) => {
    const response = await app.ask(`/api/packages/${ids['acme/days']}/downloads${query}`)
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({ code: 'INVALID_REQUEST', details: { fields: expect.any(Object) } })
  })
})

test('a token with a constraint sees the downloads of the versions it covers', async () => {
  const { token } = await app.token({ allowed_packages: [{ name: 'acme/days', constraint: '^1.0' }] })
  expect(await downloads('acme/days', '', token)).toMatchObject({ total: 1, versions: [{ version: '1.0.0' }] })
  const rows = (await (await app.ask('/api/packages', { token })).json()) as { downloads: number }[]
  expect(rows.map((row) => row.downloads)).toEqual([1])
})

test('counts survive a restart', async () => {
  const other = await TestApp.start()
  createGitRepository(other.path('lib.git'), { commits: [library('acme/lib', 'one', { tags: ['1.0.0'] })] })
  await other.addRepository(other.path('lib.git'))
  await other.ask('/downloads', { method: 'POST', token: null, json: { downloads: times(3, 'acme/lib') } })
  await other.stop(true)
  const again = await TestApp.start({}, other.directory)
  const [row] = (await (await again.ask('/api/packages')).json()) as { downloads: number }[]
  expect(row?.downloads).toBe(3)
  await again.stop()
})

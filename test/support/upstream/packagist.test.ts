import { afterEach, beforeEach, expect, test } from 'bun:test'
import { type Packagist, startPackagist } from './packagist.ts'

let packagist: Packagist
let now = Date.parse('2026-03-01T12:00:00Z')

beforeEach(async () => {
  now = Date.parse('2026-03-01T12:00:00Z')
  packagist = await startPackagist({
    now: () => now,
    packages: [
      { name: 'acme/lib', versions: ['1.0.0', '1.1.0', { version: 'dev-main', defaultBranch: true }] },
      {
        name: 'acme/tool',
        type: 'composer-plugin',
        versions: [{ version: '1.0.0', manifest: { provide: { 'psr/log-implementation': '1.0' } } }],
      },
    ],
  })
})

afterEach(() => packagist.stop())

// biome-ignore lint/suspicious/noExplicitAny: documents of any shape, compared with literals.
async function json(path: string, init?: RequestInit): Promise<any> {
  return (await fetch(packagist.url + path, init)).json()
}

async function modified(file: string): Promise<string | null> {
  return (await fetch(`${packagist.url}/p2/${file}.json`)).headers.get('last-modified')
}

const form = (body: string) => ({
  method: 'POST',
  body,
  headers: { 'content-type': 'application/x-www-form-urlencoded' },
})

test('the root has absolute addresses only', async () => {
  const root = await json('/packages.json')
  for (const key of ['metadata-url', 'metadata-changes-url', 'search', 'list', 'providers-api', 'notify-batch']) {
    expect(root[key]).toStartWith(`${packagist.url}/`)
  }
  expect(root.filter).toMatchObject({ metadata: true, lists: { malware: { enabled: true } } })
  expect(root['security-advisories'].metadata).toBe(true)
})

test('a file is minified, newest first, with advisories beside stable versions only', async () => {
  packagist.addAdvisory('acme/lib', { affectedVersions: '<1.1', advisoryId: 'PKSA-1' })
  packagist.addFilterEntry('acme/lib', { constraint: '1.0.0', reason: 'malware' })
  const stable = await json('/p2/acme/lib.json')
  expect(stable.minified).toBe('composer/2.0')
  expect(stable['security-advisories']).toEqual([{ advisoryId: 'PKSA-1', affectedVersions: '<1.1' }])
  expect(stable.filter).toEqual({ malware: [{ package: 'acme/lib', constraint: '1.0.0', reason: 'malware' }] })
  const [first, second] = stable.packages['acme/lib']
  expect(first).toMatchObject({ version: '1.1.0', version_normalized: '1.1.0.0', dist: { shasum: '' } })
  expect(first['published-time']).toBe('2024-01-02T01:00:00+00:00')
  expect(Object.keys(second).sort()).toEqual(
    ['dist', 'published-time', 'source', 'support', 'time', 'version', 'version_normalized'].sort(),
  )
  packagist.publish('acme/lib', { version: '1.2.0', manifest: { require: { php: '>=8' } } })
  const requires = (await json('/p2/acme/lib.json')).packages['acme/lib'].map((entry: object) => Object.entries(entry))
  expect(requires.map((entry: [string, unknown][]) => entry.find(([key]) => key === 'require')?.[1])).toEqual([
    { php: '>=8' },
    '__unset',
    undefined,
  ])
  const dev = await json('/p2/acme/lib~dev.json')
  expect(Object.keys(dev)).toEqual(['minified', 'packages'])
  expect(dev.packages['acme/lib']).toMatchObject([{ version: 'dev-main', 'default-branch': true }])
  expect((await json('/p2/acme/tool~dev.json')).packages).toEqual({ 'acme/tool': [] })
})

test('every change of a file moves its date on, within a second too', async () => {
  const dates = [await modified('acme/lib')]
  packagist.publish('acme/lib', '1.2.0')
  dates.push(await modified('acme/lib'))
  packagist.setAbandoned('acme/lib', true)
  dates.push(await modified('acme/lib'))
  packagist.setAbandoned('acme/lib', true)
  dates.push(await modified('acme/lib'))
  const seconds = dates.map((date) => Date.parse(date ?? '') / 1000)
  expect(seconds.map((second) => second - (seconds[0] ?? 0))).toEqual([0, 1, 2, 2])
  const headers = { 'if-modified-since': dates[3] ?? '' }
  const answer = await fetch(`${packagist.url}/p2/acme/lib.json`, { headers })
  expect([answer.status, await answer.text()]).toEqual([304, ''])
})

test('the feed tells what was written and removed since', async () => {
  const bootstrap = await fetch(`${packagist.url}/metadata/changes.json`)
  expect(bootstrap.status).toBe(400)
  let { timestamp } = (await bootstrap.json()) as { timestamp: number }
  const since = async () => {
    const answer = await json(`/metadata/changes.json?since=${timestamp}`)
    timestamp = answer.timestamp
    return answer.actions.map(({ type, package: name }: { type: string; package: string }) => `${type} ${name}`)
  }
  const first = timestamp
  expect(await since()).toEqual([])
  now += 60_000
  packagist.publish('acme/lib', '1.2.0')
  packagist.publish('acme/lib', 'dev-next')
  expect(await since()).toEqual(['update acme/lib', 'update acme/lib~dev'])
  expect(await since()).toEqual([])
  packagist.publish('acme/lib', 'dev-other')
  packagist.remove('acme/lib')
  expect(await since()).toEqual(['delete acme/lib'])
  expect((await fetch(`${packagist.url}/p2/acme/lib.json`)).status).toBe(404)
  now += 60_000
  packagist.add({ name: 'acme/lib', versions: ['3.0.0'] })
  expect(await since()).toEqual(['update acme/lib', 'update acme/lib~dev'])
  packagist.forgetChanges()
  timestamp = first
  expect(await since()).toEqual(['resync *'])
  expect((await json(`/metadata/changes.json?since=${Math.floor(now / 1000)}`)).error).toContain('since')
})

test('lists, searches and providers', async () => {
  expect(await json('/packages/list.json')).toEqual({ packageNames: ['acme/lib', 'acme/tool'] })
  expect(await json('/packages/list.json?filter=*/T*')).toEqual({ packageNames: ['acme/tool'] })
  expect(await json('/packages/list.json?fields[]=type&vendor=acme')).toEqual({
    packages: { 'acme/lib': { type: 'library' }, 'acme/tool': { type: 'composer-plugin' } },
  })
  expect(await json('/search.json?q=&type=composer-plugin')).toMatchObject({
    total: 1,
    results: [{ name: 'acme/tool' }],
  })
  const page = await json('/search.json?q=acme&per_page=1&type=%25type%25')
  expect(page).toMatchObject({ total: 2, results: [{ name: 'acme/lib' }] })
  expect((await (await fetch(page.next)).json()) as object).toMatchObject({ results: [{ name: 'acme/tool' }] })
  expect((await fetch(`${packagist.url}/search.json`)).status).toBe(400)
  expect(await json('/providers/psr/log-implementation.json')).toMatchObject({ providers: [{ name: 'acme/tool' }] })
  expect(await json('/providers/acme/lib.json')).toEqual({ providers: [] })
})

test('advisories by form, query and time; a package without is an empty list, an unknown one is left out', async () => {
  const path = '/api/security-advisories/'
  expect(await json(`${path}?packages[]=acme/none`)).toEqual({ advisories: [] })
  const { advisoryId } = packagist.addAdvisory('acme/lib', { affectedVersions: '<1.1' })
  const expected = { 'acme/lib': [expect.objectContaining({ advisoryId })], 'acme/tool': [] } as object
  const body = 'packages%5B0%5D=acme%2Flib&packages%5B1%5D=acme%2Ftool&packages%5B2%5D=acme%2Fnone'
  expect((await json(path, form(body))).advisories).toEqual(expected)
  expect((await json(`${path}?packages[]=pkg:composer/acme/lib&packages[]=acme/tool`)).advisories).toEqual(expected)
  expect(Object.keys((await json(`${path}?updatedSince=1700000000`)).advisories)).toEqual(['acme/lib'])
  expect((await json(`${path}?updatedSince=1800000000`)).advisories).toEqual([])
  expect((await fetch(packagist.url + path)).status).toBe(400)
  packagist.withdrawAdvisory('acme/lib', advisoryId)
  expect((await json(`${path}?packages[]=acme/lib`)).advisories).toEqual({ 'acme/lib': [] })
})

test('filter lists as a summary and for the packages asked', async () => {
  packagist.addFilterEntry('acme/lib', { constraint: '1.0.0', id: 'M-1' })
  expect(await json('/lists/all/summary.json')).toEqual({ filter: { malware: { 'acme/lib': '1.0.0' } } })
  const ask = (lists: string[]) =>
    json('/api/filter-lists/', {
      method: 'POST',
      body: JSON.stringify({ packages: ['pkg://composer/acme/lib', 'pkg://composer/acme/tool'], lists }),
    })
  expect(await ask(['malware'])).toEqual({
    filter: { malware: [{ package: 'acme/lib', constraint: '1.0.0', id: 'M-1' }] },
  })
  expect(await ask(['other'])).toEqual({ filter: {} })
})

test('downloads are counted, unknown packages reported', async () => {
  const post = (downloads: unknown) =>
    fetch(`${packagist.url}/downloads/`, { method: 'POST', body: JSON.stringify({ downloads }) })
  expect((await post([{ name: 'acme/lib', version: '1.0.0.0' }])).status).toBe(201)
  expect((await post([{ name: 'acme/none', version: '1.0.0.0' }])).status).toBe(200)
  expect(await (await post(undefined)).json()).toMatchObject({ status: 'error' })
  expect(packagist.downloads).toEqual(['acme/lib 1.0.0.0', 'acme/none 1.0.0.0'])
})

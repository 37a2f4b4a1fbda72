import { afterAll, beforeAll, expect, test } from 'bun:test'
import { TestApp } from '../support/app.ts'

let app: TestApp
let failing = false
const bodies: string[] = []
const CVE = 'CVE-2026-1111'
const FULL = {
  advisoryId: 'PKSA-1',
  title: 'Weak',
  affectedVersions: '<2.0 (all platforms)',
  cve: CVE,
  sources: [{ name: 'GitHub', remoteId: 'GHSA-1' }],
  reportedAt: '2026-01-01 00:00:00',
}

const upstream = Bun.serve({
  port: 0,
  hostname: '127.0.0.1',
  async fetch(request) {
    const { pathname, origin } = new URL(request.url)
    if (pathname === '/packages.json') {
      const advisories = { metadata: false, 'api-url': `${origin}/api` }
      return Response.json({
        packages: [],
        'metadata-url': '/p2/%package%.json',
        'available-package-patterns': ['*'],
        'security-advisories': advisories,
      })
    }
    if (pathname !== '/api') return new Response('', { status: 404 })
    bodies.push(decodeURIComponent(await request.text()))
    return failing
      ? new Response('', { status: 503 })
      : Response.json({ advisories: { 'other/lib': [FULL], 'other/good': [] } })
  },
})

beforeAll(async () => {
  app = await TestApp.start({ RESERVED_VENDORS: 'mine' })
  await app.addRepository(`http://127.0.0.1:${upstream.port}`, { vcs_type: 'composer' })
})

afterAll(async () => {
  await app?.stop()
  await upstream.stop(true)
})

const NAMES = ['other/lib', 'other/good', 'other/unknown', 'mine/secret']
const ask = () => app.ask(`/api/security-advisories?${NAMES.map((name) => `packages[]=${name}`).join('&')}`)

test('advisories of upstreams are mended, merged with own ones, and never asked for names that are reserved', async () => {
  const spec = { package_name: 'other/lib', title: 'Ours', affected_versions: '<1.5', cve: CVE }
  await app.ask('/api/advisories', { json: spec })
  const { advisories } = (await (await ask()).json()) as { advisories: Record<string, Record<string, unknown>[]> }
  expect(Object.keys(advisories)).toEqual(['other/lib', 'other/good'])
  expect(advisories['other/good']).toEqual([])
  expect(advisories['other/lib']).toMatchObject([
    { title: 'Ours', affectedVersions: '<1.5', sources: [{}, { remoteId: 'GHSA-1' }] },
  ])
  expect(bodies.join()).toContain('other/lib')
  expect(bodies.join()).not.toContain('mine/')
})

test('an answer is taken for the current one for ten minutes', async () => {
  const before = bodies.length
  await ask()
  // What the upstream does not know is asked again: anybody can ask for any number of names.
  expect(bodies.slice(before).join()).not.toContain('other/lib')
  app.clock.now += 600
  await ask()
  expect(bodies.at(-1)).toContain('other/lib')
})

test('while an upstream is silent what is known is told, and that it is silent; after a restart too', async () => {
  failing = true
  app.clock.now += 600
  const known = async () => {
    const response = await ask()
    const { advisories, warning } = (await response.json()) as {
      advisories: Record<string, unknown[]>
      warning?: string
    }
    return [response.status, Object.keys(advisories), warning]
  }
  const told = [200, ['other/lib', 'other/good'], expect.stringContaining('127.0.0.1')]
  expect(await known()).toEqual(told)
  await app.stop(true)
  app = await TestApp.start({ RESERVED_VENDORS: 'mine' }, app.directory)
  expect(await known()).toEqual(told)
  app.clock.now += 40 * 86_400
  expect(await known()).toEqual([200, ['other/lib'], expect.stringContaining('127.0.0.1')])
})

import { afterAll, beforeAll, expect, test } from 'bun:test'
import { MirrorTest } from '../support/mirror.ts'

let mirror: MirrorTest

beforeAll(async () => {
  mirror = await MirrorTest.start([
    { name: 'up/bad', versions: ['1.0.0', '1.1.0'] },
    { name: 'up/good', versions: ['1.0.0'] },
    { name: 'mine/stolen', versions: ['1.0.0'] },
  ])
  mirror.upstream.addAdvisory('up/bad', { affectedVersions: '<1.1' })
  mirror.upstream.addFilterEntry('up/bad', { constraint: '1.0.0', reason: 'Steals keys' } as never)
  mirror.upstream.addFilterEntry('mine/stolen', { constraint: '*' } as never)
  await mirror.add()
})
afterAll(() => mirror?.stop())

async function json(
  path: string,
  request: object = {},
): Promise<{ filter: Record<string, unknown> } & Record<string, unknown>> {
  const response = await mirror.app.ask(path, request)
  return { status: response.status, ...((await response.json()) as { filter: Record<string, unknown> }) }
}

const question = (lists: string[], token?: string) => ({
  json: { packages: ['pkg://composer/up/bad', 'pkg://composer/up/good', 'pkg://composer/up/unknown'], lists },
  ...(token ? { token } : {}),
})

test('filter lists of upstreams are told to those who ask before an install, as far as the token covers them', async () => {
  expect((await json('/api/filter-lists', question(['malware']))).filter).toMatchObject({
    malware: [{ package: 'up/bad', constraint: '1.0.0', reason: 'Steals keys' }],
  })
  expect((await json('/api/filter-lists', question(['other']))).filter).toEqual({})
  const { token } = await mirror.app.token({ allowed_package_prefixes: ['up/good'] })
  expect((await json('/api/filter-lists', question(['malware'], token))).filter).toEqual({})
})

test('an archive that an upstream puts on its list is refused with the next document, also a moment after it was sent', async () => {
  const url = (await mirror.document('up/good.json')).entries[0]?.dist.url.replace('http://localhost', '') ?? ''
  for (let again = 0; again < 2; again++) {
    const sent = await mirror.app.ask(url)
    expect(sent.status).toBe(200)
    await sent.arrayBuffer()
  }
  mirror.upstream.addFilterEntry('up/good', { constraint: '*', reason: 'Taken over' } as never)
  mirror.app.clock.now += 601
  await mirror.document('up/good.json')
  const refused = await mirror.app.ask(url)
  expect([refused.status, await refused.text()]).toEqual([403, expect.stringContaining('Taken over')])
})

test('the summary has those of upstreams too, and is not sent again to those who have it', async () => {
  await mirror.app.ask('/api/filters', { json: { list: 'malware', package_name: 'up/bad', constraint: '1.1.0' } })
  const response = await mirror.app.ask('/filter-lists/summary.json')
  expect(await response.json()).toEqual({
    filter: { malware: { 'up/bad': '1.1.0|1.0.0', 'mine/stolen': '*', 'up/good': '*' } },
  })
  const headers = { 'If-Modified-Since': response.headers.get('last-modified') ?? '' }
  expect((await mirror.app.ask('/filter-lists/summary.json', { headers })).status).toBe(304)
  const { token } = await mirror.app.token({ allowed_package_prefixes: ['up/nothing'] })
  expect((await (await mirror.app.ask('/filter-lists/summary.json', { headers, token })).json()) as unknown).toEqual({
    filter: {},
  })
})

test('an upstream without an API for advisories is answered for from its documents', async () => {
  const other = await mirror.another({
    packages: [{ name: 'plain/bad', versions: ['1.0.0', '1.1.0'] }],
    root: {
      'security-advisories': { metadata: true, 'api-url': undefined },
      'available-package-patterns': ['plain/*'],
    },
  })
  const { advisoryId } = other.addAdvisory('plain/bad', { affectedVersions: '<1.1' })
  await mirror.add(other.url, { package_filter: 'plain/*', priority: 2 })
  const { advisories } = (await json('/api/security-advisories?packages[]=plain/bad')) as unknown as {
    advisories: Record<string, object[]>
  }
  expect(advisories['plain/bad']).toMatchObject([
    { advisoryId, affectedVersions: '<1.1', title: expect.any(String), sources: [{ remoteId: advisoryId }] },
  ])
})

test('a silent upstream keeps nobody from being told the rest', async () => {
  await mirror.upstream.stop()
  mirror.app.clock.now += 86_400
  expect((await json('/api/filter-lists', question(['malware']))).filter).toMatchObject({
    malware: [{ constraint: '1.1.0' }, { constraint: '1.0.0' }, { package: 'up/good', constraint: '*' }],
  })
  expect((await json('/api/security-advisories?packages[]=up/bad')).warning).toContain('could not be asked')
  await mirror.upstream.start()
})

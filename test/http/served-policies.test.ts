import { describe, expect, test } from 'bun:test'
import { PolicyApp } from '../support/policy-app.ts'

const policy = new PolicyApp()

describe('the document of a package', () => {
  test('has full advisories, an empty list without any, and filter entries', async () => {
    const before = await policy.json('/p2/acme/lib.json?minified=1')
    expect(before.body).toMatchObject({ 'security-advisories': [] })
    expect(before.body).not.toHaveProperty('filter')
    const id = await policy.advisory({ cve: 'CVE-2026-1234', severity: 'low', reported_at: 1_767_225_600 })
    const filterId = await policy.filter({ reason: 'Steals', url: 'https://example.com/' })
    for (const form of ['', '?minified=1']) {
      const { body } = await policy.json(`/p2/acme/lib.json${form}`)
      expect(body).toMatchObject({
        'security-advisories': [
          {
            advisoryId: id,
            packageName: 'acme/lib',
            remoteId: id,
            title: 'Weak',
            link: null,
            cve: 'CVE-2026-1234',
            affectedVersions: '<2.0',
            source: 'package-broker',
            sources: [{ name: 'package-broker', remoteId: id }],
            reportedAt: '2026-01-01 00:00:00',
            composerRepository: null,
            severity: 'low',
          },
        ],
        filter: {
          malware: [
            {
              constraint: '1.0.0',
              reason: 'Steals',
              url: 'https://example.com/',
              id: filterId,
              source: 'package-broker',
            },
          ],
        },
      })
    }
  })

  test('of branches has neither, nor has that of another package', async () => {
    await policy.advisory()
    await policy.filter()
    const dev = await policy.json('/p2/acme/lib~dev.json')
    expect(Object.keys(dev.body as object)).toEqual(['packages'])
    expect((await policy.json('/p2/acme/tool.json')).body).toMatchObject({ 'security-advisories': [] })
  })

  const views = {
    everything: {},
    'one vendor': { allowed_package_prefixes: ['acme/'] },
    'some versions': { allowed_packages: [{ name: 'acme/lib', constraint: '^1.0' }] },
  }
  test.each(Object.keys(views) as (keyof typeof views)[])(
    'is dated anew with each change, as %s sees it',
    async (view) => {
      const { token } = await policy.app.token(views[view])
      const seen = async () => {
        const response = await policy.app.ask('/p2/acme/lib.json', { token })
        return { text: await response.text(), date: response.headers.get('last-modified') ?? '' }
      }
      const rounds = [await seen()]
      // Without the clock moving: a second is as fine as dates get.
      const id = await policy.advisory()
      rounds.push(await seen())
      await policy.app.ask(`/api/advisories/${id}`, { method: 'PATCH', json: { affected_versions: '<1.5' } })
      rounds.push(await seen())
      const entry = await policy.filter()
      rounds.push(await seen())
      await policy.app.ask(`/api/filters/${entry}`, { method: 'PATCH', json: { reason: 'New' } })
      rounds.push(await seen())
      await policy.app.ask(`/api/filters/${entry}`, { method: 'DELETE' })
      await policy.app.ask(`/api/advisories/${id}`, { method: 'DELETE' })
      rounds.push(await seen())
      const dates = rounds.map(({ date }) => date)
      expect(new Set(rounds.slice(0, 5).map(({ text }) => text)).size).toBe(5)
      expect(rounds[5]?.text).toBe(rounds[0]?.text ?? '')
      expect(new Set(dates.slice(0, 5)).size).toBe(5)
      if (view !== 'some versions') {
        const times = dates.map((date) => Date.parse(date))
        expect(times).toEqual([...new Set(times)].sort((left, right) => left - right))
      }
      for (const date of dates.slice(0, 5)) {
        const held = await policy.app.ask('/p2/acme/lib.json', { token, headers: { 'If-Modified-Since': date } })
        expect(held.status).toBe(view === 'some versions' && date === dates[0] ? 304 : 200)
      }
    },
  )

  test('of a reserved name that is offered by nobody shows them only to those who cover it', async () => {
    await policy.advisory({ package_name: 'reserved/x' })
    const { body, headers } = await policy.json('/p2/reserved/x.json?minified=1')
    expect(body).toMatchObject({ packages: { 'reserved/x': [] }, 'security-advisories': [{ title: 'Weak' }] })
    expect(headers.get('last-modified')).toBeNull()
    const { token } = await policy.app.token({ allowed_package_prefixes: ['reserved/y'] })
    const hidden = await policy.json('/p2/reserved/x.json?minified=1', { token })
    expect(hidden.body).toEqual({ packages: { 'reserved/x': [] }, minified: 'composer/2.0' })
  })

  test('is in the log of changes', async () => {
    const since = Math.floor(Date.now() * 10) - 1
    await policy.advisory({ package_name: 'acme/tool' })
    const { body } = await policy.json(`/metadata/changes.json?since=${since}`)
    const actions = (body as { actions: { package: string; time: number }[] }).actions
    expect(actions.map((action) => action.package)).toContain('acme/tool')
    const { headers } = await policy.json('/p2/acme/tool.json')
    const time = actions.find((action) => action.package === 'acme/tool')?.time ?? Number.POSITIVE_INFINITY
    expect(Date.parse(headers.get('last-modified') ?? '') / 1000).toBeGreaterThanOrEqual(Math.floor(time) - 1)
  })
})

describe('the root document', () => {
  test('names the API of advisories, and filter lists when there are any that the token covers', async () => {
    const before = await policy.json('/packages.json')
    expect(before.body).toMatchObject({
      'security-advisories': { metadata: true, 'api-url': 'http://localhost/api/security-advisories' },
    })
    expect(before.body).not.toHaveProperty('filter')
    await policy.filter()
    await policy.filter({ list: 'company-policy', package_name: 'globex/x' })
    const after = await policy.json('/packages.json')
    expect(after.body).toMatchObject({
      filter: {
        metadata: true,
        lists: { 'company-policy': { enabled: true }, malware: { enabled: true } },
        'summary-url': 'http://localhost/filter-lists/summary.json',
        'api-url': 'http://localhost/api/filter-lists',
      },
    })
    const date = (response: typeof before) => Date.parse(response.headers.get('last-modified') ?? '')
    expect(date(after)).toBeGreaterThan(date(before))
    const { token } = await policy.app.token({ allowed_package_prefixes: ['acme/'] })
    const narrow = (await policy.json('/packages.json', { token })).body as { filter: { lists: object } }
    expect(Object.keys(narrow.filter.lists)).toEqual(['malware'])
  })

  test('has the names of others that something is said of, so that clients ask about them', async () => {
    await policy.advisory({ package_name: 'symfony/http-kernel' })
    await policy.filter({ package_name: 'evil/miner' })
    const patterns = async (token?: string) => {
      const { body } = await policy.json('/packages.json', token === undefined ? {} : { token })
      return (body as Record<string, string[]>)['available-package-patterns'] ?? []
    }
    expect(await patterns()).toEqual(expect.arrayContaining(['symfony/http-kernel', 'evil/miner']))
    const { token } = await policy.app.token({ allowed_package_prefixes: ['acme/'] })
    expect(await patterns(token)).toEqual(['acme/*'])
  })
})

test('what is said of packages survives a restart', async () => {
  await policy.filter()
  await policy.advisory()
  const before = await policy.json('/p2/acme/lib.json')
  await policy.restart()
  expect((await policy.app.ask('/dist/acme/lib/1.0.0.zip')).status).toBe(403)
  const after = await policy.json('/p2/acme/lib.json')
  expect(after.body).toEqual(before.body)
  expect(after.headers.get('last-modified')).toBe(before.headers.get('last-modified'))
})

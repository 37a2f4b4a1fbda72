import { describe, expect, test } from 'bun:test'
import { PolicyApp } from '../support/policy-app.ts'

const policy = new PolicyApp()

describe('/api/security-advisories', () => {
  const FORM = { 'Content-Type': 'application/x-www-form-urlencoded' }
  const ask = (body: string, token?: string) =>
    policy.json('/api/security-advisories', {
      method: 'POST',
      body,
      headers: FORM,
      ...(token === undefined ? {} : { token }),
    })
  const form = (names: readonly string[]) =>
    names.map((name, index) => `packages%5B${index}%5D=${encodeURIComponent(name)}`).join('&')

  test('answers what Composer posts: lists, empty ones for what is known, nothing for what is not', async () => {
    const id = await policy.advisory()
    const foreign = await policy.advisory({ package_name: 'symfony/x' })
    const { status, body } = await ask(form(['acme/lib', 'acme/tool', 'acme/none', 'nobody/x', 'symfony/x', '!!']))
    expect(status).toBe(200)
    expect(body).toEqual({
      advisories: {
        'acme/lib': [expect.objectContaining({ advisoryId: id, title: 'Weak' })],
        'acme/tool': [],
        'symfony/x': [expect.objectContaining({ advisoryId: foreign })],
      },
    })
  })

  test('takes package URLs, the query, and Packagist’s slash at the end', async () => {
    await policy.advisory()
    const names = async (path: string) =>
      Object.keys(((await policy.json(path)).body as { advisories: object }).advisories)
    expect(await names('/api/security-advisories?packages[]=pkg:composer/acme/lib')).toEqual(['acme/lib'])
    expect(
      await names('/api/security-advisories/?packages[0]=pkg://composer/Acme/Lib@1.0&packages[1]=acme/tool'),
    ).toEqual(['acme/lib', 'acme/tool'])
  })

  test('leaves out what a token does not cover, as if it were unknown', async () => {
    await policy.advisory()
    await policy.advisory({ package_name: 'globex/x' })
    const { token } = await policy.app.token({ allowed_package_prefixes: ['acme/'] })
    const { body } = await ask(form(['acme/lib', 'globex/x', 'globex/none']), token)
    expect(Object.keys((body as { advisories: object }).advisories)).toEqual(['acme/lib'])
    const since = await policy.json('/api/security-advisories?updatedSince=0', { token })
    expect(Object.keys((since.body as { advisories: object }).advisories)).toEqual(['acme/lib'])
  })

  test('answers what changed since a time', async () => {
    await policy.advisory()
    policy.app.clock.now += 100
    const since = policy.app.clock.now
    await policy.advisory({ package_name: 'acme/tool' })
    const { body } = await policy.json(`/api/security-advisories?updatedSince=${since}`)
    expect(Object.keys((body as { advisories: object }).advisories)).toEqual(['acme/tool'])
  })

  test.each([
    '',
    'packages=',
    'packages[]=a/b&updatedSince=1',
    'updatedSince=-1',
    'updatedSince=x',
    'updatedSince=99999999999',
  ])('%j is refused with a sentence that Composer prints, or asks for nothing', async (query) => {
    const { status, body } = await policy.json(`/api/security-advisories?${query}`)
    if (query === 'packages=') expect(body).toEqual({ advisories: {} })
    else {
      expect(status).toBe(400)
      expect(body).toMatchObject({ code: 'INVALID_REQUEST', warning: expect.any(String) })
    }
  })

  test('bounds how many names one request may have, and how long it may be', async () => {
    const names = Array.from({ length: 5_001 }, (_, index) => `acme/p${index}`)
    expect((await ask(form(names.slice(1)))).status).toBe(200)
    expect((await ask(form(names))).status).toBe(400)
    expect((await ask('x'.repeat(1_100_000))).status).toBe(413)
  })
})

describe('/api/filter-lists and its summary', () => {
  const ask = (packages: string[], lists?: string[], token?: string) =>
    policy.json('/api/filter-lists', {
      json: { packages, ...(lists ? { lists } : {}) },
      ...(token === undefined ? {} : { token }),
    })

  test('answer entries with their package, of the lists that are asked for', async () => {
    const id = await policy.filter({ reason: 'Steals' })
    await policy.filter({ list: 'company-policy', constraint: '*' })
    await policy.filter({ package_name: 'evil/miner', constraint: '*' })
    const asked = ['pkg://composer/acme/lib', 'pkg://composer/evil/miner', 'pkg://composer/acme/tool']
    const { body } = await ask(asked, ['malware'])
    expect(body).toEqual({
      filter: {
        malware: [
          { package: 'acme/lib', constraint: '1.0.0', reason: 'Steals', id, source: 'package-broker' },
          expect.objectContaining({ package: 'evil/miner', constraint: '*' }),
        ],
      },
    })
    expect(Object.keys(((await ask(asked)).body as { filter: object }).filter).sort()).toEqual([
      'company-policy',
      'malware',
    ])
    expect((await ask(['pkg://composer/acme/tool'])).body).toEqual({ filter: {} })
    const summary = await policy.json('/filter-lists/summary.json')
    expect(summary.body).toEqual({
      filter: { malware: { 'acme/lib': '1.0.0', 'evil/miner': '*' }, 'company-policy': { 'acme/lib': '*' } },
    })
  })

  test('joins several entries about a package in the summary', async () => {
    await policy.filter()
    policy.app.clock.now += 1
    await policy.filter({ constraint: '>=1.5,<1.6' })
    const { body } = await policy.json('/filter-lists/summary.json')
    expect(body).toEqual({ filter: { malware: { 'acme/lib': '1.0.0|>=1.5,<1.6' } } })
  })

  test('leave out what a token does not cover', async () => {
    await policy.filter()
    await policy.filter({ package_name: 'globex/x' })
    const { token } = await policy.app.token({ allowed_package_prefixes: ['acme/'] })
    const answer = (await ask(['acme/lib', 'globex/x'], undefined, token)).body as { filter: { malware: object[] } }
    expect(answer.filter.malware).toHaveLength(1)
    const { body } = await policy.json('/filter-lists/summary.json', { token })
    expect(body).toEqual({ filter: { malware: { 'acme/lib': '1.0.0' } } })
  })
})

import { describe, expect, test } from 'bun:test'
import type { TestRequest } from '../support/broker.ts'
import { PolicyApp } from '../support/policy-app.ts'

const policy = new PolicyApp()

describe('the archive of a version on a filter list', () => {
  const archive = (version: string, request: TestRequest = {}) =>
    policy.app.ask(`/dist/acme/lib/${version}.zip`, request)

  test('is refused with the reason, to every client and also a moment after it was downloaded', async () => {
    expect((await archive('1.0.0')).status).toBe(200)
    const id = await policy.filter({ reason: 'Steals credentials.' })
    for (const round of [1, 2]) {
      const refused = await archive('1.0.0')
      expect({ round, status: refused.status }).toEqual({ round, status: 403 })
      expect(await refused.json()).toMatchObject({
        code: 'FORBIDDEN',
        warning: 'This version of acme/lib is on the filter list malware and is not handed out: Steals credentials.',
      })
    }
    expect((await archive('1.0.0', { method: 'HEAD' })).status).toBe(403)
    expect((await archive('1.0.0', { headers: { 'If-None-Match': '*' } })).status).toBe(403)
    expect((await archive('2.0.0')).status).toBe(200)
    await policy.app.ask(`/api/filters/${id}`, { method: 'DELETE' })
    expect((await archive('1.0.0')).status).toBe(200)
  })

  test('is refused too when a lock file names it by its commit, or another version has the same', async () => {
    const links = async (file: string) => {
      const { body } = await policy.json(`/p2/acme/lib${file}.json`)
      const versions = Object.values((body as { packages: Record<string, object> }).packages['acme/lib'] ?? {})
      return (versions as { version: string; dist: { url: string; reference: string } }[]).map(({ dist }) => dist)
    }
    const [branch] = await links('~dev')
    const [newest, oldest] = await links('')
    expect(branch?.reference).toBe(newest?.reference ?? '')
    await policy.filter()
    await policy.filter({ constraint: 'dev-main' })
    const byCommit = `/dist/acme/lib/9.9.9.zip?reference=${oldest?.reference}`
    for (const url of [branch?.url, newest?.url, oldest?.url, byCommit].map(String)) {
      expect({ url, status: (await policy.app.ask(url)).status }).toEqual({ url, status: 403 })
    }
  })

  test('of another list is refused only where the entry says so', async () => {
    const id = await policy.filter({ list: 'company-policy', constraint: '*' })
    expect((await archive('1.0.0')).status).toBe(200)
    await policy.app.ask(`/api/filters/${id}`, { method: 'PATCH', json: { blocks: true } })
    expect((await archive('1.0.0')).status).toBe(403)
  })

  test('tells nothing of it to a token that does not cover it', async () => {
    await policy.filter({ reason: 'Secret' })
    const { token } = await policy.app.token({ allowed_package_prefixes: ['globex/'] })
    const refused = await archive('1.0.0', { token })
    expect(refused.status).toBe(403)
    expect(await refused.text()).not.toContain('Secret')
  })
})

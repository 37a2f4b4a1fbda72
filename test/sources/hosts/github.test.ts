import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { generateKeyPairSync, verify } from 'node:crypto'
import { parseBudget, secondsToWait } from '../../../src/sources/hosts/budget.ts'
import { hostFailureReason } from '../../../src/sources/hosts/failure.ts'
import { InstallationTokens, parseGithubApp } from '../../../src/sources/hosts/github-app.ts'
import { GithubDouble } from '../../support/hosts/github-double.ts'
import { json } from '../../support/hosts/host-double.ts'
import { egress, soon } from '../support.ts'

let double: GithubDouble
beforeEach(() => {
  double = new GithubDouble()
})
afterEach(() => double.stop())

async function reasonOf(promise: Promise<unknown>): Promise<string | null> {
  return promise.then(() => null, hostFailureReason)
}

describe('what GitHub means by a refusal', () => {
  const facts = () => double.open().facts({ path: 'acme/lib', id: null }, soon())

  test('single sign-on', async () => {
    double.instead = () =>
      json({ message: 'Resource protected' }, 403, { 'X-GitHub-SSO': 'required; url=https://example.org' })
    expect(await reasonOf(facts())).toBe('sso')
  })

  test('a repository that a classic token without “repo” does not see', async () => {
    const headers = { 'X-OAuth-Scopes': 'read:org', 'X-Accepted-OAuth-Scopes': 'repo' }
    double.instead = () => json({ message: 'Not Found' }, 404, headers)
    expect(await reasonOf(facts())).toBe('scope')
    double.instead = () => json({ message: 'Not Found' }, 404, { ...headers, 'X-OAuth-Scopes': 'read:org, repo' })
    expect(await reasonOf(facts())).toBe('missing')
  })

  test('the secondary limit, and a repository taken down', async () => {
    double.instead = () => json({ message: 'You have exceeded a secondary rate limit.' }, 403)
    expect(await reasonOf(facts())).toBe('rate_limited')
    double.instead = () => json({ message: 'Repository access blocked' }, 451)
    expect(await reasonOf(facts())).toBe('refused')
  })
})

test('a classic token without “repo” is told to read public repositories only', async () => {
  expect(await double.open().checkCredential(soon())).toMatchObject({ login: 'octocat', missing: null })
  double.scopes = 'public_repo'
  expect((await double.open().checkCredential(soon())).missing).toContain('“repo”')
})

test('the page of a version is that of Composer’s driver', async () => {
  double.add('lib')
  const host = double.open()
  const facts = await host.facts({ path: 'acme/lib', id: null }, soon())
  expect(host.sourcePage(facts, { name: 'refs/tags/v1.0', commit: 'abc' })).toBe(
    'https://github.example/acme/lib/tree/v1.0',
  )
})

describe('a GitHub App', () => {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const pem = privateKey.export({ type: 'pkcs1', format: 'pem' }).toString()
  const app = parseGithubApp('1234', '5678', pem)

  test('asks once for a token, with a JWT of its key, and again shortly before it ends', async () => {
    let now = 1_700_000_000
    let made = 0
    double.instead = ({ path, headers }) => {
      const [head = '', claims = '', signature = ''] = (headers.get('authorization') ?? '')
        .replace('Bearer ', '')
        .split('.')
      expect(path).toBe('/app/installations/5678/access_tokens')
      expect(
        verify('RSA-SHA256', Buffer.from(`${head}.${claims}`), publicKey, Buffer.from(signature, 'base64url')),
      ).toBe(true)
      expect(JSON.parse(Buffer.from(claims, 'base64url').toString())).toEqual({
        iat: now - 60,
        exp: now + 540,
        iss: '1234',
      })
      made++
      return json({ token: `ghs_${made}`, expires_at: new Date((now + 3600) * 1000).toISOString() }, 201)
    }
    const tokens = new InstallationTokens(app, egress('127.0.0.0/8'), double.origin, () => now)
    expect(await Promise.all([tokens.get(soon()), tokens.get(soon())])).toEqual(['ghs_1', 'ghs_1'])
    now += 3299
    expect(await tokens.get(soon())).toBe('ghs_1')
    now += 1
    expect(await tokens.get(soon())).toBe('ghs_2')
  })

  test('is refused when a part of it is wrong, without repeating the key', () => {
    expect(() => parseGithubApp('no number', '5678', pem)).toThrow('app_id')
    expect(() => parseGithubApp('1234', 'acme', pem)).toThrow('installation_id')
    expect(() => parseGithubApp('1234', '5678', 'not-a-key')).toThrow(/private_key(?!.*not-a-key)/)
  })
})

describe('rate-limit headers', () => {
  const now = 1_700_000_000
  const budget = (headers: Record<string, string>) => parseBudget(new Headers(headers), now)

  test('of each host', () => {
    expect(budget({ 'X-RateLimit-Remaining': '12', 'X-RateLimit-Reset': String(now + 60) })).toEqual({
      remaining: 12,
      limit: null,
      resetAt: now + 60,
      retryAfter: null,
    })
    expect(budget({ 'RateLimit-Limit': '60', 'RateLimit-Remaining': '7' })).toMatchObject({ limit: 60, remaining: 7 })
    expect(budget({ 'RateLimit-Remaining': '0', 'RateLimit-Reset': '45' })?.resetAt).toBe(now + 45)
    expect(budget({ 'Retry-After': new Date((now + 90) * 1000).toUTCString() })?.retryAfter).toBe(90)
    expect(budget({ 'Retry-After': '999999999' })?.retryAfter).toBe(86_400)
    expect(budget({ 'Retry-After': 'soon', 'X-RateLimit-Remaining': '-1' })).toBeNull()
  })

  test('and how long to wait', () => {
    expect(secondsToWait(budget({ 'RateLimit-Remaining': '0', 'RateLimit-Reset': '45' }), now)).toBe(45)
    expect(secondsToWait(budget({ 'RateLimit-Remaining': '5', 'RateLimit-Reset': '45' }), now)).toBe(0)
    expect(secondsToWait(null, now)).toBeNull()
  })
})

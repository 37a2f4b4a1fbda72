import { afterEach, beforeEach, expect, test } from 'bun:test'
import { hostFailureReason } from '../../../src/sources/hosts/failure.ts'
import { GitlabDouble } from '../../support/hosts/gitlab-double.ts'
import { soon } from '../support.ts'

let double: GitlabDouble
beforeEach(() => {
  double = new GitlabDouble()
})
afterEach(() => double.stop())

const signed = { url: 'https://broker.example/webhooks/1', secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw' }

test('a project without its default branch is one whose code the credential may not see', async () => {
  double.add('lib', { defaultBranch: null })
  const facts = double.open().facts({ path: 'acme/php/lib', id: null }, soon())
  expect(await facts.then(() => null, hostFailureReason)).toBe('scope')
})

test('a token that may not ask the API is told which scope it lacks', async () => {
  expect(await double.open().checkCredential(soon())).toMatchObject({ missing: null, expiresAt: 1_893_456_000 })
  double.scopes = ['read_repository']
  expect((await double.open().checkCredential(soon())).missing).toContain('“read_api”')
})

test('a signing token is registered, and not with a GitLab that drops it in silence', async () => {
  const { path } = double.add('lib')
  const register = () => double.open().registerWebhook({ path, id: null }, signed, soon())
  await register()
  expect([...double.hooks.values()]).toEqual([signed])
  double.hooks.clear()
  double.signs = false
  expect(await register().then(() => null, hostFailureReason)).toBe('refused')
  expect(double.hooks.size).toBe(0)
})

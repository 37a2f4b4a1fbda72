import { describe, expect, test } from 'bun:test'
import { type HostType, hostCredential } from '../../../src/sources/hosts/host-credential.ts'

const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`

/** Host, credential, what it is called, the user of git, and the header of the API. */
const ACCEPTED: readonly (readonly [HostType, string, string, string, string | null])[] = [
  ['github', 'ghp_x', 'classic token', 'x-access-token', 'Bearer ghp_x'],
  ['github', 'github_pat_x', 'fine-grained token', 'x-access-token', 'Bearer github_pat_x'],
  ['github', 'me:ghp_x', 'classic token', 'me', 'Bearer ghp_x'],
  ['gitlab', 'glpat-x', 'personal, project or group access token', 'oauth2', 'Bearer glpat-x'],
  ['gitlab', 'gitlab+deploy-token-1:gldt-x', 'deploy token', 'gitlab+deploy-token-1', null],
  ['gitlab', 'older-than-prefixes', 'token', 'oauth2', 'Bearer older-than-prefixes'],
  ['bitbucket', 'me@acme.example:ATATTx', 'API token', 'x-bitbucket-api-token-auth', basic('me@acme.example:ATATTx')],
  ['bitbucket', 'ATCTTx', 'access token', 'x-token-auth', 'Bearer ATCTTx'],
  ['bitbucket', 'BBDC-x', 'HTTP access token', 'x-token-auth', 'Bearer BBDC-x'],
  ['bitbucket', 'me:password', 'user name and password', 'me', basic('me:password')],
  ['gitea', 'a'.repeat(40), 'access token', 'oauth2', `token ${'a'.repeat(40)}`],
  ['gitea', 'me:password', 'user name and password', 'me', basic('me:password')],
]

/** What cannot be kept, and a word of the advice. */
const REFUSED: readonly (readonly [HostType, string, string])[] = [
  ['github', 'ghs_x', 'GitHub App'],
  ['github', 'me:password', 'personal access token'],
  ['gitlab', 'glcbt-x', 'job token'],
  ['gitlab', 'gldt-x', 'user name'],
  ['bitbucket', 'me:ATBBx', 'API token'],
  ['bitbucket', 'ATBBx', 'app passwords'],
  ['bitbucket', 'ATATTx', 'e-mail'],
  ['bitbucket', 'me:ATATTx', 'e-mail'],
]

function read(host: HostType, text: string) {
  const colon = text.indexOf(':')
  if (colon < 0) return hostCredential(host, { type: 'token', token: text })
  return hostCredential(host, { type: 'http_basic', username: text.slice(0, colon), password: text.slice(colon + 1) })
}

describe('credentials by their form', () => {
  for (const [host, text, form, gitUser, apiAuthorization] of ACCEPTED) {
    test(`${host}: ${text.slice(0, 30)}`, () => {
      expect(read(host, text)).toEqual({ form, gitUser, apiAuthorization })
    })
  }

  for (const [host, text, advice] of REFUSED) {
    test(`${host}: ${text} is refused`, () => {
      expect(() => read(host, text)).toThrow(advice)
      expect(() => read(host, text)).not.toThrow(text)
    })
  }

  test('none, and an ssh key, which the API does not take', () => {
    expect(hostCredential('github', { type: 'none' })).toBeNull()
    expect(hostCredential('github', { type: 'ssh_key', privateKey: 'key' })).toBeNull()
  })
})

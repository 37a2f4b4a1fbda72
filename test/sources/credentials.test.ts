import { describe, expect, test } from 'bun:test'
import { generateKeyPairSync } from 'node:crypto'
import { isAppError } from '../../src/errors.ts'
import {
  type CredentialType,
  parseCredentials,
  restoreCredentials,
  storedCredentials,
} from '../../src/sources/credentials.ts'

const KEY = '-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----'
const PEM = generateKeyPairSync('rsa', { modulusLength: 2048 })
  .privateKey.export({ type: 'pkcs8', format: 'pem' })
  .toString()
const APP = { app_id: 12, installation_id: '34', private_key: PEM }

describe('auth_credentials', () => {
  test.each<[CredentialType, unknown, unknown]>([
    ['none', undefined, { type: 'none' }],
    ['none', null, { type: 'none' }],
    ['token', ' secret ', { type: 'token', token: 'secret' }],
    ['token', { token: 'secret' }, { type: 'token', token: 'secret' }],
    ['http_basic', 'ann:pass:word', { type: 'http_basic', username: 'ann', password: 'pass:word' }],
    [
      'http_basic',
      { username: 'ann', password: 'pässword' },
      { type: 'http_basic', username: 'ann', password: 'pässword' },
    ],
    ['ssh_key', KEY, { type: 'ssh_key', privateKey: `${KEY}\n` }],
    ['ssh_key', { private_key: KEY.replaceAll('\n', '\r\n') }, { type: 'ssh_key', privateKey: `${KEY}\n` }],
    ['bearer', ' secret ', { type: 'bearer', token: 'secret' }],
    ['bearer', { token: 'secret' }, { type: 'bearer', token: 'secret' }],
    ['custom_header', 'X-Api-Key:  a:b', { type: 'custom_header', name: 'X-Api-Key', value: 'a:b' }],
    ['custom_header', { name: 'X-Key', value: 'secret' }, { type: 'custom_header', name: 'X-Key', value: 'secret' }],
    ['github_app', APP, { type: 'github_app', appId: '12', installationId: '34', privateKey: PEM }],
    ['github_app', JSON.stringify(APP), { type: 'github_app', appId: '12', installationId: '34', privateKey: PEM }],
    [
      'github_app',
      { ...APP, app_id: 'Iv1.0123456789abcdef', private_key: PEM.replaceAll('\n', '\r\n') },
      { type: 'github_app', appId: 'Iv1.0123456789abcdef', installationId: '34', privateKey: PEM },
    ],
  ])('%s in form %#', (type, value, expected) => {
    const credentials = parseCredentials(type, value)
    expect<unknown>(credentials).toEqual(expected)
    expect(restoreCredentials(storedCredentials(credentials))).toEqual(credentials)
  })

  test.each<[CredentialType, unknown]>([
    ['none', 'canary'],
    ['token', undefined],
    ['token', ''],
    ['token', '   '],
    ['token', 'canary\r\nX-Evil: 1'],
    ['token', 'canary\0'],
    ['token', { token: 7 }],
    ['token', ['canary']],
    ['token', 'canary'.repeat(4_000)],
    ['http_basic', 'canary'],
    ['http_basic', ':canary'],
    ['http_basic', { username: 'a:b', password: 'canary' }],
    ['http_basic', { username: 'canary' }],
    ['http_basic', { username: 'a\nb', password: 'canary' }],
    ['ssh_key', 'canary'],
    ['ssh_key', `${KEY}\ncanary`],
    ['ssh_key', { key: 'canary' }],
    ['bearer', 'canary\r\nX-Evil: 1'],
    ['bearer', 'cänary'],
    ['custom_header', 'canary'],
    ['custom_header', ': canary'],
    ['custom_header', 'X Key: canary'],
    ['custom_header', 'X-Key:'],
    ['custom_header', 'X-Key: canary\nX-Evil: 1'],
    ['custom_header', { name: 'X-Key\r\nX-Evil', value: 'canary' }],
    ['custom_header', { name: 'X-Key' }],
    ['github_app', 'canary'],
    ['github_app', ['canary']],
    ['github_app', { ...APP, app_id: 'canary' }],
    ['github_app', { ...APP, installation_id: 1.5 }],
    ['github_app', { ...APP, private_key: KEY }],
    ['github_app', { app_id: 12, private_key: PEM }],
    ...[
      'Host',
      'content-length',
      'Connection',
      'Transfer-Encoding',
      'If-None-Match',
      'Accept',
      'Proxy-Authorization',
    ].map((name): [CredentialType, unknown] => ['custom_header', { name, value: 'canary' }]),
  ])('%s refuses %# without repeating it', (type, value) => {
    try {
      parseCredentials(type, value)
      throw new Error('it was accepted')
    } catch (error) {
      if (!isAppError(error, 'invalid')) throw error
      expect(Object.keys(error.details.fields as object)).toEqual(['auth_credentials'])
      expect(JSON.stringify([error.message, error.details])).not.toContain('canary')
    }
  })
})

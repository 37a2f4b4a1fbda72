import { afterEach, beforeEach, expect, test } from 'bun:test'
import { generateKeyPairSync } from 'node:crypto'
import { parseGithubApp } from '../../../src/sources/hosts/github-app.ts'
import type { GithubApps } from '../../../src/sources/hosts/github-apps.ts'
import { GithubDouble } from '../../support/hosts/github-double.ts'
import { egress, githubApps, soon } from '../support.ts'

const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const pem = (key: typeof privateKey) => key.export({ type: 'pkcs8', format: 'pem' }).toString()
const app = parseGithubApp('1234', '5678', pem(privateKey))

let double: GithubDouble
let apps: GithubApps

beforeEach(() => {
  double = new GithubDouble()
  double.appKey = publicKey
  apps = githubApps(egress('127.0.0.0/8'))
})
afterEach(() => double.stop())

const token = (of = app, base = double.origin) => apps.open(of, base).token(soon())

test('whoever opens the same app has the same token', async () => {
  expect(await Promise.all([token(), token({ ...app })])).toEqual(['ghs_1', 'ghs_1'])
  expect(await token()).toBe('ghs_1')
  expect(double.seen).toHaveLength(1)
})

test('another key has no part in it, nor has another address of the API', async () => {
  await token()
  const strange = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
  expect(token(parseGithubApp('1234', '5678', pem(strange)))).rejects.toThrow('does not accept')
  expect(await token(app, `${double.origin}/api/v3`)).toBe('ghs_2')
})

test('a token that is refused once is not used again', async () => {
  const { http } = apps.open(app, double.origin)
  expect(await token()).toBe('ghs_1')
  double.installationTokens.length = 0
  const headers = { Authorization: 'Bearer ghs_1' }
  const request = { method: 'GET' as const, url: `${double.origin}/user`, headers, signal: soon() }
  expect((await http.send(request, null)).status).toBe(401)
  expect(await token()).toBe('ghs_2')
})

test('who asked first may leave, and the others still get the token', async () => {
  const gone = new AbortController()
  const first = apps.open(app, double.origin).token(gone.signal)
  const second = token()
  gone.abort(new Error('left'))
  expect(first).rejects.toThrow('left')
  expect(await second).toBe('ghs_1')
  expect(double.seen).toHaveLength(1)
})

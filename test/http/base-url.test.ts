import { afterEach, describe, expect, test } from 'bun:test'
import { TestApp } from '../support/app.ts'
import { createGitRepository } from '../support/git-repository.ts'
import { library } from '../support/packages.ts'

let app: TestApp | null = null

afterEach(async () => {
  await app?.stop()
  app = null
})

/** An app that listens, with one package. */
async function listening(environment: Record<string, string>): Promise<string> {
  app = await TestApp.start(environment)
  createGitRepository(app.path('lib.git'), { commits: [library('acme/lib', 'one', { tags: ['1.0.0'] })] })
  await app.addRepository(app.path('lib.git'))
  return (await app.app.start()).url
}

/** Where the documents that a client gets point to. */
async function originOf(url: string, headers: Record<string, string> = {}): Promise<string> {
  const sent = { Authorization: `Bearer ${app?.app.localToken}`, ...headers }
  const root = (await (await fetch(`${url}/packages.json`, { headers: sent })).json()) as { 'metadata-url': string }
  const text = await (await fetch(`${url}/p2/acme/lib.json`, { headers: sent })).text()
  const dist = /"url":"([^"]+)\/dist\//.exec(text)?.[1]
  const origin = root['metadata-url'].replace('/p2/%package%.json?minified=1', '')
  expect(dist).toBe(origin)
  return origin
}

describe('without BASE_URL', () => {
  test('addresses are those of the request, whatever other clients send', async () => {
    const url = await listening({})
    expect(await originOf(url)).toBe(url)
    expect(await originOf(url, { Host: 'evil.example' })).toBe('http://evil.example')
    expect(await originOf(url)).toBe(url)
    const modified = new Set<string | null>()
    for (const host of ['a.example', 'b.example']) {
      const headers = { Authorization: `Bearer ${app?.app.localToken}`, Host: host }
      const response = await fetch(`${url}/p2/acme/lib.json`, { headers })
      modified.add(response.headers.get('etag'))
    }
    expect(modified.size).toBe(2)
  })

  test('many hosts do not fill the memory: each answer is still right afterwards', async () => {
    const url = await listening({})
    for (let index = 0; index < 300; index++) {
      expect(await originOf(url, { Host: `host-${index}.example` })).toBe(`http://host-${index}.example`)
    }
    expect(await originOf(url)).toBe(url)
  })

  test('forwarded headers of a stranger count nothing', async () => {
    const url = await listening({})
    const headers = { 'X-Forwarded-Host': 'evil.example', 'X-Forwarded-Proto': 'https' }
    expect(await originOf(url, headers)).toBe(url)
  })

  test('nor when another peer than the sender is trusted', async () => {
    const url = await listening({ TRUST_PROXY: '10.0.0.0/8,192.0.2.1' })
    expect(await originOf(url, { 'X-Forwarded-Host': 'evil.example', 'X-Forwarded-Proto': 'https' })).toBe(url)
  })

  test('those of a trusted proxy count', async () => {
    const url = await listening({ TRUST_PROXY: '127.0.0.0/8' })
    const headers = { 'X-Forwarded-Host': 'packages.example.com', 'X-Forwarded-Proto': 'https' }
    expect(await originOf(url, headers)).toBe('https://packages.example.com')
    expect(await originOf(url, { 'X-Forwarded-Host': 'a.example, b.example' })).toBe('http://a.example')
    expect(await originOf(url, { 'X-Forwarded-Proto': 'javascript' })).toBe(url)
    for (const host of ['evil.example/x', 'evil"example', 'a b', '']) {
      expect(await originOf(url, { 'X-Forwarded-Host': host })).toBe(url)
    }
  })

  test.each(['a', 'evil.example/x', 'evil.example?', 'user@evil.example', 'evil.example:port', '-x.example'])(
    'the Host %p is refused',
    async (host) => {
      app = await TestApp.start()
      const response = await app.ask('/packages.json', { headers: { Host: host } })
      expect(response.status).toBe(400)
    },
  )
})

describe('with BASE_URL', () => {
  test.each([
    ['https://packages.example.com', 'https://packages.example.com'],
    ['https://example.com/composer/', 'https://example.com/composer'],
    ['https://example.com:8443/a/b', 'https://example.com:8443/a/b'],
  ])('%s is written, and nothing a client sends', async (baseUrl, origin) => {
    const url = await listening({ BASE_URL: baseUrl, TRUST_PROXY: '*' })
    expect(await originOf(url)).toBe(origin)
    expect(await originOf(url, { Host: 'evil.example', 'X-Forwarded-Host': 'evil.example' })).toBe(origin)
    const list = await fetch(`${url}/api/tokens?limit=1`, {
      headers: { Authorization: `Bearer ${app?.app.localToken}`, Host: 'evil.example' },
    })
    expect(list.status).toBe(200)
    expect(list.headers.get('link') ?? '').not.toContain('evil')
  })
})

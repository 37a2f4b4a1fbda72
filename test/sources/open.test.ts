import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdirSync, symlinkSync } from 'node:fs'
import { checkSourceUrl, VCS_TYPES } from '../../src/sources/open.ts'
import type { SourceCredentials } from '../../src/sources/source.ts'
import { failureOf, temporaryDirectory } from '../store/support.ts'
import { type GitServer, startGitServer } from '../support/git-http-server.ts'
import { createSimpleRepository, type TestGitRepository } from '../support/git-repository.ts'
import { egress, soon, source } from './support.ts'

const directory = temporaryDirectory()
const inside = `${directory.path}/inside`
const outside = `${directory.path}/outside`
let server: GitServer
let repository: TestGitRepository

beforeAll(async () => {
  for (const path of [inside, outside]) mkdirSync(path)
  const files = {
    'composer.json': '{"name":"acme/lib"}',
    'a.php': '<?php',
    '.gitattributes': 'b.php export-ignore\n',
    'b.php': '',
  }
  repository = createSimpleRepository(inside, 'lib.git', files)
  repository.annotatedTag('1.0.0', 'main')
  createSimpleRepository(outside, 'secret.git', { 'composer.json': '{}' })
  symlinkSync(`${outside}/secret.git`, `${inside}/link.git`)
  server = await startGitServer({ root: inside })
})
afterAll(async () => {
  await server.stop()
  directory.remove()
})

/** Everything a sync asks of a source. */
async function readAll(url: string, options: Parameters<typeof source>[1] = {}) {
  const opened = await source(url, options)
  const list = await opened.refs(soon())
  const commits = [...new Set(list.refs.map((ref) => ref.commit))]
  const files = await opened.manifests(commits, [], new Set(), soon())
  const { entries } = { entries: await opened.snapshot(commits[0] ?? '', '', soon()) }
  await opened.close()
  return { list, file: files.get(commits[0] ?? ''), snapshot: entries }
}

describe('a git source', () => {
  const addresses: [string, () => string][] = [
    ['http', () => `${server.url}/lib.git`],
    ['file', () => `file://${inside}/lib.git`],
    ['a path', () => `${inside}/lib.git`],
  ]

  test.each(addresses)('over %s gives refs, composer.json and files', async (_, url) => {
    const { list, file } = await readAll(url(), { roots: [inside] })
    const commit = repository.resolve('main')
    expect(list.refs).toEqual([
      { name: 'refs/heads/main', commit },
      { name: 'refs/tags/1.0.0', commit },
    ])
    expect(list.defaultBranch).toBe('main')
    const blob = repository.resolve('main:composer.json')
    const content = new TextEncoder().encode('{"name":"acme/lib"}')
    expect(file).toMatchObject({ commit, files: [{ path: '', blob, content, problem: null }], problem: null })
  })

  test('does not send a blob that is known', async () => {
    const opened = await source(`${server.url}/lib.git`)
    const commit = repository.resolve('main')
    const blob = repository.resolve('main:composer.json')
    const files = await opened.manifests([commit], [], new Set([blob]), soon())
    expect(files.get(commit)?.files).toEqual([{ path: '', blob, content: null, problem: null }])
  })

  test.each([
    ['outside the roots', () => `file://${outside}/secret.git`, () => [inside]],
    ['a way out', () => `${inside}/../outside/secret.git`, () => [inside]],
    ['a link out', () => `file://${inside}/link.git`, () => [inside]],
    ['a root that is only the start of a name', () => `${outside}/secret.git`, () => [`${directory.path}/out`]],
    ['no roots', () => `${inside}/lib.git`, () => []],
  ] as const)('refuses a local path: %s', async (_, url, roots) => {
    expect((await failureOf(source(url(), { roots: [...roots()] }))).kind).toBe('invalid')
    expect((await failureOf((async () => checkSourceUrl(url(), 'none', [...roots()]))())).kind).toBe('invalid')
  })
})

describe('credentials on the wire', () => {
  const seen: (string | null)[] = []
  let door: ReturnType<typeof Bun.serve>
  beforeAll(() => {
    door = Bun.serve({
      hostname: '127.0.0.1',
      port: 0,
      fetch(request) {
        seen.push(request.headers.get('authorization'))
        return new Response('no', { status: 401 })
      },
    })
  })
  afterAll(() => door.stop(true))

  test.each<[string, SourceCredentials, string | null]>([
    ['git', { type: 'none' }, null],
    ['git', { type: 'token', token: 't' }, 'oauth2:t'],
    ['github', { type: 'token', token: 't' }, 'x-access-token:t'],
    ['gitlab', { type: 'token', token: 't' }, 'oauth2:t'],
    ['bitbucket', { type: 'token', token: 't' }, 'x-token-auth:t'],
    ['gitea', { type: 'token', token: 't' }, 'oauth2:t'],
    [
      'bitbucket',
      { type: 'http_basic', username: 'me@acme.test', password: 'ATATTx' },
      'x-bitbucket-api-token-auth:ATATTx',
    ],
    ['bitbucket', { type: 'token', token: 'ATCTTx' }, 'x-token-auth:ATCTTx'],
    ['github', { type: 'http_basic', username: 'me', password: 'ghp_x' }, 'me:ghp_x'],
    ['gitlab', { type: 'http_basic', username: 'gitlab+deploy-token-1', password: 'p:w' }, 'gitlab+deploy-token-1:p:w'],
    ['git', { type: 'http_basic', username: 'ann', password: 'pässword' }, 'ann:pässword'],
  ])('%s, case %#', async (vcsType, credentials, expected) => {
    seen.length = 0
    const opened = await source(`http://127.0.0.1:${door.port}/x.git`, { vcsType, credentials })
    expect((await failureOf(opened.refs(soon()))).kind).toBe('upstream')
    const basic = expected === null ? null : `Basic ${Buffer.from(expected).toString('base64')}`
    expect(seen).toEqual([basic])
    expect<string[]>([...VCS_TYPES]).toContain(vcsType)
  })
})

describe('addresses of new repositories', () => {
  test.each([
    ['https://git.example.org/a/b.git', 'token'],
    ['https://git.example.org/a/b', 'none'],
    ['git@git.example.org:a/b.git', 'ssh_key'],
    ['ssh://git@git.example.org:2222/a/b.git', 'ssh_key'],
  ] as const)('%s with %s is accepted', (url, type) => {
    expect(checkSourceUrl(url, type, []).url).toBe(url)
  })

  test.each([
    ['https://git.example.org/a/b.git', 'ssh_key'],
    ['git@git.example.org:a/b.git', 'token'],
    ['git@git.example.org:a/b.git', 'none'],
    ['ftp://git.example.org/a/b.git', 'none'],
    ['https://ann:secret@git.example.org/a/b.git', 'none'],
    ['ext::sh -c id', 'none'],
    ['-oProxyCommand=id:a/b', 'ssh_key'],
    ['ssh://-oProxyCommand=id/a/b', 'ssh_key'],
    ['javascript:alert(1)', 'none'],
    ['', 'none'],
  ] as const)('%s with %s is not', async (url, type) => {
    const failure = await failureOf((async () => checkSourceUrl(url, type, []))())
    expect(failure.kind).toBe('invalid')
  })

  test('are equal in every spelling', () => {
    const spellings = [
      'https://Git.Example.org/a/b.git',
      'https://git.example.org/a/b',
      'https://git.example.org:443/a/b/',
    ]
    expect(new Set(spellings.map((url) => checkSourceUrl(url, 'none', []).urlKey)).size).toBe(1)
  })
})

describe('egress', () => {
  const TLS_REDIRECT = 'http://127.0.0.1/x'

  test('from https to http is refused, whatever the address', async () => {
    const http = egress('*')
    const fake = Object.assign(async () => new Response(null, { status: 302, headers: { location: TLS_REDIRECT } }), {
      preconnect: fetch.preconnect,
    })
    const { createUpstreamHttp } = await import('../../src/sources/upstream-http.ts')
    const { parseNetworks } = await import('../../src/networks.ts')
    const strict = createUpstreamHttp({
      allowedNetworks: parseNetworks('*'),
      fetch: fake as typeof fetch,
      resolve: async () => ['127.0.0.1'],
    })
    const request = { method: 'GET' as const, url: 'https://git.example.org/x', headers: {}, signal: soon() }
    expect(await failureOf(strict.send(request, null))).toEqual({
      kind: 'upstream',
      message: expect.stringContaining('from https to http'),
    })
    for (const url of ['file:///etc/passwd', 'data:text/plain,x', 'ftp://127.0.0.1/x', 'not a url']) {
      expect((await failureOf(http.send({ ...request, url }, null))).kind).toBe('upstream')
    }
  })

  test('asks the address that was checked, under the name that was asked for', async () => {
    const hosts: (string | null)[] = []
    const door = Bun.serve({
      hostname: '127.0.0.1',
      port: 0,
      fetch(request) {
        hosts.push(request.headers.get('host'))
        return new Response('hello')
      },
    })
    let resolved = 0
    const http = egress('127.0.0.0/8', async () => {
      resolved++
      return ['127.0.0.1']
    })
    const url = `http://rebound.example.org:${door.port}/x`
    const response = await http.send({ method: 'GET', url, headers: {}, signal: soon() }, null)
    expect([response.status, response.url, resolved]).toEqual([200, url, 1])
    expect(hosts).toEqual([`rebound.example.org:${door.port}`])
    await door.stop(true)
  })

  test('gives up on a server that falls silent, before its answer or within it', async () => {
    for (const beginning of ['', 'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc']) {
      const door = Bun.listen({
        hostname: '127.0.0.1',
        port: 0,
        socket: { data: (socket) => void socket.write(beginning) },
      })
      const http = egress('127.0.0.0/8', undefined, 150)
      const request = { method: 'GET' as const, url: `http://127.0.0.1:${door.port}/`, headers: {}, signal: soon() }
      const read = async () => {
        const { body } = await http.send(request, null)
        await new Response(body).bytes()
      }
      expect((await failureOf(read())).kind).toBe('upstream')
      door.stop(true)
    }
  })
})

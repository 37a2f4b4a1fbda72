import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { AppError } from '../../src/errors.ts'
import { pktLine } from '../../src/git/pkt-line.ts'
import { type GitHttpResponse, SmartHttpTransport } from '../../src/git/smart-http.ts'
import { httpRepository, sendWithFetch, soon } from '../support/git-client.ts'
import { type GitServer, type GitServerOptions, startGitServer } from '../support/git-http-server.ts'
import { createGitRepository, type TestGitRepository } from '../support/git-repository.ts'
import { ADVERTISEMENT, answer, CAPABILITIES, failure, RESULT } from '../support/git-scripted.ts'
import { OneFileRepository } from '../support/one-file.ts'

let root = ''
let repository: TestGitRepository
const servers: GitServer[] = []

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'git-http-'))
  repository = createGitRepository(join(root, 'lib.git'), {
    commits: [{ files: { 'composer.json': '{}' }, tags: ['v1'] }],
  })
})

afterAll(async () => {
  for (const server of servers) await server.stop()
  rmSync(root, { recursive: true, force: true })
})

async function serve(options: Partial<GitServerOptions>): Promise<GitServer> {
  const server = await startGitServer({ root, ...options })
  servers.push(server)
  return server
}

describe('servers that cannot be read', () => {
  test('protocol 0, dumb HTTP and SHA-256 are refused with a sentence that says so', async () => {
    repository.git(['update-server-info'])
    createGitRepository(join(root, 'sha256.git'), { commits: [{ files: { a: 'b' } }], objectFormat: 'sha256' })
    const old = await failure(httpRepository(`${(await serve({ protocol: 'v0' })).url}/lib.git`).listRefs(soon()))
    const dumb = await failure(httpRepository(`${(await serve({ protocol: 'dumb' })).url}/lib.git`).listRefs(soon()))
    const sha256 = await failure(httpRepository(`${(await serve({})).url}/sha256.git`).listRefs(soon()))
    expect([old.reason, dumb.reason, sha256.reason]).toEqual(['unsupported', 'unsupported', 'unsupported'])
    expect(old.message).toContain('protocol version 2')
    expect(dumb.message).toContain('dumb HTTP')
    expect(sha256.message).toContain('SHA-256')
  })

  test('no such repository, no server, wrong and right credentials', async () => {
    const server = await serve({ auth: { user: 'me', password: 'secret' } })
    const url = `${server.url}/lib.git`
    expect((await failure(httpRepository(url).listRefs(soon()))).reason).toBe('auth')
    const authorised = { authorization: `Basic ${btoa('me:secret')}` }
    const open = (path: string) =>
      new OneFileRepository(new SmartHttpTransport(server.url + path, sendWithFetch(authorised)))
    expect((await open('/lib.git').listRefs(soon())).refs.length).toBe(2)
    expect((await failure(open('/none.git').listRefs(soon()))).reason).toBe('missing')
    expect((await failure(httpRepository('http://127.0.0.1:1/lib.git').listRefs(soon()))).reason).toBe('unreachable')
  })

  const statuses: [number, Record<string, string>, string][] = [
    [401, {}, 'auth'],
    [403, {}, 'auth'],
    [403, { 'retry-after': '30' }, 'rate_limited'],
    [403, { 'x-ratelimit-remaining': '0' }, 'rate_limited'],
    [404, {}, 'missing'],
    [410, {}, 'missing'],
    [429, {}, 'rate_limited'],
    [500, {}, 'unreachable'],
    [503, {}, 'unreachable'],
    [302, { location: 'http://127.0.0.1/elsewhere' }, 'protocol'],
    [418, {}, 'protocol'],
  ]
  for (const [status, headers, reason] of statuses) {
    test(`HTTP ${status} ${JSON.stringify(headers)} is ${reason}`, async () => {
      const send = async () => answer('no', 'text/plain', { status, headers })
      const git = new OneFileRepository(new SmartHttpTransport('http://127.0.0.1/lib.git', send))
      const failed = await failure(git.listRefs(soon()))
      expect(failed.reason).toBe(reason)
      expect(failed.details).toMatchObject({ status })
      if (headers['retry-after'] !== undefined) expect(failed.details).toMatchObject({ retry_after: 30 })
    })
  }

  test('a web page, JSON, broken packets', async () => {
    for (const [body, type, reason] of [
      ['<html>login</html>', 'text/html', 'protocol'],
      ['{}', 'application/json', 'protocol'],
      ['zzzz', ADVERTISEMENT, 'protocol'],
      ['0003', ADVERTISEMENT, 'protocol'],
      ['000eversion 2\n0010age', ADVERTISEMENT, 'protocol'],
      ['000eversion 2\n', ADVERTISEMENT, 'protocol'],
      ['', ADVERTISEMENT, 'unsupported'],
      [`${pktLine('version 2')}${pktLine('ls-refs')}${pktLine('fetch')}0000`, ADVERTISEMENT, 'unsupported'],
      [pktLine('ERR Repository not found'), ADVERTISEMENT, 'missing'],
    ] as const) {
      const send = async () => answer(body, type)
      const git = new OneFileRepository(new SmartHttpTransport('http://127.0.0.1/lib.git', send))
      expect([body, (await failure(git.listRefs(soon()))).reason]).toEqual([body, reason])
    }
  })

  test('a service line before the capabilities, and a charset after the type, are fine', async () => {
    const send = async ({ method }: { method: string }) =>
      method === 'GET'
        ? answer(`${pktLine('# service=git-upload-pack')}0000${CAPABILITIES}`, `${ADVERTISEMENT}; charset=utf-8`)
        : answer('0000', RESULT)
    const git = new OneFileRepository(new SmartHttpTransport('http://127.0.0.1/lib.git', send))
    expect(await git.listRefs(soon())).toEqual({ head: null, refs: [], skipped: [] })
  })
})

describe('requests', () => {
  test('commands follow a redirect of the first request', async () => {
    const server = await serve({})
    const redirecting = Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      fetch: (request) => {
        const { pathname, search } = new URL(request.url)
        if (request.method !== 'GET') return new Response('commands must not come here', { status: 500 })
        return Response.redirect(`${server.url}${pathname.replace('/old', '/lib')}${search}`, 301)
      },
    })
    const url = `http://127.0.0.1:${redirecting.port}/old.git`
    const git = new OneFileRepository(new SmartHttpTransport(url, sendWithFetch({}, true)))
    expect((await git.listRefs(soon())).refs.length).toBe(2)
    await redirecting.stop(true)
  })

  test('a redirect to something else is refused', async () => {
    const send = async (): Promise<GitHttpResponse> => {
      const { status, headers, body } = answer(CAPABILITIES, ADVERTISEMENT)
      return { status, headers, body, url: 'http://127.0.0.1/login' }
    }
    const git = new OneFileRepository(new SmartHttpTransport('http://127.0.0.1/lib.git', send))
    expect((await failure(git.listRefs(soon()))).reason).toBe('protocol')
  })

  test('protocol version 2 is asked for; large bodies are gzipped; no filter without the capability', async () => {
    const server = await serve({ filters: 'none' })
    const bodies: string[] = []
    const plain = sendWithFetch()
    const git = new OneFileRepository(
      new SmartHttpTransport(`${server.url}/lib.git/`, (request) => {
        expect(request.headers['git-protocol']).toBe('version=2')
        const { body = new Uint8Array(0) } = request
        const zipped = request.headers['content-encoding'] === 'gzip'
        const text = Buffer.from(zipped ? gunzipSync(body) : body).toString()
        expect(zipped).toBe(text.length > 1024)
        bodies.push(text)
        return plain(request)
      }),
    )
    const ids = Array.from({ length: 30 }, (_, index) => (index + 1).toString(16).padStart(40, '0'))
    const files = await git.readFile('composer.json', [...ids, repository.resolve('main')], soon())
    expect(files.get(repository.resolve('main'))?.kind).toBe('file')
    expect(bodies.some((body) => body.length > 1024)).toBe(true)
    expect(bodies.some((body) => body.includes('filter'))).toBe(false)
  })

  test('an AppError of the sender goes on as it is; an abort ends the waiting', async () => {
    const refusing = new SmartHttpTransport('http://127.0.0.1/x', async () => {
      throw new AppError('invalid', 'This address is not allowed.')
    })
    await expect(new OneFileRepository(refusing).listRefs(soon())).rejects.toMatchObject({ kind: 'invalid' })
    const silent = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: () => new Promise<Response>(() => undefined) })
    const controller = new AbortController()
    setTimeout(() => controller.abort(new Error('enough waited')), 20)
    const git = httpRepository(`http://127.0.0.1:${silent.port}/x.git`)
    await expect(git.listRefs(controller.signal)).rejects.toThrow('enough waited')
    await silent.stop(true)
  })
})

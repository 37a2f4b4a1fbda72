import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SmartHttpTransport } from '../../src/git/smart-http.ts'
import { gitSource } from '../../src/sources/git.ts'
import { KnownServers } from '../../src/sources/known-servers.ts'
import { soon } from '../support/git-client.ts'
import { GitFront } from '../support/git-front.ts'
import { type GitServer, startGitServer } from '../support/git-http-server.ts'
import { createGitRepository } from '../support/git-repository.ts'
import { library } from '../support/packages.ts'

let root: string
let server: GitServer
let front: GitFront
let now = 0

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'package-broker-known-'))
  for (const name of ['one', 'two']) {
    createGitRepository(join(root, `${name}.git`), { commits: [library(`acme/${name}`, name, { tags: ['1.0.0'] })] })
  }
  server = await startGitServer({ root })
  front = new GitFront(server.url)
})

afterEach(() => {
  front.requests.length = 0
  front.fault = null
})

afterAll(async () => {
  await front?.stop()
  await server?.stop()
  rmSync(root, { recursive: true, force: true })
})

const servers = () => new KnownServers(() => now)

async function refsOf(name: string, known: KnownServers): Promise<string[]> {
  const transport = new SmartHttpTransport(`${front.url}/${name}.git`, (request) => fetch(request.url, request))
  const source = gitSource(transport, known.of(front.url))
  const { refs } = await source.refs(soon())
  await source.close()
  return refs.map((ref) => ref.name)
}

const asked = () => front.requests.map(({ method, path }) => `${method} ${path}`)
const BOTH = ['refs/heads/main', 'refs/tags/1.0.0']

describe('what a git server can do', () => {
  test('is asked once for all repositories of its host, and again after an hour', async () => {
    const known = servers()
    for (const name of ['one', 'two', 'one']) expect((await refsOf(name, known)).sort()).toEqual(BOTH)
    expect(asked()).toEqual([
      'GET /one.git/info/refs',
      'POST /one.git/git-upload-pack',
      'POST /two.git/git-upload-pack',
      'POST /one.git/git-upload-pack',
    ])
    now += 3_600_001
    await refsOf('two', known)
    expect(asked()).toHaveLength(6)
  })

  test('is asked again of a repository that answers like no other', async () => {
    const known = servers()
    await refsOf('one', known)
    // Moved: hosts redirect the question, and not what is posted.
    front.fault = (request, forward) => {
      const { pathname, search } = new URL(request.url)
      if (!pathname.startsWith('/old.git')) return forward()
      if (request.method === 'POST') return new Response('moved', { status: 404 })
      return Response.redirect(`${front.url}${pathname.replace('/old.git', '/two.git')}${search}`, 301)
    }
    expect((await refsOf('old', known)).sort()).toEqual(BOTH)
    // And what that one said is known from then on.
    front.requests.length = 0
    await refsOf('one', known)
    expect(asked()).toEqual(['POST /one.git/git-upload-pack'])
  })

  test.each([401, 403, 429, 503])('is not asked again for an answer of status %d', async (status) => {
    const known = servers()
    await refsOf('one', known)
    front.requests.length = 0
    front.fault = () => new Response('no', { status })
    expect(refsOf('one', known)).rejects.toMatchObject({ kind: 'upstream' })
    expect(asked()).toEqual(['POST /one.git/git-upload-pack'])
  })

  test('is not told of another host', async () => {
    const known = servers()
    await refsOf('one', known)
    expect(known.of(server.url).recall()).toBeNull()
    expect(known.of(front.url).recall()).not.toBeNull()
  })

  test('is kept of a bounded number of hosts', () => {
    const known = servers()
    const capabilities = { filter: true, objectFormat: true, agent: 'git' }
    for (let host = 0; host < 1_001; host++) known.of(`https://h${host}.example`).remember(capabilities)
    expect(known.of('https://h0.example').recall()).toBeNull()
    expect(known.of('https://h1000.example').recall()).toEqual(capabilities)
  })
})

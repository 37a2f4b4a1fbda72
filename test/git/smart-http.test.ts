import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { AppError, messageOf } from '../../src/errors.ts'
import { gitFailureReason } from '../../src/git/failure.ts'
import { pktLine } from '../../src/git/pkt-line.ts'
import { GitRepository } from '../../src/git/repository.ts'
import { type GitHttpResponse, SmartHttpTransport } from '../../src/git/smart-http.ts'
import { httpRepository, sendWithFetch, soon } from '../support/git-client.ts'
import { type GitServer, type GitServerOptions, startGitServer } from '../support/git-http-server.ts'
import { buildPack, objectId } from '../support/git-pack.ts'
import { createGitRepository, type TestGitRepository } from '../support/git-repository.ts'

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

async function failure(work: Promise<unknown>): Promise<{ reason: string | null; message: string; details: unknown }> {
  return work.then(
    () => ({ reason: 'none', message: 'it worked', details: {} }),
    (error: unknown) => ({
      reason: gitFailureReason(error),
      message: messageOf(error),
      details: error instanceof AppError ? error.details : {},
    }),
  )
}

const ADVERTISEMENT = 'application/x-git-upload-pack-advertisement'
const RESULT = 'application/x-git-upload-pack-result'
const CAPABILITIES = `${pktLine('version 2')}${pktLine('agent=git/2.40')}${pktLine('ls-refs')}${pktLine('fetch=shallow filter')}${pktLine('object-format=sha1')}0000`

function answer(
  body: string | Uint8Array | ReadableStream<Uint8Array>,
  type: string,
  init: ResponseInit = {},
): GitHttpResponse {
  return new Response(body, { ...init, headers: { 'content-type': type, ...init.headers } })
}

/** A repository whose server answers from memory: capabilities, then one answer for each command. */
function scripted(...answers: (GitHttpResponse | (() => GitHttpResponse))[]): GitRepository {
  let next = 0
  return new GitRepository(
    new SmartHttpTransport('http://127.0.0.1/lib.git', async ({ method }) => {
      if (method === 'GET') return answer(CAPABILITIES, ADVERTISEMENT)
      const given = answers[Math.min(next++, answers.length - 1)]
      if (given === undefined) throw new Error('no answer left')
      return typeof given === 'function' ? given() : given
    }),
  )
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
      new GitRepository(new SmartHttpTransport(server.url + path, sendWithFetch(authorised)))
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
      const git = new GitRepository(new SmartHttpTransport('http://127.0.0.1/lib.git', send))
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
      const git = new GitRepository(new SmartHttpTransport('http://127.0.0.1/lib.git', send))
      expect([body, (await failure(git.listRefs(soon()))).reason]).toEqual([body, reason])
    }
  })

  test('a service line before the capabilities, and a charset after the type, are fine', async () => {
    const send = async ({ method }: { method: string }) =>
      method === 'GET'
        ? answer(`${pktLine('# service=git-upload-pack')}0000${CAPABILITIES}`, `${ADVERTISEMENT}; charset=utf-8`)
        : answer('0000', RESULT)
    const git = new GitRepository(new SmartHttpTransport('http://127.0.0.1/lib.git', send))
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
    const git = new GitRepository(new SmartHttpTransport(url, sendWithFetch({}, true)))
    expect((await git.listRefs(soon())).refs.length).toBe(2)
    await redirecting.stop(true)
  })

  test('a redirect to something else is refused', async () => {
    const send = async (): Promise<GitHttpResponse> => {
      const { status, headers, body } = answer(CAPABILITIES, ADVERTISEMENT)
      return { status, headers, body, url: 'http://127.0.0.1/login' }
    }
    const git = new GitRepository(new SmartHttpTransport('http://127.0.0.1/lib.git', send))
    expect((await failure(git.listRefs(soon()))).reason).toBe('protocol')
  })

  test('protocol version 2 is asked for; large bodies are gzipped; no filter without the capability', async () => {
    const server = await serve({ filters: 'none' })
    const bodies: string[] = []
    const plain = sendWithFetch()
    const git = new GitRepository(
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
    await expect(new GitRepository(refusing).listRefs(soon())).rejects.toMatchObject({ kind: 'invalid' })
    const silent = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: () => new Promise<Response>(() => undefined) })
    const controller = new AbortController()
    setTimeout(() => controller.abort(new Error('enough waited')), 20)
    const git = httpRepository(`http://127.0.0.1:${silent.port}/x.git`)
    await expect(git.listRefs(controller.signal)).rejects.toThrow('enough waited')
    await silent.stop(true)
  })
})

describe('answers to ls-refs', () => {
  const id = 'a'.repeat(40)

  test('names that git forbids are left out and named', async () => {
    const lines = [
      'refs/heads/ok',
      'refs/heads/a..b',
      'refs/heads/x.lock',
      'refs/tags/.hidden',
      'refs/tags/a~1',
      'refs/tags/a\u0007b',
    ]
    const body = lines.map((name) => pktLine(`${id} ${name}`)).join('')
    const bytes = Buffer.concat([
      Buffer.from(body),
      Buffer.from(`003a${id} refs/tags/`),
      Buffer.from([0xff, 0xfe, 0x0a]),
      Buffer.from('0000'),
    ])
    const list = await scripted(answer(bytes, RESULT)).listRefs(soon())
    expect(list.refs.map(({ name }) => name)).toEqual(['refs/heads/ok'])
    expect(list.skipped.length).toBe(6)
    expect(list.skipped.map(({ name }) => name).join('')).not.toContain('\u0007')
  })

  test('broken lines and a list that is cut off are refused', async () => {
    const good = pktLine(`${id} refs/heads/main`)
    for (const body of [
      `${pktLine('nonsense')}0000`,
      `${pktLine(`${id.slice(1)} refs/heads/x`)}0000`,
      good,
      `${good}0001`,
      `${good}00`,
    ]) {
      expect([body, (await failure(scripted(answer(body, RESULT)).listRefs(soon()))).reason]).toEqual([
        body,
        'protocol',
      ])
    }
    const peeled = pktLine(`${id} refs/tags/x peeled:nothing`)
    expect((await failure(scripted(answer(`${peeled}0000`, RESULT)).listRefs(soon()))).reason).toBe('protocol')
  })
})

describe('answers to fetch', () => {
  const tree = '4b825dc642cb6eb9a060e54bf8d69288fbee4904'
  const commit = `tree ${tree}\nauthor A <a@b> 7 +0000\ncommitter A <a@b> 7 +0000\n\nx\n`
  const id = objectId('commit', commit)
  const pack = buildPack([{ type: 'commit', content: commit }])

  function band(number: number, bytes: Uint8Array | string): Buffer {
    const content = Buffer.from(bytes)
    const length = (content.length + 5).toString(16).padStart(4, '0')
    return Buffer.concat([Buffer.from(length), Buffer.from([number]), content])
  }
  const reply = (...parts: (string | Uint8Array)[]) =>
    answer(Buffer.concat(parts.map((part) => Buffer.from(part))), RESULT)
  const read = async (...parts: (string | Uint8Array)[]) =>
    (await scripted(() => reply(...parts)).readFile('composer.json', [id], soon())).get(id)

  test('sections before the pack and progress within it are skipped', async () => {
    const file = await read(
      pktLine('shallow-info'),
      pktLine(`shallow ${id}`),
      '0001',
      pktLine('unknown-section'),
      pktLine('x'),
      '0001',
      pktLine('packfile'),
      band(2, 'Counting objects'),
      band(1, pack.subarray(0, 7)),
      band(2, '50%'),
      band(1, pack.subarray(7)),
      '0000',
    )
    expect(file).toEqual({ kind: 'absent', commit: id, committedAt: 7 })
  })

  test('chunks of any size', async () => {
    const bytes = Buffer.concat([Buffer.from(pktLine('packfile')), band(1, pack), Buffer.from('0000')])
    for (const size of [1, 3, 50]) {
      const stream = () =>
        new ReadableStream<Uint8Array>({
          start(controller) {
            for (let at = 0; at < bytes.length; at += size) controller.enqueue(bytes.subarray(at, at + size))
            controller.close()
          },
        })
      const files = await scripted(() => answer(stream(), RESULT)).readFile('composer.json', [id], soon())
      expect(files.get(id)?.kind).toBe('absent')
    }
  })

  test('another object than the one wanted', async () => {
    const other = buildPack([{ type: 'commit', content: `${commit}y` }])
    expect((await read(pktLine('packfile'), band(1, other), '0000'))?.kind).toBe('unreadable')
  })

  const wrong: [string, (string | Uint8Array)[], string][] = [
    ['a flipped bit', [pktLine('packfile'), band(1, flipped(pack)), '0000'], 'protocol'],
    ['a wrong checksum', [pktLine('packfile'), band(1, pack.subarray(0, -1)), band(1, 'x'), '0000'], 'protocol'],
    ['a pack cut off', [pktLine('packfile'), band(1, pack.subarray(0, 30)), '0000'], 'protocol'],
    ['no flush at the end', [pktLine('packfile'), band(1, pack)], 'protocol'],
    ['cut off in a packet', [pktLine('packfile'), band(1, pack).subarray(0, 40)], 'protocol'],
    ['no pack', [pktLine('shallow-info'), '0000'], 'protocol'],
    ['nothing', ['0000'], 'protocol'],
    ['an unknown band', [pktLine('packfile'), band(7, pack), '0000'], 'protocol'],
    ['an error on band 3', [pktLine('packfile'), band(3, 'out of \u001b[31mmemory\n'), '0000'], 'refused'],
    ['an ERR packet', [pktLine('ERR upload-pack: \u001b[2Jtrouble')], 'refused'],
    ['an ERR packet about rates', [pktLine('ERR too many requests')], 'rate_limited'],
  ]
  for (const [name, parts, reason] of wrong) {
    test(`refused: ${name}`, async () => {
      const failed = await failure(read(...parts))
      expect(failed.reason).toBe(reason)
      expect(failed.message).not.toMatch(/\p{Cc}/u)
      const snapshot = scripted(() => reply(...parts)).snapshot(id, soon())
      expect((await failure(snapshot)).reason).toBe(reason)
    })
  }

  test('a connection that breaks', async () => {
    const stream = () =>
      new ReadableStream<Uint8Array>({
        pull(controller) {
          controller.enqueue(Buffer.from(pktLine('packfile')))
          controller.error(new Error('reset'))
        },
      })
    const failed = await failure(scripted(() => answer(stream(), RESULT)).readFile('composer.json', [id], soon()))
    expect(failed.reason).toBe('unreachable')
  })

  test('a wrong type of answer', async () => {
    expect((await failure(scripted(answer('x', 'text/html')).snapshot(id, soon()))).reason).toBe('protocol')
  })

  test('a server that gives away no single objects is read without filters', async () => {
    const manifest = '{"name":"acme/lib"}'
    const blob = objectId('blob', manifest)
    const content = Buffer.concat([Buffer.from('100644 composer.json\0'), Buffer.from(blob, 'hex')])
    const full = `tree ${objectId('tree', content)}\nauthor A <a@b> 7 +0000\ncommitter A <a@b> 7 +0000\n\nx\n`
    const wanted = objectId('commit', full)
    const requests: string[] = []
    const send = async ({ method, body }: { method: string; body?: Uint8Array }) => {
      if (method === 'GET') return answer(CAPABILITIES, ADVERTISEMENT)
      const request = Buffer.from(body ?? []).toString()
      requests.push(request.includes(`want ${wanted}`) ? (/filter (\S+)/.exec(request)?.[1] ?? 'none') : 'object')
      if (!request.includes(`want ${wanted}`)) return reply(pktLine(`ERR want ${blob} not valid`))
      const trees = [
        { type: 'commit', content: full },
        { type: 'tree', content },
      ] as const
      const packed = buildPack(request.includes('filter') ? trees : [...trees, { type: 'blob', content: manifest }])
      return reply(pktLine('packfile'), band(1, packed), '0000')
    }
    const git = new GitRepository(new SmartHttpTransport('http://127.0.0.1/lib.git', send))
    const file = (await git.readFile('composer.json', [wanted], soon())).get(wanted)
    expect(file?.kind === 'file' ? Buffer.from(file.content ?? []).toString() : file).toBe(manifest)
    expect(requests).toEqual(['tree:1', 'object', 'none'])
    expect((await git.snapshot(wanted, soon())).files.length).toBe(1)
    expect(requests.slice(3)).toEqual(['none'])
  })

  test('github is asked for trees one by one from the start', async () => {
    const filters: string[] = []
    const send = async ({ method, body }: { method: string; body?: Uint8Array }) => {
      if (method === 'GET')
        return answer(CAPABILITIES.replace('0013agent=git/2.40', '001aagent=git/github-abcd'), ADVERTISEMENT)
      filters.push(/filter (\S+)/.exec(Buffer.from(body ?? []).toString())?.[1] ?? 'none')
      return reply(pktLine('packfile'), band(1, pack), '0000')
    }
    const git = new GitRepository(new SmartHttpTransport('http://127.0.0.1/lib.git', send))
    await git.readFile('composer.json', [id], soon())
    expect(filters).toEqual(['tree:0'])
  })

  function flipped(bytes: Uint8Array): Buffer {
    const copy = Buffer.from(bytes)
    copy[20] = (copy[20] ?? 0) ^ 1
    return copy
  }
})

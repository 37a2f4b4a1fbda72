import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { Installation, type RunningServer } from '../support/binary.ts'
import { ComposerProject, composerAvailable } from '../support/composer-project.ts'
import { Management } from '../support/management.ts'
import { libraryZip, manifestEntry, zipOf } from '../support/zip-builder.ts'

setDefaultTimeout(90_000)

const LIMIT = 268_435_456

describe('uploads to the executable', () => {
  let installation: Installation
  let server: RunningServer
  let key: string
  let id: string

  beforeAll(async () => {
    installation = await Installation.create()
    server = await installation.serve()
    key = server.adminToken ?? ''
    const api = new Management(server.url, key)
    id = ((await api.call('POST', '/api/repositories', { vcs_type: 'artifact' })) as { id: string }).id
  })

  afterAll(() => installation?.remove())

  const address = (query = '') => `${server.url}/api/repositories/${id}/artifacts${query}`

  function put(body: Blob | Uint8Array<ArrayBuffer>, query = ''): Promise<Response> {
    return fetch(address(query), { method: 'PUT', body, headers: { Authorization: `Bearer ${key}` } })
  }

  const unfinished = () => readdirSync(join(installation.directory, 'data/archives/tmp'))

  test.skipIf(!composerAvailable)('composer installs what was uploaded and checks its bytes', async () => {
    const zip = zipOf([
      { name: 'lib-1.2.0/' },
      manifestEntry({ name: 'acme/built', autoload: { 'psr-4': { 'Acme\\': 'src/' } } }, 'lib-1.2.0/composer.json'),
      { name: 'lib-1.2.0/src/Built.php', content: '<?php namespace Acme; class Built {}' },
    ])
    expect((await put(zip, '?version=1.2.0')).status).toBe(201)
    const project = ComposerProject.create({ repositories: [server.url], tokens: { [server.url]: key } })
    try {
      const { code, output } = await project.run('require', 'acme/built')
      expect({ code, output }).toMatchObject({ code: 0 })
      expect(project.read('vendor/acme/built/src/Built.php')).toContain('class Built')
      const [locked] = project.locked()
      const sha1 = createHash('sha1').update(zip).digest('hex')
      expect(locked).toMatchObject({ name: 'acme/built', version: '1.2.0', dist: { shasum: sha1, reference: sha1 } })

      const lock = project.read('composer.lock')
      writeFileSync(
        project.path('composer.lock'),
        lock.replaceAll(`"shasum": "${sha1}"`, `"shasum": "${'f'.repeat(40)}"`),
      )
      project.forget()
      const second = await project.run('install')
      expect(second.code).toBe(1)
      expect(second.output).toContain('checksum verification of the file failed')
    } finally {
      project.remove()
    }
  })

  test.skipIf(Bun.which('curl') === null)('one line of curl', async () => {
    const file = join(installation.directory, 'lib.zip')
    writeFileSync(file, libraryZip({ name: 'acme/curl' }))
    const run = Bun.spawnSync([
      'curl',
      '-fsS',
      '-T',
      file,
      address('?version=1.0'),
      '-H',
      `Authorization: Bearer ${key}`,
    ])
    expect({ code: run.exitCode, stderr: run.stderr.toString() }).toEqual({ code: 0, stderr: '' })
    expect(JSON.parse(run.stdout.toString())).toMatchObject({ name: 'acme/curl', version: '1.0' })
  })

  test('the command line, with and without a running server', async () => {
    const file = join(installation.directory, 'lib.zip')
    writeFileSync(file, libraryZip({ name: 'acme/pushed' }))
    const pushed = await installation.run(['artifact', 'push', id, file, '--version', '3.0.0'])
    expect(pushed).toMatchObject({
      code: 0,
      stderr: '',
      stdout: expect.stringMatching(/^acme\/pushed 3\.0\.0 {2}[0-9a-f]{40}\n$/),
    })
    const other = await Installation.create()
    try {
      const added = await other.run(['repository', 'add', '--type', 'artifact', '--json'])
      expect(added).toMatchObject({ code: 0 })
      const created = JSON.parse(added.stdout) as { id: string }
      const alone = await other.run(['artifact', 'push', created.id, file, '--version', '1.0', '--json'])
      expect(JSON.parse(alone.stdout)).toMatchObject({ name: 'acme/pushed', version: '1.0' })
      const missing = await other.run(['artifact', 'push', created.id, `${file}.none`])
      expect(missing).toMatchObject({ code: 1, stderr: expect.stringContaining('There is no file') })
      const refused = await other.run(['artifact', 'push', created.id, file])
      expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('The version is missing') })
      expect((await other.run(['artifact', 'push', created.id])).code).toBe(2)
    } finally {
      await other.remove()
    }
  })

  /** Sends a request by hand; resolves to all that comes back until the other side closes or a whole answer is there. */
  function raw(
    head: string,
    feed: (write: (chunk: Uint8Array) => boolean) => boolean,
  ): Promise<{ text: string; sent: number }> {
    const { hostname, port } = new URL(server.url)
    return new Promise((resolve) => {
      let text = ''
      let sent = 0
      const socket = connect(Number(port), hostname, () => {
        socket.write(head)
        pump()
      })
      const write = (chunk: Uint8Array) => {
        sent += chunk.length
        return socket.write(chunk)
      }
      const pump = () => {
        while (!socket.destroyed && text === '') if (!feed(write)) return
      }
      socket.on('drain', pump)
      socket.on('data', (chunk) => {
        text += chunk.toString('latin1')
        if (!text.includes('\r\n\r\n{')) return
        resolve({ text, sent })
        socket.destroy()
      })
      socket.on('close', () => resolve({ text, sent }))
      socket.on('error', () => {})
    })
  }

  const head = (token: string | null, ...headers: string[]) =>
    [
      `PUT /api/repositories/${id}/artifacts HTTP/1.1`,
      'Host: localhost',
      ...(token === null ? [] : [`Authorization: Bearer ${token}`]),
      ...headers,
      '\r\n',
    ].join('\r\n')

  test('a body that says it is too large is refused unread', async () => {
    const { text } = await raw(head(key, `Content-Length: ${LIMIT + 1}`), () => false)
    expect(text).toStartWith('HTTP/1.1 413')
    expect(text).toContain('PAYLOAD_TOO_LARGE')
  })

  test('one that does not say it is refused when it is', async () => {
    const small = await installation.serve({
      UPLOAD_MAX_BYTES: '1000000',
      DATA_DIR: join(installation.directory, 'small'),
    })
    const before = { server, id }
    try {
      server = small
      const api = new Management(small.url, small.adminToken)
      id = ((await api.call('POST', '/api/repositories', { vcs_type: 'artifact' })) as { id: string }).id
      const piece = Buffer.alloc(65_536)
      const chunk = Buffer.concat([Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n')])
      const { text } = await raw(head(small.adminToken, 'Transfer-Encoding: chunked'), (write) => write(chunk))
      expect(text).toStartWith('HTTP/1.1 413')
      expect(readdirSync(join(installation.directory, 'small/archives/tmp'))).toEqual([])
    } finally {
      server = before.server
      id = before.id
      await small.stop()
    }
  })

  test('a stranger is refused before the body is read', async () => {
    for (const framing of ['Content-Length: 200000000', 'Transfer-Encoding: chunked']) {
      const { text } = await raw(head(null, framing), () => false)
      expect(text).toStartWith('HTTP/1.1 401')
    }
  })

  test('an upload that is broken off leaves no file', async () => {
    for (const framing of ['Content-Length: 1000000', 'Transfer-Encoding: chunked']) {
      const { hostname, port } = new URL(server.url)
      const socket = connect(Number(port), hostname)
      socket.write(head(key, framing))
      const piece = Buffer.alloc(100_000)
      if (framing.startsWith('T')) socket.write(`${piece.length.toString(16)}\r\n`)
      socket.write(piece)
      const until = Date.now() + 10_000
      while (unfinished().length === 0 && Date.now() < until) await Bun.sleep(5)
      expect(unfinished().length).toBe(1)
      socket.destroy()
      while (unfinished().length > 0 && Date.now() < until) await Bun.sleep(5)
      expect(unfinished()).toEqual([])
    }
  })

  test('other routes take no large bodies, whatever uploads may have', async () => {
    const response = await fetch(`${server.url}/api/repositories`, {
      method: 'POST',
      body: `{"url":"${'a'.repeat(2_000_000)}"}`,
      headers: { Authorization: `Bearer ${key}`, 'Content-Type': 'application/json' },
    })
    expect(response.status).toBe(413)
  })

  test.skipIf(process.platform !== 'linux')('200 MB pass through without staying in memory', async () => {
    const resident = (name: string) =>
      Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(readFileSync(`/proc/${server.pid}/status`, 'utf8'))?.[1]) / 1024
    const noise = Buffer.alloc(200_000_000, createHash('sha512').update('noise').digest())
    const zip = zipOf([manifestEntry({ name: 'acme/large' }), { name: 'large.bin', content: noise, method: 0 }])
    const file = join(installation.directory, 'large.zip')
    writeFileSync(file, zip)
    const before = resident('VmRSS')
    expect((await put(Bun.file(file), '?version=1.0')).status).toBe(201)
    expect(resident('VmHWM') - before).toBeLessThan(150)
    const pushed = await installation.run(['artifact', 'push', id, file, '--version', '1.1'])
    expect(pushed).toMatchObject({ code: 0 })
    expect(resident('VmHWM') - before).toBeLessThan(150)
    const served = await fetch(`${server.url}/dist/acme/large/1.1.zip`, { headers: { Authorization: `Bearer ${key}` } })
    const digest = createHash('sha1')
      .update(new Uint8Array(await served.arrayBuffer()))
      .digest('hex')
    expect(digest).toBe(createHash('sha1').update(zip).digest('hex'))
  })
})

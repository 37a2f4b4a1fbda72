import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { readdirSync, readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { noise } from '../archives/support.ts'
import { Installation, type RunningServer } from '../support/binary.ts'
import { createGitRepository } from '../support/git-repository.ts'
import { Management } from '../support/management.ts'

setDefaultTimeout(120_000)

const ADMIN = 'administrator-under-load-0123456789abcdef'
const MIB = 1024 * 1024
/** Much more than what the server may hold for a client, so that holding it shows. */
const ARCHIVE_BYTES = 64 * MIB
const ARCHIVE = '/dist/acme/large/1.0.0.zip'
const READERS = 20
const UPLOADS = 20
const IDLE = 1_000
/** How much more memory all of them together may take. */
const ROOM = 64 * MIB
/** Descriptors that may be open for other reasons, and how long the others may take to be closed, in milliseconds. */
const SPARE = 5
const PATIENCE_MS = 60_000

let installation: Installation
let server: RunningServer
let api: Management
let repositoryId: string
const sockets: Socket[] = []

beforeAll(async () => {
  installation = await Installation.create({ ADMIN_TOKEN: ADMIN })
  server = await installation.serve()
  api = new Management(server.url, ADMIN)
  const path = join(installation.directory, 'large')
  const files = { 'composer.json': '{"name":"acme/large"}', 'data.bin': noise(ARCHIVE_BYTES) }
  createGitRepository(path, { commits: [{ files }] }).git(['archive', '--format=zip', '-0', '-o', 'large.zip', 'main'])
  repositoryId = ((await api.call('POST', '/api/repositories', { vcs_type: 'artifact' })) as { id: string }).id
  const uploaded = await fetch(`${server.url}/api/repositories/${repositoryId}/artifacts?version=1.0.0`, {
    method: 'PUT',
    headers: { Authorization: `Bearer ${ADMIN}` },
    body: Bun.file(join(path, 'large.zip')),
  })
  expect(uploaded.status).toBe(201)
})

afterAll(async () => {
  closeAll()
  await installation?.remove()
})

function closeAll(): void {
  for (const socket of sockets.splice(0)) socket.destroy()
}

/** A connection that sends `head` and reads nothing unless it is told to. */
function open(head: string): Promise<Socket> {
  const { hostname, port } = new URL(server.url)
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => {
      socket.write(head)
      resolve(socket)
    })
    sockets.push(socket)
    socket.on('error', reject)
  })
}

const head = (line: string, ...more: string[]) =>
  `${[`${line} HTTP/1.1`, 'Host: localhost', `Authorization: Bearer ${ADMIN}`, ...more].join('\r\n')}\r\n\r\n`

/** Resolves with the first bytes of an answer; then nothing is read any more. */
function firstBytes(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    socket.once('data', (bytes) => {
      socket.pause()
      resolve(bytes.toString('latin1', 0, 20))
    })
  })
}

const descriptors = () => readdirSync(`/proc/${server.pid}/fd`).length
const resident = () => Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${server.pid}/status`, 'utf8'))?.[1]) * 1024
const temporaryFiles = () => readdirSync(join(installation.directory, 'data/archives/tmp')).length

async function eventually(what: string, value: () => number, most: number): Promise<void> {
  const until = Date.now() + PATIENCE_MS
  while (value() > most) {
    if (Date.now() > until) throw new Error(`${what}: still ${value()}, where at most ${most} were expected`)
    await Bun.sleep(50)
  }
}

/** A client that behaves is answered, however others behave. */
async function others(): Promise<void> {
  const headers = { Authorization: `Bearer ${ADMIN}`, Connection: 'close' }
  const [document, archive] = await Promise.all([
    fetch(`${server.url}/p2/acme/large.json`, { headers }),
    fetch(server.url + ARCHIVE, { headers: { ...headers, Range: 'bytes=0-999999' } }),
  ])
  expect([document.status, archive.status]).toEqual([200, 206])
  expect((await archive.bytes()).length).toBe(1_000_000)
  await document.arrayBuffer()
}

describe.skipIf(process.platform !== 'linux')('clients that hold on to the server', () => {
  test('readers that stand still: neither memory nor anybody else pays for them', async () => {
    await others()
    const before = { memory: resident(), descriptors: descriptors() }
    const readers = await Promise.all(
      Array.from({ length: READERS }, () => open(head(`GET ${ARCHIVE}`, 'Connection: close'))),
    )
    const begun = await Promise.all(readers.map(firstBytes))
    expect(begun.every((line) => line.startsWith('HTTP/1.1 200'))).toBe(true)
    await others()
    expect(resident() - before.memory).toBeLessThan(ROOM)
    // A reader that goes on gets everything.
    const [patient] = readers
    let received = 0
    await new Promise<void>((resolve) => {
      patient?.on('data', (bytes) => {
        received += bytes.length
      })
      patient?.on('close', () => resolve())
      patient?.resume()
    })
    expect(received).toBeGreaterThan(ARCHIVE_BYTES - MIB)
    closeAll()
    await eventually('descriptors', descriptors, before.descriptors + SPARE)
  })

  test('uploads that come drop by drop, and those that stop: nothing of them is left', async () => {
    await others()
    const before = { memory: resident(), descriptors: descriptors(), files: temporaryFiles() }
    const line = `PUT /api/repositories/${repositoryId}/artifacts?version=2.0.0`
    const slow = await Promise.all(
      Array.from({ length: UPLOADS }, () => open(head(line, `Content-Length: ${ARCHIVE_BYTES}`))),
    )
    const piece = noise(MIB)
    for (const socket of slow) socket.write(piece)
    while (temporaryFiles() < before.files + UPLOADS) await Bun.sleep(10)
    // Half of them go on dripping, the others say nothing any more.
    const drip = setInterval(() => {
      for (const socket of slow.slice(UPLOADS / 2)) if (!socket.destroyed) socket.write('x')
    }, 20)
    await others()
    expect(resident() - before.memory).toBeLessThan(ROOM)
    clearInterval(drip)
    closeAll()
    await eventually('temporary files', temporaryFiles, before.files)
    await eventually('descriptors', descriptors, before.descriptors + SPARE)
    await others()
  })

  test('a thousand connections that say nothing, or half a request, are closed by the server itself', async () => {
    await others()
    const before = { memory: resident(), descriptors: descriptors() }
    await Promise.all(
      Array.from({ length: IDLE }, (_, at) => open(at % 2 === 0 ? '' : 'GET /packages.json HTTP/1.1\r\nHo')),
    )
    while (descriptors() < before.descriptors + IDLE) await Bun.sleep(10)
    await others()
    expect(resident() - before.memory).toBeLessThan(ROOM)
    await eventually('descriptors', descriptors, before.descriptors + SPARE)
    await others()
  })
})

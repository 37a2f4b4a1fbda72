import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Installation, type RunningServer } from '../support/binary.ts'
import { type GitServer, startGitServer } from '../support/git-http-server.ts'
import { createGitRepository } from '../support/git-repository.ts'
import { Management } from '../support/management.ts'
import { libraryFiles } from '../support/packages.ts'
import { refused, slowDownload } from '../support/slow-download.ts'

setDefaultTimeout(120_000)

const BIG = '/dist/acme/big/1.0.0.zip'

let root: string
let source: GitServer
let installation: Installation
let server: RunningServer
let admin: string

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'package-broker-sources-'))
  const files = { ...libraryFiles('acme/big', 'big'), 'data.bin': randomBytes(24_000_000) }
  createGitRepository(join(root, 'acme/big.git'), { commits: [{ files, tags: ['1.0.0'] }] })
  source = await startGitServer({ root })
  installation = await Installation.create()
  server = await installation.serve()
  admin = server.adminToken ?? ''
  const api = new Management(server.url, admin)
  await api.addRepository(`${source.url}/acme/big.git`, { archives: 'tags' })
  await server.stop()
})

afterAll(async () => {
  await installation?.remove()
  await source?.stop()
  rmSync(root, { recursive: true, force: true })
})

test('SIGTERM: downloads under way are finished, nothing new is accepted, exit code 0', async () => {
  server = await installation.serve()
  const readers = await Promise.all(Array.from({ length: 20 }, () => slowDownload(server.url, BIG, admin)))
  server.signal('SIGTERM')
  await refused(server.url)
  for (const { expected, received } of await Promise.all(readers.map((reader) => reader.rest()))) {
    expect(expected).toBeGreaterThan(24_000_000)
    expect(received).toBe(expected)
  }
  expect(await server.ended()).toBe(0)
})

test('a download that nobody reads holds the end up for 30 seconds and no longer', async () => {
  server = await installation.serve()
  const reader = await slowDownload(server.url, BIG, admin)
  server.signal('SIGTERM')
  // It is killed after 35 seconds, and the code is another one then.
  expect(await server.ended(35_000)).toBe(0)
  const { expected, received } = await reader.rest()
  expect(received).toBeLessThan(expected)
})

test.each([
  ['SIGTERM', 'SIGTERM'],
  ['SIGTERM', 'SIGINT'],
  ['SIGINT', 'SIGTERM'],
] as const)('%s and then %s: it ends at once', async (first, second) => {
  server = await installation.serve()
  await slowDownload(server.url, BIG, admin)
  server.signal(first)
  await refused(server.url)
  server.signal(second)
  // It is killed after a second, and the code is another one then.
  expect(await server.ended(1_000)).toBe(1)
})

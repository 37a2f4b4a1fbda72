import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test'
import { createHash } from 'node:crypto'
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Installation, type RunningServer } from '../support/binary.ts'
import { filesUnder, flipBit } from '../support/damage.ts'
import { type GitServer, startGitServer } from '../support/git-http-server.ts'
import { createGitRepository } from '../support/git-repository.ts'
import { Management } from '../support/management.ts'
import { library } from '../support/packages.ts'

/* Archives that change on disk while clients download them: right bytes, or an error that says so. */

setDefaultTimeout(60_000)

const ADMIN = 'administrator-of-the-cache-tests-0123456789'
const CLIENTS = 12

let root: string
let source: GitServer
let installation: Installation
let server: RunningServer
let path: string
let right: string

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'package-broker-sources-'))
  createGitRepository(join(root, 'lib.git'), { commits: [library('acme/lib', 'one', { tags: ['1.0.0'] })] })
  source = await startGitServer({ root })
  installation = await Installation.create({ ADMIN_TOKEN: ADMIN })
  server = await installation.serve()
  await new Management(server.url, ADMIN).addRepository(`${source.url}/lib.git`)
  right = digest(await (await download()).bytes())
  path = filesUnder(join(installation.directory, 'data/archives/git'))[0] ?? ''
})

afterAll(async () => {
  await installation?.remove()
  await source?.stop()
  rmSync(root, { recursive: true, force: true })
})

const digest = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

const download = () => fetch(`${server.url}/dist/acme/lib/1.0.0.zip`, { headers: { Authorization: `Bearer ${ADMIN}` } })

/** What a client got: the right bytes, the status of an error, or a connection that was broken off. */
async function outcome(): Promise<string> {
  try {
    const response = await download()
    const bytes = await response.bytes()
    if (response.status === 200) return digest(bytes) === right ? 'right' : 'wrong'
    return JSON.parse(Buffer.from(bytes).toString()).code
  } catch {
    return 'broken off'
  }
}

const damages: Record<string, () => void> = {
  'a flipped bit': () => flipBit(path),
  truncation: () => truncateSync(path, 100),
  'more bytes': () => appendFileSync(path, 'x'),
  'no bytes': () => truncateSync(path, 0),
  'a directory': () => {
    rmSync(path)
    mkdirSync(path)
  },
  'a link to something else': () => {
    rmSync(path)
    symlinkSync('/etc/hostname', path)
  },
  'a link to the right bytes': () => {
    renameSync(path, join(root, 'moved'))
    symlinkSync(join(root, 'moved'), path)
  },
  removal: () => rmSync(path),
}

test.each(Object.keys(damages))('%s: found at the next request, and made again', async (name) => {
  damages[name]?.()
  const outcomes = await Promise.all(Array.from({ length: CLIENTS }, outcome))
  expect(outcomes).toEqual(outcomes.map(() => 'right'))
})

test('removed again and again under load: nobody gets wrong bytes, or an error of the inside', async () => {
  let going = true
  const outcomes = new Map<string, number>()
  const clients = Array.from({ length: CLIENTS }, async () => {
    while (going) {
      const found = await outcome()
      outcomes.set(found, (outcomes.get(found) ?? 0) + 1)
    }
  })
  for (let removed = 0; removed < 60; ) {
    if (existsSync(path)) {
      rmSync(path, { force: true })
      removed += 1
    }
    await Bun.sleep(2)
  }
  going = false
  await Promise.all(clients)
  for (const found of outcomes.keys()) expect(['right', 'UNAVAILABLE']).toContain(found)
  expect(outcomes.get('right')).toBeGreaterThan(60)
  expect(await outcome()).toBe('right')
})

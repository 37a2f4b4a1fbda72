import { Database } from 'bun:sqlite'
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test'
import { createHash } from 'node:crypto'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { Installation } from '../support/binary.ts'
import { CrashLoad } from '../support/crash-load.ts'
import { filesUnder } from '../support/damage.ts'
import { type GitServer, startGitServer } from '../support/git-http-server.ts'
import { createGitRepository } from '../support/git-repository.ts'
import { library } from '../support/packages.ts'

const CYCLES = Number(process.env.CRASH_CYCLES ?? 15)
const LONGEST_MS = 500
const PATIENCE_MS = 5_000
const ADMIN = 'administrator-of-the-crash-tests-0123456789'

setDefaultTimeout(60_000 + CYCLES * 10_000)

let root: string
let source: GitServer
let installation: Installation

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'package-broker-sources-'))
  source = await startGitServer({ root })
  installation = await Installation.create({ ADMIN_TOKEN: ADMIN, RATE_LIMIT_READONLY: '0', TRUST_PROXY: '127.0.0.0/8' })
})

afterAll(async () => {
  await installation?.remove()
  await source?.stop()
  rmSync(root, { recursive: true, force: true })
})

const data = (...path: readonly string[]) => join(installation.directory, 'data', ...path)

/** What SQLite says of a copy of the files as the killed process left them: only the next server is to mend them. */
function integrity(): unknown[] {
  const copy = join(root, 'copy')
  mkdirSync(copy, { recursive: true })
  for (const end of ['', '-wal']) {
    rmSync(join(copy, `db${end}`), { force: true })
    if (existsSync(data(`package-broker.db${end}`)))
      copyFileSync(data(`package-broker.db${end}`), join(copy, `db${end}`))
  }
  rmSync(join(copy, 'db-shm'), { force: true })
  const database = new Database(join(copy, 'db'))
  try {
    return [
      ...database.query('PRAGMA integrity_check').values(),
      ...database.query('PRAGMA foreign_key_check').values(),
    ]
  } finally {
    database.close()
  }
}

/** Archives whose bytes are not those that their name says. */
function partial(): string[] {
  return ['git', 'uploads'].flatMap((folder) =>
    filesUnder(data('archives', folder)).filter((path) => {
      const digest = createHash('sha256').update(readFileSync(path)).digest('hex')
      return !basename(path).startsWith(digest)
    }),
  )
}

async function gone(names: readonly string[]): Promise<void> {
  const end = Date.now() + PATIENCE_MS
  while (readdirSync(data('archives/tmp')).some((name) => names.includes(name))) {
    if (Date.now() > end) throw new Error('temporary files of a dead process are still there')
    await Bun.sleep(10)
  }
}

test(`killed ${CYCLES} times while it writes, it loses nothing that it acknowledged`, async () => {
  const repository = createGitRepository(join(root, 'lib.git'), { commits: [library('acme/lib', 'one')] })
  const load = new CrashLoad(ADMIN, { repository, url: `${source.url}/lib.git` })
  let server = await installation.serve()
  await load.prepare(server)
  let leftOver = 0
  for (let cycle = 0; cycle < CYCLES; cycle++) {
    await load.crash(server, Math.random() * LONGEST_MS)
    expect({ cycle, integrity: integrity(), partial: partial() }).toEqual({ cycle, integrity: [['ok']], partial: [] })
    const temporary = readdirSync(data('archives/tmp'))
    leftOver += temporary.length
    server = await installation.serve()
    await gone(temporary)
    await load.check(server, 20)
  }
  await load.check(server)
  console.info(`${CYCLES} crashes, ${leftOver} temporary files left over; acknowledged`, load.counts)
  for (const count of Object.values(load.counts)) expect(count).toBeGreaterThan(0)
  expect(await server.stop()).toBe(0)
  expect(await installation.run(['verify'])).toMatchObject({ code: 0 })
})

import { Database } from 'bun:sqlite'
import { afterAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { copyFileSync, mkdirSync, renameSync, rmSync, statSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { Installation, type RunningServer } from '../support/binary.ts'

/* What becomes of the database file while the server runs, and what a start says of it. */

setDefaultTimeout(60_000)

const ADMIN = 'administrator-of-the-fault-tests-0123456789'
const LASTING = 78

const installations: Installation[] = []
afterAll(async () => {
  for (const installation of installations) await installation.remove()
})

async function install(): Promise<Installation> {
  const installation = await Installation.create({ ADMIN_TOKEN: ADMIN, METRICS_PUBLIC: 'on' })
  installations.push(installation)
  return installation
}

const fileOf = (installation: Installation) => join(installation.directory, 'data/package-broker.db')

function ask(server: RunningServer, path: string, json?: unknown): Promise<Response> {
  return fetch(server.url + path, {
    method: json === undefined ? 'GET' : 'POST',
    headers: { Authorization: `Bearer ${ADMIN}`, 'Content-Type': 'application/json' },
    ...(json === undefined ? {} : { body: JSON.stringify(json) }),
  })
}

const makeToken = (server: RunningServer) => ask(server, '/api/tokens', { permissions: 'readonly' })

async function tokens(server: RunningServer): Promise<string[]> {
  const response = await ask(server, '/api/tokens?limit=1000')
  return ((await response.json()) as { id: string }[]).map(({ id }) => id)
}

/** Its answer to a write, which must be a sentence, and what else can be had of it. */
async function condition(server: RunningServer) {
  const refused = await makeToken(server)
  const { error, code } = (await refused.json()) as { error: string; code: string }
  const status = async (path: string) => (await ask(server, path)).status
  return { refused: refused.status, code, error, ready: await status('/ready'), health: await status('/health') }
}

async function refusal(installation: Installation) {
  const { code, stderr } = await installation.run(['serve'])
  expect(stderr).not.toMatch(/\n\s+at /)
  return { code, stderr }
}

function checkpoint(file: string): void {
  const database = new Database(file)
  database.run('PRAGMA wal_checkpoint(TRUNCATE)')
  database.close()
}

describe('another program holds the database', () => {
  test('reads go on, writes are refused without waiting for one another, and nothing is lost afterwards', async () => {
    const installation = await install()
    const server = await installation.serve()
    const made = [((await (await makeToken(server)).json()) as { id: string }).id]
    const foreign = new Database(fileOf(installation))
    foreign.run('BEGIN IMMEDIATE')
    const began = performance.now()
    expect((await makeToken(server)).status).toBe(503)
    const oneWait = performance.now() - began
    const refused = await Promise.all(Array.from({ length: 60 }, () => makeToken(server)))
    expect(new Set(refused.map(({ status }) => status))).toEqual(new Set([503]))
    // Sixty waits one after another would be sixty times as long.
    expect(performance.now() - began).toBeLessThan(oneWait * 15)
    for (const path of ['/ready', '/packages.json', '/api/tokens']) expect((await ask(server, path)).status).toBe(200)
    foreign.run('ROLLBACK')
    foreign.close()
    let response = await makeToken(server)
    while (response.status === 503) response = await makeToken(server)
    made.push(((await response.json()) as { id: string }).id)
    for (let more = 0; more < 20; more++) made.push(((await (await makeToken(server)).json()) as { id: string }).id)
    await server.kill()
    expect((await tokens(await installation.serve())).sort()).toEqual(made.sort())
  })

  test('a reader that does not end lets the log grow, and it is written again from its start afterwards', async () => {
    const installation = await install()
    const server = await installation.serve()
    const wal = () => statSync(`${fileOf(installation)}-wal`).size
    const foreign = new Database(fileOf(installation))
    foreign.run('BEGIN')
    foreign.query('SELECT count(*) FROM tokens').all()
    for (let write = 0; write < 300; write++) expect((await makeToken(server)).status).toBe(201)
    // A thousand pages are what SQLite usually writes back at.
    expect(wal()).toBeGreaterThan(5_000_000)
    expect(await (await ask(server, '/metrics')).text()).toContain(`database_bytes{file="wal"} ${wal()}`)
    foreign.run('COMMIT')
    foreign.close()
    await makeToken(server)
    const longest = wal()
    for (let write = 0; write < 300; write++) expect((await makeToken(server)).status).toBe(201)
    expect(wal()).toBe(longest)
  })
})

describe('the database file', () => {
  test.each(['removed', 'replaced by a copy'])(
    '%s while the server runs: nothing is written, until it is back',
    async (how) => {
      const installation = await install()
      const server = await installation.serve()
      await makeToken(server)
      const before = await tokens(server)
      const file = fileOf(installation)
      if (how !== 'removed') copyFileSync(file, `${file}.copy`)
      renameSync(file, `${file}.away`)
      if (how !== 'removed') renameSync(`${file}.copy`, file)
      expect(await condition(server)).toEqual({
        refused: 503,
        code: 'UNAVAILABLE',
        error: expect.stringContaining('removed, replaced or cut off'),
        ready: 503,
        health: 200,
      })
      expect(await tokens(server)).toEqual(before)
      await server.stop()
      if (how === 'removed') {
        expect(await refusal(installation)).toEqual({
          code: LASTING,
          stderr: expect.stringContaining('is missing, though'),
        })
      }
      renameSync(`${file}.away`, file)
      expect(await tokens(await installation.serve())).toEqual(before)
    },
  )

  test('truncated while the server runs: writes and readiness say so', async () => {
    const installation = await install()
    const server = await installation.serve()
    await makeToken(server)
    truncateSync(fileOf(installation), 0)
    expect(await condition(server)).toMatchObject({ refused: 503, code: 'UNAVAILABLE', ready: 503, health: 200 })
    await server.kill()
  })

  const damages: Record<string, (file: string) => void> = {
    truncated: (file) => truncateSync(file, 5_000),
    'a directory': (file) => {
      rmSync(file)
      mkdirSync(file)
    },
  }
  test.each(Object.keys(damages))('%s at the start: exit code 78 and a sentence', async (name) => {
    const installation = await install()
    await (await installation.serve()).stop()
    // What is in the log counts more than what is in the file.
    checkpoint(fileOf(installation))
    damages[name]?.(fileOf(installation))
    const stderr = expect.stringContaining('The database file of DATABASE_URL cannot be used')
    expect(await refusal(installation)).toEqual({ code: LASTING, stderr })
  })
})

import { Database } from 'bun:sqlite'
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import { manifest, SyncStage, simple } from './support.ts'

const TOKEN = 'a-token-of-at-least-thirty-two-characters'
const main = new URL('../../src/main.ts', import.meta.url).pathname

let stage: SyncStage
beforeAll(async () => {
  stage = await SyncStage.open()
})
afterAll(() => stage.close())

/** The program as a process of its own. */
class ServerProcess {
  private constructor(
    readonly process: Bun.Subprocess<'ignore', 'pipe', 'ignore'>,
    readonly url: string,
  ) {}

  static async start(dataDir: string): Promise<ServerProcess> {
    const child = Bun.spawn([process.execPath, main, 'serve'], {
      stdin: 'ignore',
      stdout: 'pipe',
      stderr: 'ignore',
      env: {
        ...{ PATH: process.env.PATH ?? '', HOME: stage.directory, HOST: '127.0.0.1', PORT: '0', LOG_FORMAT: 'json' },
        ...{ DATA_DIR: dataDir, ADMIN_TOKEN: TOKEN, ALLOWED_NETWORKS: '127.0.0.0/8' },
      },
    })
    const reader = child.stdout.getReader()
    let text = ''
    for (;;) {
      const { done, value } = await reader.read()
      if (done) throw new Error(`the server ended: ${text}`)
      text += new TextDecoder().decode(value)
      const url = /"url":"(http:[^"]+)"/.exec(text)?.[1]
      if (url === undefined) continue
      // Its log is read to the end, or it would stand still with a full pipe.
      const drain = async () => {
        while (!(await reader.read()).done);
      }
      drain().catch(() => {})
      return new ServerProcess(child, url)
    }
  }

  async api(path: string, body?: unknown): Promise<Record<string, unknown>> {
    const response = await fetch(`${this.url}${path}`, {
      method: body === undefined ? 'GET' : 'POST',
      headers: { Authorization: `Bearer ${TOKEN}`, 'Content-Type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    return (await response.json()) as Record<string, unknown>
  }

  async kill(): Promise<void> {
    this.process.kill('SIGKILL')
    await this.process.exited
  }
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let waited = 0; waited < 15_000; waited += 5) {
    if (await condition()) return
    await Bun.sleep(5)
  }
  throw new Error('it did not happen')
}

function inDatabase<Row>(dataDir: string, statement: string): Row[] {
  const database = new Database(join(dataDir, 'package-broker.db'))
  try {
    return database.query(statement).all() as Row[]
  } finally {
    database.close()
  }
}

describe('a server killed in the middle of a sync', () => {
  test('leaves nothing half written, and the next process completes the job', async () => {
    stage.repository('killed', simple('acme/killed'))
    const dataDir = join(stage.directory, 'data-killed')
    let asked = 0
    stage.fault = async (request, forward) => {
      if (request.method === 'POST' && ++asked >= 3) await Bun.sleep(60_000)
      return forward()
    }
    const first = await ServerProcess.start(dataDir)
    const { id } = await first.api('/api/repositories', { url: stage.url('killed'), vcs_type: 'git' })
    await until(() => asked >= 3)
    await first.kill()
    stage.fault = null
    for (const table of ['refs', 'commits', 'manifests', 'packages', 'versions']) {
      expect(inDatabase(dataDir, `SELECT count(*) AS n FROM ${table}`)).toEqual([{ n: 0 }])
    }
    expect(inDatabase(dataDir, 'SELECT state, attempt FROM jobs')).toEqual([{ state: 'running', attempt: 1 }])
    // As if the minute of its lease were over.
    inDatabase(dataDir, 'UPDATE jobs SET lease_until = 1')
    const second = await ServerProcess.start(dataDir)
    await until(async () => (await second.api(`/api/repositories/${id}`)).status === 'active')
    expect(await second.api(`/api/repositories/${id}`)).toMatchObject({ packages: 1, versions: 3, issues: [] })
    await second.kill()
    expect(inDatabase(dataDir, 'SELECT state, attempt FROM jobs')).toEqual([{ state: 'done', attempt: 2 }])
  }, 30_000)

  test('has stored all of a result or nothing, whenever it dies', async () => {
    const tags = Array.from({ length: 600 }, (_, index) => `1.${index}.0`)
    stage.repository('large', { commits: [{ files: { 'composer.json': manifest('acme/large') }, tags }] })
    const found = new Set<number>()
    for (let round = 0; round < 4; round++) {
      const dataDir = join(stage.directory, `data-${round}`)
      const server = await ServerProcess.start(dataDir)
      await server.api('/api/repositories', { url: stage.url('large'), vcs_type: 'git' })
      const { requests } = stage
      const before = requests.length
      await until(() => requests.length >= before + 1)
      await Bun.sleep(round * 80)
      await server.kill()
      const [versions] = inDatabase<{ n: number }>(dataDir, 'SELECT count(*) AS n FROM versions')
      const [refs] = inDatabase<{ n: number }>(dataDir, 'SELECT count(*) AS n FROM refs')
      const [row] = inDatabase<{ refs_digest: string | null }>(dataDir, 'SELECT refs_digest FROM repositories')
      expect([0, 601]).toContain(versions?.n ?? -1)
      expect(refs?.n).toBe(versions?.n ?? -1)
      expect(row?.refs_digest === null).toBe(versions?.n === 0)
      expect(inDatabase(dataDir, 'SELECT * FROM pragma_integrity_check')).toEqual([{ integrity_check: 'ok' }])
      found.add(versions?.n ?? -1)
    }
    expect(found.has(0)).toBe(true)
  }, 30_000)
})

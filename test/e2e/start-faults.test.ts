import { Database } from 'bun:sqlite'
import { afterAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Installation } from '../support/binary.ts'

/*
 * What the executable says, and how it exits, when it cannot start: 75 when trying again later may help, 78 when
 * something has to be changed first. Wrong configuration, 2, is in test/commands/command-line.test.ts.
 */

setDefaultTimeout(90_000)

const TEMPORARY = 75
const LASTING = 78

const installations: Installation[] = []
afterAll(async () => {
  for (const installation of installations) await installation.remove()
})

async function install(environment: Record<string, string> = {}): Promise<Installation> {
  const installation = await Installation.create(environment)
  installations.push(installation)
  return installation
}

/** An installation that has been started before. */
async function used(environment: Record<string, string> = {}): Promise<Installation> {
  const installation = await install(environment)
  await (await installation.serve()).stop()
  return installation
}

/** Starts it in vain: what was said, without a stack, and the exit code. */
async function refusal(installation: Installation, env: Record<string, string> = {}) {
  const { code, stderr } = await installation.run(['serve'], { env })
  expect(stderr).not.toMatch(/\n\s+at /)
  return { code, stderr }
}

describe('faults that pass', () => {
  test('a second start on the same data refuses and says who holds it', async () => {
    const installation = await install()
    const server = await installation.serve()
    const holder = expect.stringContaining(`in use by another package-broker (process ${server.pid}, serve, since `)
    expect(await refusal(installation)).toEqual({ code: TEMPORARY, stderr: holder })
    expect((await fetch(`${server.url}/ready`)).status).toBe(200)
    expect(await server.stop()).toBe(0)
    const third = await installation.serve()
    expect((await fetch(`${third.url}/ready`)).status).toBe(200)
  })

  test('another directory, the same database file', async () => {
    const holder = await install()
    const server = await holder.serve()
    const env = { DATABASE_URL: `file:${join(holder.directory, 'data/package-broker.db')}` }
    const stderr = expect.stringContaining(`(process ${server.pid}, serve, since `)
    expect(await refusal(await install(), env)).toEqual({ code: TEMPORARY, stderr })
  })

  test('a port that is taken, and the data is free again', async () => {
    const port = new URL((await (await install()).serve()).url).port
    const installation = await install()
    const stderr = expect.stringContaining(`PORT ${port} cannot be listened on`)
    expect(await refusal(installation, { PORT: port })).toEqual({ code: TEMPORARY, stderr })
    // The first token was not used up by the start that failed.
    expect((await installation.serve()).adminToken).not.toBeNull()
  })

  test('a database server that is not there', async () => {
    const free = Bun.serve({ hostname: '127.0.0.1', port: 0, fetch: () => new Response() })
    const url = `http://127.0.0.1:${free.port}`
    await free.stop(true)
    const stderr = expect.stringContaining('The database server of DATABASE_URL cannot be used')
    expect(await refusal(await install({ DATABASE_URL: url }))).toEqual({ code: TEMPORARY, stderr })
  })

  test('another program that writes in the database file', async () => {
    const installation = await used()
    const foreign = new Database(join(installation.directory, 'data/package-broker.db'))
    try {
      foreign.run('BEGIN IMMEDIATE')
      const stderr = expect.stringContaining('The database file of DATABASE_URL cannot be used')
      expect(await refusal(installation)).toEqual({ code: TEMPORARY, stderr })
    } finally {
      foreign.close()
    }
    await installation.serve()
  })
})

describe('faults that stay', () => {
  test('a directory that cannot be made', async () => {
    const installation = await install({ DATA_DIR: './file/data' })
    writeFileSync(join(installation.directory, 'file'), '')
    const stderr = expect.stringContaining('file/data cannot be created')
    expect(await refusal(installation)).toEqual({ code: LASTING, stderr })
  })

  test('a directory that cannot be written', async () => {
    const installation = await install()
    mkdirSync(join(installation.directory, 'data/instance.lock'), { recursive: true })
    const stderr = expect.stringContaining('instance.lock cannot be written')
    expect(await refusal(installation)).toEqual({ code: LASTING, stderr })
  })

  test('a key that is not the one of the data', async () => {
    const installation = await used({ ENCRYPTION_KEY: randomBytes(32).toString('base64') })
    const stderr = expect.stringContaining('ENCRYPTION_KEY is not the key they were sealed with')
    const wrong = { ENCRYPTION_KEY: randomBytes(32).toString('base64') }
    expect(await refusal(installation, wrong)).toEqual({ code: LASTING, stderr })
    await installation.serve()
  })

  test('a generated key that got lost, or was overwritten', async () => {
    const installation = await used()
    const path = join(installation.directory, 'data/encryption.key')
    rmSync(path)
    const lost = expect.stringContaining('The key of stored credentials is missing: put encryption.key back')
    expect(await refusal(installation)).toEqual({ code: LASTING, stderr: lost })
    // None is made that would be taken for the right one.
    expect(existsSync(path)).toBe(false)
    writeFileSync(path, `${randomBytes(32).toString('base64')}\n`)
    const other = expect.stringMatching(/what \S+encryption\.key holds is not the key they were sealed with/)
    expect(await refusal(installation)).toEqual({ code: LASTING, stderr: other })
    writeFileSync(path, 'no key')
    const overwritten = expect.stringContaining('does not hold a key of 32 bytes')
    expect(await refusal(installation)).toEqual({ code: LASTING, stderr: overwritten })
  })

  test('a database that a newer program has written', async () => {
    const installation = await used()
    const file = join(installation.directory, 'data/package-broker.db')
    const database = new Database(file)
    database.run("INSERT INTO __drizzle_migrations (hash, created_at) VALUES ('of the future', 99999999999999)")
    database.close()
    const stderr = expect.stringContaining('written by a newer package-broker')
    expect(await refusal(installation)).toEqual({ code: LASTING, stderr })
  })

  test('a file that is no database', async () => {
    const installation = await install()
    mkdirSync(join(installation.directory, 'data'))
    writeFileSync(join(installation.directory, 'data/package-broker.db'), randomBytes(5_000))
    const stderr = expect.stringContaining('file is not a database')
    expect(await refusal(installation)).toEqual({ code: LASTING, stderr })
  })

  test('a database server that refuses the token', async () => {
    const server = Bun.serve({ hostname: '127.0.0.1', port: 0, fetch: () => new Response('{}', { status: 401 }) })
    try {
      const stderr = expect.stringContaining('refuses DATABASE_AUTH_TOKEN')
      const installation = await install({ DATABASE_URL: `http://127.0.0.1:${server.port}` })
      expect(await refusal(installation)).toEqual({ code: LASTING, stderr })
    } finally {
      await server.stop(true)
    }
  })

  test('an address that is not this machine’s', async () => {
    const stderr = expect.stringContaining('HOST 192.0.2.1 with PORT 0 cannot be listened on')
    expect(await refusal(await install({ HOST: '192.0.2.1' }))).toEqual({ code: LASTING, stderr })
  })
})

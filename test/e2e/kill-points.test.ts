import { Database } from 'bun:sqlite'
import { afterEach, expect, setDefaultTimeout, test } from 'bun:test'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { basename, join } from 'node:path'
import { Installation, RunningServer } from '../support/binary.ts'
import { filesUnder } from '../support/damage.ts'
import { Management } from '../support/management.ts'
import { libraryZip } from '../support/zip-builder.ts'

/* A server that dies between two steps of an upload: the next one has all of it or nothing. */

setDefaultTimeout(60_000)

const ADMIN = 'administrator-of-the-kill-tests-0123456789'
const program = new URL('../support/dying-server.ts', import.meta.url).pathname

let installation: Installation
afterEach(() => installation?.remove())

const headers = { Authorization: `Bearer ${ADMIN}` }

test.each([
  'a temporary file is made',
  'it is written, and not durable',
  'it is durable, without its name',
  'it has its name, and no record',
  'it has its name for good, and no record',
])('it dies when %s', async (point) => {
  installation = await Installation.create({ ADMIN_TOKEN: ADMIN, LOG_FORMAT: 'json' })
  const { directory, environment } = installation
  const first = await installation.serve()
  const api = new Management(first.url, ADMIN)
  const { id } = (await api.call('POST', '/api/repositories', { vcs_type: 'artifact' })) as { id: string }
  await first.stop()

  const zip = libraryZip()
  const path = `/api/repositories/${id}/artifacts`
  const upload = (url: string) => fetch(url + path, { method: 'PUT', body: zip, headers })
  const dying = await RunningServer.start([process.execPath, program, point], directory, environment)
  expect(await upload(dying.url).catch(() => 'gone')).toBe('gone')
  expect(await dying.ended()).toBe(137)

  const uploads = join(directory, 'data/archives/uploads')
  for (const file of existsSync(uploads) ? filesUnder(uploads) : []) {
    expect(basename(file)).toStartWith(
      createHash('sha256')
        .update(await Bun.file(file).bytes())
        .digest('hex'),
    )
  }
  const database = new Database(join(directory, 'data/package-broker.db'))
  expect(database.query('SELECT count(*) FROM versions').values()).toEqual([[0]])
  database.close()

  const next = await installation.serve()
  expect(filesUnder(join(directory, 'data/archives/tmp'))).toEqual([])
  expect((await fetch(`${next.url}/p2/acme/lib.json`, { headers })).status).toBe(404)
  expect((await upload(next.url)).status).toBe(201)
  const served = await fetch(`${next.url}/dist/acme/lib/1.0.0.zip`, { headers })
  expect(Buffer.from(await served.bytes()).equals(zip)).toBe(true)
  await next.stop()
  expect(await installation.run(['verify'])).toMatchObject({ code: 0 })
})

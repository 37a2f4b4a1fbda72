import { afterAll, expect, setDefaultTimeout, test } from 'bun:test'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { Installation } from '../support/binary.ts'
import { ShellServer } from '../support/shell-server.ts'
import { libraryZip } from '../support/zip-builder.ts'

/* No more files can be opened: what cannot be done is 503 or not accepted, and all is well when there are some again. */

setDefaultTimeout(60_000)

const FILES = 64

let installation: Installation
afterAll(() => installation?.remove())

test('64 open files and more connections than that: it lives, refuses in words, and works again afterwards', async () => {
  installation = await Installation.create({ LOG_FORMAT: 'json', RATE_LIMIT_WRITE: '0' })
  const server = await ShellServer.start(installation, `ulimit -n ${FILES}; exec "$@" > log`)
  const log = await Bun.file(join(installation.directory, 'log')).text()
  const port = Number(/"url":"http:\/\/127\.0\.0\.1:(\d+)"/.exec(log)?.[1])
  const json = (body: unknown) => ({
    method: 'POST',
    body: JSON.stringify(body),
    headers: { 'Content-Type': 'application/json' },
  })
  const created = await server.ask('/api/repositories', json({ vcs_type: 'artifact' }))
  const { id } = (await created.json()) as { id: string }
  const upload = (version: string) =>
    server.ask(`/api/repositories/${id}/artifacts`, {
      method: 'PUT',
      body: libraryZip({ name: 'acme/built', version }, version),
    })
  expect((await upload('1.0.0')).status).toBe(201)
  // Connections of their own take every file that is left.
  const sockets: Socket[] = []
  for (let count = 0; count < FILES; count++) {
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => {})
    sockets.push(socket)
  }
  const statuses = new Set<number | string>()
  for (let round = 0; round < 20; round++) {
    const answers = await Promise.all(
      [upload(`2.0.${round}`), server.ask('/dist/acme/built/1.0.0.zip'), server.ask('/p2/acme/built.json')].map(
        (asked) =>
          asked.then(
            async (response) => {
              const text = await response.text()
              expect(text).not.toMatch(/EMFILE|\/home|node_modules|at async/)
              return response.status
            },
            // Not accepted at all, as there is no file for the connection.
            () => 'refused',
          ),
      ),
    )
    for (const status of answers) statuses.add(status)
  }
  for (const status of statuses) expect([200, 201, 503, 'refused']).toContain(status)
  for (const socket of sockets) socket.destroy()
  await server.until(async () => (await upload('3.0.0').catch(() => null))?.ok === true)
  for (const path of ['/dist/acme/built/1.0.0.zip', '/p2/acme/built.json', '/packages.json', '/ready'])
    expect((await server.ask(path)).status).toBe(200)
  expect(await server.end()).toBe(0)
})

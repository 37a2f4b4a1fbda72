import { afterAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Installation } from '../support/binary.ts'
import { ShellServer } from '../support/shell-server.ts'

/* What ends the process, and what must not: errors that nothing expects, a log that nobody reads, a full disk for it. */

setDefaultTimeout(60_000)

/** The address is in the line of each request. */
const LONG = `/p2/acme/${'x'.repeat(4_000)}`
const DROPPED = 'log_lines_dropped_total'

const installations: Installation[] = []
afterAll(async () => {
  for (const installation of installations) await installation.remove()
})

async function install(): Promise<Installation> {
  const installation = await Installation.create({ LOG_LEVEL: 'debug', LOG_FORMAT: 'json' })
  installations.push(installation)
  return installation
}

/** Lines of a log in JSON. */
function linesOf(text: string): Record<string, unknown>[] {
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
}

describe('a log', () => {
  test('that nobody reads holds up no request and fills no memory, and says what is missing', async () => {
    const installation = await install()
    const log = join(installation.directory, 'log')
    Bun.spawnSync(['mkfifo', log])
    const reader = Bun.spawn(['cat', log], { stdout: 'pipe' })
    const text = new Response(reader.stdout).text()
    const server = await ShellServer.start(installation, 'exec "$@" > log')
    reader.kill('SIGSTOP')
    // Two lines each, some twelve megabytes altogether, of which one is kept.
    for (let asked = 0; asked < 1_500; asked++) expect((await server.ask(LONG)).status).toBe(404)
    expect(await server.metric(DROPPED)).toBeGreaterThan(1_500)
    reader.kill('SIGCONT')
    // A line is written again, so that its reader has everything before it.
    await server.until(async () => {
      const before = await server.metric(DROPPED)
      return (await server.metric(DROPPED)) === before
    })
    expect(await server.end()).toBe(0)
    const lines = linesOf(await text)
    const told = lines.filter(({ message }) => message === 'lines of the log were dropped')
    expect(told.length).toBeGreaterThan(0)
    expect(lines.at(-1)).toMatchObject({ message: 'stopping' })
  })

  test('whose reader went away ends nothing', async () => {
    const installation = await install()
    Bun.spawnSync(['mkfifo', join(installation.directory, 'log')])
    const reader = Bun.spawn(['cat', join(installation.directory, 'log')], { stdout: 'ignore' })
    const server = await ShellServer.start(installation, 'exec "$@" > log')
    reader.kill('SIGKILL')
    await reader.exited
    for (let asked = 0; asked < 20; asked++) expect((await server.ask('/packages.json')).status).toBe(200)
    await server.until(async () => (await server.metric(DROPPED)) > 0)
    expect(await server.end()).toBe(0)
  })
})

describe('an error that nothing expects', () => {
  test.each([
    ['a rejected promise', 'SIGUSR2', 'nobody waits for this'],
    ['an exception', 'SIGWINCH', 'nobody catches this'],
  ] as const)('%s: it is logged, what is under way is finished, and the exit code is 1', async (_, signal, message) => {
    const installation = await install()
    const preload = new URL('../support/reject-later.ts', import.meta.url).pathname
    const program = [process.execPath, '--preload', preload, new URL('../../src/main.ts', import.meta.url).pathname]
    const server = await ShellServer.start(installation, 'exec "$@" > log', program)
    expect(await server.end(signal)).toBe(1)
    const lines = linesOf(readFileSync(join(installation.directory, 'log'), 'utf8'))
    const error = expect.stringContaining(message)
    expect(lines).toContainEqual(expect.objectContaining({ level: 'error', error }))
    expect(lines.at(-1)).toMatchObject({ message: 'stopping' })
  })
})

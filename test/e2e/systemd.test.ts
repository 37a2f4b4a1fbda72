import { Database } from 'bun:sqlite'
import { afterAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { executable, Installation } from '../support/binary.ts'
import { DatagramListener } from '../support/datagram-listener.ts'

setDefaultTimeout(90_000)

const ADMIN = 'administrator-from-a-credential-0123456789'
/** Tenths: 15 is 1.5, of 10. */
const MOST_EXPOSURE = '15'

const installations: Installation[] = []
const listeners: DatagramListener[] = []

afterAll(async () => {
  for (const installation of installations) await installation.remove()
  for (const listener of listeners) await listener.close()
})

async function install(environment: Record<string, string> = {}): Promise<Installation> {
  const installation = await Installation.create(environment)
  installations.push(installation)
  return installation
}

async function listen(address: string): Promise<DatagramListener> {
  const listener = await DatagramListener.listen(address)
  listeners.push(listener)
  return listener
}

describe.skipIf(process.platform !== 'linux')('a service manager is told', () => {
  test.each(['path', 'abstract name'])('of start, readiness and stop, at a %s', async (kind) => {
    const installation = await install()
    const name = join(installation.directory, 'notify.sock')
    const manager = await listen(kind === 'path' ? name : `@package-broker-test-${process.pid}`)
    const server = await installation.serve({ NOTIFY_SOCKET: manager.address })
    await manager.until((messages) => messages.length === 2)
    expect(await server.stop()).toBe(0)
    expect(manager.messages).toEqual([
      'STATUS=Starting',
      `READY=1 STATUS=Listening on ${server.url}`,
      'STOPPING=1 STATUS=Finishing what is under way',
    ])
  })

  test('that it is alive, and nothing while its database is not', async () => {
    const installation = await install()
    const manager = await listen(join(installation.directory, 'notify.sock'))
    const server = await installation.serve({ NOTIFY_SOCKET: manager.address, WATCHDOG_USEC: '150000' })
    const pings = () => manager.messages.filter((message) => message === 'WATCHDOG=1').length
    await manager.until(() => pings() > 2)

    const database = new Database(join(installation.directory, 'data/package-broker.db'))
    database.run('ALTER TABLE settings RENAME TO gone')
    const failures = () => server.stdout.split('no sign of life').length - 1
    await manager.until(() => failures() > 0)
    const before = pings()
    await manager.until(() => failures() > 3)
    expect(pings()).toBe(before)

    database.run('ALTER TABLE gone RENAME TO settings')
    database.close()
    await manager.until(() => pings() > before)
    expect(await server.stop()).toBe(0)
  })

  test('nothing when the watchdog is another process’s', async () => {
    const installation = await install()
    const manager = await listen(join(installation.directory, 'notify.sock'))
    const env = { NOTIFY_SOCKET: manager.address, WATCHDOG_USEC: '1000', WATCHDOG_PID: '1' }
    const server = await installation.serve(env)
    await server.stop()
    expect(manager.messages).not.toContain('WATCHDOG=1')
  })

  test('a manager that went away does not keep it from ending', async () => {
    const installation = await install()
    const manager = await listen(join(installation.directory, 'notify.sock'))
    const server = await installation.serve({ NOTIFY_SOCKET: manager.address })
    await manager.close()
    expect(await server.stop()).toBe(0)
    expect(server.stdout).toContain('the service manager was not told')
  })

  test('an address where nobody listens is refused in words', async () => {
    const { code, stderr } = await (await install()).run(['serve'], { env: { NOTIFY_SOCKET: '/nonexistent' } })
    expect({ code, stderr }).toEqual({ code: 1, stderr: 'Nobody takes messages at NOTIFY_SOCKET /nonexistent.\n' })
  })
})

test('secrets come from credentials', async () => {
  const installation = await install()
  const credentials = join(installation.directory, 'credentials')
  mkdirSync(credentials)
  writeFileSync(join(credentials, 'ADMIN_TOKEN'), `${ADMIN}\n`)
  writeFileSync(join(credentials, 'ENCRYPTION_KEY'), `${randomBytes(32).toString('base64')}\n`)
  const server = await installation.serve({ CREDENTIALS_DIRECTORY: credentials })
  expect(server.adminToken).toBeNull()
  const asked = await fetch(`${server.url}/api/tokens`, { headers: { Authorization: `Bearer ${ADMIN}` } })
  expect(asked.status).toBe(200)
  expect(existsSync(join(installation.directory, 'data/encryption.key'))).toBe(false)
  expect(await server.stop()).toBe(0)
  // The key was really the credential's.
  expect((await installation.run(['serve'])).code).toBe(78)
})

describe('the unit', () => {
  async function unit(...args: string[]): Promise<string> {
    const { code, stdout } = await (await install()).run(['systemd', ...args])
    expect(code).toBe(0)
    return stdout
  }

  test('runs this executable', async () => {
    expect(await unit()).toContain(`\nExecStart=${await executable()} serve\n`)
  })

  test('finds an executable with an odd path', async () => {
    expect(await unit('--executable', '/opt/a b/100%/$x')).toContain('ExecStart="/opt/a b/100%%/$$x" serve\n')
    const relative = await (await install()).run(['systemd', '--executable', 'bin/package-broker'])
    expect(relative).toMatchObject({ code: 2, stderr: expect.stringContaining('absolute path') })
  })

  test('waits longer for the end than the server takes, and starts it again unless something must be changed', async () => {
    const text = await unit()
    expect(text).toContain('\nTimeoutStopSec=40\n')
    expect(text).toContain('\nRestartPreventExitStatus=2 78\n')
  })

  test('names every secret as a credential', async () => {
    const credentials = [...(await unit()).matchAll(/^LoadCredential=(\w+):/gm)].map((match) => match[1])
    expect(credentials.sort()).toEqual(['ADMIN_TOKEN', 'DATABASE_AUTH_TOKEN', 'ENCRYPTION_KEY'])
  })

  const analyze = Bun.which('systemd-analyze')

  // The only program that reads units as systemd does; it comes with systemd and is on no machine without it.
  test.skipIf(analyze === null)('is understood by systemd, and exposes at most 1.5 of 10', async () => {
    const installation = await install()
    const file = join(installation.directory, 'package-broker.service')
    writeFileSync(file, await unit('--executable', await executable()))
    writeFileSync(join(installation.directory, 'package-broker.socket'), await unit('--socket'))
    const run = (...args: string[]) =>
      Bun.spawnSync([analyze ?? '', ...args, file], { stdout: 'pipe', stderr: 'pipe', env: { LC_ALL: 'C' } })
    const verified = run('verify', '--man=no')
    expect({ code: verified.exitCode, said: verified.stderr.toString() }).toEqual({ code: 0, said: '' })
    const socket = Bun.spawnSync([analyze ?? '', 'verify', '--man=no', file.replace('.service', '.socket')])
    expect({ code: socket.exitCode, said: socket.stderr.toString() }).toEqual({ code: 0, said: '' })
    const scored = run('security', '--offline=true', `--threshold=${MOST_EXPOSURE}`, '--no-pager')
    expect({ code: scored.exitCode, said: scored.stderr.toString() }).toEqual({ code: 0, said: '' })
    expect(scored.stdout.toString()).toMatch(/Overall exposure level for package-broker\.service: [01]\.\d/)
  })
})

test('make install puts executable, unit and user in place', async () => {
  const { directory } = await install()
  const root = join(import.meta.dir, '../..')
  const make = Bun.spawnSync(
    ['make', '-C', root, 'install', `DESTDIR=${directory}`, 'PREFIX=/opt', `OUT=${await executable()}`],
    { stdout: 'pipe', stderr: 'pipe' },
  )
  expect({ code: make.exitCode, said: make.stderr.toString() }).toEqual({ code: 0, said: '' })
  const installed = (path: string) => readFileSync(join(directory, 'opt', path), 'utf8')
  expect(installed('lib/systemd/system/package-broker.service')).toContain(
    '\nExecStart=/opt/bin/package-broker serve\n',
  )
  expect(installed('lib/systemd/system/package-broker.socket')).toContain('\nListenStream=8080\n')
  expect(installed('lib/sysusers.d/package-broker.conf')).toMatch(/^u package-broker - /m)
  const version = Bun.spawnSync([join(directory, 'opt/bin/package-broker'), '--version'])
  expect(version.stdout.toString()).toMatch(/^package-broker \d/)
})

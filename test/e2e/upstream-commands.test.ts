import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { Installation, type RunningServer } from '../support/binary.ts'
import { ComposerProject, composerAvailable } from '../support/composer-project.ts'
import { Management } from '../support/management.ts'
import { type Packagist, startPackagist } from '../support/upstream/packagist.ts'

setDefaultTimeout(90_000)

/** What else people do with composer, against packages of an upstream. */
describe.skipIf(!composerAvailable)('further commands of composer', () => {
  let upstream: Packagist
  let installation: Installation
  let server: RunningServer
  let project: ComposerProject
  const funding = [{ type: 'github', url: 'https://github.com/sponsors/up' }]

  beforeAll(async () => {
    upstream = await startPackagist({
      packages: [
        {
          name: 'up/lib',
          versions: [
            { version: '1.0.0', manifest: { license: ['MIT'], funding } },
            { version: '1.1.0', manifest: { license: ['BSD-3-Clause'], funding } },
            { version: '2.0.0', manifest: { require: { 'up/missing': '^1.0' } } },
          ],
        },
      ],
    })
    installation = await Installation.create({ LOG_LEVEL: 'debug' })
    server = await installation.serve()
    const api = new Management(server.url, server.adminToken)
    await api.addRepository(upstream.url, { vcs_type: 'composer' })
    project = ComposerProject.create({
      repositories: [server.url],
      tokens: { [server.url]: await api.token() },
      require: { 'up/lib': '^1.0' },
    })
    expect((await project.run('update')).code).toBe(0)
  })

  afterAll(async () => {
    project?.remove()
    await installation?.remove()
    await upstream?.stop()
  })

  const lock = () => project.read('composer.lock')

  test('update --lock and update mirrors leave the lock file as it is', async () => {
    const before = lock()
    for (const args of [
      ['update', '--lock'],
      ['update', 'mirrors'],
    ]) {
      const { code, output } = await project.run(...args)
      expect({ args, code, output }).toMatchObject({ code: 0 })
      expect(lock()).toBe(before)
    }
  })

  test('diagnose finds nothing wrong with the repository', async () => {
    const { output } = await project.run('diagnose')
    expect(output).not.toContain(`${server.url}: FAIL`)
    expect(output).not.toContain('[TransportException]')
  })

  test('outdated knows the newest version and when it was released', async () => {
    const { output } = await project.run('outdated', '--format=json')
    const { installed } = JSON.parse(output.slice(output.indexOf('{\n'))) as { installed: Record<string, unknown>[] }
    expect(installed).toMatchObject([{ name: 'up/lib', version: '1.1.0', latest: '2.0.0' }])
  })

  test('licenses and fund come through', async () => {
    expect((await project.run('licenses', '--format=json')).output).toContain('BSD-3-Clause')
    expect((await project.run('fund', '--format=json')).output).toContain('https://github.com/sponsors/up')
  })

  test('why-not names what keeps a version out', async () => {
    const { output } = await project.run('why-not', 'up/lib', '2.0.0')
    expect(output).toContain('requires up/lib (^1.0)')
  })

  test('prefer-lowest, bump and reinstall', async () => {
    expect((await project.run('update', '--prefer-lowest')).code).toBe(0)
    expect(project.locked()[0]?.version).toBe('1.0.0')
    expect((await project.run('update')).code).toBe(0)
    expect((await project.run('bump')).code).toBe(0)
    expect(project.read('composer.json')).toContain('^1.1')
    const { code, output } = await project.run('reinstall', 'up/lib')
    expect({ code, output }).toMatchObject({ code: 0 })
    expect(project.has('vendor/up/lib/composer.json')).toBe(true)
  })
})

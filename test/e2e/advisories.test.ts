import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Installation, type RunningServer } from '../support/binary.ts'
import { ComposerProject, composerAvailable } from '../support/composer-project.ts'
import { createGitRepository } from '../support/git-repository.ts'
import { Management } from '../support/management.ts'
import { library } from '../support/packages.ts'
import { type Packagist, startPackagist } from '../support/upstream/packagist.ts'

setDefaultTimeout(90_000)

describe.skipIf(!composerAvailable)('advisories and filter lists', () => {
  let root: string
  let upstream: Packagist
  let installation: Installation
  let server: RunningServer
  let api: Management
  let token: string
  let project: ComposerProject
  let relayedId: string

  beforeAll(async () => {
    root = mkdtempSync(join(tmpdir(), 'package-broker-sources-'))
    createGitRepository(join(root, 'lib.git'), {
      commits: [library('acme/lib', 'one', { tags: ['1.0.0'] }), library('acme/lib', 'two', { tags: ['1.1.0'] })],
    })
    upstream = await startPackagist({
      packages: [
        { name: 'up/bad', versions: ['1.0.0', '1.1.0'] },
        { name: 'up/good', versions: ['1.0.0'] },
      ],
    })
    relayedId = upstream.addAdvisory('up/bad', { affectedVersions: '<1.1', title: 'Weak sessions' }).advisoryId
    installation = await Installation.create({ LOG_LEVEL: 'debug', LOCAL_REPOSITORY_ROOTS: root })
    server = await installation.serve()
    api = new Management(server.url, server.adminToken)
    await api.addRepository(join(root, 'lib.git'))
    await api.addRepository(upstream.url, { vcs_type: 'composer' })
    const own = { package_name: 'acme/lib', title: 'Guessable tokens', affected_versions: '<1.1', severity: 'high' }
    await api.call('POST', '/api/advisories', own)
    token = await api.token()
    project = ComposerProject.create({
      repositories: [server.url],
      tokens: { [server.url]: token },
      require: { 'up/bad': '1.0.0', 'up/good': '*', 'acme/lib': '1.0.0' },
    })
  })

  afterAll(async () => {
    project?.remove()
    await installation?.remove()
    await upstream?.stop()
    rmSync(root, { recursive: true, force: true })
  })

  /** What is asked as a newer client asks it. */
  async function ask(path: string, request: RequestInit = {}) {
    const headers = { Authorization: `Basic ${btoa(`token:${token}`)}`, ...(request.headers as Record<string, string>) }
    const response = await fetch(`${server.url}${path}`, { ...request, headers })
    return { status: response.status, headers: response.headers, text: await response.text() }
  }

  test('an update tells of those of both sides', async () => {
    const { code, output } = await project.run('update')
    expect({ code, output }).toMatchObject({ code: 0 })
    expect(output).toMatch(/Found 2 security vulnerability advisories affecting 2 packages/)
  })

  test.each([[['audit']], [['audit', '--locked']]])(
    'composer %p fails and names them with all that is known',
    async (args) => {
      const { code, output } = await project.run(...args, '--format=json')
      expect(code).not.toBe(0)
      const { advisories } = JSON.parse(output.slice(output.indexOf('{\n'))) as {
        advisories: Record<string, Record<string, unknown>[]>
      }
      expect(Object.keys(advisories).sort()).toEqual(['acme/lib', 'up/bad'])
      expect(advisories['up/bad']).toMatchObject([{ advisoryId: relayedId, title: 'Weak sessions' }])
      expect(advisories['acme/lib']).toMatchObject([{ title: 'Guessable tokens', affectedVersions: '<1.1' }])
    },
  )

  test('an update to versions that are not affected finds none', async () => {
    const healthy = ComposerProject.create({
      repositories: [server.url],
      tokens: { [server.url]: token },
      require: { 'up/bad': '^1.1', 'acme/lib': '^1.1' },
    })
    const { code, output } = await healthy.run('update')
    healthy.remove()
    expect({ code, output }).toMatchObject({ code: 0 })
    expect(output).toContain('No security vulnerability advisories found')
  })

  test('what Composer 2.9 asks before it resolves', async () => {
    const names = ['up/bad', 'up/good', 'acme/lib', 'nobody/knows']
    const body = names.map((name, index) => `packages%5B${index}%5D=${encodeURIComponent(name)}`).join('&')
    const request = { method: 'POST', body, headers: { 'Content-Type': 'application/x-www-form-urlencoded' } }
    for (let twice = 0; twice < 2; twice++) {
      const { status, headers, text } = await ask('/api/security-advisories', request)
      expect([status, headers.get('content-type')]).toEqual([200, 'application/json'])
      const { advisories } = JSON.parse(text) as { advisories: Record<string, Record<string, unknown>[]> }
      expect(Object.keys(advisories)).toEqual(['up/bad', 'up/good', 'acme/lib'])
      expect(advisories['up/good']).toEqual([])
      const [entry] = advisories['up/bad'] ?? []
      expect(entry).toMatchObject({
        packageName: 'up/bad',
        affectedVersions: '<1.1',
        sources: [{}],
        reportedAt: expect.any(String),
      })
    }
    const { text } = await ask('/p2/up/bad.json?minified=1')
    expect(JSON.parse(text)['security-advisories']).toMatchObject([{ affectedVersions: '<1.1' }])
  })

  test('what Composer 2.10 asks before it installs from a lock file, and what older clients get', async () => {
    await api.call('POST', '/api/filters', {
      list: 'malware',
      package_name: 'up/bad',
      constraint: '1.0.0',
      reason: 'Steals keys',
    })
    const { filter } = JSON.parse((await ask('/packages.json')).text) as { filter: Record<string, string> }
    expect(filter).toMatchObject({ metadata: true, lists: { malware: { enabled: true } } })
    const summaryPath = (filter['summary-url'] ?? '').replace(server.url, '')
    const summary = await ask(summaryPath)
    expect(JSON.parse(summary.text)).toEqual({ filter: { malware: { 'up/bad': '1.0.0' } } })
    const since = { 'If-Modified-Since': summary.headers.get('last-modified') ?? '' }
    expect(await ask(summaryPath, { headers: since })).toMatchObject({ status: 304, text: '' })
    const question = { packages: ['pkg://composer/up/bad', 'pkg://composer/acme/lib'], lists: ['malware'] }
    const request = { method: 'POST', body: JSON.stringify(question), headers: { 'Content-Type': 'application/json' } }
    const answer = await ask((filter['api-url'] ?? '').replace(server.url, ''), request)
    expect(JSON.parse(answer.text)).toMatchObject({
      filter: { malware: [{ package: 'up/bad', constraint: '1.0.0', reason: 'Steals keys' }] },
    })
    expect(JSON.parse((await ask('/p2/up/bad.json?minified=1')).text).filter).toMatchObject({
      malware: [{ constraint: '1.0.0' }],
    })
    project.forget()
    const { code, output } = await project.run('install')
    expect(code).not.toBe(0)
    expect(output).toContain('Steals keys')
    expect(project.has('vendor/up/bad')).toBe(false)
  })
})

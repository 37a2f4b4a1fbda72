import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Installation, type RunningServer } from '../support/binary.ts'
import { ComposerProject, composerAvailable } from '../support/composer-project.ts'
import { type GitServer, startGitServer } from '../support/git-http-server.ts'
import { createGitRepository, type TestGitRepository } from '../support/git-repository.ts'
import { Management } from '../support/management.ts'
import { library } from '../support/packages.ts'

setDefaultTimeout(90_000)

describe('archives', () => {
  let root: string
  let source: GitServer
  let installation: Installation
  let server: RunningServer
  let api: Management
  let token: string
  const repositories = new Map<string, TestGitRepository>()
  const ids = new Map<string, string>()

  beforeAll(async () => {
    root = mkdtempSync(join(tmpdir(), 'package-broker-sources-'))
    source = await startGitServer({ root })
    installation = await Installation.create()
    server = await installation.serve()
    api = new Management(server.url, server.adminToken)
    token = await api.token()
    for (const archives of ['lazy', 'tags', 'all']) {
      const repository = createGitRepository(join(root, `${archives}.git`), {
        commits: [library(`acme/${archives}`, 'one', { tags: ['1.0.0'] }), library(`acme/${archives}`, 'main')],
      })
      repositories.set(archives, repository)
      ids.set(archives, (await api.addRepository(`${source.url}/${archives}.git`, { archives })).id)
    }
  })

  afterAll(async () => {
    await installation?.remove()
    await source?.stop()
    rmSync(root, { recursive: true, force: true })
  })

  interface Dist {
    url: string
    reference: string
    shasum?: string
  }

  async function distOf(name: string, version: string): Promise<Dist> {
    const file = version.startsWith('dev-') ? `${name}~dev` : name
    const response = await download(`${server.url}/p2/acme/${file}.json`)
    const { packages } = (await response.json()) as { packages: Record<string, Record<string, { dist: Dist }>> }
    const dist = packages[`acme/${name}`]?.[version]?.dist
    if (!dist) throw new Error(`acme/${name} has no version ${version}`)
    return dist
  }

  function download(url: string): Promise<Response> {
    return fetch(url, { headers: { Authorization: `Bearer ${token}` } })
  }

  const sha1 = (bytes: ArrayBuffer) => createHash('sha1').update(new Uint8Array(bytes)).digest('hex')

  /** Files of the archive cache with these bytes. */
  function cached(bytes: ArrayBuffer): string[] {
    const directory = join(installation.directory, 'data/archives')
    const wanted = Buffer.from(bytes)
    return readdirSync(directory, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .filter((path) => readFileSync(path).equals(wanted))
  }

  test.each([
    ['lazy', '1.0.0', false],
    ['lazy', 'dev-main', false],
    ['tags', '1.0.0', true],
    ['tags', 'dev-main', false],
    ['all', '1.0.0', true],
    ['all', 'dev-main', true],
  ])('archives %s: %s has a shasum: %p', async (name, version, expected) => {
    const dist = await distOf(name, version)
    expect('shasum' in dist).toBe(expected)
    const bytes = await (await download(dist.url)).arrayBuffer()
    if (expected) expect(dist.shasum ?? '').toBe(sha1(bytes))
    // What was published is in lock files: building an archive, and another sync, change nothing about it.
    await api.sync(ids.get(name) ?? '')
    expect(await distOf(name, version)).toEqual(dist)
  })

  test('a shasum stays as it is when other versions are published', async () => {
    for (const name of ['lazy', 'tags']) {
      const before = await distOf(name, '1.0.0')
      repositories.get(name)?.commit(library(`acme/${name}`, 'two', { tags: ['2.0.0'] }))
      await api.sync(ids.get(name) ?? '')
      expect(await distOf(name, '1.0.0')).toEqual(before)
      expect('shasum' in (await distOf(name, '2.0.0'))).toBe(name === 'tags')
    }
  })

  test.skipIf(!composerAvailable)('composer verifies the shasum', async () => {
    const project = ComposerProject.create({
      repositories: [server.url],
      tokens: { [server.url]: token },
      require: { 'acme/all': '1.0.0', 'acme/lazy': '1.0.0' },
    })
    try {
      const { code, output } = await project.run('update')
      expect({ code, output }).toMatchObject({ code: 0 })
      const shasums = Object.fromEntries(
        project.locked().flatMap(({ name, dist }) => (dist.shasum ? [[name, dist.shasum]] : [])),
      )
      expect(shasums).toEqual({ 'acme/all': expect.stringMatching(/^[0-9a-f]{40}$/) })

      const lock = project.read('composer.lock')
      await Bun.write(project.path('composer.lock'), lock.replace(shasums['acme/all'] ?? '', 'f'.repeat(40)))
      project.forget()
      const second = await project.run('install')
      expect(second.code).toBe(1)
      expect(second.output).toContain('checksum verification of the file failed')
    } finally {
      project.remove()
    }
  })

  test('a damaged file of the cache is never served', async () => {
    const { url } = await distOf('all', '1.0.0')
    const good = await (await download(url)).arrayBuffer()
    const damages: ((path: string) => void)[] = [
      (path) => {
        const bytes = Buffer.from(new Uint8Array(good))
        bytes[40] = (bytes[40] ?? 0) ^ 0xff
        writeFileSync(path, bytes)
        utimesSync(path, 1, 1)
      },
      (path) => writeFileSync(path, Buffer.from(good).subarray(0, 100)),
      (path) => writeFileSync(path, ''),
      (path) => rmSync(path),
    ]
    for (const damage of damages) {
      const [path, ...more] = cached(good)
      expect(more).toEqual([])
      damage(path ?? '')
      const response = await download(url)
      expect(response.status).toBe(200)
      expect(sha1(await response.arrayBuffer())).toBe(sha1(good))
    }
  })

  test('nor one that was damaged while the server was down, with the time of the file as it was', async () => {
    const { url } = await distOf('all', '1.0.0')
    const { pathname } = new URL(url)
    const good = await (await download(url)).arrayBuffer()
    const [path = ''] = cached(good)
    expect(await server.stop()).toBe(0)
    const bytes = Buffer.from(new Uint8Array(good))
    bytes[40] = (bytes[40] ?? 0) ^ 0xff
    writeFileSync(path, bytes)
    server = await installation.serve()
    api = new Management(server.url, server.adminToken)
    const response = await download(`${server.url}${pathname}`)
    expect(response.status).toBe(200)
    expect(sha1(await response.arrayBuffer())).toBe(sha1(good))
  })

  test('when the source is gone too, the answer is an error and not the damaged bytes', async () => {
    const { url } = await distOf('all', 'dev-main')
    const good = await (await download(url)).arrayBuffer()
    const [path = ''] = cached(good)
    await source.stop()
    writeFileSync(path, Buffer.alloc(good.byteLength))
    const response = await download(url)
    expect(response.status).toBe(502)
    const warning = expect.stringMatching(
      /^The archive of acme\/\S+ dev-main is not stored here yet, and its repository cannot be read now: .*the connection is refused/,
    )
    expect(await response.json()).toMatchObject({ code: 'UPSTREAM_ERROR', warning })
  })
})

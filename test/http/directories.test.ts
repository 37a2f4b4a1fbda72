import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { createHash } from 'node:crypto'
import type { Broker } from '../support/broker.ts'
import { createGitRepository, type TestGitRepository } from '../support/git-repository.ts'
import { libraryFiles } from '../support/packages.ts'
import { startBroker } from '../support/start-broker.ts'

/* One repository with a package at its root and two in directories. */

interface Entry {
  name: string
  dist: { url: string; reference: string; shasum: string }
  source?: { type: string; url: string; reference: string }
}

let app: Broker
let repository: TestGitRepository
let id: string

const below = (directory: string, files: Record<string, string>) =>
  Object.fromEntries(Object.entries(files).map(([name, content]) => [`${directory}/${name}`, content]))

beforeAll(async () => {
  app = await startBroker()
  repository = createGitRepository(app.path('mono.git'), {
    commits: [
      {
        files: {
          ...libraryFiles('acme/all', 'all'),
          'README.md': '# All of it',
          ...below('packages/core', { ...libraryFiles('acme/core', 'core'), 'README.md': '# Core' }),
          ...below('packages/mail', libraryFiles('acme/mail', 'mail')),
        },
        tags: ['1.0.0'],
      },
    ],
  })
  const globs = 'composer.json, packages/*/composer.json'
  const spec = { composer_json_paths: globs, archives: 'tags', expose_source: true }
  const shown = await app.addRepository(app.path('mono.git'), spec)
  expect(shown).toMatchObject({ status: 'active', packages: 3, issues: [], composer_json_paths: globs })
  id = shown.id
})

afterAll(() => app?.stop())

async function entry(name: string, version = '1.0.0', suffix = ''): Promise<Entry> {
  const response = await app.ask(`/p2/${name}${suffix}.json`)
  const { packages } = (await response.json()) as { packages: Record<string, Record<string, Entry>> }
  const found = packages[name]?.[version]
  if (!found) throw new Error(`${name} ${version} is not there`)
  return found
}

describe('packages of directories', () => {
  test('have the commit as reference, and archives and checksums of their own', async () => {
    const sums = new Set<string>()
    for (const name of ['acme/all', 'acme/core', 'acme/mail']) {
      const { dist } = await entry(name)
      expect(dist.reference).toBe(repository.resolve('1.0.0'))
      const archive = await app.ask(dist.url)
      expect(archive.status).toBe(200)
      const bytes = new Uint8Array(await archive.arrayBuffer())
      expect(createHash('sha1').update(bytes).digest('hex')).toBe(dist.shasum)
      sums.add(dist.shasum)
    }
    expect(sums.size).toBe(3)
  })

  test('have no source, which only the package at the root can be had from', async () => {
    expect((await entry('acme/core')).source).toBeUndefined()
    expect((await entry('acme/all')).source).toMatchObject({ type: 'git', reference: repository.resolve('1.0.0') })
  })

  test('have the README of their directory', async () => {
    const list = (await (await app.ask(`/api/packages?repo_id=${id}`)).json()) as { id: string; name: string }[]
    const readme = async (name: string) => {
      const found = list.find((shown) => shown.name === name)
      return app.ask(`/api/packages/${found?.id}/versions/1.0.0/readme`)
    }
    expect(await (await readme('acme/core')).text()).toBe('# Core')
    expect(await (await readme('acme/all')).text()).toBe('# All of it')
    expect((await readme('acme/mail')).status).toBe(404)
  })

  test('of a branch are built when they are asked for, and found by old references', async () => {
    const before = await entry('acme/core', 'dev-main', '~dev')
    expect(before.dist.reference).toBe(repository.resolve('main'))
    repository.commit({
      files: {
        'packages/core/composer.json': null,
        'packages/core/src/Lib.php': null,
        'packages/core/README.md': null,
        ...below('moved/core', libraryFiles('acme/core', 'moved')),
      },
    })
    const patch = { composer_json_paths: 'moved/*, packages/*, composer.json' }
    expect((await app.ask(`/api/repositories/${id}`, { method: 'PATCH', json: patch })).status).toBe(200)
    await app.synced(id)
    const after = await entry('acme/core', 'dev-main', '~dev')
    expect(after.dist.reference).toBe(repository.resolve('main'))
    const [old, now] = await Promise.all([before, after].map(async ({ dist }) => (await app.ask(dist.url)).bytes()))
    // The old commit is the one of the tag: the same files, the same archive.
    expect(
      createHash('sha1')
        .update(old ?? '')
        .digest('hex'),
    ).toBe((await entry('acme/core')).dist.shasum)
    expect(Buffer.from(now ?? []).equals(Buffer.from(old ?? []))).toBe(false)
  })
})

describe('composer_json_paths', () => {
  const address = { url: 'https://repo.example.org' }

  test.each([
    [{ vcs_type: 'git', composer_json_paths: '../x' }],
    [{ vcs_type: 'composer', ...address, composer_json_paths: 'packages/*' }],
    [{ vcs_type: 'artifact', composer_json_paths: 'packages/*' }],
  ])('%p is refused', async (spec) => {
    const response = await app.ask('/api/repositories', { json: { url: app.path('mono.git'), ...spec } })
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({ details: { fields: { composer_json_paths: expect.any(String) } } })
  })

  test('is refused for an upstream that is there, unless it is null', async () => {
    const created = await app.ask('/api/repositories', { json: { ...address, vcs_type: 'composer' } })
    const place = `/api/repositories/${((await created.json()) as { id: string }).id}`
    const patch = (composer_json_paths: string | null) =>
      app.ask(place, { method: 'PATCH', json: { composer_json_paths } })
    expect((await patch('packages/*')).status).toBe(400)
    expect((await patch(null)).status).toBe(200)
  })
})

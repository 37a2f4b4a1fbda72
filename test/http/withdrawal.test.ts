import { Database } from 'bun:sqlite'
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import type { Broker } from '../support/broker.ts'
import { createGitRepository, type TestGitRepository } from '../support/git-repository.ts'
import { library } from '../support/packages.ts'
import { startBroker } from '../support/start-broker.ts'
import { zipOf } from '../support/zip-builder.ts'

interface Entry {
  actor: string
  action: string
  subject: string
  before: string
  after: string
}

interface Shown {
  id: string
  latest_version: string | null
  versions: { version: string; reference: string }[]
  withdrawn_versions: { version: string; reference: string; withdrawn_at: number }[]
}

let app: Broker
let repository: TestGitRepository
let repositoryId: string
let id: string

beforeAll(async () => {
  app = await startBroker()
  repository = createGitRepository(app.path('lib.git'), {
    commits: [
      library('acme/lib', 'one', { tags: ['1.0.0'] }),
      library('acme/lib', 'two', { tags: ['2.0.0'] }),
      library('acme/lib', 'feature', { branch: 'feature/x', from: 'main' }),
    ],
  })
  repositoryId = (await app.addRepository(repository.path)).id
  id = ((await (await app.ask('/api/packages')).json()) as Shown[])[0]?.id ?? ''
})

afterAll(() => app?.stop())

const change = (version: string, action: 'withdraw' | 'restore', packageId = id) =>
  app.ask(`/api/packages/${packageId}/versions/${version}${action === 'restore' ? '/restore' : ''}`, {
    method: action === 'restore' ? 'POST' : 'DELETE',
  })

async function shown(): Promise<Shown> {
  return (await (await app.ask(`/api/packages/${id}`)).json()) as Shown
}

/** Versions in the metadata that Composer asks for, and the date of the document. */
async function metadata(dev = false) {
  const response = await app.ask(`/p2/acme/lib${dev ? '~dev' : ''}.json`)
  const body = (await response.json()) as { packages: Record<string, Record<string, unknown>> }
  const modified = Date.parse(response.headers.get('last-modified') ?? '')
  return { versions: Object.keys(body.packages['acme/lib'] ?? {}), modified, etag: response.headers.get('etag') }
}

/** A sync that reads everything through, because something else in the repository changed. */
async function changedSync(mark: string) {
  repository.commit(library('acme/lib', mark, { branch: 'other' }))
  return app.sync(repositoryId)
}

describe('a withdrawn tag', () => {
  test('leaves the metadata at once, with a later date, and stays out of it', async () => {
    const before = await metadata()
    expect(before.versions).toEqual(['2.0.0', '1.0.0'])
    const response = await change('2.0.0', 'withdraw')
    expect(response.status).toBe(200)
    expect(await response.json()).toMatchObject({ version: '2.0.0', withdrawn_at: expect.any(Number), offered: false })
    const after = await metadata()
    expect(after.versions).toEqual(['1.0.0'])
    expect(after.modified).toBeGreaterThan(before.modified)
    expect(after.etag).not.toBe(before.etag)
    expect(await shown()).toMatchObject({ latest_version: '1.0.0', withdrawn_versions: [{ version: '2.0.0' }] })
    await app.synced(repositoryId)
    const view = await changedSync('later')
    expect(view).toMatchObject({ status: 'active' })
    expect(view.issues).toEqual([
      { ref: 'refs/tags/2.0.0', reason: 'Version 2.0.0 was withdrawn here and stays hidden.' },
    ])
    expect((await metadata()).versions).toEqual(['1.0.0'])
    expect(await shown()).toMatchObject({ latest_version: '1.0.0' })
  })

  test('is not there for a second withdrawal, nor its README', async () => {
    const twice = await change('2.0.0', 'withdraw')
    expect(twice.status).toBe(404)
    expect(await twice.json()).toMatchObject({ error: 'This package has no version 2.0.0.' })
    const readme = await app.ask(`/api/packages/${id}/versions/2.0.0/readme`)
    expect(readme.status).toBe(404)
    // Of a version that is there it would say that it has none.
    expect(await readme.json()).toMatchObject({ error: 'This package has no version 2.0.0.' })
  })

  test('keeps installing from a lock file', async () => {
    expect((await app.ask('/dist/acme/lib/2.0.0.zip')).status).toBe(200)
    const [row] = (await shown()).withdrawn_versions
    expect((await app.ask(`/dist/acme/lib/2.0.0.zip?reference=${row?.reference}`)).status).toBe(200)
  })

  test('is restored with one request, and offered again', async () => {
    const before = await metadata()
    const response = await change('2.0.0', 'restore')
    expect(await response.json()).toMatchObject({ version: '2.0.0', withdrawn_at: null, offered: true })
    const after = await metadata()
    expect(after.versions).toEqual(['2.0.0', '1.0.0'])
    expect(after.modified).toBeGreaterThan(before.modified)
    expect(await shown()).toMatchObject({ latest_version: '2.0.0', withdrawn_versions: [] })
    expect((await app.synced(repositoryId)).issues).toEqual([])
    const again = await change('2.0.0', 'restore')
    expect(again.status).toBe(409)
    expect(await again.json()).toMatchObject({ error: 'Version 2.0.0 is not withdrawn.' })
  })

  test('cannot be filled with other content, withdrawn or restored', async () => {
    const [reference] = (await shown()).versions
      .filter(({ version }) => version === '1.0.0')
      .map((row) => row.reference)
    await change('1.0.0', 'withdraw')
    await app.synced(repositoryId)
    const [other = ''] = repository.commit(library('acme/lib', 'other content', { branch: 'other' }))
    repository.tag('1.0.0', other)
    const view = await app.sync(repositoryId)
    expect(view.issues.map(({ ref }) => ref)).toEqual(['refs/tags/1.0.0'])
    expect((await metadata()).versions).toEqual(['2.0.0'])
    const restored = await change('1.0.0', 'restore')
    // Its tag names something else now, so nothing is offered; the promise about the slot is older.
    expect(await restored.json()).toMatchObject({ offered: false, reference })
    expect((await app.synced(repositoryId)).issues[0]?.reason).toContain('never changes')
    expect((await metadata()).versions).toEqual(['2.0.0'])
    repository.tag('1.0.0', reference ?? '')
    await app.sync(repositoryId)
    expect((await metadata()).versions).toEqual(['2.0.0', '1.0.0'])
  })
})

describe('a withdrawn branch', () => {
  test.each(['dev-feature/x', 'dev-feature%2Fx'])(
    '%s stays away while it moves, and comes back as it is',
    async (version) => {
      await change(version, 'withdraw')
      await app.synced(repositoryId)
      expect((await metadata(true)).versions).not.toContain('dev-feature/x')
      const [moved = ''] = repository.commit(library('acme/lib', `moved ${version}`, { branch: 'feature/x' }))
      await app.sync(repositoryId)
      expect((await metadata(true)).versions).not.toContain('dev-feature/x')
      expect((await change(version, 'restore')).status).toBe(200)
      await app.synced(repositoryId)
      const found = (await shown()).versions.find((row) => row.version === 'dev-feature/x')
      expect(found?.reference).toBe(moved)
    },
  )
})

test('a package of which everything was withdrawn answers with an empty entry, and can be restored', async () => {
  const only = createGitRepository(app.path('only.git'), {
    commits: [library('acme/only', 'one', { branch: 'trunk' })],
    head: 'trunk',
  })
  const added = await app.addRepository(only.path)
  const [row] = (await (await app.ask(`/api/packages?repo_id=${added.id}`)).json()) as Shown[]
  const customer = await app.token()
  await change('dev-trunk', 'withdraw', row?.id)
  const document = await app.ask('/p2/acme/only~dev.json')
  expect(await document.json()).toEqual({ packages: { 'acme/only': {} } })
  const root = (await (await app.ask('/packages.json')).json()) as Record<string, unknown>
  expect(root['available-packages']).not.toContain('acme/only')
  const names = async (token?: string) =>
    ((await (await app.ask('/api/packages?q=acme/only', token ? { token } : {})).json()) as unknown[]).length
  // Whoever may restore it has to find it.
  expect([await names(), await names(customer.token)]).toEqual([1, 0])
  expect((await change('dev-trunk', 'restore', row?.id)).status).toBe(200)
  expect([await names(), await names(customer.token)]).toEqual([1, 1])
})

test('withdrawing and restoring are in the audit', () => {
  const database = new Database(join(app.dataDirectory, 'package-broker.db'), { readonly: true })
  const rows = database
    .query('SELECT actor, action, subject, before, after FROM audit_entries WHERE subject = ? ORDER BY id LIMIT 2')
    .all(id) as Entry[]
  database.close()
  const facts = (row: Entry): Record<string, unknown> => ({
    ...row,
    before: JSON.parse(row.before),
    after: JSON.parse(row.after),
  })
  const offered = expect.objectContaining({ package: 'acme/lib', version: '2.0.0', offered: true, withdrawn_at: null })
  const withdrawn = expect.objectContaining({ package: 'acme/lib', version: '2.0.0', offered: false })
  const actor = expect.stringMatching(/^(?:local|environment)$/)
  expect<unknown>(rows.map(facts)).toEqual([
    { actor, action: 'version.withdraw', subject: id, before: offered, after: withdrawn },
    { actor, action: 'version.restore', subject: id, before: withdrawn, after: offered },
  ])
})

test('an upload is withdrawn and restored in the same way, and its README is read', async () => {
  const added = await app.ask('/api/repositories', { json: { vcs_type: 'artifact' } })
  const { id: uploads } = (await added.json()) as { id: string }
  const upload = (mark: string) =>
    app.ask(`/api/repositories/${uploads}/artifacts`, {
      method: 'PUT',
      headers: { 'Content-Type': 'application/zip' },
      body: zipOf([
        { name: 'built/composer.json', content: JSON.stringify({ name: 'acme/built', version: '1.0.0' }) },
        { name: 'built/README', content: mark },
      ]),
    })
  const created = await upload('one')
  expect(created.status).toBe(201)
  const { package_id: packageId } = (await created.json()) as { package_id: string }
  const readme = await app.ask(`/api/packages/${packageId}/versions/1.0.0/readme`)
  expect(readme.headers.get('content-type')).toBe('text/plain; charset=utf-8')
  expect(await readme.text()).toBe('one')
  expect((await change('1.0.0', 'withdraw', packageId)).status).toBe(200)
  expect((await app.ask('/dist/acme/built/1.0.0.zip')).status).toBe(200)
  expect((await upload('two')).status).toBe(409)
  expect(await (await change('1.0.0', 'restore', packageId)).json()).toMatchObject({ offered: true })
  expect(await (await app.ask('/p2/acme/built.json')).json()).toMatchObject({
    packages: { 'acme/built': { '1.0.0': { version: '1.0.0' } } },
  })
  expect((await upload('two')).status).toBe(409)
})

import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { answer, filesOf, push, repository } from '../support/artifacts.ts'
import type { Broker } from '../support/broker.ts'
import { startBroker } from '../support/start-broker.ts'
import { libraryZip, manifestEntry, zipOf } from '../support/zip-builder.ts'

const LIMIT = 200_000
const sha1 = (content: Uint8Array) => createHash('sha1').update(content).digest('hex')

describe('uploads', () => {
  let app: Broker
  let id: string
  beforeAll(async () => {
    app = await startBroker({ UPLOAD_MAX_BYTES: String(LIMIT) })
    id = await repository(app)
  })
  afterAll(() => app.stop())

  test('a repository for uploads has no source and is never synced', async () => {
    const shown = await (await app.ask(`/api/repositories/${id}`)).json()
    expect(shown).toMatchObject({ vcs_type: 'artifact', status: 'active', next_sync_at: null, progress: null })
    const refused = await app.ask(`/api/repositories/${id}/sync`, { method: 'POST' })
    expect({ status: refused.status, body: await refused.json() }).toMatchObject({
      status: 409,
      body: { code: 'CONFLICT', error: expect.stringContaining('takes uploads') },
    })
  })

  test('its address is a label that only one can have', async () => {
    await repository(app, 'builds of acme')
    const again = await app.ask('/api/repositories', { json: { vcs_type: 'artifact', url: 'Builds of acme' } })
    expect(again.status).toBe(409)
  })

  test.each([
    [{ credential_type: 'token', auth_credentials: 'x' }, 'credential_type'],
    [{ package_filter: 'a/*' }, 'package_filter'],
    [{ composer_json_paths: 'a/*' }, 'composer_json_paths'],
    [{ sync_interval: 60 }, 'sync_interval'],
    [{ archives: 'all' }, 'archives'],
    [{ expose_source: true }, 'expose_source'],
    [{ url: 'a\u001b' }, 'url'],
  ])('%p has no meaning for it', async (fields, field) => {
    const response = await app.ask('/api/repositories', { json: { vcs_type: 'artifact', ...fields } })
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({ details: { fields: { [field]: expect.any(String) } } })
  })

  test('a repository of another type still needs an address', async () => {
    expect((await app.ask('/api/repositories', { json: { vcs_type: 'git' } })).status).toBe(400)
  })

  test('new is 201, the same again 200, other bytes 409', async () => {
    const zip = libraryZip({ name: 'Acme/Lib', version: '1.0.0', description: 'first' })
    const created = await push(app, id, zip)
    expect(created.status).toBe(201)
    const body = await created.json()
    expect(body).toMatchObject({ name: 'acme/lib', version: '1.0.0', reference: sha1(zip), repository_id: id })
    const again = await push(app, id, zip)
    expect(again.status).toBe(200)
    expect(await again.json()).toEqual(body)
    const other = await push(app, id, libraryZip({ name: 'acme/lib', version: 'v1.0' }, 'other'))
    expect(other.status).toBe(409)
    expect(filesOf(app, 'uploads').length).toBe(1)
    expect(filesOf(app, 'tmp')).toEqual([])
  })

  test('what is served is what was uploaded, with its SHA-1 as shasum and reference', async () => {
    const zip = libraryZip({ name: 'acme/served', require: { php: '>=8' }, extra: { n: 1.0 } })
    expect((await push(app, id, zip, '?version=2.1.0')).status).toBe(201)
    const document = await answer(await app.ask('/p2/acme/served.json'))
    const version = document.packages['acme/served']?.['2.1.0']
    if (!version) throw new Error('the version is missing')
    expect(version).toMatchObject({ require: { php: '>=8' }, version_normalized: '2.1.0.0' })
    expect(version.dist).toMatchObject({ shasum: sha1(zip), reference: sha1(zip), type: 'zip' })
    expect(version.source).toBeUndefined()
    const served = await app.ask(version.dist.url)
    expect(Buffer.from(await served.arrayBuffer()).equals(zip)).toBe(true)
    const pinned = await app.ask(`/dist/acme/served/2.1.0.zip?reference=${sha1(zip)}`)
    expect(pinned.status).toBe(200)
    const part = await app.ask(version.dist.url, { headers: { Range: 'bytes=0-3' } })
    expect(Buffer.from(await part.arrayBuffer()).toString('latin1')).toBe('PK\x03\x04')
  })

  test('development versions are in the other document, and just as fixed', async () => {
    expect((await push(app, id, libraryZip({ name: 'acme/dev' }), '?version=dev-main')).status).toBe(201)
    const document = await answer(await app.ask('/p2/acme/dev~dev.json'))
    expect(Object.keys(document.packages['acme/dev'] ?? {})).toEqual(['dev-main'])
    const stable = await answer(await app.ask('/p2/acme/dev.json'))
    expect(stable.packages['acme/dev']).toEqual({})
    expect((await push(app, id, libraryZip({ name: 'acme/dev' }, 'new'), '?version=dev-main')).status).toBe(409)
    expect((await app.ask('/dist/acme/dev/dev-main.zip')).status).toBe(200)
  })

  test('the package shows its highest version, whatever came last', async () => {
    for (const [version, description] of [
      ['1.0.0', 'one'],
      ['3.0.0', 'three'],
      ['2.0.0', 'two'],
      ['4.0.0-beta1', 'beta'],
    ]) {
      expect((await push(app, id, libraryZip({ name: 'acme/many', version, description }))).status).toBe(201)
    }
    const listed = await (await app.ask('/api/packages?q=acme/many')).json()
    expect(listed).toMatchObject([{ latest_version: '3.0.0', description: 'three' }])
  })

  test('one zip may be several versions', async () => {
    const zip = libraryZip({ name: 'acme/twice' })
    expect((await push(app, id, zip, '?version=1.0')).status).toBe(201)
    expect((await push(app, id, zip, '?version=1.1')).status).toBe(201)
    expect((await app.ask('/dist/acme/twice/1.1.zip')).status).toBe(200)
  })

  test('every upload is in the audit', async () => {
    await push(app, id, libraryZip({ name: 'acme/audited', version: '1.0' }))
    const response = await app.ask('/api/audit?action=artifact.create&limit=1000')
    expect(response.status).toBe(200)
    const entries = (await response.json()) as { after: { name: string } }[]
    expect(entries.filter((entry) => entry.after.name === 'acme/audited').length).toBe(1)
  })

  test('refused with the reason, and nothing is left', async () => {
    const before = filesOf(app, 'uploads')
    const cases: [Uint8Array<ArrayBuffer>, string, number, string][] = [
      [zipOf([manifestEntry(), { name: '../x' }]), '', 400, 'leads out'],
      [libraryZip({ name: 'acme/x' }), '', 400, 'version is missing'],
      [libraryZip({ name: 'acme/x', version: '1.0' }), '?version=2.0', 400, 'does not match'],
      [libraryZip({ name: 'acme/x', version: '1.0' }), '?version=', 400, 'version'],
      [libraryZip({ name: 'acme/x', version: '1.0', require: { 'c/d': 5 } }), '', 400, 'require.c/d'],
      [new Uint8Array(), '', 400, 'empty'],
      [Buffer.alloc(LIMIT + 1), '', 413, 'UPLOAD_MAX_BYTES'],
    ]
    for (const [zip, query, status, reason] of cases) {
      const response = await push(app, id, zip, query)
      expect({ status: response.status, error: (await answer(response)).error }).toEqual({
        status,
        error: expect.stringContaining(reason),
      })
    }
    expect(filesOf(app, 'uploads')).toEqual(before)
    expect(filesOf(app, 'tmp')).toEqual([])
    expect((await answer(await app.ask('/p2/acme/x.json'))).packages['acme/x']).toEqual({})
  })

  test('a name that another repository owns is a conflict, and its file does not stay', async () => {
    const before = filesOf(app, 'uploads')
    const second = await repository(app)
    const response = await push(app, second, libraryZip({ name: 'ACME/lib', version: '9.0' }))
    expect(response.status).toBe(409)
    expect((await answer(response)).error).toContain(`owned by repository ${id}`)
    expect(filesOf(app, 'uploads')).toEqual(before)
  })

  test('only an unrestricted write token may upload, and is asked before anything else', async () => {
    const zip = libraryZip({ name: 'acme/denied', version: '1.0' })
    const readonly = await app.token()
    const restricted = await app.token({ permissions: 'write', allowed_package_prefixes: ['acme/'] })
    expect((await push(app, id, zip, '', null)).status).toBe(401)
    expect((await push(app, id, Buffer.alloc(LIMIT + 1), '', null)).status).toBe(401)
    expect((await push(app, id, zip, '', readonly.token)).status).toBe(403)
    expect((await push(app, id, zip, '', restricted.token)).status).toBe(403)
    expect((await push(app, 'repo_none', zip)).status).toBe(404)
    const write = await app.token({ permissions: 'write' })
    expect((await push(app, id, zip, '', write.token)).status).toBe(201)
  })

  test('of many uploads of one version at once, one is new', async () => {
    const zips = [1, 2, 3, 4].map((seed) => libraryZip({ name: 'acme/race', version: '1.0' }, `${seed % 2}`))
    const statuses = (await Promise.all(zips.map((zip) => push(app, id, zip)))).map((response) => response.status)
    expect(statuses.filter((status) => status === 201).length).toBe(1)
    expect(statuses.filter((status) => status === 200).length).toBe(1)
    expect(statuses.filter((status) => status === 409).length).toBe(2)
    const served = Buffer.from(await (await app.ask('/dist/acme/race/1.0.zip')).arrayBuffer())
    const winner = zips[statuses.indexOf(201)] ?? Buffer.alloc(0)
    expect(served.equals(winner)).toBe(true)
    const files = filesOf(app, 'uploads').map((path) => readFileSync(path))
    expect(files.filter((content) => zips.some((zip) => zip.equals(content))).length).toBe(1)
  })

  test('removing the repository frees its files and no others', async () => {
    const [first, second] = [await repository(app), await repository(app)]
    const own = libraryZip({ name: 'gone/own', version: '1.0' })
    const named = (name: string) => zipOf([manifestEntry({ name, version: '1.0' }), { name: 'a', content: 'a' }])
    expect((await push(app, first, own)).status).toBe(201)
    expect((await push(app, second, named('kept/one'))).status).toBe(201)
    const before = filesOf(app, 'uploads').length
    expect((await app.ask(`/api/repositories/${first}`, { method: 'DELETE' })).status).toBe(200)
    expect(filesOf(app, 'uploads').length).toBe(before - 1)
    expect((await app.ask('/dist/gone/own/1.0.zip')).status).toBe(404)
    expect((await app.ask('/dist/kept/one/1.0.zip')).status).toBe(200)
    // The freed name can be taken by another one; the same bytes are then a new upload.
    expect((await push(app, second, own)).status).toBe(201)
    expect((await app.ask('/dist/gone/own/1.0.zip')).status).toBe(200)
  })
})

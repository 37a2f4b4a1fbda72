import { afterAll, afterEach, describe, expect, test } from 'bun:test'
import { expandVersions } from '../../src/composer/minify.ts'
import type { UpstreamReader } from '../../src/mirror/upstream-reader.ts'
import { composerPackages, oracleAvailable } from '../support/composer-oracle.ts'
import { startMagento } from '../support/upstream/magento.ts'
import { digest, type UpstreamPackage } from '../support/upstream/packages.ts'
import { startPackagist } from '../support/upstream/packagist.ts'
import { startSatis } from '../support/upstream/satis.ts'
import { jsonAnswer, NOT_FOUND, startUpstream, type UpstreamServer } from '../support/upstream/upstream-server.ts'
import { failureOf, patient, ReaderBench } from './reader-support.ts'

const packages: UpstreamPackage[] = [
  {
    name: 'acme/lib',
    versions: ['1.0.0', '1.10.0', 'v1.2.0', '2.0.0-RC1', { version: 'dev-main', defaultBranch: true }],
  },
  { name: 'acme/branches', versions: ['dev-feature/x', '1.x-dev'] },
  { name: 'acme/meta', type: 'metapackage', versions: ['3.0.0'] },
]

const FORMS: Record<string, () => Promise<UpstreamServer>> = {
  'a Packagist': () => startPackagist({ packages }),
  'a Satis with everything in its root': () => startSatis({ packages, form: 'inline', basePath: '/team' }),
  'a Satis with includes': () => startSatis({ packages, form: 'includes', basePath: '/team' }),
  'a Satis of today': () => startSatis({ packages, basePath: '/team' }),
  'a Magento': () => startMagento({ packages, enterprise: ['acme/meta'] }),
}

const urlOf = (server: UpstreamServer) => ('repositoryUrl' in server ? String(server.repositoryUrl) : server.url)

const benches: ReaderBench[] = []
const servers: UpstreamServer[] = []
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.stop()))
})
afterAll(async () => {
  for (const each of benches) await each.remove()
})

function newBench(): ReaderBench {
  const bench = new ReaderBench()
  benches.push(bench)
  return bench
}

function kept<T extends UpstreamServer>(server: T): T {
  servers.push(server)
  return server
}

async function read(reader: UpstreamReader, name: string, dev: boolean) {
  const answer = await reader.document(name, dev, null, patient)
  if (answer.kind !== 'found') return null
  const { versions, minified } = answer.document
  return (minified ? expandVersions(versions) : [...versions]).map((fields) => {
    const { name, version, version_normalized, dist, uid } = JSON.parse(
      `{${[...fields].map(([key, raw]) => `${JSON.stringify(key)}:${raw}`)}}`,
    )
    return { name, version, version_normalized, shasum: dist?.shasum ?? null, uid }
  })
}

for (const [form, start] of Object.entries(FORMS)) {
  describe(form, () => {
    test.skipIf(!oracleAvailable)('has the versions that Composer finds there', async () => {
      const server = kept(await start())
      const reader = await newBench().reader({ url: urlOf(server) })
      const found: unknown[] = []
      for (const { name } of packages) {
        for (const dev of [false, true]) {
          for (const { uid: _, ...version } of (await read(reader, name, dev)) ?? []) {
            found.push({ ...version, shasum: version.shasum || null, dev })
          }
        }
      }
      const expected = await composerPackages(
        urlOf(server),
        packages.map(({ name }) => name),
      )
      const wanted = expected.map(({ stability, shasum, ...version }) => ({
        ...version,
        shasum: shasum || null,
        dev: stability === 'dev',
      }))
      const sorted = (list: unknown[]) =>
        list.map((each) => JSON.stringify(Object.entries(each as object).sort())).sort()
      expect(sorted(found)).toEqual(sorted(wanted))
      expect(found).toHaveLength(8)
    })

    test('lists in the order that clients expect of it and has nothing of a name that it does not have', async () => {
      const server = kept(await start())
      const reader = await newBench().reader({ url: urlOf(server) })
      const tags = await read(reader, 'acme/lib', false)
      // The files that a Satis writes per package are in its own order, and stay in it.
      const asWritten = ['1.0.0', '1.10.0', 'v1.2.0', '2.0.0-RC1']
      const newestFirst = ['2.0.0-RC1', '1.10.0', 'v1.2.0', '1.0.0']
      expect(tags?.map(({ version }) => version)).toEqual(form === 'a Satis of today' ? asWritten : newestFirst)
      expect(tags?.every(({ uid }) => uid === undefined)).toBe(true)
      expect(await read(reader, 'acme/none', false)).toBeNull()
      expect(await read(reader, 'acme/branches', false)).toEqual([])
    })
  })
}

describe('an upstream with everything in files', () => {
  for (const form of ['inline', 'includes'] as const) {
    test(`(${form}) serves its packages after a restart without it, and says what it has`, async () => {
      const satis = kept(await startSatis({ packages, form }))
      const bench = newBench()
      await (await bench.reader({ url: satis.url })).document('acme/lib', false, null, patient)
      await satis.stop()
      bench.now += 3600
      const reader = await bench.reader({ url: satis.url })
      expect(await read(reader, 'acme/meta', false)).toHaveLength(1)
      expect(await reader.offered(patient)).toEqual({ names: packages.map(({ name }) => name), patterns: [] })
      bench.now += 86_400
      expect(await failureOf((await bench.reader({ url: satis.url })).root(patient))).toMatchObject({
        reason: 'unreachable',
      })
    })
  }

  test('says what changed by a package, and drops files that are named no more', async () => {
    const satis = kept(await startSatis({ packages, form: 'includes' }))
    const bench = newBench()
    const reader = await bench.reader({ url: satis.url })
    const lib = await reader.document('acme/lib', false, null, patient)
    const meta = await reader.document('acme/meta', false, null, patient)
    if (lib.kind !== 'found' || meta.kind !== 'found') throw new Error('not found')
    const old = satis.log.matching('/include/').at(-1)?.path ?? ''
    satis.publish('acme/meta', '3.1.0')
    bench.now += 61
    expect(await reader.document('acme/lib', false, lib, patient)).toEqual({ kind: 'unchanged' })
    expect((await reader.document('acme/meta', false, meta, patient)).kind).toBe('found')
    expect(await (await bench.files()).find('upstream', satis.url + old)).toBeNull()
  })

  test('is not believed when an include has other bytes than its hash says', async () => {
    const satis = kept(await startSatis({ packages, form: 'includes' }))
    satis.faults.add({ path: '/include/', kind: 'body', body: '{"packages":{}}' })
    const reader = await newBench().reader({ url: satis.url })
    expect(await failureOf(reader.document('acme/lib', false, null, patient))).toMatchObject({ reason: 'protocol' })
  })
})

describe('an upstream with files named by their hash', () => {
  test('is asked once for each of them, and what changed is another file', async () => {
    const magento = kept(await startMagento({ packages }))
    const bench = newBench()
    const reader = await bench.reader({ url: magento.url })
    const first = await reader.document('acme/lib', false, null, patient)
    await reader.document('acme/lib', true, null, patient)
    if (first.kind !== 'found') throw new Error(first.kind)
    expect(magento.log.matching('/p/acme/lib%24')).toHaveLength(1)
    bench.now += 61
    expect(await reader.document('acme/lib', false, first, patient)).toEqual({ kind: 'unchanged' })
    expect(magento.log.matching('/p/provider-')).toHaveLength(2)
    magento.publish('acme/lib', '1.11.0')
    bench.now += 61
    expect((await read(reader, 'acme/lib', false))?.[1]?.version).toBe('1.11.0')
    expect(magento.log.matching('/p/provider-')).toHaveLength(3)
  })

  test.each([
    ['/p/provider-ce', '{"providers":{}}'],
    ['/p/acme/lib', '{"packages":{"acme/lib":{}}}'],
  ])('is not believed with other bytes at %s', async (path, body) => {
    const magento = kept(await startMagento({ packages }))
    magento.faults.add({ path, kind: 'body', body, contentType: 'application/json' })
    const reader = await newBench().reader({ url: magento.url })
    const failure = await failureOf(reader.document('acme/lib', false, null, patient))
    expect(failure?.message).toContain('does not have the sha256')
  })

  test('is asked for its root again when a file has made place for a newer one', async () => {
    const magento = kept(await startMagento({ packages }))
    const reader = await newBench().reader({ url: magento.url })
    await reader.document('acme/meta', false, null, patient)
    magento.publish('acme/lib', '1.11.0')
    magento.faults.add({ path: '/p/acme/lib', kind: 'status', status: 404, times: 1 })
    expect((await read(reader, 'acme/lib', false))?.[1]?.version).toBe('1.11.0')
  })

  test('has not lost a package whose file is missing', async () => {
    const magento = kept(await startMagento({ packages }))
    magento.faults.add({ path: '/p/acme/lib', kind: 'status', status: 404 })
    const reader = await newBench().reader({ url: magento.url })
    expect(await failureOf(reader.document('acme/lib', false, null, patient))).toMatchObject({ reason: 'protocol' })
  })
})

describe('what else a root may say', () => {
  test('packages in a lazy root replace their documents, and names outside its patterns are not asked for', async () => {
    const version = { name: 'acme/inline', version: '1.0.0', uid: 1 }
    const server = kept(
      await startUpstream(({ path }) =>
        path === '/packages.json'
          ? jsonAnswer({
              packages: { 'acme/inline': [version] },
              'metadata-url': '/p2/%package%.json',
              'available-package-patterns': ['acme/*'],
            })
          : NOT_FOUND,
      ),
    )
    const reader = await newBench().reader({ url: server.url })
    expect(await read(reader, 'acme/inline', false)).toMatchObject([
      { version: '1.0.0', version_normalized: '1.0.0.0' },
    ])
    expect(await read(reader, 'other/lib', false)).toBeNull()
    expect(server.log.lines).toEqual(['GET /packages.json'])
    expect(await read(reader, 'acme/lib', false)).toBeNull()
    expect(server.log.lines).toHaveLength(2)
  })

  test('providers-lazy-url leads to tags and branches in one document', async () => {
    const entry = (version: string, uid: number) => ({ name: 'acme/lib', version, uid })
    const body = { packages: { 'acme/lib': { a: entry('1.0.0', 1), b: entry('dev-main', 2) } } }
    const server = kept(
      await startUpstream(({ path }) => {
        if (path === '/repo/packages.json') return jsonAnswer({ 'providers-lazy-url': '/p/%package%.json' })
        return path === '/p/acme/lib.json' ? jsonAnswer(body) : NOT_FOUND
      }),
    )
    const reader = await newBench().reader({ url: `${server.url}/repo` })
    expect((await read(reader, 'acme/lib', false))?.map(({ version }) => version)).toEqual(['1.0.0'])
    expect((await read(reader, 'acme/lib', true))?.map(({ version }) => version)).toEqual(['dev-main'])
  })

  test('an object that is no root is none', async () => {
    const server = kept(await startUpstream(() => jsonAnswer({ error: digest('sha1', '') })))
    expect(await failureOf((await newBench().reader({ url: server.url })).root(patient))).toMatchObject({
      reason: 'protocol',
    })
  })
})

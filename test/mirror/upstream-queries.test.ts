import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test'
import type { UpstreamReader } from '../../src/mirror/upstream-reader.ts'
import { type Packagist, startPackagist } from '../support/upstream/packagist.ts'
import { startSatis } from '../support/upstream/satis.ts'
import { failureOf, patient, ReaderBench } from './reader-support.ts'

const PAGE = { type: '', page: 1, perPage: 15 }

describe('what an upstream is asked beside documents', () => {
  const bench = new ReaderBench()
  let packagist: Packagist
  let reader: UpstreamReader
  beforeAll(async () => {
    const provide = { 'acme/log-implementation': '1.0' }
    packagist = await startPackagist({
      packages: [
        { name: 'acme/lib', versions: [{ version: '1.0.0', manifest: { provide } }] },
        { name: 'acme/old', type: 'project', abandoned: 'acme/lib', versions: ['1.0.0'] },
      ],
    })
    packagist.addAdvisory('acme/lib', { affectedVersions: '<1.0.1' })
    packagist.addFilterEntry('acme/old', { constraint: '1.0.0' })
    reader = await bench.reader({ url: packagist.url })
  })
  beforeEach(() => {
    packagist.log.clear()
    packagist.faults.clear()
  })
  afterAll(async () => {
    await packagist.stop()
    await bench.remove()
  })

  test('a search, by text and type', async () => {
    const names = async (text: string, type: string) =>
      (await reader.search({ ...PAGE, text, type }, patient))?.packages.map(({ name }) => name)
    expect(await names('acme', '')).toEqual(['acme/lib', 'acme/old'])
    expect(await names('acme', 'project')).toEqual(['acme/old'])
    expect(await names('a&type=%type%#', '')).toEqual([])
    expect(packagist.log.lines.at(-1)).toBe('GET /search.json?q=a%26type%3D%25type%25%23&type=&per_page=15')
    expect((await reader.search({ ...PAGE, text: 'old' }, patient))?.packages[0]).toMatchObject({
      abandoned: 'acme/lib',
      virtual: false,
    })
  })

  test('who stands in for a name', async () => {
    expect(await reader.providers('acme/log-implementation', patient)).toEqual([
      { name: 'acme/lib', description: 'Library acme/lib', type: 'library' },
    ])
    packagist.log.clear()
    expect(await reader.providers('../../search', patient)).toEqual([])
    expect(packagist.log.lines).toEqual([])
  })

  test('advisories, in one form for many names, and no more than was asked for', async () => {
    const names = Array.from({ length: 600 }, (_, index) => `acme/none-${index}`)
    const found = await reader.advisories(['acme/lib', 'acme/old', ...names], patient)
    expect([...(found ?? [])].map(([name, list]) => [name, list.length])).toEqual([
      ['acme/lib', 1],
      ['acme/old', 0],
    ])
    expect(packagist.log.lines).toEqual(Array(2).fill('POST /api/security-advisories/'))
    expect(packagist.log.requests[0]?.body).toStartWith('packages%5B0%5D=acme%2Flib&packages%5B1%5D=acme%2Fold&')
    expect(packagist.log.requests[0]?.headers['content-type']).toBe('application/x-www-form-urlencoded')
    const body = JSON.stringify({ advisories: { 'other/lib': [{}], ['__proto__']: [{}] } })
    packagist.faults.add({ path: '/api/', kind: 'body', body, times: 1 })
    expect(await reader.advisories(['acme/lib'], patient)).toEqual(new Map())
  })

  test('the summary of its filter lists, kept while the upstream is gone', async () => {
    const expected = new Map([['malware', new Map([['acme/old', '1.0.0']])]])
    expect(await reader.filterSummary(patient)).toEqual(expected)
    expect(await reader.filterSummary(patient)).toEqual(expected)
    expect(packagist.log.lines).toEqual(['GET /lists/all/summary.json'])
    packagist.faults.add({ path: '/lists/', kind: 'status', status: 404 })
    bench.now += 61
    expect(await reader.filterSummary(patient)).toEqual(expected)
    expect(packagist.log.lines).toHaveLength(2)
  })

  test('an answer that is none is a failure, and no empty answer', async () => {
    packagist.faults.add({ path: '/search.json', kind: 'html' })
    packagist.faults.add({ path: '/api/', kind: 'status', status: 404, times: 1 })
    packagist.faults.add({ path: '/api/', kind: 'status', status: 500 })
    expect(await failureOf(reader.search({ ...PAGE, text: 'acme' }, patient))).toMatchObject({ reason: 'protocol' })
    expect(await failureOf(reader.advisories(['acme/lib'], patient))).toMatchObject({ reason: 'protocol' })
    expect(await failureOf(reader.advisories(['acme/lib'], patient))).toMatchObject({ reason: 'unreachable' })
  })

  test('nothing of an upstream that has none of it; its names are not sent where it does not offer them', async () => {
    const satis = await startSatis({ packages: [{ name: 'acme/lib', versions: ['1.0.0'] }] })
    const plain = new ReaderBench()
    try {
      const other = await plain.reader({ url: satis.url })
      const asked = [
        other.search({ ...PAGE, text: 'acme' }, patient),
        other.providers('acme/lib', patient),
        other.advisories(['acme/lib'], patient),
        other.names('acme/*', patient),
        other.filterSummary(patient),
        other.changes(null, patient),
      ]
      expect(await Promise.all<unknown>(asked)).toEqual([null, null, null, null, null, null])
      expect(satis.log.lines).toEqual(['GET /packages.json'])
    } finally {
      await satis.stop()
      await plain.remove()
    }
  })
})

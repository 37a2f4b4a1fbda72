import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test'
import { expandVersions } from '../../src/composer/minify.ts'
import type { DocumentAnswer } from '../../src/mirror/upstream.ts'
import { type Packagist, startPackagist } from '../support/upstream/packagist.ts'
import { failureOf, patient, ReaderBench } from './reader-support.ts'

/** Versions of an answer, as texts, complete. */
function versionsOf(answer: DocumentAnswer): string[] {
  if (answer.kind !== 'found') return [answer.kind]
  const { versions, minified } = answer.document
  return (minified ? expandVersions(versions) : [...versions]).map((fields) => JSON.parse(fields.get('version') ?? ''))
}

describe('an upstream like Packagist', () => {
  const bench = new ReaderBench()
  let packagist: Packagist
  beforeAll(async () => {
    const versions = ['1.0.0', 'v2.0.0-beta1', 'dev-main']
    packagist = await startPackagist({ packages: [{ name: 'acme/lib', versions }] })
  })
  beforeEach(() => {
    packagist.log.clear()
    packagist.faults.clear()
  })
  afterAll(async () => {
    await packagist.stop()
    await bench.remove()
  })

  test('gives tags and branches, as it wrote them', async () => {
    const reader = await bench.reader({ url: packagist.url })
    const tags = await reader.document('acme/lib', false, null, patient)
    expect(versionsOf(tags)).toEqual(['v2.0.0-beta1', '1.0.0'])
    expect(tags).toMatchObject({ kind: 'found', document: { minified: true, advisories: '[]' } })
    expect(versionsOf(await reader.document('acme/lib', true, null, patient))).toEqual(['dev-main'])
    expect(bench.issues).toEqual([])
  })

  test('is asked with the validators of the known copy', async () => {
    const reader = await bench.reader({ url: packagist.url })
    const first = await reader.document('acme/lib', false, null, patient)
    if (first.kind !== 'found') throw new Error(first.kind)
    expect(await reader.document('acme/lib', false, first, patient)).toEqual({ kind: 'unchanged' })
    expect(packagist.log.matching('/p2/acme/lib.json').map(({ status }) => status)).toEqual([200, 304])
  })

  test('says what it does not have', async () => {
    const reader = await bench.reader({ url: packagist.url })
    expect(await reader.document('acme/none', false, null, patient)).toEqual({ kind: 'absent' })
    packagist.log.clear()
    for (const name of ['php', 'ext-json', '../acme/lib', 'acme/lib~dev', '__proto__']) {
      expect(await reader.document(name, false, null, patient)).toEqual({ kind: 'absent' })
    }
    expect(packagist.log.lines).toEqual([])
  })

  test('is asked once for what several want at once', async () => {
    const reader = await bench.reader({ url: packagist.url })
    bench.now += 301
    await Promise.all(Array.from({ length: 20 }, () => reader.document('acme/lib', false, null, patient)))
    expect(packagist.log.matching('/p2/')).toHaveLength(1)
    expect(packagist.log.matching('/packages.json')).toHaveLength(1)
  })

  test('keeps its root for a while, and over a restart while it is gone', async () => {
    const reader = await bench.reader({ url: packagist.url })
    await reader.root(patient)
    packagist.log.clear()
    bench.now += 299
    await reader.root(patient)
    expect(packagist.log.lines).toEqual([])
    bench.now += 2
    await reader.root(patient)
    expect(
      packagist.log
        .matching('/packages.json')
        .map(({ status }) => status)
        .at(-1),
    ).toBe(304)
    await packagist.stop()
    const again = await bench.reader({ url: packagist.url })
    bench.now += 400
    expect((await again.root(patient)).layout).toEqual({
      kind: 'lazy',
      metadataUrl: `${packagist.url}/p2/%package%.json`,
    })
    expect(await failureOf(again.document('acme/lib', false, null, patient))).toMatchObject({ reason: 'unreachable' })
    await packagist.start()
  })
})

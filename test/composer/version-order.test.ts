import { expect, test } from 'bun:test'
import { latestVersion, type OrderedVersion, orderVersions } from '../../src/composer/version-order.ts'
import { normalizeVersion, parseStability } from '../../src/composer/version-parser.ts'

function versions(...texts: string[]): OrderedVersion[] {
  return texts.map((text) => {
    const [version = '', releasedAt = '0'] = text.replace('!', '').split(' ')
    const versionNormalized = normalizeVersion(version) ?? ''
    const stability = parseStability(versionNormalized)
    return { version, versionNormalized, stability, defaultBranch: text.includes('!'), releasedAt: Number(releasedAt) }
  })
}

const ORDERED = [
  'dev-main!',
  '20240105',
  '10.x-dev',
  '10.0.0',
  '10.0.0-RC2',
  '10.0.0-RC1',
  '10.0.0-beta',
  '10.0.0-alpha',
  '2.0.0-p1',
  '2.0.0',
  '1.10.0',
  '1.9.0',
  '0.1',
  'dev-young 9',
  'dev-a 5',
  'dev-b 5',
]

test('orders newest first, whatever the order of the input', () => {
  const expected = versions(...ORDERED).map(({ version }) => version)
  const rotated = (by: number) => [...ORDERED.slice(by), ...ORDERED.slice(0, by)].reverse()
  for (let by = 0; by < ORDERED.length; by++) {
    expect(orderVersions(versions(...rotated(by))).map(({ version }) => version)).toEqual(expected)
  }
})

test('a numeric default branch stands among the numbers', () => {
  expect(orderVersions(versions('1.x-dev!', '2.0', '1.0')).map(({ version }) => version)).toEqual([
    '2.0',
    '1.x-dev',
    '1.0',
  ])
})

test('latestVersion prefers stable, then what is no branch, then the default branch', () => {
  expect(latestVersion(versions(...ORDERED, '11.0-RC1'))?.version).toBe('20240105')
  expect(latestVersion(versions('dev-main!', '3.x-dev', '1.0-beta', '2.0-alpha'))?.version).toBe('2.0-alpha')
  expect(latestVersion(versions('3.x-dev', 'dev-main!', 'dev-other 9'))?.version).toBe('dev-main')
  expect(latestVersion(versions('dev-old', 'dev-new 9'))?.version).toBe('dev-new')
  expect(latestVersion([])).toBeUndefined()
})

import { describe, expect, test } from 'bun:test'
import {
  MAX_VERSION_LENGTH,
  normalizeBranch,
  normalizeVersion,
  numericAliasPrefix,
  parseStability,
  type Stability,
} from '../../src/composer/version-parser.ts'
import { growthForEightfold, LINEAR_GROWTH } from './growth.ts'
import aliasPrefix from './vectors/alias-prefix.json'
import branch from './vectors/branch.json'
import normalize from './vectors/normalize.json'
import stability from './vectors/stability.json'

describe('normalizeVersion', () => {
  test.each(normalize.rows as [string, string | null][])('%j is %j', (version, expected) => {
    expect(normalizeVersion(version)).toBe(expected)
  })

  test('reads only ASCII blanks and digits', () => {
    expect(normalizeVersion('\u00a01.0')).toBeNull()
    expect(normalizeVersion('١.٠')).toBeNull()
    expect(normalizeVersion('1.0-ſtable')).toBeNull()
  })

  test('refuses a version longer than its bound', () => {
    expect(normalizeVersion(`dev-${'a'.repeat(MAX_VERSION_LENGTH - 4)}`)).not.toBeNull()
    expect(normalizeVersion(`dev-${'a'.repeat(MAX_VERSION_LENGTH - 3)}`)).toBeNull()
  })
})

test.each(branch.rows as [string, string][])('normalizeBranch %j is %j', (name, expected) => {
  expect(normalizeBranch(name)).toBe(expected)
})

test.each(stability.rows as [string, Stability][])('parseStability %j is %j', (version, expected) => {
  expect(parseStability(version)).toBe(expected)
})

test.each(aliasPrefix.rows as [string, string | null][])('numericAliasPrefix %j is %j', (version, expected) => {
  expect(numericAliasPrefix(version)).toBe(expected)
})

describe('work grows with the length of hostile text, not with its square', () => {
  const hostile: [string, (size: number) => string][] = [
    ['digits after a modifier', (size) => `1.0.0-a${'1'.repeat(size)}!`],
    ['number groups', (size) => `1.0.0-a${'.1'.repeat(size)}!`],
    ['words', (size) => `${'a1-'.repeat(size)}!`],
    ['plus signs and a line feed', (size) => `${'+'.repeat(size)}\nx`],
    ['numeric branch', (size) => `${'1.'.repeat(size)}!-dev`],
    ['references', (size) => `${'#'.repeat(size)}\nx`],
  ]
  test.each(hostile)('%s', (_, text) => {
    expect(growthForEightfold(text, parseStability, 500)).toBeLessThan(LINEAR_GROWTH)
    expect(growthForEightfold(text, normalizeBranch, 500)).toBeLessThan(LINEAR_GROWTH)
    expect(growthForEightfold(text, numericAliasPrefix, 500)).toBeLessThan(LINEAR_GROWTH)
  })

  test('normalizeVersion at its bound takes no longer than a few plain versions', () => {
    const plain = '1.2.3-beta4'.padEnd(MAX_VERSION_LENGTH, ' ')
    for (const [, text] of hostile) {
      const worst = text(MAX_VERSION_LENGTH)
        .slice(0, MAX_VERSION_LENGTH - 1)
        .concat('!')
      expect(fastestOf(worst)).toBeLessThan(40 * fastestOf(plain))
    }
  })
})

function fastestOf(version: string): number {
  let best = Number.POSITIVE_INFINITY
  for (let run = 0; run < 50; run++) {
    const start = Bun.nanoseconds()
    for (let repeat = 0; repeat < 20; repeat++) normalizeVersion(version)
    best = Math.min(best, Bun.nanoseconds() - start)
  }
  return best
}

import { describe, expect, test } from 'bun:test'
import {
  constraintText,
  MAX_CONSTRAINT_LENGTH,
  MAX_CONSTRAINT_PARTS,
  matchesConstraint,
  parseConstraint,
} from '../../src/composer/constraint.ts'
import { splitAlternatives, splitConjunction } from '../../src/composer/constraint-split.ts'
import { type ComparisonOperator, versionsSatisfy } from '../../src/composer/version-compare.ts'
import { normalizeVersion } from '../../src/composer/version-parser.ts'
import { isAppError } from '../../src/errors.ts'
import { growthForEightfold, LINEAR_GROWTH } from './growth.ts'
import bound from './vectors/bound.json'
import compare from './vectors/compare.json'
import constraint from './vectors/constraint.json'
import satisfies from './vectors/satisfies.json'

describe('parseConstraint', () => {
  test.each(constraint.rows as [string, string | null][])('%j is %j', (text, expected) => {
    if (expected === null) expect(refusalOf(text)).toBe(true)
    else expect(constraintText(parseConstraint(text))).toBe(expected)
  })

  test('refuses what is longer, or has more parts, than its bounds', () => {
    const parts = (count: number) => Array.from({ length: count }, () => '1').join('|')
    expect(constraintText(parseConstraint(parts(MAX_CONSTRAINT_PARTS)))).toContain('== 1.0.0.0')
    expect(refusalOf(parts(MAX_CONSTRAINT_PARTS + 1))).toBe(true)
    expect(refusalOf(`1${' '.repeat(MAX_CONSTRAINT_LENGTH)}`)).toBe(true)
  })
})

describe('matchesConstraint', () => {
  test.each(satisfies.rows as [string, string, boolean][])('%j in %j: %p', (version, text, expected) => {
    expect(matchesConstraint(parseConstraint(text), normalizeVersion(version) ?? '')).toBe(expected)
  })

  test.each(bound.rows as [ComparisonOperator, string, string, boolean][])(
    '%s %s with version %s: %p',
    (operator, version, provided, expected) => {
      expect(matchesConstraint({ kind: 'compare', operator: normalOperator(operator), version }, provided)).toBe(
        expected,
      )
    },
  )

  test.each(compare.rows as [string, string, string, boolean][])('%s %s %s: %p', (left, operator, right, expected) => {
    expect(versionsSatisfy(left, normalOperator(operator), right)).toBe(expected)
  })
})

describe('work grows with the length of hostile text, not with its square', () => {
  const hostile: [string, (size: number) => string][] = [
    ['blanks', (size) => `1${' '.repeat(size)}x`],
    ['blanks and commas', (size) => `1${' ,'.repeat(size)}x`],
    ['dashes', (size) => `1${'- '.repeat(size)}x`],
    ['bars', (size) => '|'.repeat(size)],
    ['tabs', (size) => `1${'\t'.repeat(size)}x`],
    ['at signs', (size) => `1${'@dev'.repeat(size)}!`],
    ['modifiers', (size) => `>=1${'-a1'.repeat(size)}!`],
    ['as', (size) => `1${'  as'.repeat(size)} `],
  ]
  test.each(hostile)('%s', (_, text) => {
    expect(growthForEightfold(text, (input) => void refusalOf(input), 240)).toBeLessThan(LINEAR_GROWTH)
    expect(growthForEightfold(text, splitAlternatives, 2000)).toBeLessThan(LINEAR_GROWTH)
    expect(growthForEightfold(text, splitConjunction, 2000)).toBeLessThan(LINEAR_GROWTH)
  })
})

function refusalOf(text: string): boolean {
  try {
    parseConstraint(text)
    return false
  } catch (error) {
    if (!isAppError(error, 'invalid')) throw error
    return true
  }
}

function normalOperator(operator: string): ComparisonOperator {
  if (operator === '=') return '=='
  return operator === '<>' ? '!=' : (operator as ComparisonOperator)
}

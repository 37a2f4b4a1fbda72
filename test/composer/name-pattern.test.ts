import { describe, expect, test } from 'bun:test'
import { matchesAny, matchesPattern, namePatterns } from '../../src/composer/name-pattern.ts'

describe('patterns of names', () => {
  test('are read from a comma-separated list', () => {
    expect(namePatterns(' Acme/*, ,other/lib ')).toEqual(['acme/*', 'other/lib'])
    expect(namePatterns(null)).toEqual([])
    expect(namePatterns(' , ')).toEqual([])
  })

  test('match nothing when there are none', () => {
    expect(matchesAny([], 'acme/lib')).toBe(false)
    expect(matchesAny(['other/*', 'acme/*'], 'acme/lib')).toBe(true)
  })

  const cases: [pattern: string, name: string, matches: boolean][] = [
    ['acme/lib', 'acme/lib', true],
    ['acme/lib', 'acme/library', false],
    ['acme/*', 'acme/lib', true],
    ['acme/*', 'acme-evil/lib', false],
    ['*/lib', 'acme/lib', true],
    ['*', 'acme/lib', true],
    ['a*b', 'ab', true],
    ['ab*bc', 'abc', false],
    ['a*x*b', 'a1x2b', true],
    ['a*x*x*b', 'a1x2b', false],
    ['acme/l.b', 'acme/lib', false],
  ]
  for (const [pattern, name, matches] of cases) {
    test(`${pattern} ${matches ? 'matches' : 'does not match'} ${name}`, () => {
      expect(matchesPattern(pattern, name)).toBe(matches)
    })
  }
})

import { describe, expect, test } from 'bun:test'
import {
  type Caller,
  contains,
  isUnrestricted,
  limitsVersions,
  maySee,
  maySeeVendor,
  refusalOf,
  type Scope,
} from '../../src/auth/scope.ts'
import { scopeOf } from '../../src/auth/token-scope.ts'

type Packages = Record<string, string | null>

function scope(prefixes: string[], packages: Packages = {}, updatesUntil: number | null = null): Scope {
  const allowedPackages = Object.entries(packages).map(([name, constraint]) => ({ name, constraint }))
  return scopeOf({ allowedPackagePrefixes: prefixes, allowedPackages, updatesUntil })
}

function caller(own: Scope, permissions: Caller['permissions'] = 'readonly'): Caller {
  return { tokenId: 'tok_1', actor: 'tok_1', permissions, rateLimit: null, scope: own }
}

describe('maySee', () => {
  test.each([
    [[], 'acme/lib', true],
    [['acme/'], 'acme/lib', true],
    [['acme/'], 'acme-evil/lib', false],
    [['acme/'], 'acmex/lib', false],
    [['acme/'], 'x/acme/lib', false],
    [['acme/li'], 'acme/lib', true],
    [['acme/lib'], 'acme/lib', true],
    [['acme/lib'], 'acme/lib-extra', true],
    [['acme/lib'], 'acme/li', false],
    [['acme/', 'globex/tool'], 'globex/tool', true],
    [['acme/', 'globex/tool'], 'globex/other', false],
  ])('%p, %s: %p', (prefixes, name, expected) => {
    expect(maySee(scope(prefixes), name)).toBe(expected)
  })
})

describe('maySeeVendor', () => {
  test.each([
    [[], 'acme', true],
    [['acme/'], 'acme', true],
    [['acme/lib'], 'acme', true],
    [['acme-evil/'], 'acme', false],
    [['acme/'], 'acm', false],
    [['acme/'], 'acme-evil', false],
  ])('%p, %s: %p', (prefixes, vendor, expected) => {
    expect(maySeeVendor(scope(prefixes), vendor)).toBe(expected)
  })
})

describe('contains: what a caller may hand on', () => {
  test.each([
    [[], [], true],
    [[], ['acme/'], true],
    [['acme/'], ['acme/'], true],
    [['acme/'], ['acme/lib'], true],
    [['acme/'], ['acme/lib', 'acme/x'], true],
    [['acme/', 'globex/'], ['globex/x'], true],
    [['acme/'], [], false],
    [['acme/lib'], ['acme/'], false],
    [['acme/'], ['acme-evil/'], false],
    [['acme/'], ['acme/', 'globex/'], false],
  ])('%p hands on %p: %p', (own, inner, expected) => {
    expect(contains(scope(own), scope(inner))).toBe(expected)
  })
})

describe('single packages', () => {
  const limited = scope(['acme/'], { 'globex/tool': '^2.0', 'acme/lib': '1.*', 'initech/x': null })
  const version = (versionNormalized: string, alias: string | null = null, releasedAt = 0) => ({
    versionNormalized,
    alias,
    releasedAt,
  })

  test.each([
    ['acme/other', version('9.0.0.0'), true],
    ['acme/lib', version('1.5.0.0'), true],
    ['acme/lib', version('2.0.0.0'), false],
    ['globex/tool', version('2.1.0.0'), true],
    ['globex/tool', version('3.0.0.0'), false],
    ['globex/tool', version('dev-main'), false],
    ['globex/tool', version('dev-main', '2.9999999.9999999.9999999-dev'), true],
    ['globex/other', version('2.1.0.0'), false],
    ['initech/x', version('0.0.1.0'), true],
    ['initech/xy', version('0.0.1.0'), false],
  ])('%s %p: %p', (name, asked, expected) => {
    expect(refusalOf(limited, name, asked) === null).toBe(expected)
  })

  test('count for the vendor, and say where versions must be looked at', () => {
    expect(maySeeVendor(limited, 'globex')).toBe(true)
    expect(maySeeVendor(limited, 'glob')).toBe(false)
    expect(limitsVersions(limited, 'acme/other')).toBe(false)
    expect(limitsVersions(limited, 'acme/lib')).toBe(true)
  })

  test('a release after the end of updates is not covered, one in its very second is', () => {
    const ending = scope([], {}, 100)
    expect(refusalOf(ending, 'acme/lib', version('1.0.0.0', null, 100))).toBeNull()
    expect(refusalOf(ending, 'acme/lib', version('1.0.1.0', null, 101))).toContain('updates_until')
    expect(limitsVersions(ending, 'acme/lib')).toBe(true)
  })

  test.each([
    [scope([], { 'acme/lib': '^1' }), scope([], { 'acme/lib': '^1' }), true],
    [scope([], { 'acme/lib': '^1' }), scope([], { 'acme/lib': '^2' }), false],
    [scope([], { 'acme/lib': '^1' }), scope([], { 'acme/lib': null }), false],
    [scope(['acme/']), scope([], { 'acme/lib': '^1' }), true],
    [scope(['acme/'], { 'acme/lib': '^1' }), scope(['acme/']), false],
    [scope(['acme/'], { 'acme/lib': '^1' }), scope(['acme/other']), true],
    [scope([], {}, 100), scope(['acme/'], {}, 100), true],
    [scope([], {}, 100), scope(['acme/'], {}, 101), false],
    [scope([], {}, 100), scope(['acme/']), false],
  ])('%p hands on %p: %p', (own, inner, expected) => {
    expect(contains(own, inner)).toBe(expected)
  })

  test('views of equal scopes have equal keys, of different scopes different ones', () => {
    expect(scope(['b/', 'a/']).key).toBe(scope(['a/', 'b/']).key)
    const keys = [scope([]), scope(['a/']), scope([], { 'a/b': null }), scope([], { 'a/b': '^1' }), scope([], {}, 1)]
    expect(new Set(keys.map((entry) => entry.key)).size).toBe(keys.length)
  })
})

test('only a write token without any limit may do everything', () => {
  expect(isUnrestricted(caller(scope([]), 'write'))).toBe(true)
  expect(isUnrestricted(caller(scope([]), 'readonly'))).toBe(false)
  expect(isUnrestricted(caller(scope(['acme/']), 'write'))).toBe(false)
  expect(isUnrestricted(caller(scope([], { 'acme/lib': null }), 'write'))).toBe(false)
  expect(isUnrestricted(caller(scope([], {}, 100), 'write'))).toBe(false)
})

import { describe, expect, test } from 'bun:test'
import { type Caller, covers, isUnrestricted, maySee, maySeeVendor } from '../../src/auth/scope.ts'

function caller(prefixes: string[], permissions: Caller['permissions'] = 'readonly'): Caller {
  return { tokenId: 'tok_1', permissions, prefixes, scopeRevision: 0 }
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
    expect(maySee(caller(prefixes), name)).toBe(expected)
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
    expect(maySeeVendor(caller(prefixes), vendor)).toBe(expected)
  })
})

describe('covers: what a caller may hand on', () => {
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
    expect(covers(caller(own), inner)).toBe(expected)
  })
})

test('only a write token without prefixes may do everything', () => {
  expect(isUnrestricted(caller([], 'write'))).toBe(true)
  expect(isUnrestricted(caller([], 'readonly'))).toBe(false)
  expect(isUnrestricted(caller(['acme/'], 'write'))).toBe(false)
})

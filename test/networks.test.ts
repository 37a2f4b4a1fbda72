import { describe, expect, test } from 'bun:test'
import { networkList, parseNetworks, plainAddress } from '../src/networks.ts'

describe('includes', () => {
  test.each([
    ['10.0.0.0/8', '10.255.0.1', true],
    ['10.0.0.0/8', '11.0.0.1', false],
    ['10.0.0.0/8', '::ffff:10.1.2.3', true],
    ['10.0.0.0/8', '[::ffff:10.1.2.3]', true],
    ['10.0.0.0/8', '::ffff:0a01:0203', true],
    ['192.0.2.7', '192.0.2.7', true],
    ['192.0.2.7', '192.0.2.8', false],
    ['192.0.2.128/25', '192.0.2.127', false],
    ['fd00::/8', 'fd12::1', true],
    ['fd00::/8', 'fe80::1', false],
    ['fe80::/10', 'fe80::1%eth0', true],
    ['::1', '[::1]', true],
    ['0.0.0.0/0', '::1', false],
    ['*', '::1', true],
    ['*', '203.0.113.9', true],
    ['', '127.0.0.1', false],
    [' 10.0.0.0/8 , ::1 ,', '::1', true],
    ['10.0.0.0/8', 'localhost', false],
    ['*', 'nonsense', false],
    ['*', '', false],
    ['*', '127.1', false],
  ])('%p has %p: %p', (list, address, expected) => {
    expect(parseNetworks(list).includes(address)).toBe(expected)
  })
})

test.each([
  '10.0.0.0/33',
  '10.0.0/8',
  '::/129',
  'localhost',
  '10.0.0.0/',
  '10.0.0.0/8/8',
  '10.0.0.0/-1',
  '10.0.0.0/1e1',
  '127.1',
  '**',
])('%p is refused by name', (cidr) => {
  expect(() => parseNetworks(`10.0.0.0/8,${cidr}`)).toThrow(`“${cidr}” is not a network`)
  expect(() => networkList([cidr])).toThrow()
})

test('one address has one spelling', () => {
  for (const spelling of ['192.0.2.7', '::ffff:192.0.2.7', '[::FFFF:192.0.2.7]', '::ffff:192.0.2.7%1']) {
    expect(plainAddress(spelling)).toBe('192.0.2.7')
  }
  expect(plainAddress('[fe80::1%eth0]')).toBe('fe80::1')
})

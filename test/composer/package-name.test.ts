import { describe, expect, test } from 'bun:test'
import { isPlatformPackage, MAX_PACKAGE_NAME_LENGTH, packageNameProblem } from '../../src/composer/package-name.ts'
import { askComposer, oracleAvailable } from '../support/composer-oracle.ts'
import { growthForEightfold, LINEAR_GROWTH } from './growth.ts'
import { Random } from './random.ts'

const ACCEPTED = ['acme/lib', 'Acme/Lib', 'a/b', '0/1', 'a.b_c-d/e.f_g-h', 'acme/a--b', 'acme/json', 'acme/lib.jsonx']
const REFUSED = [
  '',
  'acme',
  '/',
  'acme/',
  '/lib',
  'acme/lib/x',
  'acme/-lib',
  'acme/lib-',
  'acme/a---b',
  'a--b/lib',
  'acme/a__b',
  'acme/a..b',
  'acme lib/x',
  'acme/lib\n',
  'acme/líb',
  'acme/lib~dev',
  'acme/lib.json',
  'con/lib',
  'acme/NUL',
  'acme/com1',
  'acme/..',
  '../lib',
  'php',
  'ext-json',
  'acme/\u212aelvin',
]

test.each(ACCEPTED)('%j is a package name', (name) => expect(packageNameProblem(name)).toBeNull())

test.each(REFUSED)('%j is none', (name) => expect(packageNameProblem(name)).toBeString())

test('a name longer than the bound is refused', () => {
  const name = `acme/${'a'.repeat(MAX_PACKAGE_NAME_LENGTH - 5)}`
  expect(packageNameProblem(name)).toBeNull()
  expect(packageNameProblem(`${name}a`)).toContain('at most')
})

test.each(['php', 'PHP', 'php-64bit', 'hhvm', 'ext-json', 'lib-curl', 'composer', 'composer-plugin-api'])(
  '%s is a platform package',
  (name) => expect(isPlatformPackage(name)).toBe(true),
)
test.each(['phpx', 'ext', 'ext-', 'acme/php', 'composer-api'])('%s is none', (name) =>
  expect(isPlatformPackage(name)).toBe(false),
)

describe.skipIf(!oracleAvailable)('the same names as the Composer library', () => {
  test('for known and random names', async () => {
    const random = new Random(7)
    const pieces = ['a', 'b', '0', '-', '--', '.', '_', '/', '/', 'con', 'lpt1', '.json', 'A', ' '] as const
    const names = [
      ...ACCEPTED,
      ...REFUSED,
      ...Array.from({ length: 3000 }, () => `${random.text(3, pieces)}/${random.text(3, pieces)}`),
    ]
    const own = names.filter((name) => !isPlatformPackage(name))
    const theirs = await askComposer(own.map((name) => ['name', name]))
    expect(own.filter((name, index) => (packageNameProblem(name) === null) !== theirs[index])).toEqual([])
    expect(theirs.filter((accepted) => accepted).length).toBeGreaterThan(50)
  })
})

test('work grows with the length of a hostile name', () => {
  const platform = (size: number) => `ext-${'a'.repeat(size)}!`
  expect(growthForEightfold(platform, isPlatformPackage, 500)).toBeLessThan(LINEAR_GROWTH)
})

import { describe, expect, test } from 'bun:test'
import { artifactVersion } from '../../src/composer/artifact-version.ts'

const NOW = 1_767_225_600

function read(manifest: object | string, wanted: string | null = null) {
  const text = typeof manifest === 'string' ? manifest : JSON.stringify(manifest)
  return artifactVersion(new TextEncoder().encode(text), wanted, NOW)
}

describe('the version of an upload', () => {
  test('comes from composer.json, dated by the upload', () => {
    expect(read({ name: 'Acme/Lib', version: 'v1.2', description: 'x' })).toEqual({
      packageName: 'acme/lib',
      prettyName: 'Acme/Lib',
      version: 'v1.2',
      versionNormalized: '1.2.0.0',
      stability: 'stable',
      alias: null,
      time: '2026-01-01T00:00:00+00:00',
      releasedAt: NOW,
      summary: { type: 'library', description: 'x', abandoned: null },
    })
  })

  test('or from the uploader, whose form is the one that is kept', () => {
    expect(read({ name: 'a/b' }, '2.0-RC1')).toMatchObject({ versionNormalized: '2.0.0.0-RC1', stability: 'RC' })
    expect(read({ name: 'a/b', version: '1.0.0' }, 'v1')).toMatchObject({ version: 'v1', versionNormalized: '1.0.0.0' })
  })

  test('is dated by composer.json when that has a time', () => {
    expect(read({ name: 'a/b', version: '1', time: '2020-02-03 04:05:06' }).time).toBe('2020-02-03T04:05:06+00:00')
  })

  test.each([
    ['dev-main', 'dev-main', 'dev'],
    ['dev-feature/x', 'dev-feature/x', 'dev'],
    ['1.x-dev', '1.9999999.9999999.9999999-dev', 'dev'],
    ['1.0-beta2', '1.0.0.0-beta2', 'beta'],
  ])('%s', (version, versionNormalized, stability) => {
    expect(read({ name: 'a/b' }, version)).toMatchObject({ version, versionNormalized, stability } as object)
  })

  test('counts as its branch alias too', () => {
    const extra = { 'branch-alias': { 'dev-main': '2.x-dev' } }
    expect(read({ name: 'a/b', extra }, 'dev-main').alias).toBe('2.9999999.9999999.9999999-dev')
  })
})

describe('refused', () => {
  test.each([
    ['no version', { name: 'a/b' }, null, 'The version is missing'],
    ['two versions', { name: 'a/b', version: '1.0' }, '1.1', 'does not match the one in composer.json'],
    ['a version that is none', { name: 'a/b' }, 'latest', 'The version is no version: "latest"'],
    ['one in composer.json', { name: 'a/b', version: 'latest' }, null, 'The version in composer.json is no version'],
    [
      'one in composer.json beside a good one',
      { name: 'a/b', version: 'latest' },
      '1.0',
      'in composer.json is no version',
    ],
    ['a list as version', { name: 'a/b', version: ['1.0'] }, null, 'in composer.json is no version'],
    ['blanks', { name: 'a/b' }, '1.0 as 2.0', 'is no version'],
    ['control characters', { name: 'a/b' }, 'dev-a\u001bb', 'is no version'],
    ['a stability flag', { name: 'a/b' }, '1.0@dev', 'is no version'],
    ['a reference', { name: 'a/b' }, 'dev-main#abc', 'is no version'],
    ['a path', { name: 'a/b' }, 'dev-a/../b', 'is no version'],
    ['an empty part', { name: 'a/b' }, 'dev-a//b', 'is no version'],
    ['a name that is no constraint', { name: 'a/b' }, 'dev-a|b', 'is no version'],
    ['no name', { version: '1.0' }, null, 'has no name'],
    ['a name that is none', { name: 'acme', version: '1.0' }, null, 'is no package name'],
    ['a platform name', { name: 'php', version: '1.0' }, null, 'platform package'],
    ['a name that is no string', { name: 5, version: '1.0' }, null, 'no string'],
    ['broken requirements', { name: 'a/b', version: '1.0', require: { 'c/d': 'nonsense' } }, null, 'require.c/d'],
    [
      'a wrong alias',
      { name: 'a/b', version: 'dev-x', extra: { 'branch-alias': { 'dev-x': 5 } } },
      null,
      'branch-alias',
    ],
    ['no JSON', '{', null, 'cannot be read'],
    ['no object', '[]', null, 'cannot be read'],
    ['an empty object', '{}', null, 'cannot be read'],
  ])('%s', (_, manifest, wanted, reason) => {
    expect(() => read(manifest, wanted)).toThrow(reason)
  })
})

import { describe, expect, test } from 'bun:test'
import { type RawFields, readJsonObject, writeJsonObject } from '../../src/composer/json.ts'
import { expandVersions, minifyVersions } from '../../src/composer/minify.ts'
import { versionEntry } from '../../src/composer/version-entry.ts'
import { askComposer, oracleAvailable } from '../support/composer-oracle.ts'
import { Random } from './random.ts'

const VERSIONS = list([
  '{"name":"a/b","version":"2.0","require":{"php":"8"},"extra":{"a":1,"b":2},"license":["MIT"]}',
  '{"name":"a/b","version":"1.2","require":{"php":"7"},"extra":{"b":2,"a":1},"homepage":null}',
  '{"name":"a/b","version":"1.1","require":{"php":"7"},"homepage":null,"license":["MIT"]}',
])

test('minifyVersions keeps the first version and then only differences', () => {
  expect(minifyVersions(VERSIONS).map(writeJsonObject)).toEqual([
    writeJsonObject(VERSIONS[0] ?? new Map()),
    '{"version":"1.2","require":{"php":"7"},"extra":{"b":2,"a":1},"homepage":null,"license":"__unset"}',
    '{"version":"1.1","license":["MIT"],"extra":"__unset"}',
  ])
})

test('compares values as written: 1 is not 1.0, and an empty list is no empty object', () => {
  const minified = minifyVersions(list(['{"a":1,"b":[]}', '{"a":1.0,"b":{}}']))
  expect(minified.map(writeJsonObject)).toEqual(['{"a":1,"b":[]}', '{"a":1.0,"b":{}}'])
})

test('expandVersions gives back what was minified', () => {
  const random = new Random(9)
  const versions = Array.from({ length: 200 }, () => {
    const keys = ['a', 'b', '10', '2', '__proto__'].filter(() => random.below(3) > 0)
    return new Map(keys.map((key) => [key, random.pick(['1', '2', 'null', '{}', '"x"'])]))
  })
  const sorted = (list: readonly RawFields[]) => list.map((version) => [...version].sort())
  expect(sorted(expandVersions(minifyVersions(versions)))).toEqual(sorted(versions))
  expect(minifyVersions([])).toEqual([])
})

test('versionEntry writes its fields in one order', () => {
  const version = {
    prettyName: 'Acme/Lib',
    version: 'dev-main',
    versionNormalized: 'dev-main',
    time: '2023-11-14T22:13:20+00:00',
    publishedTime: '2023-11-15T08:00:00+00:00',
    abandoned: false,
    defaultBranch: true,
    fields: new Map([
      ['require', '{}'],
      ['abandoned', 'true'],
    ]),
  }
  expect([...versionEntry(version, { dist: '{"type":"zip"}', source: '{"type":"git"}' }).keys()]).toEqual([
    'name',
    'version',
    'version_normalized',
    'require',
    'abandoned',
    'type',
    'dist',
    'source',
    'time',
    'published-time',
    'default-branch',
  ])
  expect(writeJsonObject(versionEntry({ ...version, publishedTime: null, defaultBranch: false }, {}))).toBe(
    '{"name":"Acme/Lib","version":"dev-main","version_normalized":"dev-main","require":{},"abandoned":true,"type":"library","time":"2023-11-14T22:13:20+00:00"}',
  )
})

test('what the package is marked with stands on every version', () => {
  const version = {
    prettyName: 'acme/lib',
    version: '1.0.0',
    versionNormalized: '1.0.0.0',
    time: 'x',
    publishedTime: null,
  }
  const marked = (abandoned: boolean | string, own: [string, string][]) =>
    versionEntry({ ...version, abandoned, defaultBranch: false, fields: new Map(own) }, {}).get('abandoned')
  expect(marked('acme/new', [])).toBe('"acme/new"')
  expect(marked('acme/new', [['abandoned', 'true']])).toBe('"acme/new"')
  expect(marked(false, [['abandoned', 'true']])).toBe('true')
  expect(marked(false, [])).toBeUndefined()
})

describe.skipIf(!oracleAvailable)('as the Composer library', () => {
  test('it expands what is minified here, and minifies alike', async () => {
    const minified = `[${minifyVersions(VERSIONS).map(writeJsonObject).join(',')}]`
    const written = `[${VERSIONS.map(writeJsonObject).join(',')}]`
    const [expanded, theirs] = await askComposer([
      ['expand', minified],
      ['minify', written],
    ])
    expect(expanded).toEqual(JSON.parse(written))
    // Composer's writer takes a null for an absent field each time; its reader accepts both.
    const withoutNulls = written.replaceAll(',"homepage":null', '')
    const [plain] = await askComposer([['minify', withoutNulls]])
    expect(
      minifyVersions(list(JSON.parse(withoutNulls).map((one: unknown) => JSON.stringify(one)))).map(toValue),
    ).toEqual(plain as unknown[])
    expect(theirs).not.toBeNull()
  })
})

function list(texts: readonly string[]): RawFields[] {
  return texts.map((text) => readJsonObject(new TextEncoder().encode(text)))
}

function toValue(fields: RawFields): unknown {
  return JSON.parse(writeJsonObject(fields))
}

import { describe, expect, test } from 'bun:test'
import { expandVersions } from '../../src/composer/minify.ts'
import { readPackageDocument } from '../../src/mirror/package-document.ts'
import { Pacer } from '../../src/pacer.ts'
import { askComposer, oracleAvailable } from '../support/composer-oracle.ts'
import { patient } from './reader-support.ts'

const good = { name: 'acme/lib', version: '1.0.0', version_normalized: '1.0.0.0' }

async function read(text: string) {
  const issues: string[] = []
  const onIssue = (subject: string, reason: string) => issues.push(`${subject}: ${reason}`)
  const document = await readPackageDocument(text, 'acme/lib', new Pacer(patient), onIssue)
  return { document, issues }
}

const documentOf = (versions: unknown, more: object = {}) =>
  JSON.stringify({ packages: { 'acme/lib': versions }, ...more })

/** Changes of a good version, one of a kind each. */
const ODD: Record<string, unknown>[] = [
  {},
  { version: '1.0.0-SNAPSHOT', version_normalized: undefined },
  { version: 'foo', version_normalized: undefined },
  { version: 'dev-main', version_normalized: '9999999-dev' },
  { version: 'nonsense', version_normalized: '9999999-dev' },
  { version: 'v1.2', version_normalized: undefined },
  { version: 'nonsense', version_normalized: '3.0.0.0' },
  { version: undefined },
  { version: null },
  { version: ['1.0.0'] },
  { name: undefined },
  { name: null },
  { require: { 'psr/log': '^^1' } },
  { require: { 'psr/log': 1 } },
  { require: { 'psr/log': 'self.version' } },
  { version: 'dev-ma in', version_normalized: 'dev-ma in', require: { 'psr/log': 'self.version' } },
  { require: [] },
  { require: 'psr/log' },
  { conflict: { 'a/b': '>=1 <' } },
  { 'require-dev': { 'a/b': 'bogus constraint' } },
  { dist: { type: 'zip' } },
  { dist: { type: 'zip', url: 'https://h.example/a.zip', shasum: 1 } },
  { dist: null },
  { source: { type: 'git', url: 'https://h.example/a.git' } },
  { type: 1 },
  { time: 1_700_000_000 },
  { time: 'yesterday or so' },
  { time: {} },
  { time: { a: 1 } },
  { time: 0 },
  { 'notification-url': [] },
  { 'installation-source': [] },
  { 'notification-url': 5 },
  { 'notification-url': { a: 1 } },
  { autoload: { 'psr-4': { 'Acme\\': [1] } } },
  { autoload: 'src' },
  { bin: 1 },
  { extra: { 'branch-alias': { 'dev-main': 1 } }, version: 'dev-main', version_normalized: 'dev-main' },
  { extra: 'nothing' },
  { license: 7, authors: 'me', keywords: 'one', homepage: 1, description: [] },
  { suggest: { 'a/b': [] } },
  { abandoned: 'other/lib' },
  { funding: 'much', support: null, scripts: 'x' },
]

describe('versions that a client cannot load', () => {
  test.skipIf(!oracleAvailable)('are left out, and no others', async () => {
    const entries = ODD.map((change) => ({ ...good, ...change }))
    const answers = await askComposer(entries.map((entry) => ['load', JSON.stringify(entry)] as const))
    const kept = await Promise.all(entries.map((entry) => read(documentOf([entry]))))
    const differing = entries.flatMap((entry, at) => {
      const loadable = answers[at] !== null
      const { document, issues } = kept[at] ?? {}
      return (document?.versions.length === 1) === loadable && issues?.length === (loadable ? 0 : 1)
        ? []
        : [{ entry, loadable, issues }]
    })
    expect(differing).toEqual([])
  })

  test('are left out of a minified list, and the others stay what they were', async () => {
    const versions = [
      { ...good, version: '3.0.0', version_normalized: '3.0.0.0', require: { 'a/b': '^1' }, description: 'text' },
      {
        version: '2.0.0',
        version_normalized: '2.0.0.0',
        require: { 'a/b': 'bogus constraint' },
        description: '__unset',
      },
      { version: '1.0.0', version_normalized: '1.0.0.0', require: { 'a/b': '^1' } },
    ]
    const { document, issues } = await read(documentOf(versions, { minified: 'composer/2.0' }))
    expect(issues).toHaveLength(1)
    expect(issues[0]).toStartWith('acme/lib 2.0.0: require.a/b')
    const complete = expandVersions(document?.versions ?? []).map((fields) => Object.fromEntries(fields))
    expect(complete).toEqual([
      {
        name: '"acme/lib"',
        version: '"3.0.0"',
        version_normalized: '"3.0.0.0"',
        require: '{"a/b":"^1"}',
        description: '"text"',
      },
      { name: '"acme/lib"', version: '"1.0.0"', version_normalized: '"1.0.0.0"', require: '{"a/b":"^1"}' },
    ])
  })

  test('are those of other packages too', async () => {
    const { document, issues } = await read(documentOf([good, { ...good, name: 'acme/other' }]))
    expect(document?.versions).toHaveLength(1)
    expect(issues).toEqual(['acme/lib 1.0.0: it names another package, "acme/other"'])
  })
})

describe('a document of an upstream', () => {
  test('keeps every text as it was written', async () => {
    const text =
      '{"packages":{"acme/lib":[{"name":"acme/lib","version":"1.0.0","version_normalized":"1.0.0.0","extra":{"b":1.0,"a":{},"n":12345678901234567890,"__proto__":"\\u00e4"}}]}}'
    const { document } = await read(text)
    expect(document?.versions[0]?.get('extra')).toBe('{"b":1.0,"a":{},"n":12345678901234567890,"__proto__":"\\u00e4"}')
  })

  test('has the last value of a key that occurs twice, as in PHP', async () => {
    const first = JSON.stringify([{ ...good, version: '9.0.0' }])
    const { document } = await read(`{"packages":{"acme/lib":${first},"acme/lib":{"x":${JSON.stringify(good)}}}}`)
    expect(document?.versions.map((fields) => fields.get('version'))).toEqual(['"1.0.0"'])
    const again = await read(`{"packages":{"acme/lib":${first}},"packages":{}}`)
    expect(again.document).toBeNull()
  })

  test('is none when it does not name the package', async () => {
    const none = ['{}', '{"packages":[]}', '{"packages":{"__proto__":[]}}', '{"packages":{"acme/lib":null}}']
    for (const text of none) expect((await read(text)).document).toBeNull()
    expect((await read(documentOf([]))).document?.versions).toEqual([])
  })

  test('has advisories and filters only where they are what they should be', async () => {
    const { document } = await read(documentOf([], { 'security-advisories': [{ a: 1 }], filter: { malware: [] } }))
    expect(document).toMatchObject({ advisories: '[{"a":1}]', filter: '{"malware":[]}' })
    const odd = await read(documentOf([], { 'security-advisories': 'x', filter: 5 }))
    expect(odd.document).toMatchObject({ advisories: null, filter: null })
  })

  test('may have a hundred thousand versions, and lets others work meanwhile', async () => {
    const versions = Array.from({ length: 100_000 }, (_, index) => ({
      ...good,
      version: `1.0.${index}`,
      version_normalized: `1.0.${index}.0`,
    }))
    const text = documentOf(versions)
    let turns = 0
    const timer = setInterval(() => turns++, 1)
    const { document, issues } = await read(text)
    clearInterval(timer)
    expect(document?.versions).toHaveLength(100_000)
    expect(issues).toEqual([])
    expect(turns).toBeGreaterThan(1)
  })
})

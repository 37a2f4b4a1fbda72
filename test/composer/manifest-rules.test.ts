import { describe, expect, test } from 'bun:test'
import { branchAlias } from '../../src/composer/branch-alias.ts'
import { readJsonObject } from '../../src/composer/json.ts'
import { manifestProblem } from '../../src/composer/manifest-rules.ts'
import { repositoryVersions } from '../../src/composer/repository-versions.ts'
import { atOnce } from '../../src/composer/steps.ts'
import { askComposer, oracleAvailable } from '../support/composer-oracle.ts'
import { Random } from './random.ts'

const ACCEPTED = [
  '{"require":{"php":">=8.1","a/b":"^1 || dev-main#abc","c/d":"self.version"},"conflict":[],"replace":{},"provide":null}',
  '{"type":"library","bin":["bin/x","..bin/y","a..b"],"keywords":["a",1,null],"suggest":{"ext-x":"for y"}}',
  '{"autoload":{"psr-4":{"":"src","A\\\\":["a","b"]},"psr-0":{"B_":null},"classmap":["x",1],"files":["f"]}}',
  '{"autoload":{"psr-4":[],"psr-0":"x","unknown":5},"autoload-dev":[],"extra":"x","license":5,"authors":"x","scripts":7}',
  '{"support":{},"archive":"x","abandoned":["x"],"php-ext":{},"description":5,"funding":"x","homepage":[]}',
  '{"source":{"type":"git","url":"u","reference":5},"dist":{"type":"zip","url":"u","reference":null}}',
  '{"archive":{"name":"x","exclude":["y"]},"include-path":["x"],"target-dir":"x","autoload":{"psr-0":{"A":"x"}}}',
]

const REFUSED: [string, string][] = [
  ['{"require":{"a/b":5}}', 'require.a/b must be a string'],
  ['{"require":{"a/b":"nonsense!"}}', 'require.a/b: "nonsense!" is no version constraint'],
  ['{"require-dev":{"a/b":""}}', 'require-dev.a/b'],
  ['{"conflict":["a/b"]}', 'conflict must be an object'],
  ['{"provide":"a/b"}', 'provide must be an object'],
  ['{"replace":{"12":"*"}}', 'no package name'],
  ['{"type":["library"]}', 'type must be a string'],
  ['{"bin":"../../etc/passwd"}', '".."'],
  ['{"bin":["ok","a\\\\..\\\\b"]}', '".."'],
  ['{"bin":[5]}', 'bin must be'],
  ['{"autoload":"src"}', 'autoload must be an object'],
  ['{"autoload":{"psr-4":{"A":"src"}}}', 'backslash'],
  ['{"autoload":{"psr-4":["src"]}}', 'backslash'],
  ['{"autoload":{"psr-4":"src"}}', 'psr-4 must be an object'],
  ['{"autoload":{"psr-4":{"A\\\\":"src"}},"target-dir":""}', 'target-dir'],
  ['{"autoload":{"files":[5]}}', 'paths as strings'],
  ['{"autoload":{"classmap":[["x",["y"]]]}}', 'paths as strings'],
  ['{"autoload-dev":true}', 'autoload-dev'],
  ['{"keywords":[["a"]]}', 'keywords'],
  ['{"suggest":{"a":1}}', 'suggest'],
  ['{"support":"https://example.org"}', 'support'],
  ['{"php-ext":"x"}', 'php-ext'],
  ['{"include-path":"x"}', 'include-path'],
  ['{"include-path":[null]}', 'include-path'],
  ['{"target-dir":5}', 'target-dir'],
  ['{"archive":{"name":5}}', 'archive.name'],
  ['{"archive":{"exclude":"x"}}', 'archive.exclude'],
  ['{"source":{"type":"git","url":"u"}}', 'source must be an object'],
  ['{"source":"u"}', 'source must be an object'],
  ['{"dist":{"type":"zip","url":5}}', 'dist.url'],
]

const problemOf = (read: Parameters<typeof manifestProblem>[0]) => atOnce(manifestProblem(read))

test.each(ACCEPTED)('accepts %s', (json) => expect(problemOf(fields(json))).toBeNull())
test.each(REFUSED)('refuses %s', (json, reason) => expect(problemOf(fields(json))).toContain(reason))

test('a refused file is a reason for its ref', () => {
  const content = new TextEncoder().encode('{"name":"a/b","require":{"c/d":"nonsense!"}}')
  const { versions, issues } = repositoryVersions({
    refs: [{ kind: 'tag', name: '1.0', commit: 'c' }],
    defaultBranch: null,
    manifests: new Map([['c', { committedAt: 0, content }]]),
  })
  expect(versions).toEqual([])
  expect(issues).toEqual([{ ref: 'refs/tags/1.0', reason: 'require.c/d: "nonsense!" is no version constraint.' }])
})

test('what depends on the version is judged for each ref', () => {
  const content = new TextEncoder().encode('{"name":"a/b","extra":{"branch-alias":{"dev-main":5}}}')
  const { versions, issues } = repositoryVersions({
    refs: [
      { kind: 'tag', name: '1.0', commit: 'c' },
      { kind: 'branch', name: 'main', commit: 'c' },
    ],
    defaultBranch: 'main',
    manifests: new Map([['c', { committedAt: 0, content }]]),
  })
  expect(versions.map(({ version }) => version)).toEqual(['1.0'])
  expect(issues.map(({ reason }) => reason)).toEqual(['extra.branch-alias must be an object of strings.'])
})

describe.skipIf(!oracleAvailable)('as the Composer library', () => {
  /** Fields on which Composer 2.5.5 loads what later clients refuse, or what we do not serve. */
  const UNLIKE = new Set(['php-ext', 'source', 'dist'])
  const VALUES = [
    'null',
    'true',
    '0',
    '1',
    '1.5',
    '""',
    '"0"',
    '"x"',
    '"^1.0"',
    '"self.version"',
    '[]',
    '{}',
    '["x"]',
    '[1]',
    '[null]',
    '[[]]',
    '[["x"]]',
    '[["x",1]]',
    '[["x",["y"]]]',
    '{"a/b":"^1"}',
    '{"a/b":1}',
    '{"a/b":null}',
    '{"5":"*"}',
    '{"":"x"}',
    '{"name":"x"}',
    '{"name":1}',
    '{"exclude":["x"]}',
    '{"exclude":"x"}',
    '{"A\\\\":"x"}',
    '{"A":"x"}',
    '{"A\\\\":[["x"]]}',
    '[true]',
  ] as const
  const FIELDS = [
    'require',
    'conflict',
    'provide',
    'replace',
    'require-dev',
    'type',
    'target-dir',
    'bin',
    'include-path',
    'suggest',
    'keywords',
    'support',
    'archive',
    'autoload',
    'autoload-dev',
    'extra',
    'license',
    'authors',
    'scripts',
    'homepage',
    'description',
    'funding',
    'abandoned',
    'php-ext',
  ] as const
  const AUTOLOADS = ['psr-0', 'psr-4', 'classmap', 'files', 'exclude-from-classmap'] as const

  test('refuses exactly what makes a client fail', async () => {
    const random = new Random(3)
    const single = FIELDS.filter((field) => !UNLIKE.has(field)).flatMap((field) =>
      VALUES.map((value) => `"${field}":${value}`),
    )
    const autoload = AUTOLOADS.flatMap((type) => VALUES.map((value) => `"autoload":{"${type}":${value}}`))
    const mixed = Array.from({ length: 600 }, () => {
      const target = random.below(3) === 0 ? ',"target-dir":"x"' : ''
      return `"autoload":{"${random.pick(AUTOLOADS)}":${random.pick(VALUES)},"${random.pick(AUTOLOADS)}":${random.pick(VALUES)}}${target}`
    })
    const all = [...single, ...autoload, ...mixed]
    const theirs = await askComposer(all.map((text) => ['load', `{"name":"x/y","version":"1.0.0",${text}}`]))
    const differing = all.filter(
      (text, index) => (problemOf(fields(`{${text}}`)) === null) !== (theirs[index] !== null),
    )
    expect(differing).toEqual([])
    expect(theirs.filter((answer) => answer === null).length).toBeGreaterThan(200)
  })

  test('finds the same branch aliases', async () => {
    const cases = ['dev-main', 'dev-MAIN', '2.x-dev', '2.1.x-dev', 'dev-2', '1.0.0'].flatMap((version) =>
      [
        'null',
        '"x"',
        '{}',
        '{"branch-alias":"x"}',
        '{"branch-alias":{"dev-main":"3.x-dev"}}',
        '{"branch-alias":{"dev-main":"3.x","dev-Main":"4.0-dev"}}',
        '{"branch-alias":{"dev-main":"9999999-dev"}}',
        '{"branch-alias":{"2.x-dev":"2.5.x-dev","2.1.x-dev":"3.0.x-dev"}}',
        '{"branch-alias":{"dev-main":"dev-x"}}',
        '{"branch-alias":{"dev-main":5}}',
        '{"branch-alias":[["x"]]}',
        '{"branch-alias":{"2.x-dev":"20.x-dev"}}',
        '{"branch-alias":{"dev-main":"foo-dev"}}',
        '{"branch-alias":{"dev-x":"1.x-dev","dev-main":"1.2.x-dev"}}',
      ].flatMap((extra) => [true, false].map((defaultBranch) => ({ version, extra, defaultBranch }))),
    )
    const theirs = await askComposer(
      cases.map(({ version, extra, defaultBranch }) => [
        'load',
        `{"name":"x/y","version":"${version}","extra":${extra},"default-branch":${defaultBranch}}`,
      ]),
    )
    expect(cases.map((one) => aliasAnswer({ ...one, extra: JSON.parse(one.extra) }))).toEqual(theirs)
    expect(theirs.filter((answer) => typeof answer === 'string').length).toBeGreaterThan(20)
  })
})

/** In the oracle's form: the alias, true without one, null for a refusal. */
function aliasAnswer(version: Parameters<typeof branchAlias>[0]): unknown {
  try {
    return branchAlias(version) ?? true
  } catch {
    return null
  }
}

function fields(json: string): ReturnType<typeof readJsonObject> {
  return readJsonObject(new TextEncoder().encode(json))
}

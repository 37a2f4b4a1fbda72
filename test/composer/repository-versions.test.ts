import { afterAll, describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type CommitManifest,
  type OfferedRef,
  type PackageVersion,
  repositoryVersions,
} from '../../src/composer/repository-versions.ts'
import { composerVersions, oracleAvailable } from '../support/composer-oracle.ts'
import { type CommitSpec, createGitRepository, type TestGitRepository } from '../support/git-repository.ts'
import { readGitInput } from './git-input.ts'
import { growthForEightfold, LINEAR_GROWTH } from './growth.ts'

const TAGS = (
  'v1.0.0 1.0.0 1.0 release-2.0.0 2.1-release-3 3.0.0-beta1 3.0.0-rc.1 v3.0.0-alpha.2 1.0.0-dev dev-foo master ' +
  '2024.01.05 20240105 100000 1.2.3.4.5 1.0.0+build 1.2.0+b1 latest 4.0.0-p1 V5.0.0 foo/1.0 1.x-dev 6.0.0-SNAPSHOT 07.1'
).split(' ')
const BRANCHES = (
  '1.0 1.0.x v1.0 2 2.x feature/x foo#bar a,b 1.x-dev trunk gh-pages dependabot/x 99999.x v4.0.0 feature-1.0 V6 HEAD -x ' +
  'foo/HEAD deep/foo/HEAD a|b 1.2.3.4 0123456789abcdef0123456789abcdef01234567'
).split(' ')

const root = mkdtempSync(join(tmpdir(), 'repository-versions-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

function repository(name: string, commits: CommitSpec[]): TestGitRepository {
  return createGitRepository(join(root, name), { commits })
}

function makeAwkward(): TestGitRepository {
  const made = repository('awkward', [{ files: { 'composer.json': '{"name":"acme/lib"}' } }])
  const main = made.resolve('main')
  const names = [...TAGS.map((tag) => `refs/tags/${tag}`), ...BRANCHES.map((branch) => `refs/heads/${branch}`)]
  made.git(['update-ref', '--stdin'], names.map((name) => `create ${name} ${main}\n`).join(''))
  return made
}
const awkward = makeAwkward()

/** What Composer and we both say of a version. */
function identity(version: PackageVersion): Record<string, unknown> {
  return {
    name: version.prettyName,
    version: version.version,
    version_normalized: version.versionNormalized,
    'default-branch': version.defaultBranch,
    reference: version.reference,
  }
}

/** Composer's list with only the first version of each normalized form. */
async function composerList(path: string): Promise<Record<string, unknown>[]> {
  const seen = new Set<string>()
  const versions = await composerVersions(path)
  return versions.flatMap(({ time: _, ...version }) => {
    const key = `${version.name.toLowerCase()} ${version.version_normalized}`
    if (seen.has(key)) return []
    seen.add(key)
    return [version]
  })
}

function reasons(input: Parameters<typeof repositoryVersions>[0]): Map<string, string> {
  return new Map(repositoryVersions(input).issues.map(({ ref, reason }) => [ref, reason]))
}

describe.skipIf(!oracleAvailable)("equals Composer's VcsRepository", () => {
  test('over a repository of awkward tags and branches', async () => {
    const { path } = awkward
    const ours = repositoryVersions(readGitInput(path))
    // Composer 2.5.5 keeps the `#` that later ones replace, and then cannot read that version back.
    const theirs = (await composerList(path)).map((version) =>
      JSON.parse(JSON.stringify(version).replaceAll('dev-foo#bar', 'dev-foo+bar')),
    )
    expect(ours.versions.map(identity)).toEqual(theirs)
    expect(ours.versions.length).toBe(29)
  })

  test('over manifests of every kind', async () => {
    const tag = (name: string, content: string | null): CommitSpec => ({
      files: { 'composer.json': content },
      tags: [name],
    })
    const { path } = repository('manifests', [
      tag('1.0', '{"name":"old/name"}'),
      tag('1.1', '{"version":"1.1"}'),
      tag('1.2', '{"version":"1.3"}'),
      tag('1.3', '{"version":"v1.3.0-dev"}'),
      tag('1.4', '{"version":1.40}'),
      tag('1.5', '{"version":"nonsense"}'),
      tag('1.6', '{"version":["1.6"]}'),
      tag('1.7', '{"version":null,"time":"2001-02-03"}'),
      tag('1.8', '{'),
      tag('1.9', ''),
      tag('1.10', '{}'),
      tag('1.11', '[]'),
      tag('1.12', ' \n '),
      tag('1.13', null),
      tag('1.14', '{"require":{"a/b":"not a constraint"}}'),
      tag('1.15', '{"source":{"type":"git"}}'),
      tag(
        '1.16',
        '{"source":{"type":"git","url":"https://example.org/x","reference":"r"},"dist":{"type":"zip","url":"u"}}',
      ),
      tag('1.17', '{"dist":"zip"}'),
      tag('1.18', '{"default-branch":true,"name":"x"}'),
      tag('1.19', '{"version":"1.19","version":"1.20"}'),
      tag('2010-01-02', '{"name":"acme/a"}'),
      tag('2010.01.02', '{"name":"acme/a"}'),
      tag('3.0-alpha2.1', '{"name":"acme/a"}'),
      tag('3.0-alpha2-1', '{"name":"acme/a"}'),
      tag('03', '{"name":"acme/a"}'),
      tag('3', '{"name":"acme/a"}'),
      {
        files: {
          'composer.json': '{"name":"Acme/Root","version":"9.9","extra":{"branch-alias":{"dev-main":"2.x-dev"}}}',
        },
      },
    ])
    const ours = repositoryVersions(readGitInput(path))
    const theirs = await composerList(path)
    // The custom source of 1.16 is Composer's reference; ours is always the commit that was read.
    const tidy = theirs.map((version) => ({
      ...version,
      reference: version.reference === 'r' ? expect.any(String) : version.reference,
    }))
    expect(ours.versions.map(identity)).toEqual(tidy)
    expect(ours.versions.every((version) => version.packageName === 'acme/root')).toBe(true)
  })

  test('when the default branch has no composer.json, each ref keeps its own name', async () => {
    const { path } = repository('names', [
      { files: { 'composer.json': '{"name":"acme/one"}' }, tags: ['1.0'], branch: 'one' },
      { files: { 'composer.json': '{"name":"acme/two"}' }, tags: ['v1.0.0'], branch: 'two' },
      { files: { 'composer.json': '{"description":"no name"}' }, tags: ['2.0'], branch: 'three' },
      { files: { README: 'x' }, branch: 'main' },
    ])
    const ours = repositoryVersions(readGitInput(path))
    expect(ours.versions.map(identity)).toEqual(await composerList(path))
    expect(ours.versions.map((version) => version.packageName)).toEqual([
      'acme/one',
      'acme/two',
      'acme/one',
      'acme/two',
    ])
  })

  test('a broken composer.json on the default branch renames nothing', async () => {
    const { path } = repository('broken', [
      { files: { 'composer.json': '{"name":"acme/lib"}' }, annotatedTags: ['1.0'], branch: 'main' },
      { files: { 'composer.json': '{"name":"acme/new",}' } },
    ])
    const ours = repositoryVersions(readGitInput(path))
    expect(ours.versions.map(identity)).toEqual(await composerList(path))
    expect(ours.issues).toEqual([
      { ref: 'refs/heads/main', reason: 'composer.json cannot be read: invalid JSON at line 1.' },
    ])
  })
})

describe('repositoryVersions', () => {
  test('every ref gives a version or a reason', () => {
    const input = readGitInput(awkward.path)
    const { versions, issues } = repositoryVersions(input)
    expect(versions.length + issues.length).toBe(input.refs.length)
    expect(issues.every(({ reason }) => /^[A-Zc].*\.$/.test(reason))).toBe(true)
    const why = reasons(input)
    expect(why.get('refs/tags/latest')).toBe('The tag name "latest" is no version.')
    expect(why.get('refs/tags/v1.0.0')).toBe('Version v1.0.0 means the same as 1.0, which comes first.')
    expect(why.get('refs/tags/1.0.0-dev')).toContain('only branches')
    expect(why.get('refs/heads/1.0.x')).toBe('Version 1.0.x-dev means the same as 1.0.x-dev, which comes first.')
    expect(why.get('refs/heads/a,b')).toContain('constraint')
    expect(why.get('refs/heads/-x')).toContain('leaves out')
  })

  test('depends on nothing but its input, not even on the order of refs', () => {
    const input = readGitInput(awkward.path)
    const shuffled = { ...input, refs: [...input.refs].reverse() }
    expect(repositoryVersions(shuffled)).toEqual(repositoryVersions(input))
  })

  test('tags are taken in the order of their bytes', () => {
    const refs = ['1.0+\u{1f600}', '1.0+\ue000'].map((name) => ref('tag', name, 'c1'))
    const { versions } = repositoryVersions({ refs, defaultBranch: null, manifests: manifest('c1', { name: 'a/b' }) })
    expect(versions.map(({ version }) => version)).toEqual(['1.0+\ue000'])
  })

  test("the time is composer.json's own, else the commit's", () => {
    const times = [
      [undefined, '2023-11-14T22:13:20+00:00'],
      ['2012-10-28', '2012-10-28T00:00:00+00:00'],
      ['2012-10-28 10:20:30', '2012-10-28T10:20:30+00:00'],
      ['2012-10-28T10:20:30+02:00', '2012-10-28T08:20:30+00:00'],
      ['1351419630', '2012-10-28T10:20:30+00:00'],
      ['nonsense', '2023-11-14T22:13:20+00:00'],
      ['2012-99-99', '2023-11-14T22:13:20+00:00'],
      [1351419630, '2023-11-14T22:13:20+00:00'],
      ['0', '2023-11-14T22:13:20+00:00'],
    ] as const
    for (const [time, expected] of times) {
      const manifests = manifest('c1', { name: 'a/b', time })
      const { versions } = repositoryVersions({ refs: [ref('tag', '1.0', 'c1')], defaultBranch: null, manifests })
      expect(versions.map((version) => version.time)).toEqual([expected])
      expect(versions[0]?.releasedAt).toBe(Date.parse(expected) / 1000)
    }
  })

  test('a commit date no calendar holds does not break the list', () => {
    for (const committedAt of [-5, 1e18, Number.NaN]) {
      const manifests = new Map([['c1', { committedAt, content: bytes('{"name":"a/b"}') }]])
      const { versions } = repositoryVersions({ refs: [ref('tag', '1.0', 'c1')], defaultBranch: null, manifests })
      expect(versions[0]?.time).toMatch(/^\d{4}-\d\d-\d\dT.{8}\+00:00$/)
    }
  })

  test('serves fields as written, without those of the repository and the root package', () => {
    const json =
      '{ "zeta": 1.0, "name":"a/b","version":"1.0","require":{"php":">=8"}, "dist":{"type":"zip","url":"u"},"time":"x",' +
      '"repositories":[],"config":{},"minimum-stability":"dev","extra":{"n":12345678901234567890,"e":{}},"autoload-dev":{},"scripts":{"a":"b"}}'
    const manifests = new Map([['c1', { committedAt: 0, content: bytes(json) }]])
    const { versions } = repositoryVersions({ refs: [ref('tag', '1.0', 'c1')], defaultBranch: null, manifests })
    expect([...(versions[0]?.fields ?? [])]).toEqual([
      ['zeta', '1.0'],
      ['require', '{"php":">=8"}'],
      ['extra', '{"n":12345678901234567890,"e":{}}'],
      ['autoload-dev', '{}'],
      ['scripts', '{"a":"b"}'],
    ])
  })

  test('extracts what listings show, without control characters', () => {
    const fields = { name: 'Acme/Lib', type: 'Composer-Plugin', description: 'a\u001b[31mb\nc', abandoned: 'acme/new' }
    const { versions } = repositoryVersions({
      refs: [ref('branch', 'main', 'c1')],
      defaultBranch: 'main',
      manifests: manifest('c1', fields),
    })
    expect(versions[0]).toMatchObject({
      packageName: 'acme/lib',
      prettyName: 'Acme/Lib',
      type: 'composer-plugin',
      description: 'a [31mb c',
      abandoned: 'acme/new',
      stability: 'dev',
      defaultBranch: true,
    })
  })

  test('passes on why a commit could not be read', () => {
    const manifests = new Map<string, CommitManifest>([
      ['c1', { committedAt: 0, content: null, problem: 'The commit is a tree.' }],
      ['c2', { committedAt: 0, content: null }],
    ])
    const refs = [ref('tag', '1.0', 'c1'), ref('tag', '2.0', 'c2'), ref('tag', '3.0', 'c3')]
    expect([...reasons({ refs, defaultBranch: null, manifests }).values()]).toEqual([
      'The commit is a tree.',
      'There is no composer.json.',
      'The commit was not read.',
    ])
  })

  test('refuses names that clients cannot use, and versions a lock file would not read back', () => {
    const refused = (name: unknown, version?: string) => {
      const manifests = manifest('c1', { name, ...(version === undefined ? {} : { version }) })
      return reasons({ refs: [ref('tag', '1.0', 'c1')], defaultBranch: null, manifests }).get('refs/tags/1.0')
    }
    expect(refused('php')).toContain('platform package')
    expect(refused('nope')).toContain('vendor/name')
    expect(refused(['a/b'])).toContain('no string')
    expect(refused('a/b', 'dev-1.0.0.0')).toContain('lock file')
    expect(refused('a/b', '1.0\n')).toContain('control characters')
    expect(refused('a/b', '1.0')).toBeUndefined()
  })

  test('reads equal files once: work for 5,000 refs does not grow with their square', () => {
    const content = bytes(JSON.stringify({ name: 'a/b', require: { php: '>=8.1', 'c/d': '^1.0 || ^2.0' } }))
    const input = (count: number) => ({
      refs: Array.from({ length: count }, (_, index) => ref('tag', `1.${index >> 6}.${index & 63}`, `c${index}`)),
      defaultBranch: null,
      manifests: new Map(Array.from({ length: count }, (_, index) => [`c${index}`, { committedAt: index, content }])),
    })
    expect(repositoryVersions(input(5000)).versions).toHaveLength(5000)
    expect(growthForEightfold(input, repositoryVersions, 30)).toBeLessThan(LINEAR_GROWTH)
    expect(new Set(repositoryVersions(input(50)).versions.map(({ fields }) => fields)).size).toBe(1)
  })
})

function ref(kind: OfferedRef['kind'], name: string, commit: string): OfferedRef {
  return { kind, name, commit }
}

function manifest(commit: string, fields: Record<string, unknown>): Map<string, CommitManifest> {
  return new Map([[commit, { committedAt: 1_700_000_000, content: bytes(JSON.stringify(fields)) }]])
}

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

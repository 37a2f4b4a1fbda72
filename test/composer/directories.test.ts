import { describe, expect, test } from 'bun:test'
import { type CommitManifest, type OfferedRef, repositoryVersions } from '../../src/composer/repository-versions.ts'

/* Several packages in one repository, each in a directory of its own. */

const ref = (kind: OfferedRef['kind'], name: string, commit: string): OfferedRef => ({ kind, name, commit })

function commit(files: Record<string, object>): CommitManifest[] {
  return Object.entries(files).map(([path, fields]) => ({
    path,
    committedAt: 1_700_000_000,
    content: new TextEncoder().encode(JSON.stringify(fields)),
  }))
}

function versionsOf(
  refs: OfferedRef[],
  commits: Record<string, CommitManifest[]>,
  defaultBranch: string | null = 'main',
) {
  const { versions, issues } = repositoryVersions({ refs, defaultBranch, manifests: new Map(Object.entries(commits)) })
  return {
    versions: versions.map(({ packageName, version, path }) => `${packageName} ${version} ${path}`),
    issues: issues.map(({ ref: name, path = '', reason }) => `${name} ${path}: ${reason}`),
  }
}

describe('packages in directories', () => {
  const main = ref('branch', 'main', 'm')

  test('each is a package at every ref that has it, and the root need not be one', () => {
    const refs = [ref('tag', 'v1.0.0', 'one'), ref('tag', 'v2.0.0', 'two'), main]
    const commits = {
      one: commit({ a: { name: 'acme/a' } }),
      two: commit({ a: { name: 'acme/a' }, b: { name: 'acme/b' } }),
      m: commit({ b: { name: 'acme/b' } }),
    }
    expect(versionsOf(refs, commits)).toEqual({
      versions: ['acme/a v1.0.0 a', 'acme/a v2.0.0 a', 'acme/b v2.0.0 b', 'acme/b dev-main b'],
      issues: [],
    })
  })

  test("the default branch names what is in its directories; others keep their commits' names", () => {
    const refs = [ref('tag', '1.0', 'one'), main]
    const commits = {
      one: commit({ '': { name: 'old/all' }, a: { name: 'old/a' }, gone: { name: 'old/gone' } }),
      m: commit({ '': { name: 'acme/all' }, a: { name: 'acme/a' } }),
    }
    expect(versionsOf(refs, commits).versions).toEqual([
      'acme/all 1.0 ',
      'acme/a 1.0 a',
      'old/gone 1.0 gone',
      'acme/all dev-main ',
      'acme/a dev-main a',
    ])
  })

  test('a package that moved is one package', () => {
    const refs = [ref('tag', '1.0', 'one'), ref('tag', '2.0', 'two'), main]
    const commits = {
      one: commit({ 'src/a': { name: 'acme/a' } }),
      two: commit({ 'packages/a': { name: 'acme/a' } }),
      m: commit({ 'packages/a': { name: 'acme/a' } }),
    }
    expect(versionsOf(refs, commits).versions).toEqual([
      'acme/a 1.0 src/a',
      'acme/a 2.0 packages/a',
      'acme/a dev-main packages/a',
    ])
  })

  test('of two directories with one name the first is the package, also when it is useless', () => {
    const broken = { name: 'acme/a', require: { 'b/c': 'nonsense!' } }
    const refs = [ref('tag', '1.0', 'one'), main]
    const commits = {
      one: commit({ a: broken, b: { name: 'Acme/A' } }),
      m: commit({ a: { name: 'acme/a' }, b: { name: 'Acme/A' } }),
    }
    expect(versionsOf(refs, commits)).toEqual({
      versions: ['acme/a dev-main a'],
      issues: [
        'refs/tags/1.0 a: require.b/c: "nonsense!" is no version constraint.',
        'refs/tags/1.0 b: The package acme/a is in a already.',
        'refs/heads/main b: The package acme/a is in a already.',
      ],
    })
  })

  test('the first of two tags with one version wins for all directories', () => {
    const refs = [ref('tag', '1.0', 'one'), ref('tag', 'v1.0', 'two'), main]
    const commits = {
      one: commit({ a: { name: 'acme/a' } }),
      two: commit({ moved: { name: 'acme/a' }, b: { name: 'acme/b' } }),
      m: commit({ b: { name: 'acme/b' } }),
    }
    expect(versionsOf(refs, commits)).toEqual({
      versions: ['acme/a 1.0 a', 'acme/b v1.0 b', 'acme/b dev-main b'],
      issues: ['refs/tags/v1.0 moved: Version v1.0 means the same as 1.0, which comes first.'],
    })
  })

  test('a version that disagrees with the tag, a missing name, and broken JSON are issues of the directory alone', () => {
    const commits = {
      one: [
        ...commit({ a: { name: 'acme/a', version: '9.9' }, b: { type: 'library' }, c: { name: 'acme/c' } }),
        { path: 'd', committedAt: 0, content: new TextEncoder().encode('{') },
      ],
    }
    const { versions, issues } = versionsOf([ref('tag', '1.0', 'one')], commits, null)
    expect(versions).toEqual(['acme/c 1.0 c'])
    expect(issues.map((issue) => issue.slice(0, 40))).toEqual([
      'refs/tags/1.0 a: The tag "1.0" (1.0.0.0)',
      'refs/tags/1.0 b: composer.json has no na',
      'refs/tags/1.0 d: composer.json cannot be',
    ])
  })

  test('a tag that is no version is one issue of the ref', () => {
    const refs = [ref('tag', 'acme/a-1.2.0', 'one'), ref('tag', 'a/1.2.0', 'one')]
    const commits = { one: commit({ a: { name: 'acme/a' }, b: { name: 'acme/b' } }) }
    expect(versionsOf(refs, commits, null)).toEqual({
      versions: [],
      issues: [
        'refs/tags/a/1.2.0 : The tag name "a/1.2.0" is no version.',
        'refs/tags/acme/a-1.2.0 : The tag name "acme/a-1.2.0" is no version.',
      ],
    })
  })
})

import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { CommitFiles } from '../../src/git/file-reading.ts'
import { httpRepository, soon } from '../support/git-client.ts'
import { type GitServer, startGitServer } from '../support/git-http-server.ts'
import { createGitRepository, type TestGitRepository } from '../support/git-repository.ts'

const KINDS = ['any', 'github', 'none'] as const
let root = ''
let mono: TestGitRepository
const servers: Record<string, GitServer> = {}

const json = (name: string, version = 0) => JSON.stringify({ name, description: `number ${version}` })

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'git-globs-'))
  const commits = Array.from({ length: 30 }, (_, index) => ({
    files: {
      'composer.json': json('acme/all'),
      'packages/core/composer.json': json('acme/core', index),
      'packages/core/src/Core.php': `<?php // ${index}`,
      'packages/mail/composer.json': json('acme/mail'),
      'packages/mail/bridge/smtp/composer.json': json('acme/smtp'),
      'packages/ünï/composer.json': json('acme/uni'),
      'packages/readme.md': 'not a directory',
      [`app/module-${index}/deep/er/File.php`]: `<?php // ${'x'.repeat(3000)}${index}`,
    },
    tags: [`v1.${index}.0`],
  }))
  mono = createGitRepository(join(root, 'mono.git'), { commits })
  for (const filters of KINDS) servers[filters] = await startGitServer({ root, filters })
})

afterAll(async () => {
  for (const server of Object.values(servers)) await server.stop()
  rmSync(root, { recursive: true, force: true })
})

const open = (kind: string, limits = {}, name = 'mono.git') => httpRepository(`${servers[kind]?.url}/${name}`, limits)
const text = (bytes: string) => Buffer.from(bytes, 'latin1').toString()
const paths = (found: CommitFiles | undefined) =>
  found?.kind === 'files' ? found.files.map(({ path }) => text(path)) : found

const byDirectory = (a: string, b: string) => (a.replace(/\/?[^/]+$/, '') < b.replace(/\/?[^/]+$/, '') ? -1 : 1)

/** What real git has. */
function listed(commit: string, pattern: RegExp): string[] {
  const names = mono.git(['-c', 'core.quotePath=false', 'ls-tree', '-r', '--name-only', commit]).split('\n')
  return names.filter((name) => pattern.test(name))
}

describe('readFiles', () => {
  const commits = () => mono.git(['rev-list', 'main']).split('\n')
  const cases: [string[], RegExp, Record<(typeof KINDS)[number], number>][] = [
    // Advertisement, commits with trees, blobs; of GitHub also a refusal, and a request for each level of trees.
    [['composer.json'], /^composer\.json$/, { any: 3, github: 5, none: 2 }],
    [['packages/*/composer.json'], /^packages\/[^/]+\/composer\.json$/, { any: 3, github: 7, none: 2 }],
    [
      ['packages/[c-m]*/composer.json', 'composer.json'],
      /^(packages\/[cm][^/]+\/)?composer\.json$/,
      { any: 3, github: 7, none: 2 },
    ],
    // Deeper than the first look reaches: one more request.
    [['packages/*/*/*/composer.json'], /^packages\/.*smtp\/composer\.json$/, { any: 4, github: 9, none: 2 }],
    [['packages/**/composer.json'], /^packages\/.*composer\.json$/, { any: 6, github: 9, none: 2 }],
  ]

  for (const kind of KINDS) {
    test.each(cases)(`%p, server with filters: ${kind}`, async (globs, pattern, requests) => {
      const git = open(kind)
      const found = await git.readFiles(globs, commits(), soon())
      for (const commit of commits()) {
        const files = found.get(commit)
        expect(paths(files)).toEqual(listed(commit, pattern).sort(byDirectory))
        for (const { path, blob, content } of files?.kind === 'files' ? files.files : []) {
          expect(blob).toBe(mono.resolve(`${commit}:${text(path)}`))
          expect(Buffer.from(content ?? []).toString()).toBe(mono.git(['show', `${commit}:${text(path)}`]))
        }
      }
      expect(git.traffic.requests).toBe(requests[kind])
    })
  }

  test('directories that no glob can lead into are not asked for', async () => {
    const git = open('github')
    await git.readFiles(['packages/*/composer.json'], commits(), soon())
    const { bytesReceived } = git.traffic
    const all = open('github')
    await all.readFiles(['**/composer.json'], commits(), soon())
    expect(bytesReceived).toBeLessThan(all.traffic.bytesReceived)
  })

  test('the contents of known blobs are not sent again', async () => {
    const known = new Set(['core', 'mail', 'ünï'].map((name) => mono.resolve(`main:packages/${name}/composer.json`)))
    const git = open('any')
    const found = await git.readFiles(['packages/*/composer.json'], [mono.resolve('main')], soon(), known)
    const files = found.get(mono.resolve('main'))
    expect(files?.kind === 'files' ? files.files.map(({ content }) => content) : files).toEqual([null, null, null])
    expect(git.traffic.requests).toBe(2)
  })

  test('symbolic links, submodules and directories of that name are no files; one file is too large', async () => {
    createGitRepository(join(root, 'odd.git'), {
      commits: [
        {
          files: {
            'a/composer.json': { mode: '120000', content: '../composer.json' },
            'b/composer.json': { mode: '160000', content: 'a'.repeat(40) },
            'c/composer.json/file': 'x',
            'd/composer.json': 'x'.repeat(1024 * 1024 + 1),
            'e/composer.json': { mode: '100755', content: '{}' },
          },
        },
      ],
    })
    const git = open('any', {}, 'odd.git')
    const [main = ''] = (await git.listRefs(soon())).refs.map(({ commit }) => commit)
    const found = (await git.readFiles(['*/composer.json'], [main], soon())).get(main)
    expect(found?.kind === 'files' ? found.files.map(({ path, tooLarge }) => [path, tooLarge]) : found).toEqual([
      ['d/composer.json', true],
      ['e/composer.json', false],
    ])
  })
})

describe('bounds', () => {
  test('too many files are a result of the commit, the others are read', async () => {
    const before = mono.resolve('v1.0.0')
    const [after = ''] = mono.commit({ files: { 'packages/more/composer.json': '{}' }, branch: 'more', from: 'v1.0.0' })
    const found = await open('any', { globFiles: 3 }).readFiles(['packages/*/composer.json'], [before, after], soon())
    expect(found.get(before)?.kind).toBe('files')
    expect(found.get(after)).toMatchObject({ kind: 'too_many', reason: expect.stringContaining('more than 3 files') })
  })

  test('so are too many in all commits together', async () => {
    const commits = ['v1.0.0', 'v1.1.0', 'v1.2.0'].map((tag) => mono.resolve(tag))
    const found = await open('any', { globFilesInAll: 7 }).readFiles(['packages/*/composer.json'], commits, soon())
    expect([...found.values()].map(({ kind }) => kind)).toEqual(['files', 'files', 'too_many'])
  })

  test.each(KINDS)('too many directories are asked for in parts, server with filters: %s', async (kind) => {
    const commits = mono.git(['rev-list', 'main']).split('\n')
    const found = await open(kind, { globDirectories: 40 }).readFiles(['packages/*/composer.json'], commits, soon())
    expect([...found.keys()]).toEqual(commits)
    for (const files of found.values()) expect(paths(files)).toHaveLength(3)
  })

  test('a commit that has too many alone says so', async () => {
    const main = mono.resolve('main')
    const found = await open('github', { globDirectories: 4 }).readFiles(['**/composer.json'], [main], soon())
    expect(found.get(main)).toMatchObject({ kind: 'too_many', reason: expect.stringContaining('4 directories') })
  })

  test('globs are followed to a depth', async () => {
    const main = mono.resolve('main')
    const found = await open('github', { globDepth: 2 }).readFiles(['**/composer.json'], [main], soon())
    expect(paths(found.get(main))).not.toContain('packages/mail/bridge/smtp/composer.json')
    expect(paths(found.get(main))).toContain('packages/mail/composer.json')
  })

  test('trees that hold each other ten times over are looked at once each', async () => {
    const bomb = createGitRepository(join(root, 'bomb.git'), { commits: [] })
    let tree = bomb.git(['mktree'], `100644 blob ${bomb.git(['hash-object', '-w', '--stdin'], '{}')}\tcomposer.json\n`)
    for (let level = 0; level < 12; level++) {
      const lines = Array.from({ length: 10 }, (_, index) => `040000 tree ${tree}\t${index}\n`)
      tree = bomb.git(['mktree'], lines.join(''))
    }
    const commit = bomb.git(['commit-tree', tree, '-m', 'bomb'])
    bomb.setRef('refs/heads/main', commit)
    const found = await open('any', {}, 'bomb.git').readFiles(['**/composer.json'], [commit], soon())
    expect(found.get(commit)?.kind).toBe('too_many')
  })

  test.each([[''], ['/a'], ['a/'], ['../a'], ['a//b'], ['a/**']])('the glob %p is refused', async (glob) => {
    const reading = async () => open('any').readFiles([glob], [mono.resolve('main')], soon())
    await expect(reading()).rejects.toMatchObject({ kind: 'invalid' })
  })
})

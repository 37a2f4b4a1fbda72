import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Snapshot } from '../../src/git/snapshot.ts'
import { type ArchivedFile, archivedFiles } from '../support/git-archive.ts'
import { httpRepository, soon } from '../support/git-client.ts'
import { type GitServer, startGitServer } from '../support/git-http-server.ts'
import { createGitRepository, type TestGitRepository } from '../support/git-repository.ts'

const KINDS = ['any', 'github', 'none'] as const
let root = ''
let mono: TestGitRepository
const servers: Record<string, GitServer> = {}

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'git-directory-'))
  mono = createGitRepository(join(root, 'mono.git'), {
    commits: [
      {
        files: {
          '.gitattributes': [
            '[attr]private export-ignore',
            'tests export-ignore',
            '/packages/core/docs export-ignore',
            '/docs export-ignore',
            'packages/**/*.dist export-ignore',
            '*.key private',
            'phpunit.xml export-ignore',
          ].join('\n'),
          'composer.json': '{"name":"acme/all"}',
          'packages/.gitattributes': '/core/Makefile export-ignore\n*.yml export-ignore\n',
          'packages/core/.gitattributes': 'ci.yml -export-ignore\n/src/tests -export-ignore\n/local export-ignore\n',
          'packages/core/composer.json': '{"name":"acme/core"}',
          'packages/core/docs/index.md': 'ignored by the root, by its full path',
          'packages/core/src/docs/kept.md': 'kept',
          'packages/core/tests/a.php': 'ignored by the root, by its name',
          'packages/core/src/tests/kept.php': 'kept: the deepest file wins',
          'packages/core/app.dist': 'ignored',
          'packages/core/secret.key': 'ignored by a macro of the root',
          'packages/core/Makefile': 'ignored by the directory above',
          'packages/core/x.yml': 'ignored by the directory above',
          'packages/core/ci.yml': 'kept',
          'packages/core/local/x': 'ignored by its own',
          'packages/core/phpunit.xml': 'ignored',
          'packages/core/bin/run': { mode: '100755', content: '#!/bin/sh' },
          'packages/core/LICENSE': { mode: '120000', content: '../../LICENSE' },
          'packages/core-extra/composer.json': '{}',
          'packages/ünï/composer.json': '{"name":"acme/uni"}',
          'packages/ünï/a.yml': 'ignored',
        },
      },
      {
        files: { '.gitattributes': '/packages/core export-ignore\ntests export-ignore\n' },
        branch: 'split',
        from: 'main',
      },
    ],
  })
  for (const filters of KINDS) servers[filters] = await startGitServer({ root, filters })
})

afterAll(async () => {
  for (const server of Object.values(servers)) await server.stop()
  rmSync(root, { recursive: true, force: true })
})

const open = (kind: string) => httpRepository(`${servers[kind]?.url}/mono.git`)
const contents = ({ files }: Snapshot): Promise<ArchivedFile[]> =>
  Promise.all(
    files.map(async ({ path, mode, read }) => ({
      path: Buffer.from(path).toString('latin1'),
      mode: mode as number,
      content: new Uint8Array(await read()),
    })),
  )

describe.each(KINDS)('a directory of a commit, server with filters: %s', (kind) => {
  test.each([['packages/core'], ['packages/core-extra'], ['packages/ünï'], ['packages']])(
    '%s has the files of git archive with that path, named from there on',
    async (path) => {
      const git = open(kind)
      const main = mono.resolve('main')
      expect(await contents(await git.snapshot(main, soon(), path))).toEqual(archivedFiles(mono, main, path))
      expect(git.traffic.requests).toBe(kind === 'none' ? 2 : 4)
    },
  )

  test('what is kept out of an archive of the whole is not empty by itself', async () => {
    const split = mono.resolve('split')
    expect(archivedFiles(mono, split, 'packages/core')).toEqual([])
    const files = await contents(await open(kind).snapshot(split, soon(), 'packages/core'))
    expect(files.map(({ path }) => path)).toContain('composer.json')
    expect(files.map(({ path }) => path)).not.toContain('tests/a.php')
  })

  test.each([['packages/none'], ['packages/core/composer.json'], ['composer.json']])('%s is missing', async (path) => {
    await expect(open(kind).snapshot(mono.resolve('main'), soon(), path)).rejects.toMatchObject({
      kind: 'upstream',
      details: { reason: 'missing' },
    })
  })
})

test('warnings name paths in the directory', async () => {
  const [commit = ''] = mono.commit({
    files: { 'packages/core/vendor-lib': { mode: '160000', content: 'a'.repeat(40) } },
    branch: 'submodule',
    from: 'main',
  })
  const { warnings } = await open('any').snapshot(commit, soon(), 'packages/core')
  expect(warnings).toEqual(['vendor-lib is a submodule and left out.'])
})

import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { GitLimits } from '../../src/git/limits.ts'
import type { Snapshot } from '../../src/git/snapshot.ts'
import { worstStall } from '../support/event-loop.ts'
import { type ArchivedFile, archivedFiles } from '../support/git-archive.ts'
import { httpRepository, soon } from '../support/git-client.ts'
import { type GitServer, startGitServer } from '../support/git-http-server.ts'
import {
  createGitRepository,
  createSimpleRepository,
  type FileSpec,
  type TestGitRepository,
} from '../support/git-repository.ts'

let root = ''
const servers: Record<string, GitServer> = {}
const KINDS = ['any', 'github', 'none'] as const

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'git-snapshot-'))
  for (const filters of KINDS) servers[filters] = await startGitServer({ root, filters })
})

afterAll(async () => {
  for (const server of Object.values(servers)) await server.stop()
  rmSync(root, { recursive: true, force: true })
})

const open = (kind: string, name: string, limits: Partial<GitLimits> = {}) =>
  httpRepository(`${servers[kind]?.url}/${name}`, limits)

/** What a snapshot holds, in the form of `archivedFiles`. */
function contents(snapshot: Snapshot): Promise<ArchivedFile[]> {
  return Promise.all(
    snapshot.files.map(async ({ path, mode, read, size }) => {
      const content = new Uint8Array(await read())
      expect(content.length).toBe(size)
      return { path: Buffer.from(path).toString('latin1'), mode: mode as number, content }
    }),
  )
}

async function snapshotOf(name: string, files: Record<string, FileSpec>, limits: Partial<GitLimits> = {}) {
  const repository = createSimpleRepository(root, name, files)
  return { repository, snapshot: await open('any', name, limits).snapshot(repository.resolve('main'), soon()) }
}

const ODD_FILES: Record<string, FileSpec> = {
  '.gitattributes': [
    '# comment',
    '/tests export-ignore',
    'docs/ export-ignore',
    '*.md export-ignore',
    'README.md -export-ignore',
    '/build/** export-ignore',
    'src/**/Fixtures export-ignore',
    '"with space.txt" export-ignore',
    '[attr]private export-ignore -diff',
    'secret.* private',
    'secret.keep !private',
    '.gitattributes export-ignore',
    '.gitignore export-ignore=value',
    '[a-c]*.tmp export-ignore',
    '*.po export-ignore export-ignore=no',
    '/only-here export-ignore',
    '\\!bang export-ignore',
    'emptied/* export-ignore',
    'deep/**/*.log export-ignore',
    '*.sh text eol=lf',
  ].join('\n'),
  '.gitignore': 'vendor',
  'README.md': 'read me',
  'CHANGES.md': 'ignored',
  'composer.json': '{}',
  'tests/ATest.php': 'ignored',
  'src/tests/kept.php': 'kept: the pattern is anchored',
  'docs/index.txt': 'ignored',
  'src/docs/deep/index.txt': 'ignored',
  'src/docs.txt': 'kept',
  'lib/docs': 'a file, kept: the pattern is for directories',
  'build/out/a': 'ignored',
  'src/a/b/Fixtures/x.php': 'ignored',
  'src/Fixtures/x.php': 'ignored',
  'Fixtures/x.php': 'kept',
  'with space.txt': 'ignored',
  'secret.key': 'ignored',
  'secret.keep': 'kept',
  'b.tmp': 'ignored',
  'd.tmp': 'kept',
  'x.po': 'kept: a value is not set',
  'only-here': 'ignored',
  'sub/only-here': 'kept',
  '!bang': 'ignored',
  'emptied/a': 'ignored',
  'deep/a.log': 'ignored',
  'deep/x/y/a.log': 'ignored',
  'nested/.gitattributes':
    '*.md -export-ignore\n/local export-ignore\n*.php export-ignore\nkeep.php !export-ignore\n[attr]nope export-ignore\n',
  'nested/notes.md': 'kept: the deeper file wins',
  'nested/local/x': 'ignored',
  'nested/x/local': 'kept',
  'nested/gone.php': 'ignored',
  'nested/keep.php': 'kept',
  'bin/run': { mode: '100755', content: '#!/bin/sh\n' },
  'bin/link': { mode: '120000', content: '../composer.json' },
  'ünï/Ж.txt': 'kept',
  'a/b': 'kept',
  'a.b': 'kept',
  'a-b': 'kept',
  a0: 'kept',
  'a/': null,
  'empty.txt': '',
  [`long/${'n'.repeat(120)}/${'m'.repeat(120)}.txt`]: 'a path beyond the name field of tar',
}

describe('a snapshot is what git archive makes', () => {
  let repository: TestGitRepository
  let commit = ''

  beforeAll(() => {
    const { 'a/': _, ...files } = ODD_FILES
    const rawFiles = [{ path: Buffer.from([0x66, 0xff, 0xfe]), file: 'a name that is no UTF-8' }]
    repository = createGitRepository(join(root, 'odd.git'), { commits: [{ files, rawFiles }] })
    commit = repository.resolve('main')
  })

  for (const kind of KINDS) {
    test(`paths, modes and contents, server with filters: ${kind}`, async () => {
      const git = open(kind, 'odd.git')
      const snapshot = await git.snapshot(commit, soon())
      const expected = archivedFiles(repository, commit)
      expect(await contents(snapshot)).toEqual(expected)
      expect(snapshot.commit).toBe(commit)
      // The oracle itself must have left out what this is about.
      expect(expected.some(({ path }) => path === 'tests/ATest.php')).toBe(false)
      expect(expected.filter(({ content }) => Buffer.from(content).toString() === 'ignored')).toEqual([])
      expect(git.traffic.requests).toBe(kind === 'none' ? 2 : 4)
    })
  }

  test('the next commit with the same .gitattributes needs two requests', async () => {
    const git = open('any', 'odd.git')
    await git.snapshot(commit, soon())
    const [next = ''] = repository.commit({ files: { 'composer.json': '{"a":1}' }, branch: 'next', from: 'main' })
    const before = git.traffic.requests
    expect(await contents(await git.snapshot(next, soon()))).toEqual(archivedFiles(repository, next))
    expect(git.traffic.requests - before).toBe(2)
  })

  test('ignored files are not transferred when the server has filters', async () => {
    const files = { 'composer.json': '{}', 'tests/big.bin': noise(300_000), '.gitattributes': 'tests export-ignore' }
    createSimpleRepository(root, 'lean.git', files)
    const git = open('any', 'lean.git')
    const { head } = await git.listRefs(soon())
    await git.snapshot(head?.commit ?? '', soon())
    expect(git.traffic.bytesReceived).toBeLessThan(5000)
  })

  test('odd places of .gitattributes: a link, a directory, an ignored directory', async () => {
    for (const [name, files] of Object.entries({
      'link.git': {
        '.gitattributes': { mode: '120000', content: 'composer.json export-ignore' },
        'composer.json': '{}',
      },
      'folder.git': { '.gitattributes/x': 'composer.json export-ignore', 'composer.json': '{}' },
      'executable.git': {
        '.gitattributes': { mode: '100755', content: 'a export-ignore' },
        a: 'x',
        'composer.json': '{}',
      },
      'bom.git': { '.gitattributes': '\ufeffa export-ignore\nb export-ignore\n', a: 'x', b: 'y' },
    } satisfies Record<string, Record<string, FileSpec>>)) {
      const { repository, snapshot } = await snapshotOf(name, files)
      expect(await contents(snapshot)).toEqual(archivedFiles(repository, 'main'))
    }
  })

  test('a commit without files', async () => {
    const empty = createGitRepository(join(root, 'bare-tree.git'), { commits: [{ files: {} }] })
    expect((await open('any', 'bare-tree.git').snapshot(empty.resolve('main'), soon())).files).toEqual([])
  })

  test('two thousand files', async () => {
    const files = Object.fromEntries(
      Array.from({ length: 2000 }, (_, index) => [`src/${index % 50}/${index}.php`, `<?php ${index}`]),
    )
    const { repository, snapshot } = await snapshotOf('files.git', files)
    expect(await contents(snapshot)).toEqual(archivedFiles(repository, 'main'))
  })
})

describe('warnings', () => {
  test('what an archive cannot hold is said once, with a count', async () => {
    const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${'0'.repeat(64)}\nsize 12345\n`
    const { snapshot } = await snapshotOf('warnings.git', {
      '.gitattributes':
        '*.psd filter=lfs -text\nVERSION export-subst\n*.bat eol=crlf\n*.bin eol=crlf -text\n*.u16 working-tree-encoding=UTF-16\nid.php ident\n*.enc filter=git-crypt\nignored/** export-subst\n',
      'a.psd': pointer,
      'b.psd': pointer,
      'c.psd': 'a real file',
      VERSION: '$Format:%H$',
      'run.bat': 'echo',
      'data.bin': 'x',
      'text.u16': 'x',
      'id.php': '$Id$',
      'key.enc': 'x',
      vendor: { mode: '160000', content: 'a'.repeat(40) },
    })
    expect([...snapshot.warnings].sort()).toEqual([
      'VERSION has export-subst placeholders, kept as they are.',
      'a.psd (and 1 more) is a Git LFS pointer, its real content is not in the repository.',
      'id.php has the ident attribute, $Id$ is kept as it is.',
      'key.enc needs a content filter, kept as stored.',
      'run.bat should have CRLF line ends (eol=crlf), kept as stored.',
      'text.u16 has a working-tree-encoding, kept in UTF-8.',
      'vendor is a submodule and left out.',
    ])
    expect(snapshot.files.some(({ path }) => Buffer.from(path).toString() === 'vendor')).toBe(false)
  })

  test('an ordinary package has none, and an ignored submodule is none', async () => {
    const { snapshot } = await snapshotOf('plain.git', {
      '.gitattributes': '* text=auto\nlib export-ignore\n',
      'composer.json': '{}',
      lib: { mode: '160000', content: 'a'.repeat(40) },
    })
    expect(snapshot.warnings).toEqual([])
  })
})

/** Bytes that do not compress. */
function noise(length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  let seed = length
  for (let index = 0; index < length; index++) {
    seed = (seed * 48271) % 2147483647
    bytes[index] = seed >> 8
  }
  return bytes
}

test('a file of many megabytes is received, named and read while others are answered', async () => {
  const block = Buffer.from(Array.from({ length: 40_000 }, (_, at) => `line ${at * 7919} of many\n`).join(''))
  const content = Buffer.concat(Array.from({ length: 60 }, () => block))
  createSimpleRepository(root, 'large-file.git', { 'large.txt': content })
  const main = Bun.spawnSync(['git', 'rev-parse', 'main'], { cwd: join(root, 'large-file.git') })
    .stdout.toString()
    .trim()
  let read: Uint8Array = new Uint8Array(0)
  const { stall } = await worstStall(async () => {
    const snapshot = await open('any', 'large-file.git').snapshot(main, soon())
    for (const file of snapshot.files) read = await file.read()
  })
  expect(Buffer.compare(read, content)).toBe(0)
  expect(stall).toBeLessThan(100)
})

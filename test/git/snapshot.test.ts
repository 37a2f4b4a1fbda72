import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { messageOf } from '../../src/errors.ts'
import { gitFailureReason } from '../../src/git/failure.ts'
import type { GitLimits } from '../../src/git/limits.ts'
import type { Snapshot } from '../../src/git/snapshot.ts'
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
function contents(snapshot: Snapshot): ArchivedFile[] {
  return snapshot.files.map(({ path, mode, read, size }) => {
    const content = new Uint8Array(read())
    expect(content.length).toBe(size)
    return { path: Buffer.from(path).toString('latin1'), mode: mode as number, content }
  })
}

async function snapshotOf(name: string, files: Record<string, FileSpec>, limits: Partial<GitLimits> = {}) {
  const repository = createSimpleRepository(root, name, files)
  return { repository, snapshot: await open('any', name, limits).snapshot(repository.resolve('main'), soon()) }
}

async function reasonOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'done',
    (error: unknown) => `${gitFailureReason(error)}: ${messageOf(error)}`,
  )
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
      expect(contents(snapshot)).toEqual(expected)
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
    expect(contents(await git.snapshot(next, soon()))).toEqual(archivedFiles(repository, next))
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
      expect(contents(snapshot)).toEqual(archivedFiles(repository, 'main'))
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
    expect(contents(snapshot)).toEqual(archivedFiles(repository, 'main'))
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

describe('hostile commits', () => {
  const entry = (mode: string, name: string, id: string) =>
    Buffer.concat([Buffer.from(`${mode} ${name}\0`), Buffer.from(id, 'hex')])

  /** A commit of a tree that ordinary git commands would not write. */
  function rawCommit(repository: TestGitRepository, ...entries: Uint8Array[]): string {
    const tree = rawTree(repository, ...entries)
    const commit = `tree ${tree}\nauthor A <a@b> 1700000000 +0000\ncommitter A <a@b> 1700000000 +0000\n\nx\n`
    const id = repository.git(['hash-object', '-t', 'commit', '-w', '--stdin'], commit)
    repository.setRef(`refs/heads/${id}`, id)
    return id
  }

  function rawTree(repository: TestGitRepository, ...entries: Uint8Array[]): string {
    return repository.git(['hash-object', '-t', 'tree', '-w', '--literally', '--stdin'], Buffer.concat(entries))
  }

  let repository: TestGitRepository
  let blob = ''

  beforeAll(() => {
    repository = createSimpleRepository(root, 'hostile.git', { a: 'content' })
    blob = repository.resolve('main:a')
  })

  for (const name of ['..', '.', '.git', '.GIT', 'a/b']) {
    test(`an entry with the name "${name}" is refused`, async () => {
      const id = rawCommit(repository, entry('100644', name, blob))
      expect(await reasonOf(open('none', 'hostile.git').snapshot(id, soon()))).toStartWith('protocol: ')
      const files = await open('none', 'hostile.git').readFile('a', [id], soon())
      expect(files.get(id)?.kind).toBe('unreadable')
    })
  }

  test('the same name twice, an unknown mode and a broken entry are refused', async () => {
    const trees = [
      [entry('100644', 'a', blob), entry('100644', 'a', blob)],
      [entry('100644', 'a', blob), entry('40000', 'a', repository.resolve('main^{tree}'))],
      [entry('20000', 'a', blob)],
      [entry('100644', 'a', blob), Buffer.from('100644 b\0short')],
    ]
    for (const entries of trees) {
      const reason = await reasonOf(open('none', 'hostile.git').snapshot(rawCommit(repository, ...entries), soon()))
      expect(reason).toMatch(/^(protocol|refused|unreachable): /)
    }
  })

  test('old modes are read as git reads them', async () => {
    const id = rawCommit(repository, entry('100664', 'group', blob), entry('100775', 'run', blob))
    const { files } = await open('any', 'hostile.git').snapshot(id, soon())
    expect(files.map(({ mode }) => mode)).toEqual([0o100644, 0o100755])
  })

  test('a tree that unfolds to billions of paths is refused', async () => {
    let tree = rawTree(repository, entry('100644', 'a', blob))
    for (let level = 0; level < 10; level++) {
      tree = rawTree(repository, ...Array.from({ length: 10 }, (_, index) => entry('40000', `d${index}`, tree)))
    }
    const id = rawCommit(repository, entry('40000', 'top', tree))
    for (const kind of KINDS) {
      expect(await reasonOf(open(kind, 'hostile.git').snapshot(id, soon()))).toStartWith('too_large: ')
    }
  })

  test('a path that is too deep is refused', async () => {
    let tree = rawTree(repository, entry('100644', 'a', blob))
    for (let level = 0; level < 250; level++) tree = rawTree(repository, entry('40000', 'd', tree))
    const id = rawCommit(repository, entry('40000', 'top', tree))
    expect(await reasonOf(open('any', 'hostile.git').snapshot(id, soon()))).toStartWith('too_large: ')
  })

  test('attributes that take too much work are refused', async () => {
    const lines = Array.from({ length: 3000 }, (_, index) => `${'*a'.repeat(20)}${index} export-ignore`).join('\n')
    const files = Object.fromEntries(Array.from({ length: 50 }, (_, index) => [`${'a'.repeat(100)}${index}`, 'x']))
    const hostile = createSimpleRepository(root, 'patterns.git', { '.gitattributes': lines, ...files })
    const git = open('any', 'patterns.git', { attributeSteps: 1_000_000 })
    expect(await reasonOf(git.snapshot(hostile.resolve('main'), soon()))).toStartWith('too_large: ')
  })

  test('a large .gitattributes is refused', async () => {
    const hostile = createSimpleRepository(root, 'attributes.git', { '.gitattributes': '# comment\n'.repeat(200_000) })
    const reason = await reasonOf(open('any', 'attributes.git').snapshot(hostile.resolve('main'), soon()))
    expect(reason).toContain('.gitattributes')
  })

  test('a commit that is not there, and a tag in place of a commit', async () => {
    expect(await reasonOf(open('any', 'hostile.git').snapshot('1'.repeat(40), soon()))).toStartWith('missing: ')
    const tag = repository.annotatedTag('v1', 'main')
    for (const kind of KINDS) {
      expect(await reasonOf(open(kind, 'hostile.git').snapshot(tag, soon()))).toContain('is a tag, not a commit')
    }
  })

  test('a pack beyond the limit is refused', async () => {
    const hostile = createSimpleRepository(root, 'heavy.git', { 'a.bin': noise(400_000), 'b.bin': noise(300_000) })
    for (const kind of KINDS) {
      const reason = await reasonOf(
        open(kind, 'heavy.git', { packBytes: 100_000 }).snapshot(hostile.resolve('main'), soon()),
      )
      expect(reason).toContain('larger than 100000 bytes')
    }
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

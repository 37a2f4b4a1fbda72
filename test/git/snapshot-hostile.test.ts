import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { messageOf } from '../../src/errors.ts'
import { gitFailureReason } from '../../src/git/failure.ts'
import type { GitLimits } from '../../src/git/limits.ts'
import { httpRepository, soon } from '../support/git-client.ts'
import { type GitServer, startGitServer } from '../support/git-http-server.ts'
import { createSimpleRepository, type TestGitRepository } from '../support/git-repository.ts'

let root = ''
const servers: Record<string, GitServer> = {}
const KINDS = ['any', 'github', 'none'] as const

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'git-hostile-'))
  for (const filters of KINDS) servers[filters] = await startGitServer({ root, filters })
})

afterAll(async () => {
  for (const server of Object.values(servers)) await server.stop()
  rmSync(root, { recursive: true, force: true })
})

const open = (kind: string, name: string, limits: Partial<GitLimits> = {}) =>
  httpRepository(`${servers[kind]?.url}/${name}`, limits)

async function reasonOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'done',
    (error: unknown) => `${gitFailureReason(error)}: ${messageOf(error)}`,
  )
}

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

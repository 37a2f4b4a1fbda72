import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { messageOf } from '../../src/errors.ts'
import { httpRepository, soon } from '../support/git-client.ts'
import { type GitServer, startGitServer } from '../support/git-http-server.ts'
import { createGitRepository, type TestGitRepository } from '../support/git-repository.ts'
import type { CommitFile } from '../support/one-file.ts'

let root = ''
let repository: TestGitRepository
const servers: Record<string, GitServer> = {}
const KINDS = ['any', 'github', 'none'] as const
const NESTED = 'packages/core/composer.json'

const json = (version: number) => JSON.stringify({ name: 'acme/lib', description: `number ${version}` })

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'git-repository-'))
  const commits = Array.from({ length: 40 }, (_, index) => ({
    files: {
      'composer.json': json(Math.floor(index / 10)),
      [NESTED]: json(100 + index),
      [`src/File${index}.php`]: `<?php // ${index} ${'x'.repeat(5000)}`,
    },
    ...(index % 2 === 0 ? { tags: [`v1.${index}.0`] } : { annotatedTags: [`v1.${index}.0`] }),
  }))
  repository = createGitRepository(join(root, 'lib.git'), { commits })
  repository.commit(
    { files: { 'composer.json': null }, branch: 'no-manifest', from: 'main' },
    { files: { 'composer.json': { mode: '120000', content: 'elsewhere.json' } }, branch: 'link', from: 'main' },
    { files: { 'composer.json': null, 'composer.json/file': 'x' }, branch: 'directory', from: 'main' },
    { files: { 'composer.json': { mode: '100755', content: json(7) } }, branch: 'executable', from: 'main' },
    { files: { 'composer.json': 'x'.repeat(1024 * 1024 + 1) }, branch: 'huge', from: 'main' },
    { files: { 'composer.json': 'x'.repeat(1024 * 1024) }, branch: 'just-fits', from: 'main' },
    { files: { 'composer.json': { mode: '160000', content: 'a'.repeat(40) } }, branch: 'submodule', from: 'main' },
    { files: {}, branch: 'feature/ünï#1+x', from: 'main', message: '' },
  )
  for (const filters of KINDS) servers[filters] = await startGitServer({ root, filters })
})

afterAll(async () => {
  for (const server of Object.values(servers)) await server.stop()
  rmSync(root, { recursive: true, force: true })
})

const open = (kind: string, name = 'lib.git') => httpRepository(`${servers[kind]?.url}/${name}`)
const content = (file: CommitFile | undefined) =>
  file?.kind === 'file' && file.content !== null ? Buffer.from(file.content).toString() : file

/** What real git has of a file at a commit. */
function expected(commit: string, path: string): string | undefined {
  try {
    return repository.git(['show', `${commit}:${path}`])
  } catch {
    return undefined
  }
}

describe('listRefs', () => {
  test('tags peeled, branches, HEAD, in one request after the capabilities', async () => {
    const git = open('any')
    const list = await git.listRefs(soon())
    const shown = repository.git(['for-each-ref', '--format=%(refname) %(objectname) %(*objectname)'])
    const wanted = shown.split('\n').map((line) => line.split(' '))
    expect(list.refs.map(({ name, objectId, commit }) => [name, objectId, commit])).toEqual(
      wanted.map(([name = '', id = '', peeled = '']) => [name, id, peeled === '' ? id : peeled]),
    )
    expect(list.head).toEqual({ name: 'refs/heads/main', commit: repository.resolve('main') })
    expect(list.skipped).toEqual([])
    await git.listRefs(soon())
    expect(git.traffic.requests).toBe(3)
  })

  test('pull request refs and notes are not listed', async () => {
    const other = createGitRepository(join(root, 'pulls.git'), { commits: [{ files: { a: 'b' } }] })
    other.setRef('refs/pull/1/head', 'main')
    other.setRef('refs/notes/commits', 'main')
    const list = await open('any', 'pulls.git').listRefs(soon())
    expect(list.refs.map(({ name }) => name)).toEqual(['refs/heads/main'])
  })

  test('an empty repository, and a HEAD that names no branch', async () => {
    createGitRepository(join(root, 'empty.git'), { commits: [] })
    expect(await open('any', 'empty.git').listRefs(soon())).toEqual({ head: null, refs: [], skipped: [] })
    const other = createGitRepository(join(root, 'unborn.git'), { commits: [{ files: { a: 'b' }, branch: 'x' }] })
    const list = await open('any', 'unborn.git').listRefs(soon())
    expect([list.head, list.refs.length]).toEqual([null, 1])
    other.git(['update-ref', '--no-deref', 'HEAD', other.resolve('x')])
    expect((await open('any', 'unborn.git').listRefs(soon())).head).toEqual({ name: null, commit: other.resolve('x') })
  })

  test('a moved and a deleted tag show at once', async () => {
    const other = createGitRepository(join(root, 'moving.git'), {
      commits: [{ files: { a: '1' }, tags: ['v1', 'v2'] }],
    })
    const git = open('any', 'moving.git')
    await git.listRefs(soon())
    const [commit = ''] = other.commit({ files: { a: '2' } })
    other.tag('v1', commit)
    other.deleteTag('v2')
    const list = await git.listRefs(soon())
    expect(list.refs.find(({ name }) => name === 'refs/tags/v1')?.commit).toBe(commit)
    expect(list.refs.some(({ name }) => name === 'refs/tags/v2')).toBe(false)
  })
})

describe('readFile', () => {
  const requests = { any: 3, github: 5, none: 2 }
  const nested = { any: 3, github: 7, none: 2 }

  for (const kind of KINDS) {
    test(`every tag and branch, server with filters: ${kind}`, async () => {
      const git = open(kind)
      const commits = repository.git(['for-each-ref', '--format=%(refname)']).split('\n')
      const ids = commits.map((ref) => repository.resolve(`${ref}^{commit}`))
      const files = await git.readFile('composer.json', ids, soon())
      expect(git.traffic.requests).toBe(requests[kind])
      expect([...files.keys()]).toEqual([...new Set(ids)])
      for (const [index, ref] of commits.entries()) {
        const file = files.get(ids[index] ?? '')
        const branch = ref.replace('refs/heads/', '')
        if (['no-manifest', 'link', 'directory', 'submodule'].includes(branch)) expect(file?.kind).toBe('absent')
        else if (branch === 'huge') expect(file?.kind).toBe('too_large')
        else expect(content(file)).toBe(expected(ref, 'composer.json') ?? 'none')
        const date = Number(repository.git(['log', '-1', '--format=%ct', ids[index] ?? '']))
        expect(file?.kind === 'unreadable' ? null : file?.committedAt).toBe(date)
        if (file?.kind === 'file') expect(file.blob).toBe(repository.resolve(`${ref}:composer.json`))
      }
    })

    test(`a nested path, server with filters: ${kind}`, async () => {
      const git = open(kind)
      const ids = [repository.resolve('v1.3.0^{commit}'), repository.resolve('main')]
      const files = await git.readFile(NESTED, ids, soon())
      expect(ids.map((id) => content(files.get(id)))).toEqual(ids.map((id) => expected(id, NESTED)))
      expect(git.traffic.requests).toBe(nested[kind])
      const none = await git.readFile('packages/none/composer.json', ids, soon())
      expect([...none.values()].map((file) => file.kind)).toEqual(['absent', 'absent'])
    })

    test(`a tag on a blob, on a tree, on a tag, server with filters: ${kind}`, async () => {
      const other = createGitRepository(join(root, `odd-${kind}.git`), {
        commits: [{ files: { 'composer.json': '{}' } }],
      })
      other.tag('blob', 'main:composer.json')
      other.annotatedTag('annotated-blob', 'main:composer.json')
      other.tag('tree', 'main^{tree}')
      other.annotatedTag('annotated-tree', 'main^{tree}')
      other.annotatedTag('once', 'main')
      other.annotatedTag('twice', 'refs/tags/once')
      const git = open(kind, `odd-${kind}.git`)
      const { refs } = await git.listRefs(soon())
      const files = await git.readFile(
        'composer.json',
        refs.map(({ commit }) => commit),
        soon(),
      )
      const kinds = Object.fromEntries(
        refs.map(({ name, commit }) => [name.split('/').at(-1), files.get(commit)?.kind]),
      )
      expect(kinds).toEqual({
        main: 'file',
        once: 'file',
        twice: 'file',
        blob: 'unreadable',
        'annotated-blob': 'unreadable',
        tree: 'unreadable',
        'annotated-tree': 'unreadable',
      })
      const file = files.get(other.resolve('refs/tags/blob'))
      expect(file?.kind === 'unreadable' ? file.reason : '').toMatch(/is a blob, not a commit|did not send commit/)
    })

    test(`commits that the server does not have, server with filters: ${kind}`, async () => {
      const main = repository.resolve('main')
      const gone = ['1'.repeat(40), '2'.repeat(40)]
      const files = await open(kind).readFile('composer.json', [...gone, main], soon())
      expect(gone.map((id) => files.get(id)?.kind)).toEqual(['unreadable', 'unreadable'])
      expect(files.get(main)?.kind).toBe('file')
    })
  }

  test('the second reading asks the server the way it allows', async () => {
    const git = open('github')
    await git.readFile('composer.json', [repository.resolve('main')], soon())
    const before = git.traffic.requests
    await git.readFile('composer.json', [repository.resolve('v1.0.0')], soon())
    expect(git.traffic.requests - before).toBe(3)
  })

  test('known blobs are named and not fetched', async () => {
    const git = open('any')
    const commits = [repository.resolve('v1.0.0'), repository.resolve('main')]
    const known = new Set(commits.map((commit) => repository.resolve(`${commit}:composer.json`)))
    const files = await git.readFile('composer.json', commits, soon(), known)
    expect(git.traffic.requests).toBe(2)
    for (const commit of commits) {
      const file = files.get(commit)
      expect(file?.kind === 'file' ? [file.blob, file.content] : file).toEqual([
        repository.resolve(`${commit}:composer.json`),
        null,
      ])
    }
  })

  test('more commits than fit into one request', async () => {
    const many = createGitRepository(join(root, 'many.git'), {
      commits: Array.from({ length: 1205 }, (_, index) => ({ files: { 'composer.json': json(index % 3) } })),
    })
    const ids = many.git(['rev-list', 'main']).split('\n')
    const git = open('any', 'many.git')
    const files = await git.readFile('composer.json', [...ids, ...ids], soon())
    expect([...files.values()].filter(({ kind }) => kind === 'file').length).toBe(1205)
    expect(git.traffic.requests).toBe(4)
  })

  test('an answer that is too large is cut in halves until only the large file is left out', async () => {
    const other = createGitRepository(join(root, 'large.git'), {
      commits: [1, 2, 3, 4].map((index) => ({
        files: { 'composer.json': index === 3 ? randomText(300_000) : json(index) },
        tags: [`v${index}`],
      })),
    })
    const git = httpRepository(`${servers.any?.url}/large.git`, { filePackBytes: 100_000 })
    const ids = [1, 2, 3, 4].map((index) => other.resolve(`v${index}`))
    const files = await git.readFile('composer.json', ids, soon())
    expect(ids.map((id) => files.get(id)?.kind)).toEqual(['file', 'file', 'too_large', 'file'])
  })

  test('a commit without a date, and an empty commit', async () => {
    const other = createGitRepository(join(root, 'strange.git'), { commits: [] })
    const tree = other.git(['mktree'], '')
    const id = other.git(
      ['hash-object', '-t', 'commit', '-w', '--literally', '--stdin'],
      `tree ${tree}\nauthor x\ncommitter y\n\n`,
    )
    other.setRef('refs/heads/main', id)
    const files = await open('any', 'strange.git').readFile('composer.json', [id], soon())
    expect(files.get(id)).toEqual({ kind: 'absent', commit: id, committedAt: 0 })
  })

  test('no commits need no request; bad paths and ids are the mistake of the caller', async () => {
    const git = open('any')
    expect((await git.readFile('composer.json', [], soon())).size).toBe(0)
    expect(git.traffic.requests).toBe(0)
    for (const path of ['', '/composer.json', '../composer.json', 'a//b', './a']) {
      await expect(git.readFile(path, ['1'.repeat(40)], soon())).rejects.toMatchObject({ kind: 'invalid' })
    }
    await expect(git.readFile('a', ['HEAD'], soon())).rejects.toMatchObject({ kind: 'invalid' })
  })

  test('more refs than the limit are refused, never cut', async () => {
    const git = httpRepository(`${servers.any?.url}/lib.git`, { refs: 5 })
    await expect(git.listRefs(soon()).catch(messageOf)).resolves.toContain('more than 5 refs')
  })
})

/** Text that does not compress. */
function randomText(length: number): string {
  let seed = 1
  let text = ''
  while (text.length < length) {
    seed = (seed * 48271) % 2147483647
    text += seed.toString(36)
  }
  return text
}

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import type { Source } from '../../src/sources/source.ts'
import type { TestGitRepository } from '../support/git-repository.ts'
import { WAYS, Way } from '../support/source-ways.ts'
import { soon } from './support.ts'

setDefaultTimeout(30_000)

const decoded = (bytes: Uint8Array | null | undefined) => new TextDecoder().decode(bytes ?? new Uint8Array())

for (const spec of WAYS) {
  describe(`a source: ${spec.name}`, () => {
    let way: Way
    let lib: TestGitRepository
    let source: Source

    beforeAll(async () => {
      way = await Way.start(spec)
      lib = way.repository('lib', {
        head: 'trunk',
        commits: [
          { branch: 'trunk', files: { 'composer.json': '{"name":"acme/lib"}', 'src/a.php': '<?php' }, tags: ['1.0.0'] },
          {
            branch: 'trunk',
            files: {
              'composer.json': '{"name":"acme/lib","type":"library"}',
              'src/a.php': '<?php // two',
              'tests/a.php': '<?php // not shipped',
              '.gitattributes': '/tests export-ignore\n/.gitattributes export-ignore\n',
              'bin/run': { mode: '100755', content: '#!/bin/sh\n' },
            },
            annotatedTags: ['2.0.0'],
          },
          { branch: 'bare', from: 'trunk', files: { 'composer.json': null } },
        ],
      })
      source = await way.open('lib')
    })
    afterAll(async () => {
      await source?.close()
      await way?.stop()
    })

    test('lists tags, peeled, and branches, with the default branch', async () => {
      const { refs, defaultBranch, skipped } = await source.refs(soon())
      const [first, second, bare] = ['1.0.0', '2.0.0^{commit}', 'bare'].map((name) => lib.resolve(name))
      expect([...refs].sort((a, b) => a.name.localeCompare(b.name))).toEqual([
        { name: 'refs/heads/bare', commit: bare ?? '' },
        { name: 'refs/heads/trunk', commit: second ?? '' },
        { name: 'refs/tags/1.0.0', commit: first ?? '' },
        { name: 'refs/tags/2.0.0', commit: second ?? '' },
      ])
      expect({ defaultBranch, skipped }).toEqual({ defaultBranch: 'trunk', skipped: [] })
    })

    test('reads composer.json of each commit, and says where there is none', async () => {
      const commits = ['1.0.0', '2.0.0^{commit}', 'bare'].map((name) => lib.resolve(name))
      const files = await source.manifests(commits, [], new Set(), soon())
      const texts = commits.map((id) => files.get(id)?.files.map(({ path, content }) => [path, decoded(content)]))
      expect(texts).toEqual([[['', '{"name":"acme/lib"}']], [['', '{"name":"acme/lib","type":"library"}']], []])
      expect(commits.map((id) => files.get(id)?.problem)).toEqual([null, null, null])
      expect(commits.map((id) => (files.get(id)?.committedAt ?? 0) > 1_600_000_000)).toEqual([true, true, true])
    })

    test('names a blob that is known without sending it, and a commit that is not there', async () => {
      const commit = lib.resolve('1.0.0')
      const blob = lib.resolve('1.0.0:composer.json')
      const nowhere = '1'.repeat(40)
      const files = await source.manifests([commit, nowhere], [], new Set([blob]), soon())
      expect(files.get(commit)?.files).toEqual([{ path: '', blob, content: null, problem: null }])
      expect(files.get(nowhere)?.problem).toEqual(expect.any(String))
    })

    test('gives the files of a commit without those that are not exported', async () => {
      const snapshot = await source.snapshot(lib.resolve('2.0.0^{commit}'), '', soon())
      const files = snapshot.files.map(({ path, ...file }) => [decoded(path), file])
      expect(files.map(([path]) => path)).toEqual(['bin/run', 'composer.json', 'src/a.php'])
    })

    test('reads the directories that are asked for, and gives the files of one', async () => {
      const mono = way.repository('mono', {
        commits: [
          {
            files: {
              'composer.json': '{"name":"acme/all"}',
              'packages/one/composer.json': '{"name":"acme/one"}',
              'packages/one/src/One.php': '<?php',
              'packages/two/composer.json': '{"name":"acme/two"}',
              'packages/none/README.md': '',
            },
          },
        ],
      })
      const opened = await way.open('mono')
      const commit = mono.resolve('main')
      const found = (await opened.manifests([commit], ['packages/*/composer.json'], new Set(), soon())).get(commit)
      expect(found?.files.map(({ path, content }) => [path, decoded(content)])).toEqual([
        ['packages/one', '{"name":"acme/one"}'],
        ['packages/two', '{"name":"acme/two"}'],
      ])
      const { files } = await opened.snapshot(commit, 'packages/one', soon())
      expect(files.map(({ path }) => decoded(path))).toEqual(['composer.json', 'src/One.php'])
      await opened.close()
    })

    test('has nothing in an empty repository', async () => {
      way.repository('empty', { commits: [] })
      const empty = await way.open('empty')
      expect(await empty.refs(soon())).toEqual({ refs: [], defaultBranch: null, skipped: [] })
      await empty.close()
    })

    test('lists a thousand tags in full', async () => {
      const many = way.repository('many', { commits: [{ files: { 'composer.json': '{}' } }] })
      const commit = many.resolve('main')
      const lines = Array.from({ length: 1_000 }, (_, index) => `create refs/tags/v1.0.${index} ${commit}\n`)
      many.git(['update-ref', '--stdin'], lines.join(''))
      const opened = await way.open('many')
      const { refs } = await opened.refs(soon())
      expect(refs.length).toBe(1_001)
      expect(new Set(refs.map(({ name }) => name)).size).toBe(1_001)
      expect(new Set(refs.map((ref) => ref.commit))).toEqual(new Set([commit]))
      await opened.close()
    })

    test('says that there is no repository', async () => {
      const opened = way.open('none').then((none) => none.refs(soon()))
      // A path that is nowhere is refused before it is opened.
      const kind =
        spec.local === undefined || spec.local === 'ssh' ? 'upstream' : expect.stringMatching(/invalid|upstream/)
      await expect(opened).rejects.toMatchObject({ kind })
    })

    test('ends when it is told to, and can be read again after that and after it was closed', async () => {
      const opened = await way.open('lib')
      const stopped = AbortSignal.abort(new Error('enough'))
      await expect(opened.refs(stopped)).rejects.toThrow('enough')
      await expect(opened.manifests([lib.resolve('1.0.0')], [], new Set(), stopped)).rejects.toThrow('enough')
      expect((await opened.refs(soon())).refs.length).toBe(4)
      await opened.close()
      expect((await opened.refs(soon())).refs.length).toBe(4)
      await opened.close()
    })
  })
}

import { afterAll, expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { buildArchive } from '../../src/archives/build-archive.ts'
import { readTopLevelFile } from '../../src/archives/top-level-file.ts'
import type { SnapshotFile } from '../../src/git/snapshot.ts'
import { file, memorySink, never, noise, prose, run, scratch, snapshot } from './support.ts'

const { make, clean } = scratch()
afterAll(clean)

const MAX = 4_096

async function archive(...files: SnapshotFile[]): Promise<string> {
  const sink = memorySink()
  await buildArchive(snapshot(files), sink, never)
  return saved(sink.bytes())
}

function saved(bytes: Uint8Array): string {
  const path = join(make(), 'archive.zip')
  writeFileSync(path, bytes)
  return path
}

async function read(path: string, name = 'README.md', max = MAX): Promise<string | null> {
  const found = await readTopLevelFile(path, (names) => names.find((candidate) => candidate === name) ?? null, max)
  return found && new TextDecoder().decode(found.content)
}

async function namesIn(path: string): Promise<string[]> {
  const names: string[] = []
  const note = (found: readonly string[]) => {
    names.push(...found)
    return null
  }
  await readTopLevelFile(path, note, MAX)
  return names.sort()
}

test('reads deflated, stored and empty files', async () => {
  const text = new TextDecoder().decode(prose(4_000))
  const path = await archive(file('README.md', text), file('a.txt', 'short'), file('b.txt', ''), file('c/d.txt', 'x'))
  expect(await read(path)).toBe(text)
  expect(await read(path, 'a.txt')).toBe('short')
  expect(await read(path, 'b.txt')).toBe('')
})

test('names only regular files at the top level', async () => {
  const path = await archive(
    file('README', '/etc/passwd', 0o120000),
    file('bin/run', 'x', 0o100755),
    file('docs/README.md', 'below'),
    file('é.md', 'x'),
    file(new Uint8Array([0xff, 0x2e]), 'x'),
    file('run', 'x', 0o100755),
  )
  expect(await namesIn(path)).toEqual(['run', 'é.md', '\ufffd.'].sort())
  expect(await read(path, 'docs/README.md')).toBeNull()
  expect(await read(path, 'README')).toBeNull()
})

test('a directory around everything is no level, two are', async () => {
  // Wrapped by buildArchive, since the package has one top-level entry only.
  expect(await namesIn(await archive(file('src/README.md', 'x')))).toEqual([])
  const zip = (...names: string[]) => {
    const directory = make()
    for (const name of names) run(['mkdir', '-p', join(directory, name, '..')])
    for (const name of names) writeFileSync(join(directory, name), name)
    run(['zip', '-q', '-r', 'made.zip', '.', '-i', '*'], { cwd: directory })
    return join(directory, 'made.zip')
  }
  if (Bun.which('zip') === null) return
  expect(await read(zip('lib-1.0/README.md', 'lib-1.0/src/a.php'))).toBe('lib-1.0/README.md')
  expect(await namesIn(zip('a/README.md', 'b/README.md'))).toEqual([])
})

test('a file that is too large is none', async () => {
  const path = await archive(file('README.md', prose(MAX + 1)), file('z', noise(MAX)))
  expect(await read(path)).toBeNull()
  expect(await read(path, 'README.md', MAX + 1)).not.toBeNull()
})

test('an entry that says less than it holds is none', async () => {
  const path = await archive(file('README.md', 'x'.repeat(4_000)), file('z', ''))
  const bytes = Buffer.from(await Bun.file(path).bytes())
  const central = bytes.indexOf(Buffer.from('PK\x01\x02', 'latin1'))
  bytes.writeUInt32LE(10, central + 24)
  expect(await read(saved(bytes))).toBeNull()
})

test('whatever is damaged gives a file with its very content, or none', async () => {
  const text = 'readme '.repeat(20)
  const path = await archive(file('README.md', text), file('z', 'zz'))
  const whole = Buffer.from(await Bun.file(path).bytes())
  for (let at = 0; at < whole.length; at++) {
    const cut = await read(saved(whole.subarray(0, at)))
    expect(cut).toBeNull()
    for (const value of [0x00, 0xff]) {
      const bytes = Buffer.from(whole)
      bytes[at] = value
      expect([text, null]).toContain(await read(saved(bytes)))
    }
  }
})

test('what is no file is an error of the disk', async () => {
  await expect(read(join(make(), 'none.zip'))).rejects.toMatchObject({ kind: 'unavailable' })
})

import { afterAll, describe, expect, test } from 'bun:test'
import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { leadsOutside } from '../../src/archives/archive-names.ts'
import { buildArchive } from '../../src/archives/build-archive.ts'
import type { Snapshot, SnapshotFile } from '../../src/git/snapshot.ts'
import { worstStall } from '../support/event-loop.ts'
import { file, filesBelow, memorySink, never, noise, prose, run, scratch, snapshot } from './support.ts'

const directories = scratch()
afterAll(() => directories.clean())

async function build(from: Snapshot) {
  const sink = memorySink()
  const built = await buildArchive(from, sink, never)
  return { ...built, bytes: sink.bytes() }
}

async function namesOf(files: readonly SnapshotFile[]): Promise<string[]> {
  const path = join(directories.make(), 'a.zip')
  writeFileSync(path, (await build(snapshot(files))).bytes)
  return run(['zipinfo', '-1', path]).trim().split('\n')
}

describe('the bytes of an archive', () => {
  test('are the same in every time zone', () => {
    const digests = ['UTC', 'Asia/Tokyo', 'America/New_York'].map((zone) => {
      const program = join(import.meta.dir, 'build-in-zone.ts')
      return run([process.execPath, program], { env: { TZ: zone, PATH: '/usr/bin:/bin' } })
        .trim()
        .split(' ')
    })
    // The hour of the epoch proves that the zones were really in force.
    expect(digests.map(([hour]) => hour)).toEqual(['0', '9', '19'])
    expect(new Set(digests.map(([, sha1]) => sha1)).size).toBe(1)
    // Format 1, for ever: other bytes than these need another ZIP_FORMAT, never another expectation.
    expect(digests[0]?.slice(1)).toEqual([
      'fb3dbd79615af0be20d2b73d3f5a15fa16140aac',
      '44332600007aea9c736c78fc1b9526ca0a50e936f6e25c85fe12179115a20910',
      '142604',
    ])
  })

  test('have the digests and size that are reported', async () => {
    const built = await build(snapshot([file('composer.json', '{}'), file('a.php', prose(90_000))]))
    expect(built.sha1).toBe(createHash('sha1').update(built.bytes).digest('hex'))
    expect(built.sha256).toBe(createHash('sha256').update(built.bytes).digest('hex'))
    expect(built.size).toBe(built.bytes.length)
  })

  test('do not depend on the order of the snapshot', async () => {
    const files = [file('b', '1'), file('a/c', '2'), file('a-b', '3')]
    const sorted = await build(snapshot(files))
    expect((await build({ ...snapshot([]), files })).sha256).toBe(sorted.sha256)
  })

  test('a file of another size than announced is refused', async () => {
    const wrong = { ...file('a', 'four'), size: 5 }
    await expect(build(snapshot([wrong]))).rejects.toMatchObject({ kind: 'invalid' })
  })
})

describe('the wrapper directory', () => {
  test('is absent where Composer keeps the root', async () => {
    expect(await namesOf([file('composer.json', '{}'), file('src/a.php', '')])).toEqual(['composer.json', 'src/a.php'])
    expect(await namesOf([file('a/x', ''), file('b/x', '')])).toEqual(['a/x', 'b/x'])
    expect(await namesOf([file('only', '')])).toEqual(['only'])
  })

  test('is there where Composer would strip a directory of the package', async () => {
    expect(await namesOf([file('src/a.php', ''), file('src/b/c', '')])).toEqual([
      'package/src/a.php',
      'package/src/b/c',
    ])
    expect(await namesOf([file('.DS_Store', ''), file('src/a', '')])).toEqual(['package/.DS_Store', 'package/src/a'])
    expect(await namesOf([file('link', '.', 0o120000)])).toEqual(['package/link'])
  })

  test('gives the layout of the repository when Composer installs it', async () => {
    const layouts: SnapshotFile[][] = [
      [file('src/a.php', 'a'), file('src/deep/b.php', 'b')],
      [file('package/a.php', 'a')],
      [file('.DS_Store', 'x'), file('src/a.php', 'a')],
      [file('composer.json', '{}'), file('src/a.php', 'a')],
      [file('one.php', 'a')],
    ]
    for (const files of layouts) {
      const directory = directories.make()
      const zip = join(directory, 'lib.zip')
      writeFileSync(zip, (await build(snapshot(files))).bytes)
      run(['php', join(import.meta.dir, 'composer-install.php'), zip, join(directory, 'project')])
      const installed = await filesBelow(join(directory, 'project/vendor/acme/lib'))
      const names = files.map(({ path }) => Buffer.from(path).toString())
      expect(installed).toEqual(names.filter((name) => name !== '.DS_Store' || installed.includes(name)).sort())
    }
  })
})

describe('names', () => {
  const refused = ['../a', 'a/../b', '/a', 'a//b', 'a/', './a', 'a/.', 'a\0b', '..\\a', 'x/..\\..\\a', '..']
  for (const name of refused) {
    test(`${JSON.stringify(name)} is refused`, async () => {
      await expect(build(snapshot([file(name, 'x')]))).rejects.toMatchObject({ kind: 'invalid' })
    })
  }

  test('too long and too deep ones are refused', async () => {
    await expect(build(snapshot([file('a'.repeat(4097), '')]))).rejects.toMatchObject({ kind: 'invalid' })
    await expect(build(snapshot([file(`${'a/'.repeat(128)}a`, '')]))).rejects.toMatchObject({ kind: 'invalid' })
  })

  test('a name twice, and a file that is also a directory, are refused', async () => {
    await expect(build(snapshot([file('a', ''), file('a', '')]))).rejects.toMatchObject({ kind: 'invalid' })
    const through = [file('a', '/etc', 0o120000), file('a-b', ''), file('a/passwd', '')]
    await expect(build(snapshot(through))).rejects.toMatchObject({ kind: 'invalid' })
  })

  test('what other systems cannot hold is kept and warned about', async () => {
    const files = [
      file('README', ''),
      file('readme', ''),
      file('Src/a', ''),
      file('src/b', ''),
      file('aux.txt', ''),
      file('what?', ''),
      file('tail.', ''),
      file(Uint8Array.of(0xff, 0x61), ''),
      file('out', '../../etc/passwd', 0o120000),
    ]
    const { warnings } = await build(snapshot(files, ['From the snapshot.']))
    expect(warnings).toEqual([
      'From the snapshot.',
      'Names that are the same on systems that ignore letter case: "readme", "src".',
      'Names that Windows cannot hold: "aux.txt", "tail.", "what?".',
      'Names that are not UTF-8: "\ufffda".',
      'Symbolic links that lead out of the package: "out".',
    ])
    expect(await namesOf(files)).toHaveLength(files.length)
  })

  test('warnings stay short and printable, however many names there are', async () => {
    const files = Array.from({ length: 500 }, (_, at) => file(`${at}\u001b[31m:${'x'.repeat(200)}`, ''))
    const { warnings } = await build(snapshot(files))
    expect(warnings).toHaveLength(1)
    expect(warnings[0]).toContain('and 495 more')
    expect(warnings[0]?.length).toBeLessThan(1000)
    expect(warnings[0]).not.toContain('\u001b')
  })

  test('an empty archive is warned about', async () => {
    expect((await build(snapshot([]))).warnings).toEqual(['The archive has no files.'])
  })

  test('links are judged from where they are', () => {
    const judge = (path: string, target: string) => leadsOutside(Buffer.from(path), Buffer.from(target))
    expect(judge('a/b', '../c')).toBe(false)
    expect(judge('a/b', '..')).toBe(false)
    expect(judge('a/b', '../../c')).toBe(true)
    expect(judge('a', 'x/../../c')).toBe(true)
    expect(judge('a', '/etc')).toBe(true)
    expect(judge('a', 'C:\\x')).toBe(true)
    expect(judge('a', '..\\x')).toBe(true)
  })
})

describe('a large build', () => {
  test('leaves the event loop free', async () => {
    const slow = new Uint8Array(3_000_000).map((_, at) => 97 + ((Math.imul(at, 2654435761) >>> 13) & 1))
    const files = [file('slow', slow), file('text', prose(4_000_000)), file('noise', noise(8_000_000))]
    for (let at = 0; at < 5000; at++) files.push(file(`many/${at}`, `<?php ${at}`))
    const input = snapshot(files)
    const { stall, beats } = await worstStall(() => build(input))
    expect(beats).toBeGreaterThan(10)
    expect(stall).toBeLessThan(100)
  })

  test('stops when it is aborted', async () => {
    const controller = new AbortController()
    const reason = new Error('enough')
    let read = 0
    const lazy = Array.from({ length: 1000 }, (_, at): SnapshotFile => {
      const content = prose(50_000, at)
      return {
        path: Buffer.from(String(at).padStart(4, '0')),
        mode: 0o100644,
        size: content.length,
        read() {
          read += 1
          if (read === 3) controller.abort(reason)
          return content
        },
      }
    })
    await expect(buildArchive(snapshot(lazy), memorySink(), controller.signal)).rejects.toBe(reason)
    expect(read).toBe(3)
  })

  test('holds one file at a time', () => {
    // In a process of its own: what other tests left in memory would be counted otherwise.
    const child = run([process.execPath, join(import.meta.dir, 'large-build.ts')])
    // 384 MiB pass through.
    expect(Number(child)).toBeGreaterThan(0)
    expect(Number(child)).toBeLessThan(250)
  }, 60_000)
})

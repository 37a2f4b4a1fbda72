import { afterAll, expect, test } from 'bun:test'
import { createHash, randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { readPart } from '../../src/maintenance/checked-copy.ts'
import { readTar, TarWriter } from '../../src/maintenance/tar.ts'
import { run } from '../archives/support.ts'
import { failureOf, temporaryDirectory } from '../store/support.ts'

const directory = temporaryDirectory()
afterAll(() => directory.remove())

const path = (name: string) => join(directory.path, name)

/** A tar file of files of these sizes, written by us, and what is in them. */
async function written(name: string, sizes: readonly number[]): Promise<Map<string, Buffer>> {
  const tar = await TarWriter.create(path(name), 1_700_000_000)
  const contents = new Map<string, Buffer>()
  for (const size of sizes) {
    const bytes = randomBytes(size)
    writeFileSync(path('input'), bytes)
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    expect(await tar.add(`d/${size}`, path('input'), { size, sha256 })).toBe(true)
    // One with other bytes leaves no trace.
    expect(await tar.add('d/wrong', path('input'), { size, sha256: '0'.repeat(64) })).toBe(false)
    expect(await tar.add('d/long', path('input'), { size: size + 1, sha256 })).toBe(false)
    contents.set(`d/${size}`, bytes)
  }
  await tar.addText('last', 'text')
  await tar.finish()
  await tar.close()
  return contents.set('last', Buffer.from('text'))
}

const SIZES = [0, 1, 511, 512, 513, 3_000_000]

test('tar reads what we write', async () => {
  const contents = await written('ours.tar', SIZES)
  expect(
    run(['tar', 'tf', path('ours.tar')])
      .trim()
      .split('\n'),
  ).toEqual([...contents.keys()])
  mkdirSync(path('out'))
  run(['tar', 'xf', path('ours.tar'), '-C', path('out')])
  for (const [name, bytes] of contents) expect(readFileSync(path(`out/${name}`)).equals(bytes)).toBe(true)
  expect(statSync(path('out/last'))).toMatchObject({ mtimeMs: 1_700_000_000_000 })
})

test('we read what we write', async () => {
  const contents = await written('again.tar', SIZES)
  const entries = await readTar(path('again.tar'))
  expect([...entries.keys()]).toEqual([...contents.keys()])
  for (const [name, bytes] of contents) {
    const pieces: Buffer[] = []
    const entry = entries.get(name)
    const digests = await readPart({ file: path('again.tar'), ...entry }, async (piece) => {
      pieces.push(Buffer.from(piece))
    })
    expect(Buffer.concat(pieces).equals(bytes)).toBe(true)
    expect(digests.sha1).toBe(createHash('sha1').update(bytes).digest('hex'))
  }
})

test('one that is cut anywhere is refused', async () => {
  await written('cut.tar', [1, 600])
  const whole = readFileSync(path('cut.tar'))
  // Without the blocks of its end, and without more and more of what is before them.
  for (let size = whole.length - 1_024; size >= 0; size -= 256) {
    writeFileSync(path('cut.tar'), whole)
    truncateSync(path('cut.tar'), size)
    expect(await failureOf(readTar(path('cut.tar')))).toMatchObject({ kind: 'invalid' })
  }
})

test('links, directories and other files are refused', async () => {
  mkdirSync(path('tree'))
  writeFileSync(path('tree/file'), 'x')
  run(['tar', 'cf', path('directory.tar'), '-C', path(''), 'tree'])
  run(['ln', '-s', '/etc/passwd', path('link')])
  run(['tar', 'cf', path('link.tar'), '-C', path(''), 'link'])
  writeFileSync(path('other.tar'), randomBytes(10_000))
  for (const name of ['directory.tar', 'link.tar', 'other.tar']) {
    expect(await failureOf(readTar(path(name)))).toMatchObject({ kind: 'invalid' })
  }
})

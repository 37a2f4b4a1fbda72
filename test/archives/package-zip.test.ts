import { afterAll, describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32, deflateRawSync } from 'node:zlib'
import { readPackageZip, ZIP_BOUNDS, type ZipBounds } from '../../src/archives/package-zip.ts'
import { bytes, type Entry, manifestEntry, type Numbers, zipOf } from '../support/zip-builder.ts'

const directory = mkdtempSync(join(tmpdir(), 'package-broker-zip-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const NEVER = new AbortController().signal

function read(zip: Uint8Array, bounds: Partial<ZipBounds> = {}, signal: AbortSignal = NEVER) {
  const path = join(directory, 'upload.zip')
  writeFileSync(path, zip)
  return readPackageZip(path, { signal, bounds: { ...ZIP_BOUNDS, ...bounds } })
}

const file = (name: string, content = 'x'): Entry => ({ name, content })
const link = (name: string, content: string): Entry => ({ name, content, mode: 0o120777, method: 0 })
const M = manifestEntry()
const withM = (...entries: Entry[]) => zipOf([M, ...entries])
const descriptor = ({ crc, compressed, size }: Numbers) => bytes([4, 0x08074b50], [4, crc], [4, compressed], [4, size])
const open = { crc: 0, compressed: 0, size: 0 }
const zip64Extra = (...values: number[]) =>
  bytes([2, 1], [2, values.length * 8], ...values.map((value) => [8, value] as const))

describe('zips that are read', () => {
  const good: Record<string, Buffer> = {
    'composer.json at the root': withM(file('src/A.php'), { name: 'empty', content: '' }),
    'in the only directory': zipOf([{ name: 'pkg/' }, manifestEntry({ name: 'acme/lib' }, 'pkg/composer.json')]),
    'in a directory without an entry': zipOf([manifestEntry({ name: 'acme/lib' }, 'pkg/composer.json')]),
    'stored entries': withM({ ...file('a', 'abc'), method: 0 }),
    'a comment': zipOf([M], { comment: Buffer.from('a commit id') }),
    'zip64 end records': zipOf([M], { zip64: {} }),
    'zip64 end records that repeat the plain ones': zipOf([M], { zip64: { plain: 'true' } }),
    'a data descriptor with a signature': withM({ ...file('a'), flags: 0x808, local: open, after: descriptor }),
    'a data descriptor without one': withM({
      ...file('a'),
      flags: 0x808,
      local: open,
      after: (numbers) => descriptor(numbers).subarray(4),
    }),
    'a wide data descriptor': withM({
      ...file('a'),
      flags: 8,
      local: open,
      after: ({ crc, compressed, size }) => bytes([4, 0x08074b50], [4, crc], [8, compressed], [8, size]),
    }),
    'zip64 fields': withM({
      ...file('a', 'abc'),
      method: 0,
      said: { compressed: 0xffffffff, size: 0xffffffff, crc: crc32('abc') },
      centralExtra: zip64Extra(3, 3),
      localExtra: zip64Extra(3, 3),
    }),
    'links inside': withM(file('src/A.php'), link('src/B.php', 'A.php'), link('c/d', '../src/A.php'), link('all', '.')),
    'names in UTF-8 that are not marked so': withM({ ...file('src/é.php'), flags: 0 }),
    'a zip inside, stored, whose end is in the window that is searched': withM({
      name: 'inner.zip',
      content: zipOf([M]),
      method: 0,
    }),
    'a large entry': withM({ name: 'large', content: Buffer.alloc(3_000_000, 'abcdefg') }),
    'a large stored entry': withM({ name: 'large', content: Buffer.alloc(3_000_000, 'abcdefg'), method: 0 }),
    'an entry for a directory after its files': withM(file('src/A.php'), { name: 'src/' }),
  }
  test.each(Object.entries(good))('%s', async (_, zip) => {
    const { manifest } = await read(zip)
    expect(JSON.parse(Buffer.from(manifest).toString())).toMatchObject({ name: 'acme/lib' })
  })

  test('resource forks beside the directory are not counted, but warned of', async () => {
    const zip = zipOf([manifestEntry({ name: 'a/b' }, 'pkg/composer.json'), file('__MACOSX/pkg/._composer.json')])
    expect((await read(zip)).warnings).toEqual([expect.stringContaining('__MACOSX')])
    expect((await read(withM(file('__MACOSX/._a')))).warnings).toEqual([])
  })

  test('says how many entries and bytes there are', async () => {
    expect(await read(withM(file('a', 'abc')))).toMatchObject({ entries: 2, inflated: 37 + 3 })
  })
})

const refused: Record<string, [zip: Uint8Array, reason: string]> = {}
const refuse = (name: string, zip: Uint8Array, reason: string) => {
  refused[name] = [zip, reason]
}

for (const name of ['../evil.php', 'a/../../evil', 'a/..', '..']) refuse(`name ${name}`, withM(file(name)), 'leads out')
for (const name of ['/etc/passwd', 'C:/evil', 'c:evil']) refuse(`name ${name}`, withM(file(name)), 'is absolute')
for (const name of ['a\\b', '..\\evil']) refuse(`name ${name}`, withM(file(name)), 'backslash')
for (const name of ['a\0b', 'a\x1b[2J', 'a\u202eb', 'a\nb']) {
  refuse(`name ${JSON.stringify(name)}`, withM(file(name)), 'control characters')
}
for (const name of ['a//b', './a', 'a/./b']) refuse(`name ${name}`, withM(file(name)), 'empty directory name')
for (const name of ['nul', 'src/CON', 'aux.php', 'COM1.txt', 'lpt9 .x'])
  refuse(`name ${name}`, withM(file(name)), 'Windows device')
for (const name of ['a.', 'a /b']) refuse(`name "${name}"`, withM(file(name)), 'Windows drops')
refuse('an empty name', withM(file('')), 'is empty')
refuse('a name that is no UTF-8', withM({ name: Buffer.from([0x61, 0xff]) }), 'not UTF-8')
refuse('a long name', withM(file(`${'a/'.repeat(60)}${'b'.repeat(1_000)}`)), 'longer than')
refuse('a long segment', withM(file('b'.repeat(256))), 'too long')
refuse('a deep name', withM(file(`${'a/'.repeat(64)}b`)), 'deep')
refuse('a name twice', withM(file('a'), file('a')), 'occurs twice')
refuse('composer.json twice', zipOf([M, M]), 'occurs twice')
refuse('a directory twice', withM({ name: 'a/' }, { name: 'a/' }), 'occurs twice')
refuse('letter case', withM(file('src/A'), file('src/a')), 'letter case')
refuse('letter case of directories', withM(file('src/A'), file('Src/B')), 'letter case')
refuse('composition of accents', withM(file('\u00e9'), file('e\u0301')), 'letter case or accents')
refuse('a file that is a directory', withM(file('a'), file('a/b')), 'also a directory')
refuse('a directory that is a file', withM(file('a/b'), file('a')), 'also a directory')
refuse('a file below a link', withM(link('a', 'src'), file('a/b')), 'also a directory')
for (const target of ['../x', '/etc/passwd', 'a/../../x', 'src/../x', '..', 'C:\\x', 'a\0b', '']) {
  refuse(`link to ${JSON.stringify(target)}`, withM(link('l', target)), 'leads out of the package')
}
refuse('a link up from below', withM(link('a/b/c', '../../../x')), 'leads out of the package')
refuse('a link with a long target', withM(link('l', 'a/'.repeat(1_000))), 'target of a symbolic link is too long')
refuse('composer.json as a link', zipOf([link('composer.json', 'x.json'), file('x.json')]), 'is a symbolic link')
for (const [kind, mode] of Object.entries({ fifo: 0o010644, character: 0o020644, block: 0o060644, socket: 0o140644 })) {
  refuse(`a ${kind} device`, withM({ ...file('d'), mode }), 'device')
}
refuse('a directory mode on a file', withM({ ...file('d'), mode: 0o040755 }), 'not by both')
refuse('a file mode on a directory', withM({ name: 'd/', mode: 0o100644 }), 'not by both')
refuse('a DOS directory without a slash', withM({ ...file('d'), mode: 0, dosAttributes: 0x10 }), 'not by both')
refuse('a directory with content', withM({ ...file('d/', 'abc') }), 'directory has content')
refuse('a volume label', withM({ ...file('d'), dosAttributes: 8 }), 'volume label')
for (const flags of [1, 0x40, 0x2000]) refuse(`encryption ${flags}`, withM({ ...file('a'), flags }), 'encrypted')
refuse('another method', withM({ ...file('a'), method: 12 }), 'neither stored nor deflated')
refuse('a newer format', withM({ ...file('a'), needed: 63 }), 'newer reader')
refuse('a newer format in front', withM({ ...file('a'), local: { needed: 63 } }), 'newer reader')
refuse('no composer.json', zipOf([file('README')]), 'no composer.json')
refuse(
  'composer.json in one of two directories',
  zipOf([{ ...M, name: 'a/composer.json' }, file('b/x')]),
  'no composer.json',
)
refuse('composer.json too deep', zipOf([{ ...M, name: 'a/b/composer.json' }]), 'no composer.json')
refuse('composer.json in another case', zipOf([{ ...M, name: 'Composer.json' }]), 'no composer.json')
refuse('composer.json as a directory', zipOf([{ name: 'composer.json/' }]), 'no composer.json')
refuse(
  'a large composer.json',
  zipOf([{ name: 'composer.json', content: Buffer.alloc(1_048_577, ' ') }]),
  'larger than 1048576',
)

refuse('nothing', Buffer.alloc(0), 'no end record')
refuse('no zip', Buffer.from('<html>'.repeat(100)), 'no end record')
refuse('no entries', zipOf([]), 'no entries')
refuse('something in front', zipOf([M], { before: Buffer.from('#!/bin/sh\n') }), 'in front of its first')
refuse(
  'something in front that the offsets ignore',
  Buffer.concat([Buffer.from('x'), zipOf([M])]),
  'not where its end record',
)
refuse('something behind', zipOf([M], { after: Buffer.from('x') }), 'behind its end record')
refuse('a zip behind', Buffer.concat([zipOf([M]), zipOf([M])]), 'not where its end record')
refuse('two end records', Buffer.concat([zipOf([M]), zipOf([M]).subarray(-22)]), 'not where its end record')
refuse('an end record in the comment', zipOf([M], { comment: zipOf([M]).subarray(-22) }), 'not where its end record')
refuse(
  'an end record in the list of entries',
  withM({ ...file('a'), centralExtra: Buffer.concat([bytes([2, 0x99], [2, 22]), zipOf([M]).subarray(-22)]) }),
  'more than one end record',
)
refuse('something between entries', withM({ ...file('a'), after: Buffer.from('hidden') }), 'between its entries')
refuse('something before the list', zipOf([M], { between: Buffer.from('hidden') }), 'between its entries')
refuse('a hidden entry', zipOf([{ ...M, after: zipOf([file('evil')]).subarray(0, 36) }]), 'between its entries')
refuse('overlapping entries', withM({ ...file('a'), offset: 0 }), 'overlap')
refuse('a longer content than there is', withM({ ...file('a'), said: { compressed: 500_000 } }), 'overlap')
refuse('fewer entries than listed', zipOf([M, file('a')], { entries: 1 }), 'longer than their number')
refuse('more entries than listed', zipOf([M], { entries: 2 }), 'malformed')
refuse('the list elsewhere', zipOf([M], { directoryOffset: 1 }), 'not where its end record')
refuse('several parts', zipOf([M], { diskNumber: 1 }), 'one part of several')

refuse('another name in front', withM({ ...file('a'), local: { name: 'b' } }), 'do not agree')
refuse('another size in front', withM({ ...file('a'), local: { size: 9 } }), 'do not agree')
refuse('another compressed size in front', withM({ ...file('a'), local: { compressed: 9 } }), 'do not agree')
refuse('another checksum in front', withM({ ...file('a'), local: { crc: 9 } }), 'do not agree')
refuse('zeros in front without a descriptor', withM({ ...file('a'), local: open }), 'do not agree')
refuse('other flags in front', withM({ ...file('a'), local: { flags: 0 } }), 'do not agree')
refuse('another method in front', withM({ ...file('a'), local: { method: 0 } }), 'do not agree')
refuse('a descriptor nobody announced', withM({ ...file('a'), after: descriptor }), 'between its entries')
refuse('an announced descriptor that is missing', withM({ ...file('a'), flags: 0x808 }), 'between its entries')
refuse(
  'a descriptor with other numbers',
  withM({ ...file('a'), flags: 0x808, local: open, after: (n) => descriptor({ ...n, size: 7 }) }),
  'data descriptor do not agree',
)
refuse('a wrong checksum', withM({ ...file('a'), said: { crc: 1 } }), 'size and CRC-32')
refuse(
  'a wrong checksum of a large entry',
  withM({ name: 'a', content: Buffer.alloc(2_000_000), said: { crc: 1 } }),
  'CRC-32',
)
refuse('more content than said', withM({ ...file('a', 'abcdef'), said: { size: 5 } }), 'CRC-32')
refuse('less content than said', withM({ ...file('a', 'abcdef'), said: { size: 7 } }), 'CRC-32')
refuse('much more content than said', withM({ ...file('a', 'a'.repeat(9_000_000)), said: { size: 400_000 } }), 'CRC-32')
refuse('less of a large content', withM({ ...file('a', 'a'.repeat(900_000)), said: { size: 900_001 } }), 'CRC-32')
refuse('two sizes of a stored entry', withM({ ...file('a', 'abc'), method: 0, said: { size: 2 } }), 'two sizes')
refuse('no deflated form', withM({ ...file('a', 'abc'), data: Buffer.from('nonsense') }), 'CRC-32')
const trailing = (content: Buffer) => ({
  name: 'a',
  content,
  data: Buffer.concat([deflateRawSync(content), Buffer.from('tail')]),
})
refuse('something behind a deflated form', withM(trailing(Buffer.from('abc'))), 'CRC-32')
refuse('the same, large', withM(trailing(Buffer.alloc(2_000_000, 'abc'))), 'CRC-32')
refuse(
  'a cut deflated form',
  withM({ ...file('a', 'a'.repeat(999_999)), data: deflateRawSync('a'.repeat(999_999)).subarray(0, -4) }),
  'CRC-32',
)

refuse('a malformed extra field', withM({ ...file('a'), centralExtra: Buffer.from([1, 0, 99, 0]) }), 'extra field')
refuse('a malformed extra field in front', withM({ ...file('a'), localExtra: Buffer.from([1]) }), 'extra field')
refuse('a zip64 field nobody needs', withM({ ...file('a'), centralExtra: zip64Extra(1) }), 'another length')
refuse('a zip64 field too short', withM({ ...file('a'), said: { size: 0xffffffff } }), 'too short')
refuse(
  'two zip64 fields',
  withM({ ...file('a'), centralExtra: Buffer.concat([zip64Extra(1), zip64Extra(1)]) }),
  'two zip64',
)
refuse(
  'a zip64 number out of range',
  withM({ ...file('a'), said: { size: 0xffffffff }, centralExtra: zip64Extra(2 ** 60) }),
  'out of range',
)
refuse(
  'a second name',
  withM({ ...file('a'), centralExtra: Buffer.concat([bytes([2, 0x7075], [2, 6]), Buffer.from('\x01\0\0\0\0b')]) }),
  'two names',
)
refuse('a missing zip64 end record', zipOf([M], { entries: 0xffff }), 'zip64 end record is missing')
refuse('zip64 end records that disagree', zipOf([M], { zip64: { plain: 'true', entries: 2 } }), 'do not agree')
refuse('a zip64 end record of another size', zipOf([M], { zip64: { recordSize: 48 } }), 'malformed')
refuse('a zip64 end record elsewhere', zipOf([M], { zip64: { locator: 0 } }), 'where its locator says')
refuse('more zip64 entries than there are', zipOf([M], { zip64: { entries: 3 } }), 'malformed')

describe('zips that are refused', () => {
  test.each(Object.entries(refused))('%s', async (_, [zip, reason]) => {
    await expect(read(zip)).rejects.toMatchObject({ kind: 'invalid', message: expect.stringContaining(reason) })
  })

  test('sentences hold no control characters', async () => {
    const error = await read(withM(file('a\x1b[2J'))).catch((refusal: Error) => refusal)
    expect((error as Error).message).not.toMatch(/\p{C}/u)
  })
})

import { afterAll, describe, expect, test } from 'bun:test'
import { lstatSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { inflateRawSync } from 'node:zlib'
import { ZipWriter } from '../../src/archives/zip.ts'
import { centralHeader, endRecords, localHeader } from '../../src/archives/zip-records.ts'
import type { FileMode } from '../../src/git/snapshot.ts'
import { memorySink, noise, prose, run, scratch } from './support.ts'

const directories = scratch()
afterAll(() => directories.clean())

const encode = (text: string) => new TextEncoder().encode(text)

async function zipOf(entries: readonly (readonly [string | Uint8Array, string | Uint8Array, FileMode?])[]) {
  const sink = memorySink()
  const zip = new ZipWriter(sink)
  for (const [name, content, mode] of entries) {
    await zip.add({
      name: typeof name === 'string' ? encode(name) : name,
      mode: mode ?? 0o100644,
      content: typeof content === 'string' ? encode(content) : content,
    })
  }
  const size = await zip.finish()
  const bytes = sink.bytes()
  expect(size).toBe(bytes.length)
  return bytes
}

function onDisk(bytes: Uint8Array): { path: string; directory: string } {
  const directory = directories.make()
  const path = join(directory, 'a.zip')
  writeFileSync(path, bytes)
  return { path, directory }
}

/** The deflated or stored content of the first entry. */
function firstContent(bytes: Buffer): { method: number; content: Buffer; flags: number; names: string } {
  const method = bytes.readUInt16LE(8)
  const start = 30 + bytes.readUInt16LE(26) + bytes.readUInt16LE(28)
  const data = bytes.subarray(start, start + bytes.readUInt32LE(18))
  const names = bytes.subarray(30, 30 + bytes.readUInt16LE(26)).toString('latin1')
  return { method, content: method === 8 ? inflateRawSync(data) : data, flags: bytes.readUInt16LE(6), names }
}

describe('canonical zip', () => {
  test('is accepted by unzip, with modes, symbolic links and names', async () => {
    const bytes = await zipOf([
      ['bin/run', '#!/bin/sh\n', 0o100755],
      ['empty', ''],
      ['link', 'src/ü.php', 0o120000],
      ['src/ü.php', prose(100_000)],
    ])
    const { path, directory } = onDisk(bytes)
    expect(run(['unzip', '-t', path])).toContain('No errors detected')
    run(['unzip', '-q', path, '-d', join(directory, 'out')], { env: { LC_ALL: 'C.UTF-8', PATH: '/usr/bin:/bin' } })
    expect(lstatSync(join(directory, 'out/bin/run')).mode & 0o7777).toBe(0o755)
    expect(lstatSync(join(directory, 'out/src/ü.php')).mode & 0o7777).toBe(0o644)
    expect(readlinkSync(join(directory, 'out/link'))).toBe('src/ü.php')
    expect(Buffer.compare(readFileSync(join(directory, 'out/src/ü.php')), prose(100_000))).toBe(0)
    expect(readFileSync(join(directory, 'out/empty')).length).toBe(0)
  })

  test('has no extra fields, directory entries, comments or real dates', async () => {
    const { path } = onDisk(await zipOf([['a/b', 'x'.repeat(100)]]))
    const listing = run(['zipinfo', '-v', path])
    expect(listing).toContain('1980 Jan 1 00:00:00')
    expect(listing).toContain('file system or operating system of origin:      Unix')
    expect(listing).toContain('length of extra field:                          0 bytes')
    expect(listing).toContain('length of file comment:                         0 characters')
    expect(listing).toMatch(/contains 1 entry/)
  })

  test('is accepted by PHP', async () => {
    const { path } = onDisk(
      await zipOf([
        ['bin/run', 'code', 0o100755],
        ['link', 'bin/run', 0o120000],
        ['ü', prose(50_000)],
      ]),
    )
    const script = `$z = new ZipArchive; if ($z->open($argv[1], ZipArchive::CHECKCONS) !== true) exit(1);
      for ($i = 0; $i < $z->numFiles; $i++) { $z->getExternalAttributesIndex($i, $os, $attributes);
        echo $z->getNameIndex($i), ' ', $os, ' ', decoct($attributes >> 16), ' ', md5($z->getFromIndex($i)), "\n"; }`
    const md5 = (content: Uint8Array | string) => new Bun.CryptoHasher('md5').update(content).digest('hex')
    expect(run(['php', '-r', script, path]).trim().split('\n')).toEqual([
      `bin/run 3 100755 ${md5('code')}`,
      `link 3 120000 ${md5('bin/run')}`,
      `ü 3 100644 ${md5(prose(50_000))}`,
    ])
  })

  test('stores what does not shrink, and deflates what does', async () => {
    expect(firstContent(await zipOf([['a', noise(300_000)]]))).toMatchObject({ method: 0 })
    expect(firstContent(await zipOf([['a', 'ab']]))).toMatchObject({ method: 0 })
    expect(firstContent(await zipOf([['a', '']]))).toMatchObject({ method: 0 })
    expect(firstContent(await zipOf([['a', prose(300_000)]]))).toMatchObject({ method: 8 })
    expect(firstContent(await zipOf([['a', 'x'.repeat(500), 0o120000]]))).toMatchObject({ method: 0 })
  })

  test('deflate of any content and length inflates to it again', async () => {
    const lengths = [1, 2, 3, 32_767, 32_768, 32_769, 65_536, 98_304, 131_071, 400_000]
    for (const length of lengths) {
      const mixed = noise(length, length).map((byte, at) => (at % 4096 < 3000 ? byte & 3 : byte))
      const repeated = new Uint8Array(length).map((_, at) => (at % 40_000) % 251)
      for (const content of [new Uint8Array(length), prose(length), noise(length), mixed, repeated]) {
        const found = firstContent(await zipOf([['a', content]]))
        expect(Buffer.compare(found.content, content)).toBe(0)
      }
    }
  })

  test('deflates large content that the streaming compressor of fflate gets wrong', async () => {
    for (const length of [98_304, 131_071]) {
      const content = noise(length, length).map((byte, at) => (at % 4096 < 3000 ? byte & 3 : byte))
      // Stored content would mean that the check after deflating had to step in.
      expect(firstContent(await zipOf([['a', content]])).method).toBe(8)
    }
  })

  test('flags names that are UTF-8, and writes others as they are', async () => {
    expect(firstContent(await zipOf([['ü', 'x']])).flags).toBe(0x800)
    expect(firstContent(await zipOf([['ascii', 'x']])).flags).toBe(0x800)
    const raw = await zipOf([[Uint8Array.of(0x61, 0xff), 'x']])
    expect(firstContent(raw)).toMatchObject({ flags: 0, names: 'a\xff' })
    expect(run(['unzip', '-t', onDisk(raw).path])).toContain('No errors detected')
  })

  test('refuses entries out of byte order or twice', async () => {
    await expect(
      zipOf([
        ['b', ''],
        ['a', ''],
      ]),
    ).rejects.toThrow('byte order')
    await expect(
      zipOf([
        ['a', ''],
        ['a', ''],
      ]),
    ).rejects.toThrow('byte order')
    // U+FF61 sorts behind U+10000 in UTF-16, before it in bytes.
    await zipOf([
      ['\uff61', ''],
      ['\u{10000}', ''],
    ])
  })
})

describe('zip64', () => {
  const record = {
    name: encode('n'),
    utf8: true,
    mode: 0o100644,
    method: 0,
    crc32: 1,
    compressedSize: 5,
    size: 6,
    offset: 7,
  } as const

  test('more than 65535 entries are counted right', async () => {
    const entries = Array.from({ length: 65_600 }, (_, at) => [String(at).padStart(6, '0'), ''] as const)
    const { path } = onDisk(await zipOf(entries))
    expect(run(['zipinfo', '-h', path])).toContain('number of entries: 65600')
    const count = '$z = new ZipArchive; $z->open($argv[1], ZipArchive::CHECKCONS); echo $z->numFiles;'
    expect(run(['php', '-r', count, path])).toBe('65600')
  })

  test('65534 entries need none', async () => {
    const end = endRecords({ entries: 65_534, size: 10, offset: 20 })
    expect(end.length).toBe(22)
    expect(endRecords({ entries: 65_535, size: 10, offset: 20 }).length).toBe(22 + 56 + 20)
  })

  test('large numbers move into the extra field, and only they', () => {
    const large = 2 ** 32 + 9
    expect(localHeader(record).length).toBe(31)
    expect(centralHeader(record).length).toBe(47)
    const offsetOnly = Buffer.from(centralHeader({ ...record, offset: large }))
    expect(offsetOnly.readUInt32LE(42)).toBe(0xffffffff)
    expect(offsetOnly.readUInt32LE(24)).toBe(6)
    expect(offsetOnly.subarray(47).toString('hex')).toBe('010008000900000001000000')
    const local = Buffer.from(localHeader({ ...record, size: large }))
    expect(local.readUInt32LE(18)).toBe(0xffffffff)
    expect(local.subarray(31).toString('hex')).toBe('0100100009000000010000000500000000000000')
    const end = Buffer.from(endRecords({ entries: 1, size: 47, offset: large }))
    expect(end.readBigUInt64LE(48)).toBe(BigInt(large))
    expect(end.readBigUInt64LE(64)).toBe(BigInt(large + 47))
  })
})

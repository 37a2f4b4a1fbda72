import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { deflateRawSync } from 'node:zlib'
import fc from 'fast-check'
import { readPackageZip, ZIP_BOUNDS } from '../../src/archives/package-zip.ts'
import { readTopLevelFile } from '../../src/archives/top-level-file.ts'
import { readTar } from '../../src/maintenance/tar.ts'
import { bytes, type Entry, type Layout, manifestEntry, zipOf } from '../support/zip-builder.ts'
import { damaged, type Reader, refused } from './reader.ts'

const NEVER = new AbortController().signal
const BOUNDS = { ...ZIP_BOUNDS, entries: 50, inflated: 1_000_000, ratioFrom: 100_000 }

const NAMES = fc.oneof(
  { arbitrary: fc.constantFrom('a', 'src/A.php', 'src/', 'lib/b', 'README.md', 'ä'), weight: 3 },
  fc.constantFrom(
    ...['a', 'src/A.php', 'src/', 'src', 'composer.json', 'lib/composer.json', 'COMPOSER.JSON', 'README.md'],
    ...[
      '../x',
      '/etc/passwd',
      'C:\\x',
      'a\\b',
      'a/../b',
      './a',
      'a//b',
      'a\u0000b',
      'a\u009bb',
      '\u202etxt',
      'con',
      'a.',
    ],
    ...['', '.', '..', '__MACOSX/._a', 'ä', 'a\u0308', 'K', '\u212a', 'x'.repeat(300)],
  ),
  fc.uint8Array({ maxLength: 12 }),
)
const CONTENT = fc.oneof(
  fc.constantFrom('', 'abc', '../../x', '/etc', 'a', 'x'.repeat(3_000), '{"name":"acme/lib"}'),
  fc.uint8Array({ maxLength: 60 }),
)
const NUMBER = fc.constantFrom(0, 1, 12, 0x7fffffff, 0xffffffff)
const numbers = fc.record({ crc: NUMBER, compressed: NUMBER, size: NUMBER }, { requiredKeys: [] })
const EXTRA = fc.oneof(
  fc.uint8Array({ maxLength: 24 }),
  fc
    .tuple(fc.constantFrom(1, 0x5455, 0x7075, 0x9901), fc.uint8Array({ maxLength: 28 }))
    .map(([tag, data]) => Buffer.concat([bytes([2, tag], [2, data.length]), data])),
)

/** Honest in most fields: an entry that lies everywhere is refused by the first check. */
const seldom = <T>(value: fc.Arbitrary<T>) =>
  fc.oneof({ arbitrary: fc.constant(undefined), weight: 25 }, { arbitrary: value, weight: 1 })

const entry: fc.Arbitrary<Entry> = fc
  .record({
    name: NAMES,
    content: CONTENT,
    mode: seldom(fc.constantFrom(0o120777, 0o040755, 0o060600, 0o010600, 0o140777, 0o104755, 0)),
    method: seldom(fc.constantFrom(0, 0, 8, 9, 12, 99)),
    flags: seldom(fc.constantFrom(0, 1, 8, 0x808, 0x2000, 0xffff)),
    needed: seldom(fc.constantFrom(10, 45, 63)),
    centralExtra: seldom(EXTRA),
    localExtra: seldom(EXTRA),
    local: seldom(numbers),
    said: seldom(numbers),
    after: seldom(fc.uint8Array({ maxLength: 24 })),
    data: seldom(
      fc.oneof(
        fc.uint8Array({ maxLength: 40 }),
        CONTENT.map((content) => deflateRawSync(Buffer.from(content))),
      ),
    ),
    offset: seldom(fc.constantFrom(0, 1, 30, 0xffffffff)),
  })
  .map(
    (made) => Object.fromEntries(Object.entries(made).filter(([, value]) => value !== undefined)) as unknown as Entry,
  )

const layout: fc.Arbitrary<Layout> = fc
  .record({
    before: seldom(fc.uint8Array({ maxLength: 8 })),
    between: seldom(fc.uint8Array({ maxLength: 8 })),
    after: seldom(fc.oneof(fc.uint8Array({ maxLength: 30 }), fc.constant(zipOf([])))),
    comment: seldom(fc.oneof(fc.uint8Array({ maxLength: 30 }), fc.constant(zipOf([])))),
    entries: seldom(fc.constantFrom(0, 1, 3, 0xffff)),
    directoryOffset: seldom(NUMBER),
    directorySize: seldom(NUMBER),
    zip64: seldom(
      fc.record(
        {
          entries: NUMBER,
          recordSize: NUMBER,
          locator: NUMBER,
          plain: fc.constantFrom('saturated' as const, 'true' as const),
        },
        { requiredKeys: [] },
      ),
    ),
  })
  .map((made) => Object.fromEntries(Object.entries(made).filter(([, value]) => value !== undefined)) as Layout)

const zips = fc
  .record({ entries: fc.array(entry, { maxLength: 4 }), layout, manifest: fc.nat(9) })
  .map(
    ({ entries, layout, manifest }) =>
      new Uint8Array(zipOf(manifest === 0 ? entries : [manifestEntry(), ...entries], manifest < 4 ? layout : {})),
  )

/** Readers of files, which are written to `directory`; what the zip reader accepted is told to `accepted`. */
export function archiveReaders(directory: string, accepted: (zip: Uint8Array) => void): Reader[] {
  const written = (input: Uint8Array) => {
    const path = join(directory, 'input')
    writeFileSync(path, input)
    return path
  }
  const zip = fc.oneof({ arbitrary: zips, weight: 2 }, damaged(zips))
  return [
    {
      name: 'zip',
      inputs: zip,
      async read(input) {
        const found = await readPackageZip(written(input), { signal: NEVER, bounds: BOUNDS })
        if (found.entries > BOUNDS.entries || found.inflated > BOUNDS.inflated) throw new Error('beyond its bounds')
        if (found.manifest.length > BOUNDS.manifest) throw new Error('a composer.json beyond its bound')
        accepted(input)
      },
    },
    {
      name: 'top-level-file',
      inputs: zip,
      async read(input) {
        const file = await readTopLevelFile(written(input), (names) => names[0] ?? null, 1_000)
        if (file === null) throw refused()
        if (file.content.length > 1_000 || file.name.includes('/')) throw new Error('not what was asked for')
      },
    },
    {
      name: 'tar',
      inputs: damaged(fc.oneof(fc.uint8Array({ maxLength: 1_600 }), tars)),
      async read(input) {
        for (const { start, size } of (await readTar(written(input))).values()) {
          if (!(start >= 0 && size >= 0 && start + size <= input.length)) throw new Error('an entry beyond the file')
        }
      },
    },
  ]
}

/** A header and its content, with the right sum. */
const tars = fc
  .record({
    name: fc.constantFrom('a', '../a', 'a/b', 'x'.repeat(99), ''),
    size: fc.constantFrom('0', '3', '1000', '-7', 'nine', '77777777777'),
    type: fc.constantFrom('0', '5', '2', 'x', '\0'),
  })
  .map(({ name, size, type }) => {
    const header = Buffer.alloc(512)
    header.write(name, 0, 'latin1')
    header.write('0000644\0', 100)
    header.write(`${size.padStart(11, '0')}\0`, 124)
    header.write('        ', 148)
    header.write(type, 156)
    header.write('ustar\u000000', 257)
    const sum = header.reduce((total, byte) => total + byte, 0)
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
    return new Uint8Array(Buffer.concat([header, Buffer.alloc(512, 'abc'), Buffer.alloc(1_024)]))
  })

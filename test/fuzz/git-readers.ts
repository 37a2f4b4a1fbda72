import fc from 'fast-check'
import { parseAttributes } from '../../src/git/attribute-rules.ts'
import { AttributeMatcher } from '../../src/git/attributes.ts'
import { applyDelta, parseDeltaHeader } from '../../src/git/delta.ts'
import { DEFAULT_GIT_LIMITS, type GitLimits } from '../../src/git/limits.ts'
import { objectIdOf, parseCommit, parseTree } from '../../src/git/objects.ts'
import { Pack } from '../../src/git/pack.ts'
import { type PktMark, PktReader, pktLine } from '../../src/git/pkt-line.ts'
import { soon } from '../support/git-client.ts'
import {
  buildPack,
  copy,
  delta,
  insert,
  objectHeader,
  objectId,
  type PackEntry,
  withChecksum,
} from '../support/git-pack.ts'
import { answer, RESULT, scripted } from '../support/git-scripted.ts'
import { damaged, type Reader } from './reader.ts'

const MIB = 1024 * 1024
/** Small, so that an input of a kilobyte can reach them. */
const LIMITS: GitLimits = {
  ...DEFAULT_GIT_LIMITS,
  ...{ objects: 50, objectBytes: 20_000, inflatedBytes: 60_000, deltaDepth: 5, deltaChainBytes: 50_000 },
}

const plain = fc.record({
  type: fc.constantFrom('blob' as const, 'tree' as const, 'commit' as const, 'tag' as const),
  content: fc.oneof(fc.constantFrom('', 'abc', 'x'.repeat(5_000)), fc.uint8Array({ maxLength: 40 })),
})
const instruction = fc.oneof(
  fc
    .tuple(fc.constantFrom(0, 1, 2, 0x10000, 0xffffffff), fc.constantFrom(0, 1, 3, 5_000, 0xffffff))
    .map(([at, size]) => copy(at, size)),
  fc.constantFrom('a', 'abc', 'x'.repeat(100)).map(insert),
  fc.uint8Array({ maxLength: 3 }),
)
const SIZE = fc.constantFrom(0, 1, 3, 5_000, 5_003, 100, 2 ** 40)
const deltas = fc
  .tuple(SIZE, SIZE, fc.array(instruction, { maxLength: 4 }))
  .map(([source, target, instructions]) => delta(source, target, ...instructions))
/** One that fits `abc`, however it is put together. */
const fitting = fc.constantFrom(
  delta(3, 3, copy(0, 3)),
  delta(3, 4, copy(0, 3), insert('d')),
  delta(3, 3, insert('abc')),
)

const packEntry: fc.Arbitrary<PackEntry> = fc.oneof(
  { arbitrary: plain, weight: 4 },
  fc.record({ type: fc.constant('ofs-delta' as const), base: fc.nat(4), delta: fc.oneof(fitting, deltas) }),
  fc.record({
    type: fc.constant('ref-delta' as const),
    base: fc.constantFrom(objectId('blob', 'abc'), objectId('blob', ''), 'f'.repeat(40)),
    delta: fc.oneof(fitting, deltas),
  }),
  fc
    .tuple(fc.constantFrom('blob' as const, 'ofs-delta' as const), fc.nat(2 ** 31), fc.uint8Array({ maxLength: 20 }))
    .map(([type, size, rest]) => ({ type: 'raw' as const, bytes: Buffer.concat([objectHeader(type, size), rest]) })),
)
const packs = fc
  .tuple(
    fc.array(packEntry, { maxLength: 6 }),
    fc.constantFrom(undefined, undefined, undefined, undefined, 0, 1, 7, 0xffffffff),
  )
  .map(([entries, count]) => {
    const base: PackEntry = { type: 'blob', content: 'abc' }
    return new Uint8Array(buildPack([base, ...entries], count === undefined ? {} : { count }))
  })
/** The trailer fits again, as a server that means harm would see to. */
const resealed = damaged(packs).map(
  (bytes) => new Uint8Array(withChecksum(bytes.subarray(0, Math.max(0, bytes.length - 20)))),
)

/** What most packs have something of. */
const KNOWN = (['blob', 'tree', 'commit', 'tag'] as const).flatMap((type) =>
  ['', 'abc', 'abcd', 'x'.repeat(5_000), 'abcx', 'abca'].map((content) => objectId(type, content)),
)

const BASE = Buffer.from('abc')
const line = fc.oneof(
  fc.constantFrom('0000', '0001', '0002', '0003', '0004', 'ffff', 'fff0', '000g', '-001', ' 005'),
  fc
    .constantFrom(
      'ERR no',
      'packfile',
      `${'a'.repeat(40)} refs/heads/main`,
      `${'b'.repeat(40)} refs/tags/v1 peeled:${'c'.repeat(40)}`,
    )
    .map(pktLine),
  fc
    .tuple(fc.constantFrom('refs/heads/', 'refs/tags/', 'refs/', ''), fc.string({ unit: 'binary', maxLength: 12 }))
    .map(([prefix, name]) => pktLine(`${'a'.repeat(40)} ${prefix}${name}`)),
)
const lines = fc.array(line, { maxLength: 6 }).map((parts) => new Uint8Array(Buffer.from(`${parts.join('')}0000`)))

async function packets(input: Uint8Array, size: number): Promise<string> {
  let at = 0
  const reply = {
    read: async () => {
      const chunk = input.subarray(at, at + size)
      at += size
      return chunk.length === 0 ? null : chunk
    },
    finish: async () => {},
    abandon: () => {},
  }
  const reader = new PktReader(reply, 10_000, () => {})
  const seen: string[] = []
  for (;;) {
    const next: Uint8Array | PktMark = await reader.next()
    seen.push(typeof next === 'string' ? next : Buffer.from(next).toString('hex'))
    if (next === 'eof') return seen.join(' ')
  }
}

const ATTRIBUTES = ['export-ignore', 'export-subst', 'a1']
const pattern = fc
  .array(
    fc.constantFrom(
      'a',
      'b',
      '/',
      '*',
      '**',
      '?',
      '[',
      ']',
      '[a-z]',
      '[^b]',
      '[[:alpha:]]',
      '\\',
      '!',
      '"',
      '-',
      '\u00ff',
    ),
    { maxLength: 9 },
  )
  .map((parts) => parts.join(''))
const attributeLine = fc
  .tuple(
    fc.oneof(pattern, fc.constant('[attr]m1')),
    fc.array(fc.constantFrom(...ATTRIBUTES, '-export-ignore', '!a1', 'a1=x', 'm1', '-m1', '=', '""'), { maxLength: 3 }),
  )
  .map(([left, right]) => `${left} ${right.join(' ')}`)
const attributes = fc
  .array(attributeLine, { maxLength: 8 })
  .map((each) => new Uint8Array(Buffer.from(each.join('\n'), 'latin1')))

const treeEntry = fc
  .tuple(
    fc.constantFrom('100644', '40000', '120000', '160000', '0', '', '99', '777777777'),
    fc.constantFrom('a', '..', '.git', 'a/b', '', 'ä'),
    fc.uint8Array({ minLength: 18, maxLength: 20 }),
  )
  .map(([mode, name, id]) => Buffer.concat([Buffer.from(`${mode} ${name}\0`), id]))
const trees = fc.array(treeEntry, { maxLength: 4 }).map((entries) => new Uint8Array(Buffer.concat(entries)))
const commits = fc
  .tuple(
    fc.constantFrom('tree ', 'tree', 'parent '),
    fc.constantFrom('a'.repeat(40), 'b'.repeat(39)),
    fc.constantFrom('1700000000 +0100', '99999999999999999999', '-1', ''),
  )
  .map(
    ([word, id, date]) =>
      new Uint8Array(Buffer.from(`${word}${id}\nauthor x <x> 1 +0\ncommitter x <x> ${date}\n\nmessage`)),
  )

export const GIT_READERS: readonly Reader[] = [
  {
    name: 'pack',
    inputs: fc.oneof(packs, resealed),
    async read(input) {
      const pack = await Pack.open(input, LIMITS, soon())
      for (const id of KNOWN) {
        const content = pack.read(id)
        const type = pack.typeOf(id)
        if (content === null || type === null) continue
        if (objectIdOf(type, content) !== id || pack.sizeOf(id) !== content.length)
          throw new Error(`${id} is another one`)
      }
      if (pack.count > LIMITS.objects) throw new Error('more objects than the limit')
    },
  },
  {
    name: 'delta',
    inputs: damaged(fc.oneof(fitting, deltas).map((each) => new Uint8Array(each))),
    read(input) {
      const { targetSize } = parseDeltaHeader(input)
      // Whoever calls compares it with a limit first.
      if (targetSize > MIB) return
      if (applyDelta(BASE, input).length !== targetSize) throw new Error('another size than it says')
    },
  },
  {
    name: 'pkt-line',
    inputs: damaged(lines),
    async read(input) {
      const whole = await outcome(packets(input, 1e6))
      for (const size of [1, 3, 7])
        if ((await outcome(packets(input, size))) !== whole) throw new Error('chunks matter')
      await packets(input, 1e6)
    },
  },
  {
    name: 'ls-refs',
    inputs: damaged(lines),
    async read(input) {
      const { refs } = await scripted(answer(new Uint8Array(input), RESULT)).listRefs(soon())
      for (const { name, commit } of refs) {
        if (!/^refs\/(?:heads|tags)\//.test(name) || !/^[0-9a-f]{40}$/.test(commit)) throw new Error(`ref ${name}`)
        // biome-ignore lint/suspicious/noControlCharactersInRegex: they must not be there
        if (/[\u0000-\u0020\u007f]|\.\.|^-/.test(name)) throw new Error(`ref ${name}`)
      }
    },
  },
  { name: 'tree', inputs: damaged(trees), read: (input) => parseTree(input) },
  {
    name: 'commit',
    inputs: damaged(commits),
    read(input) {
      const { committedAt } = parseCommit(input)
      if (!Number.isSafeInteger(committedAt) || committedAt < 0) throw new Error(`date ${committedAt}`)
    },
  },
  {
    name: 'attributes',
    inputs: damaged(attributes),
    read(input) {
      const file = parseAttributes(input)
      const matcher = new AttributeMatcher(file, ATTRIBUTES, { steps: 200 })
      const scope = matcher.scope(null, '', file)
      for (const path of ['a', 'a/b', 'b/a/b', '', 'a'.repeat(200)]) matcher.attributesOf(path, false, scope)
    },
  },
]

async function outcome(work: Promise<string>): Promise<string> {
  return work.catch((error: unknown) => String(error))
}

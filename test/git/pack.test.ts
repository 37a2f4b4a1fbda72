import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { deflateSync } from 'node:zlib'
import { messageOf } from '../../src/errors.ts'
import { gitFailureReason } from '../../src/git/failure.ts'
import { DEFAULT_GIT_LIMITS, type GitLimits } from '../../src/git/limits.ts'
import { Pack } from '../../src/git/pack.ts'
import { processorTimeOf } from '../support/event-loop.ts'
import { soon } from '../support/git-client.ts'
import { buildPack, copy, delta, insert, objectHeader, objectId, type PackEntry } from '../support/git-pack.ts'
import { createGitRepository, type TestGitRepository } from '../support/git-repository.ts'

const open = (bytes: Uint8Array, limits: Partial<GitLimits> = {}) =>
  Pack.open(bytes, { ...DEFAULT_GIT_LIMITS, ...limits }, soon())

const text = (bytes: Uint8Array | null) => (bytes === null ? null : Buffer.from(bytes).toString())

/** The reason and sentence of a refusal. */
async function refusal(bytes: Uint8Array, limits: Partial<GitLimits> = {}): Promise<string> {
  try {
    await open(bytes, limits)
  } catch (error) {
    return `${gitFailureReason(error)}: ${messageOf(error)}`
  }
  return 'accepted'
}

describe('packs that git made', () => {
  let root = ''
  let repository: TestGitRepository
  let listed: string[][]

  beforeAll(() => {
    root = mkdtempSync(join(tmpdir(), 'git-pack-'))
    const lines = Array.from({ length: 400 }, (_, index) => `line ${index} of a long file`)
    const commits = Array.from({ length: 30 }, (_, index) => {
      lines[(index * 37) % 400] = `changed in ${index}`
      const files = {
        'long.txt': lines.join('\n'),
        [`dir/${index}.txt`]: `small ${index}`,
        empty: '',
        'big.bin': 'x'.repeat(2_000_000),
      }
      return { files, annotatedTags: [`v${index}`] }
    })
    repository = createGitRepository(join(root, 'r.git'), { commits })
    const all = repository.git(['cat-file', '--batch-all-objects', '--batch-check'])
    listed = all.split('\n').map((line) => line.split(' '))
  })
  afterAll(() => rmSync(root, { recursive: true, force: true }))

  for (const [name, ...options] of [
    ['offset deltas', '--delta-base-offset', '--depth=50'],
    ['reference deltas', '--depth=50'],
    ['long chains', '--delta-base-offset', '--depth=4000', '--window=100'],
    ['no deltas', '--depth=0'],
  ] as const) {
    test(`every object is read: ${name}`, async () => {
      const input = `${listed.map(([id]) => id).join('\n')}\n`
      const bytes = repository.gitBytes(['pack-objects', '--stdout', '-q', '--no-reuse-delta', ...options], input)
      const pack = await open(bytes)
      expect(pack.count).toBe(listed.length)
      for (const [id = '', type, size] of listed) {
        expect([pack.typeOf(id) as string, pack.sizeOf(id)]).toEqual([type ?? '', Number(size)])
        expect(objectId(type ?? '', pack.read(id) ?? '')).toBe(id)
      }
      // A bare guard that the packs differ as their names say.
      const kinds = new Set(repositoryKinds(bytes))
      expect(kinds.has(6)).toBe(name === 'offset deltas' || name === 'long chains')
      expect(kinds.has(7)).toBe(name === 'reference deltas')
    })
  }

  /** Type numbers of a pack, found by real git's index of it. */
  function repositoryKinds(bytes: Uint8Array): number[] {
    const target = createGitRepository(join(root, `k${Math.random()}.git`), { commits: [] })
    const hash = target.git(['index-pack', '--stdin', '--fix-thin'], bytes).split('\t')[1] ?? ''
    const index = target.git(['verify-pack', '-v', `${target.path}/objects/pack/pack-${hash}.idx`])
    const lines = index.split('\n').filter((line) => /^[0-9a-f]{40} \w+ +\d/.test(line))
    return lines.map((line) => ((bytes[Number(line.split(/ +/)[4])] ?? 0) >> 4) & 7)
  }
})

describe('hand-made packs', () => {
  const base = 'the base of everything'
  const baseId = objectId('blob', base)
  const derived = delta(base.length, 11, copy(4, 4), insert(' changed'.slice(0, 7)))

  test('a reference delta whose base comes later', async () => {
    const pack = await open(
      buildPack([
        { type: 'ref-delta', base: baseId, delta: derived },
        { type: 'blob', content: base },
      ]),
    )
    expect(text(pack.read(objectId('blob', 'base change')))).toBe('base change')
  })

  test('a reference delta on a delta, in the wrong order, in version 3', async () => {
    const second = delta(11, 4, copy(0, 4))
    const entries: PackEntry[] = [
      { type: 'ref-delta', base: objectId('blob', 'base change'), delta: second },
      { type: 'ref-delta', base: baseId, delta: derived },
      { type: 'blob', content: base },
    ]
    const pack = await open(buildPack(entries, { version: 3 }))
    expect(text(pack.read(objectId('blob', 'base')))).toBe('base')
    expect(pack.sizeOf(objectId('blob', 'base'))).toBe(4)
  })

  test('the same object twice, an empty pack, an empty object', async () => {
    const pack = await open(
      buildPack([
        { type: 'blob', content: base },
        { type: 'blob', content: base },
        { type: 'blob', content: '' },
      ]),
    )
    expect(text(pack.read(baseId))).toBe(base)
    expect(text(pack.read(objectId('blob', '')))).toBe('')
    expect((await open(buildPack([]))).count).toBe(0)
    expect(pack.read('0'.repeat(40))).toBeNull()
  })

  test('a chain of 4,000 deltas is resolved without recursion', async () => {
    const entries: PackEntry[] = [{ type: 'blob', content: base }]
    for (let index = 1; index <= 4000; index++) {
      const before = index === 1 ? base.length : 5
      entries.push({
        type: 'ofs-delta',
        base: index - 1,
        delta: delta(before, 5, insert(String(index).padStart(5, '0'))),
      })
    }
    const pack = await open(buildPack(entries))
    expect(text(pack.read(objectId('blob', '04000')))).toBe('04000')
  })

  const cases: [string, Uint8Array, Partial<GitLimits>, string][] = [
    ['cut off', buildPack([{ type: 'blob', content: base }]).subarray(0, -25), {}, 'protocol'],
    ['no pack', Buffer.alloc(100), {}, 'protocol'],
    ['version 4', buildPack([], { version: 4 }), {}, 'protocol'],
    ['too few objects', buildPack([{ type: 'blob', content: base }], { count: 2 }), {}, 'protocol'],
    [
      'too many bytes',
      buildPack(
        [
          { type: 'blob', content: base },
          { type: 'blob', content: '' },
        ],
        { count: 1 },
      ),
      {},
      'protocol',
    ],
    ['a count that lies', buildPack([], { count: 900_000 }), {}, 'protocol'],
    ['too many objects', buildPack([], { count: 4_000_000_000 }), {}, 'too_large'],
    ['base missing', buildPack([{ type: 'ref-delta', base: 'a'.repeat(40), delta: derived }]), {}, 'protocol'],
    [
      'base of an offset is no object',
      buildPack([{ type: 'blob', content: base }, raw([0x60 | 1, 3])]),
      {},
      'protocol',
    ],
    ['offset before the pack', buildPack([raw([0x60 | 1, 0x7f, 0x78, 0x9c, 3, 0, 0, 0, 0, 1])]), {}, 'protocol'],
    ['unknown type', buildPack([raw([0x50, 0x78, 0x9c, 3, 0, 0, 0, 0, 1])]), {}, 'protocol'],
    ['endless size', buildPack([raw([0xbf, ...Array(20).fill(0xff)])]), {}, 'protocol'],
    ['not zlib', buildPack([raw([0x35, ...Array(20).fill(0x41)])]), {}, 'protocol'],
    ['larger than declared', buildPack([lying(5, Buffer.alloc(5_000_000))]), {}, 'protocol'],
    ['smaller than declared', buildPack([lying(50, Buffer.alloc(5))]), {}, 'protocol'],
    ['an object above the limit', buildPack([lying(300 * 2 ** 20, Buffer.alloc(5))]), {}, 'too_large'],
    [
      'all together above the limit',
      buildPack([
        { type: 'blob', content: base },
        { type: 'blob', content: `${base}2` },
      ]),
      { inflatedBytes: 30 },
      'too_large',
    ],
    ['a delta that grows beyond the limit', bomb(200 * 2 ** 20), {}, 'too_large'],
    ['a delta longer than its target', deltaOn(delta(base.length, 3, insert('four'))), {}, 'protocol'],
    ['a delta shorter than its target', deltaOn(delta(base.length, 5, insert('four'))), {}, 'protocol'],
    ['a delta on a base of another size', deltaOn(delta(base.length + 1, 4, insert('four'))), {}, 'protocol'],
    [
      'a delta that copies from beyond the base',
      deltaOn(delta(base.length, 4, copy(base.length - 2, 4))),
      {},
      'protocol',
    ],
    ['a delta cut off in an insertion', deltaOn(delta(base.length, 4, insert('four').subarray(0, 3))), {}, 'protocol'],
    ['a delta cut off in a copy', deltaOn(delta(base.length, 4, copy(1, 4).subarray(0, 1))), {}, 'protocol'],
    ['a delta with the reserved instruction', deltaOn(delta(base.length, 0, Buffer.from([0]))), {}, 'protocol'],
    ['an empty delta', deltaOn(Buffer.alloc(0)), {}, 'protocol'],
    ['a chain that is too long', chain(4), { deltaDepth: 3 }, 'too_large'],
    ['a chain that is too expensive', chain(4), { deltaChainBytes: 30 }, 'too_large'],
  ]
  for (const [name, bytes, limits, reason] of cases) {
    test(`refused: ${name}`, async () => {
      const cost = await processorTimeOf(async () => {
        expect(await refusal(bytes, limits)).toStartWith(`${reason}: `)
      })
      expect(cost).toBeLessThan(1000)
    })
  }

  test('the limits above are the reason, not the packs', async () => {
    expect(await refusal(chain(4))).toBe('accepted')
    expect(await refusal(deltaOn(delta(base.length, 4, insert('four'))))).toBe('accepted')
  })

  test('deltas whose bases do not fit into the cache are resolved', async () => {
    // Forty bases of a megabyte, thrown out of the cache by one another, each needed again for its child.
    const size = 1024 * 1024
    const entries: PackEntry[] = [{ type: 'blob', content: Buffer.alloc(size) }]
    for (let index = 0; index < 40; index++) {
      entries.push({
        type: 'ofs-delta',
        base: 0,
        delta: delta(size, size + 2, copy(0, size - 1), insert(`${100 + index}`)),
      })
    }
    for (let index = 0; index < 40; index++) {
      entries.push({ type: 'ofs-delta', base: 1 + index, delta: delta(size + 2, 4, insert(`${1000 + index}`)) })
    }
    const pack = await open(buildPack(entries))
    expect(text(pack.read(objectId('blob', '1039')))).toBe('1039')
  })

  test('a long pack leaves time for others', async () => {
    const entries: PackEntry[] = Array.from({ length: 60 }, (_, index) => ({
      type: 'blob',
      content: Buffer.alloc(900_000, index),
    }))
    const bytes = buildPack(entries)
    let turns = 0
    const timer = setInterval(() => turns++, 1)
    const began = performance.now()
    await open(bytes)
    const took = performance.now() - began
    clearInterval(timer)
    expect(turns).toBeGreaterThan(Math.floor(took / 40))
  })

  test('an abort ends the work', async () => {
    const entries: PackEntry[] = Array.from({ length: 60 }, (_, index) => ({
      type: 'blob',
      content: Buffer.alloc(900_000, index),
    }))
    const controller = new AbortController()
    setTimeout(() => controller.abort(new Error('enough')), 5)
    await expect(Pack.open(buildPack(entries), DEFAULT_GIT_LIMITS, controller.signal)).rejects.toThrow('enough')
  })

  function raw(bytes: number[]): PackEntry {
    return { type: 'raw', bytes: Buffer.from(bytes) }
  }

  function lying(size: number, content: Uint8Array): PackEntry {
    return { type: 'raw', bytes: Buffer.concat([objectHeader('blob', size), deflateSync(content)]) }
  }

  function deltaOn(instructions: Uint8Array): Buffer {
    return buildPack([
      { type: 'blob', content: base },
      { type: 'ofs-delta', base: 0, delta: instructions },
    ])
  }

  function bomb(size: number): Buffer {
    const block = 0xffffff
    const copies = Array.from({ length: Math.ceil(size / block) }, () => copy(0, block))
    const content = Buffer.alloc(block)
    return buildPack([
      { type: 'blob', content },
      { type: 'ofs-delta', base: 0, delta: delta(block, copies.length * block, ...copies) },
    ])
  }

  function chain(depth: number): Buffer {
    const entries: PackEntry[] = [{ type: 'blob', content: base }]
    for (let index = 1; index <= depth; index++) {
      entries.push({
        type: 'ofs-delta',
        base: index - 1,
        delta: delta(base.length, base.length, copy(0, base.length - 1), insert(`${index}`)),
      })
    }
    return buildPack(entries)
  }
})

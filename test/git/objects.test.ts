import { describe, expect, test } from 'bun:test'
import { parseCommit, parseTree } from '../../src/git/objects.ts'

const TREE = '4b825dc642cb6eb9a060e54bf8d69288fbee4904'
const commit = (committer: string) =>
  Buffer.from(`tree ${TREE}\nparent ${TREE}\nauthor A <a@b> 5 +0000\n${committer}\n\ncommitter X <x@y> 9 +0000`)

describe('parseCommit', () => {
  test('the date of the committer, not of the author and not from the message', () => {
    expect(parseCommit(commit('committer C <c@d> 1700000000 -0330'))).toEqual({
      tree: TREE,
      committedAt: 1_700_000_000,
    })
    expect(parseCommit(commit('committer <<weird> > 42 +0000')).committedAt).toBe(42)
  })

  test('a date that cannot be used is 0', () => {
    for (const date of ['', 'tomorrow +0000', '-5 +0000', '99999999999999999999 +0000', '999999999999 +0000']) {
      expect(parseCommit(commit(`committer C <c@d> ${date}`)).committedAt).toBe(0)
    }
    expect(parseCommit(Buffer.from(`tree ${TREE}\n\ncommitter C <c@d> 9 +0000`)).committedAt).toBe(0)
  })

  test('anything else is refused', () => {
    for (const text of ['', 'tree', `tree ${TREE}`, `tree ${TREE.toUpperCase()}\n`, `parent ${TREE}\n`]) {
      expect(() => parseCommit(Buffer.from(text))).toThrow('commit object is broken')
    }
  })
})

describe('parseTree', () => {
  const id = Buffer.alloc(20, 1)

  test('an empty name, a cut id, a mode that is no number', () => {
    for (const head of ['100644 \0', '100644', '10064x a\0', ' a\0', '100644100644 a\0']) {
      expect(() => parseTree(Buffer.concat([Buffer.from(head), id]))).toThrow('tree object')
    }
    expect(() => parseTree(Buffer.concat([Buffer.from('100644 a\0'), id.subarray(1)]))).toThrow('cut off')
  })

  test('names keep their bytes', () => {
    const entries = parseTree(Buffer.concat([Buffer.from('40000 '), Buffer.from([0xff, 0xc3, 0xa4, 0]), id]))
    expect(entries).toEqual([{ mode: 0o040000, name: '\xff\xc3\xa4', id: '01'.repeat(20) }])
  })
})

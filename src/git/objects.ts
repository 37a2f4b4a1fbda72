import { turn } from '../pacer.ts'
import { gitFailure } from './failure.ts'
import { isObjectId } from './refs.ts'
import type { ObjectId } from './snapshot.ts'

/** The four kinds of objects (`git: gitformat-pack`). */
export type ObjectType = 'commit' | 'tree' | 'blob' | 'tag'

/** The tree without entries; git knows it without having it, so servers need not send it. */
export const EMPTY_TREE: ObjectId = '4b825dc642cb6eb9a060e54bf8d69288fbee4904'

/** The id of an object: SHA-1 over `<type> <size>\0<content>`. */
export function objectIdOf(type: ObjectType, content: Uint8Array): ObjectId {
  return new Bun.CryptoHasher('sha1').update(`${type} ${content.length}\0`).update(content).digest('hex')
}

/** The same for content so large that hashing it at once would hold up everything else. */
export async function idOfLargeObject(type: ObjectType, content: Uint8Array): Promise<ObjectId> {
  const hasher = new Bun.CryptoHasher('sha1').update(`${type} ${content.length}\0`)
  for (let at = 0; at < content.length; at += HASHED_AT_ONCE) {
    hasher.update(content.subarray(at, at + HASHED_AT_ONCE))
    await turn()
  }
  return hasher.digest('hex')
}

const HASHED_AT_ONCE = 4 * 1024 * 1024

/** What is needed of a commit object. */
export interface Commit {
  readonly tree: ObjectId
  /** Unix seconds of the committer line; 0 when it has no usable date, as git shows it. */
  readonly committedAt: number
}

/** Reads a commit's header. Throws `protocol` when it does not begin with a tree. */
export function parseCommit(content: Uint8Array): Commit {
  const bytes = asBuffer(content)
  const tree = bytes.toString('latin1', 5, 45)
  if (bytes.toString('latin1', 0, 5) !== 'tree ' || bytes[45] !== 0x0a || !isObjectId(tree)) {
    throw gitFailure('protocol', 'A commit object is broken.')
  }
  for (let at = 0; at < bytes.length; ) {
    const newline = bytes.indexOf(0x0a, at)
    const end = newline < 0 ? bytes.length : newline
    if (end === at) break
    if (bytes.toString('latin1', at, at + 10) === 'committer ') {
      return { tree, committedAt: dateOf(bytes.toString('latin1', at, end)) }
    }
    at = end + 1
  }
  return { tree, committedAt: 0 }
}

const LAST_SECOND = 253_402_300_799

function dateOf(line: string): number {
  const text =
    line
      .slice(line.lastIndexOf('>') + 1)
      .trimStart()
      .split(' ', 1)[0] ?? ''
  const seconds = /^\d{1,12}$/.test(text) ? Number(text) : 0
  return seconds <= LAST_SECOND ? seconds : 0
}

/** One line of a tree. */
export interface TreeEntry {
  /** Normalised as git does: 0o040000, 0o100644, 0o100755, 0o120000 or 0o160000. */
  readonly mode: number
  /** One character per byte (latin-1), so that comparing strings compares bytes. */
  readonly name: string
  readonly id: ObjectId
}

export const MODE_TREE = 0o040000
export const MODE_FILE = 0o100644
export const MODE_EXECUTABLE = 0o100755
export const MODE_SYMLINK = 0o120000
export const MODE_SUBMODULE = 0o160000

/**
 * Reads a tree object. Throws `protocol` for a broken entry and for names that could leave the directory or hide a
 * repository: empty, `.`, `..`, `.git`, with `/`, or twice the same.
 */
export function parseTree(content: Uint8Array): TreeEntry[] {
  const bytes = asBuffer(content)
  const entries: TreeEntry[] = []
  const names = new Set<string>()
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(0x20, at)
    const nul = space < 0 ? -1 : bytes.indexOf(0, space)
    if (nul < 0 || space - at > 7 || nul + 21 > bytes.length) throw brokenTree('is cut off or broken')
    const mode = modeOf(bytes.toString('latin1', at, space))
    const name = bytes.toString('latin1', space + 1, nul)
    checkName(name)
    if (names.has(name)) throw brokenTree('has the same name twice')
    names.add(name)
    entries.push({ mode, name, id: bytes.toString('hex', nul + 1, nul + 21) })
    at = nul + 21
  }
  return entries
}

function modeOf(digits: string): number {
  const mode = /^[0-7]{1,7}$/.test(digits) ? Number.parseInt(digits, 8) : 0
  switch (mode & 0o170000) {
    case 0o100000:
      return (mode & 0o100) === 0 ? MODE_FILE : MODE_EXECUTABLE
    case MODE_TREE:
    case MODE_SYMLINK:
    case MODE_SUBMODULE:
      return mode & 0o170000
    default:
      throw brokenTree('has an entry of unknown mode')
  }
}

function checkName(name: string): void {
  if (name === '' || name === '.' || name === '..' || name.includes('/') || name.toLowerCase() === '.git') {
    throw brokenTree('has an entry with a forbidden name')
  }
}

function brokenTree(what: string): Error {
  return gitFailure('protocol', `A tree object of the repository ${what}.`)
}

/** The same memory as a Buffer, for its text and hexadecimal readers. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

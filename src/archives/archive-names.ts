import { AppError } from '../errors.ts'
import type { SnapshotFile } from '../git/snapshot.ts'
import type { Pacer } from '../pacer.ts'

const MAX_NAME_BYTES = 4096
const MAX_DEPTH = 128
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const SHOWN_NAMES = 5
const SHOWN_CHARACTERS = 100
const WINDOWS_CHARACTERS = /[<>:"|?*\\]/
const WINDOWS_DEVICES = /^(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\.|$)/i

/** Names of one kind that are worth a warning; all are counted, a few are shown. */
class Finding {
  #count = 0
  readonly #shown: string[] = []

  add(name: string): void {
    this.#count += 1
    if (this.#shown.length < SHOWN_NAMES) this.#shown.push(printable(name))
  }

  sentence(text: string): string[] {
    if (this.#count === 0) return []
    const more = this.#count > this.#shown.length ? ` and ${this.#count - this.#shown.length} more` : ''
    return [`${text}: ${this.#shown.join(', ')}${more}.`]
  }
}

/** Names as strings of one character per byte, so that names that are no UTF-8 stay apart. */
class NameTable {
  readonly files = new Set<string>()
  readonly directories = new Set<string>()
  readonly #folded = new Map<string, string>()
  readonly #colliding = new Finding()
  readonly #unusual = new Finding()
  readonly #undecodable = new Finding()

  add(name: string): void {
    if (this.files.has(name)) throw refusal(name, 'occurs twice')
    this.files.add(name)
    const decoded = decode(name)
    if (decoded === null) this.#undecodable.add(name)
    this.#observe(name, decoded)
    // Upwards, until a directory that is known: then all above it are known too.
    for (let end = name.lastIndexOf('/'); end > 0; end = name.lastIndexOf('/', end - 1)) {
      const directory = name.slice(0, end)
      if (this.directories.has(directory)) break
      this.directories.add(directory)
      this.#observe(directory, decode(directory))
    }
  }

  warnings(): string[] {
    return [
      ...this.#colliding.sentence('Names that are the same on systems that ignore letter case'),
      ...this.#unusual.sentence('Names that Windows cannot hold'),
      ...this.#undecodable.sentence('Names that are not UTF-8'),
    ]
  }

  #observe(path: string, decoded: string | null): void {
    // macOS ignores letter case and the way accents are composed; Windows ignores letter case.
    const folded = decoded === null ? path : decoded.normalize('NFC').toLowerCase()
    if (this.#folded.has(folded)) this.#colliding.add(path)
    else this.#folded.set(folded, path)
    const last = path.slice(path.lastIndexOf('/') + 1)
    if (isUnusualOnWindows(last)) this.#unusual.add(path)
  }
}

function isUnusualOnWindows(segment: string): boolean {
  if (segment.endsWith('.') || segment.endsWith(' ')) return true
  if (WINDOWS_CHARACTERS.test(segment) || WINDOWS_DEVICES.test(segment)) return true
  for (let at = 0; at < segment.length; at++) if (segment.charCodeAt(at) < 0x20) return true
  return false
}

/** Characters of a byte string, or null when the bytes are not UTF-8. */
function decode(name: string): string | null {
  try {
    return UTF8.decode(Buffer.from(name, 'latin1'))
  } catch {
    return null
  }
}

function printable(name: string): string {
  const text = Buffer.from(name, 'latin1').toString('utf8').replace(/\p{C}/gu, '\ufffd')
  return `"${text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}…` : text}"`
}

function refusal(name: string, reason: string): AppError {
  return new AppError('invalid', `The commit cannot be packed: the file name ${printable(name)} ${reason}.`)
}

/** A name that would leave the directory it is extracted into, or that no system can hold, is refused. */
function assertSafe(name: string): void {
  if (name.length > MAX_NAME_BYTES) throw refusal(name, `is longer than ${MAX_NAME_BYTES} bytes`)
  if (name.includes('\0')) throw refusal(name, 'contains a NUL byte')
  const segments = name.split('/')
  if (segments.length > MAX_DEPTH) throw refusal(name, `is more than ${MAX_DEPTH} directories deep`)
  for (const segment of segments) {
    if (segment === '' || segment === '.') throw refusal(name, 'has an empty directory name')
    // Windows takes the backslash for a separator too.
    if (segment.split('\\').includes('..')) throw refusal(name, 'leads out of its directory')
  }
}

/**
 * Judges the names of a snapshot. Returns one sentence for each kind of name that not every system can hold.
 * Throws AppError('invalid') for names that no git would check out, but that a hand-made tree can hold: `..`, an empty
 * segment, a name twice, or a file that is also a directory (`git: fsck hasDotdot, fullPathname, duplicateEntries`).
 */
export async function inspectNames(files: readonly SnapshotFile[], pace: Pacer): Promise<string[]> {
  const table = new NameTable()
  for (const file of files) {
    const name = Buffer.from(file.path).toString('latin1')
    assertSafe(name)
    table.add(name)
    await pace.step()
  }
  for (const name of table.files) if (table.directories.has(name)) throw refusal(name, 'is also a directory')
  return table.warnings()
}

/**
 * True when Composer would take the content of this archive's one top-level directory for the package itself: exactly
 * one top-level entry, `.DS_Store` not counted, that is a directory or a link, which may lead to one
 * (`Composer: ArchiveDownloader::install`).
 */
export function needsWrapper(files: readonly SnapshotFile[]): boolean {
  const top = new Map<string, boolean>()
  for (const file of files) {
    const slash = file.path.indexOf(0x2f)
    const name = Buffer.from(slash < 0 ? file.path : file.path.subarray(0, slash)).toString('latin1')
    if (name === '.DS_Store') continue
    top.set(name, slash >= 0 || file.mode === 0o120000)
    if (top.size > 1) return false
  }
  return [...top.values()].some((directory) => directory)
}

/** True when the target of a symbolic link at `path` lies outside the package. */
export function leadsOutside(path: Uint8Array, target: Uint8Array): boolean {
  const text = Buffer.from(target).toString('latin1').replaceAll('\\', '/')
  if (text.startsWith('/') || /^[a-z]:/i.test(text)) return true
  let depth = Buffer.from(path).toString('latin1').split('/').length - 1
  for (const segment of text.split('/')) {
    if (segment === '..') depth -= 1
    else if (segment !== '' && segment !== '.') depth += 1
    if (depth < 0) return true
  }
  return false
}

/** Collects symbolic links that lead outside the package, and says so in at most one sentence. */
export class OutsideLinks {
  readonly #finding = new Finding()

  /** Judges one link: its own path and its target. */
  inspect(path: Uint8Array, target: Uint8Array): void {
    if (leadsOutside(path, target)) this.#finding.add(Buffer.from(path).toString('latin1'))
  }

  /** Nothing, or one sentence. */
  warnings(): string[] {
    return this.#finding.sentence('Symbolic links that lead out of the package')
  }
}

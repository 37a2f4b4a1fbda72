import type { Pacer } from '../pacer.ts'
import { refusedZip, type ZipMember } from './zip-directory.ts'

const MAX_NAME_BYTES = 1_024
const MAX_SEGMENT_BYTES = 255
const MAX_DEPTH = 64
const MAX_DIRECTORIES = 20_000
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u
const WINDOWS_DEVICE = /^(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)[ ]*(?:\.|$)/i

/**
 * Refuses names that would leave the directory they are extracted into, or that do not mean one and the same file on
 * every system: absolute, with `..`, backslashes or control characters, of a Windows device, occurring twice, or equal
 * to another one where letter case or the composition of accents does not count. Throws AppError('invalid').
 */
export async function checkNames(members: readonly ZipMember[], pacer: Pacer): Promise<void> {
  const tree = new NameTree()
  for (const { name, rawName } of members) {
    checkName(name, rawName.length)
    tree.add(name)
    await pacer.step()
  }
}

/** Every path of a zip, the directories that files are in included. */
class NameTree {
  readonly #kinds = new Map<string, 'file' | 'directory' | 'implied directory'>()
  readonly #folded = new Map<string, string>()
  #implied = 0

  add(name: string): void {
    const directory = name.endsWith('/')
    const path = directory ? name.slice(0, -1) : name
    const before = this.#kinds.get(path)
    const kind = directory ? 'directory' : 'file'
    if (before === kind) throw refusedZip('a name occurs twice', name)
    if (before !== undefined && (before === 'file' || !directory)) throw refusedZip('a file is also a directory', path)
    this.#set(path, kind)
    for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1)) {
      const parent = path.slice(0, end)
      const known = this.#kinds.get(parent)
      if (known === 'file') throw refusedZip('a file is also a directory', parent)
      if (known !== undefined) break
      if (++this.#implied > MAX_DIRECTORIES) throw refusedZip(`it has more than ${MAX_DIRECTORIES} directories`)
      this.#set(parent, 'implied directory')
    }
  }

  #set(path: string, kind: 'file' | 'directory' | 'implied directory'): void {
    this.#kinds.set(path, kind)
    const key = fold(path)
    const other = this.#folded.get(key)
    if (other !== undefined && other !== path) throw refusedZip('two names differ only in letter case or accents', path)
    this.#folded.set(key, path)
  }
}

function checkName(name: string, bytes: number): void {
  if (name === '') throw refusedZip('a name is empty')
  if (bytes > MAX_NAME_BYTES) throw refusedZip(`a name is longer than ${MAX_NAME_BYTES} bytes`, name)
  if (UNPRINTABLE.test(name)) throw refusedZip('a name contains control characters', name)
  if (name.includes('\\')) throw refusedZip('a name contains a backslash', name)
  if (name.startsWith('/') || /^[a-z]:/i.test(name)) throw refusedZip('a name is absolute', name)
  const segments = (name.endsWith('/') ? name.slice(0, -1) : name).split('/')
  if (segments.length > MAX_DEPTH) throw refusedZip(`a name is more than ${MAX_DEPTH} directories deep`, name)
  for (const segment of segments) checkSegment(segment, name)
}

function checkSegment(segment: string, name: string): void {
  if (segment === '..') throw refusedZip('a name leads out of its directory', name)
  if (segment === '' || segment === '.') throw refusedZip('a name has an empty directory name', name)
  if (Buffer.byteLength(segment) > MAX_SEGMENT_BYTES) throw refusedZip('a name is too long for a file system', name)
  if (/[. ]$/.test(segment)) throw refusedZip('a name ends with a dot or a blank, which Windows drops', name)
  if (WINDOWS_DEVICE.test(segment)) throw refusedZip('a name is that of a Windows device', name)
}

/** Equal for names that some file system takes for the same. */
function fold(path: string): string {
  return path.normalize('NFC').toUpperCase().toLowerCase().normalize('NFC')
}

/**
 * Refuses a symbolic link that could lead out of the package. `..` is allowed only at the start of a target: behind the
 * name of another link it would count from where that one leads. Throws AppError('invalid').
 */
export function checkLink(name: string, target: string): void {
  const outside = refusedZip('a symbolic link leads out of the package', name)
  if (target === '' || UNPRINTABLE.test(target) || target.includes('\\')) throw outside
  if (target.startsWith('/') || /^[a-z]:/i.test(target)) throw outside
  const segments = target.split('/').filter((segment) => segment !== '' && segment !== '.')
  const upwards = segments.findIndex((segment) => segment !== '..')
  const ups = upwards === -1 ? segments.length : upwards
  if (ups > name.split('/').length - 1 || segments.slice(ups).includes('..')) throw outside
}

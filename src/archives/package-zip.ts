import * as nodeFs from 'node:fs/promises'
import { Pacer } from '../pacer.ts'
import { ByteSource } from './byte-source.ts'
import type { FileSystem } from './file-system.ts'
import { type MemberPlace, verifyMember } from './zip-content.ts'
import { readDirectory, refusedZip, type ZipDirectory, type ZipMember } from './zip-directory.ts'
import { checkLink, checkNames } from './zip-names.ts'

/** Bounds of a zip. Sizes in bytes. */
export interface ZipBounds {
  readonly entries: number
  /** All contents together. */
  readonly inflated: number
  /** How many times larger than the zip its contents may be, once they are larger than `ratioFrom`. */
  readonly ratio: number
  readonly ratioFrom: number
  /** composer.json. */
  readonly manifest: number
}

/** What is accepted: within the bounds of Composer's own client, which refuses 100 times and 50 MiB (`Composer: ZipDownloader`). */
export const ZIP_BOUNDS: ZipBounds = {
  entries: 50_000,
  inflated: 1024 * 1024 * 1024,
  ratio: 50,
  ratioFrom: 50 * 1024 * 1024,
  manifest: 1024 * 1024,
}

/** What was found in a zip that is safe to publish. */
export interface PackageZip {
  /** The bytes of composer.json. */
  readonly manifest: Uint8Array
  readonly entries: number
  /** Bytes of all contents. */
  readonly inflated: number
  /** What a user of it may stumble over, one sentence each. */
  readonly warnings: readonly string[]
}

const MAX_LINK_BYTES = 1_024
const SYMBOLIC_LINK = 0o120000
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Reads a zip that a stranger made, from the first byte to the last, and returns its composer.json. Every reader sees
 * the same files in it, none of them leaves the directory it is extracted into, and each has the content that its
 * CRC-32 says. Memory: the central directory and pieces of 256 KiB. Yields to the event loop every few milliseconds.
 *
 * Throws AppError('invalid') with the reason, and the signal's reason when aborted.
 */
export async function readPackageZip(
  path: string,
  options: { signal: AbortSignal; bounds?: ZipBounds; fs?: FileSystem },
): Promise<PackageZip> {
  const { signal, bounds = ZIP_BOUNDS, fs = nodeFs } = options
  const pacer = new Pacer(signal)
  const file = await ByteSource.open(path, fs)
  try {
    const directory = await readDirectory(file, bounds.entries)
    await checkNames(directory.members, pacer)
    const inflated = checkSizes(directory.members, file.size, bounds)
    const places = inOrder(directory)
    const top = topLevel(directory.members)
    const manifest = manifestMember(directory.members, top)
    if (manifest.size > bounds.manifest) throw refusedZip(`its composer.json is larger than ${bounds.manifest} bytes`)
    const content = await verifyAll(file, places, manifest, pacer)
    return { manifest: content, entries: places.length, inflated, warnings: warningsOf(manifest, directory.members) }
  } finally {
    await file.close()
  }
}

function checkSizes(members: readonly ZipMember[], size: number, bounds: ZipBounds): number {
  const inflated = members.reduce((sum, member) => sum + member.size, 0)
  if (inflated > bounds.inflated) throw refusedZip(`its contents are larger than ${bounds.inflated} bytes together`)
  if (inflated > bounds.ratioFrom && inflated > bounds.ratio * size) {
    throw refusedZip(`its contents are more than ${bounds.ratio} times larger than itself`)
  }
  return inflated
}

/** Entries by where they are. The first starts the file, and each ends where the next starts: no gap, no overlap. */
function inOrder({ members, offset }: ZipDirectory): MemberPlace[] {
  const sorted = members.toSorted((left, right) => left.offset - right.offset)
  if (sorted[0]?.offset !== 0) throw refusedZip('there is something in front of its first entry')
  return sorted.map((member, index) => {
    const end = sorted[index + 1]?.offset ?? offset
    if (end <= member.offset) throw refusedZip('two entries overlap', member.name)
    return { member, end }
  })
}

async function verifyAll(
  file: ByteSource,
  places: readonly MemberPlace[],
  manifest: ZipMember,
  pacer: Pacer,
): Promise<Uint8Array> {
  let found: Uint8Array | null = null
  for (const place of places) {
    const { member } = place
    const link = isLink(member)
    if (link && member.size > MAX_LINK_BYTES) throw refusedZip('the target of a symbolic link is too long', member.name)
    const content = await verifyMember(file, place, pacer, link || member === manifest)
    if (link && content) checkLink(member.name, targetOf(content, member.name))
    if (member === manifest) found = content
    await pacer.step()
  }
  if (found === null) throw refusedZip('it has no composer.json')
  return found
}

function targetOf(content: Uint8Array, name: string): string {
  try {
    return UTF8.decode(content)
  } catch {
    throw refusedZip('the target of a symbolic link is not UTF-8', name)
  }
}

function isLink(member: ZipMember): boolean {
  return (member.mode & 0o170000) === SYMBOLIC_LINK
}

/** Top-level names, directories with a `/`; what macOS adds is not counted (`Composer: Util\Zip::locateFile`). */
function topLevel(members: readonly ZipMember[]): Set<string> {
  const top = new Set<string>()
  for (const { name } of members) {
    const slash = name.indexOf('/')
    const first = slash < 0 ? name : name.slice(0, slash + 1)
    if (first !== '__MACOSX/') top.add(first)
  }
  return top
}

/** composer.json at the root, or in the only top-level directory (`Composer: Util\Zip::locateFile`). */
function manifestMember(members: readonly ZipMember[], top: ReadonlySet<string>): ZipMember {
  const named = (name: string) => members.find((member) => member.name === name)
  const [only = '', ...more] = top
  const found =
    named('composer.json') ?? (more.length === 0 && only.endsWith('/') ? named(`${only}composer.json`) : null)
  if (!found) {
    throw refusedZip('there is no composer.json at its root, nor in a directory that is the only thing at its root')
  }
  if (isLink(found)) throw refusedZip('its composer.json is a symbolic link')
  return found
}

function warningsOf(manifest: ZipMember, members: readonly ZipMember[]): string[] {
  const wrapped = manifest.name.includes('/')
  if (!wrapped || !members.some(({ name }) => name.startsWith('__MACOSX/'))) return []
  return [
    'Beside its directory the zip has __MACOSX, so Composer will not strip that directory when it installs the package; make the zip without resource forks.',
  ]
}

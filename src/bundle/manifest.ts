import { asObject } from '../composer/json.ts'
import { packageNameProblem } from '../composer/package-name.ts'
import { MAX_VERSION_LENGTH } from '../composer/version-parser.ts'
import { AppError } from '../errors.ts'

/** Name of the file that lists all others of an export. */
export const MANIFEST = 'manifest.json'
/** Form of the manifest; another one means that older programs cannot read it. */
const FORMAT = 1

/** What an export holds. */
export interface Manifest {
  /** Address of the server it was made from. */
  readonly origin: string
  /** How addresses of archives in its documents begin. */
  readonly baseUrl: string
  /** Unix seconds. */
  readonly createdAt: number
  readonly files: readonly ManifestFile[]
}

/** A file of an export. */
export interface ManifestFile {
  /** Below the directory, words joined by slashes. */
  readonly path: string
  /** Bytes. */
  readonly size: number
  /** Lower-case hexadecimal. */
  readonly sha256: string
  /** What an archive is; absent for other files. */
  readonly archive?: ManifestArchive
}

/** What an archive of an export is. */
export interface ManifestArchive {
  readonly package: string
  readonly version: string
  /** Path and query at the server it came from. */
  readonly address: string
  readonly reference: string
  /** Lower-case hexadecimal. */
  readonly sha1: string
}

/** Largest manifest that is read, in bytes. */
export const MAX_MANIFEST_BYTES = 64 * 1_048_576
const MOST_FILES = 100_000
const LONGEST_PATH = 1_000
const LONGEST_TEXT = 2_000
const WORD = /^(?!\.{1,2}$)[A-Za-z0-9._~+-]{1,255}$/

/** The text of a manifest, its files in the order of their paths. */
export function manifestText({ origin, baseUrl, createdAt, files }: Manifest): string {
  const listed = [...files].sort((one, other) => (one.path < other.path ? -1 : 1))
  const manifest = { format: FORMAT, origin, base_url: baseUrl, created_at: createdAt, files: listed }
  return `${JSON.stringify(manifest, null, 2)}\n`
}

/** Reads a manifest, which may be from a stranger. Throws AppError('invalid') for anything but a complete one. */
export function readManifest(text: string): Manifest {
  const manifest = parse(text)
  const { format, origin, base_url: baseUrl, created_at: createdAt, files } = manifest
  if (format !== FORMAT) throw invalid(`its format is not ${FORMAT}; another version of this program wrote it`)
  if (!isOrigin(origin)) throw invalid('origin is no http address without credentials')
  if (typeof baseUrl !== 'string' || baseUrl.length > LONGEST_TEXT) throw invalid('base_url is no address')
  if (typeof createdAt !== 'number' || !Number.isSafeInteger(createdAt)) throw invalid('created_at is no time')
  if (!Array.isArray(files) || files.length > MOST_FILES) throw invalid(`files is no list of at most ${MOST_FILES}`)
  const read = files.map(readFile)
  const paths = new Set(read.map(({ path }) => path.toLowerCase()))
  if (paths.size !== read.length) throw invalid('a file is in it twice')
  return { origin, baseUrl, createdAt, files: read }
}

/** True for a path that stays below its directory on every system, and that no shell or server reads as something else. */
export function isSafePath(path: string): boolean {
  return path.length <= LONGEST_PATH && path.split('/').every((word) => WORD.test(word))
}

function parse(text: string): Record<string, unknown> {
  try {
    const manifest = asObject(JSON.parse(text))
    if (manifest) return manifest
  } catch (cause) {
    throw new AppError('invalid', `${MANIFEST} cannot be used: it is no JSON.`, { cause })
  }
  throw invalid('it is no JSON object')
}

function readFile(entry: unknown): ManifestFile {
  const { path, size, sha256, archive } = asObject(entry) ?? {}
  if (typeof path !== 'string' || !isSafePath(path) || path === MANIFEST) {
    throw invalid(`${JSON.stringify(path)?.slice(0, 200)} is no path of a file in it`)
  }
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) throw invalid(`the size of ${path} is none`)
  if (!isHexadecimal(sha256, 64)) throw invalid(`the SHA-256 of ${path} is none`)
  return { path, size, sha256, ...(archive === undefined ? {} : { archive: readArchive(path, archive) }) }
}

function readArchive(path: string, entry: unknown): ManifestArchive {
  const { package: name, version, address, reference, sha1 } = asObject(entry) ?? {}
  const isName = typeof name === 'string' && packageNameProblem(name) === null
  const isVersion = typeof version === 'string' && version !== '' && version.length <= MAX_VERSION_LENGTH
  if (!isName || !isVersion || !isHexadecimal(sha1, 40)) throw invalid(`what ${path} is the archive of is unclear`)
  if (typeof address !== 'string' || !address.startsWith('/dist/') || address.length > LONGEST_TEXT) {
    throw invalid(`the address of ${path} is none`)
  }
  if (typeof reference !== 'string' || reference.length > LONGEST_TEXT)
    throw invalid(`the reference of ${path} is none`)
  return { package: name, version, address, reference, sha1 }
}

function isHexadecimal(value: unknown, length: number): value is string {
  return typeof value === 'string' && value.length === length && /^[0-9a-f]+$/.test(value)
}

function isOrigin(value: unknown): value is string {
  if (typeof value !== 'string' || value.length > LONGEST_TEXT || !URL.canParse(value)) return false
  const { protocol, username, password, search, hash } = new URL(value)
  return /^https?:$/.test(protocol) && username + password + search + hash === '' && !value.endsWith('/')
}

function invalid(reason: string): AppError {
  return new AppError('invalid', `${MANIFEST} cannot be used: ${reason}.`)
}

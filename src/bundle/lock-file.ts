import { asObject, jsonValue, type RawFields } from '../composer/json.ts'
import { JsonScanner } from '../composer/json-scanner.ts'
import { packageNameProblem } from '../composer/package-name.ts'
import { MAX_VERSION_LENGTH } from '../composer/version-parser.ts'
import { AppError } from '../errors.ts'

/** A package that a lock file names. */
export interface LockedPackage {
  /** Lower-case full name. */
  readonly name: string
  /** As its author wrote it. */
  readonly version: string
  /** True for one that only development needs. */
  readonly dev: boolean
  /** Of its `dist`, or of its `source` without one; '' when neither has any. */
  readonly reference: string
  /** Null for a metapackage, and for one that is only had from its source. */
  readonly dist: { readonly url: string; readonly shasum: string } | null
  /** Everything the lock file says of it. */
  readonly fields: RawFields
}

/** A lock file that was read. */
export interface LockFile {
  /** Its text as it was. */
  readonly text: string
  readonly packages: readonly LockedPackage[]
  /** Values in the text that an export replaces. */
  readonly places: readonly Place[]
}

/** A value in the text of a lock file, both ends as offsets. `at` is the index of its package. */
interface Place {
  readonly what: 'url' | 'mirrors' | 'transport-options'
  readonly at: number
  readonly start: number
  readonly end: number
}

/** Largest lock file that is read, in bytes. */
export const MAX_LOCK_BYTES = 32 * 1_048_576
const MOST_PACKAGES = 10_000
const LONGEST_TEXT = 2_000
/** User and password in an address, slashes written either way. */
const CREDENTIALS = /(:(?:\/\/|\\\/\\\/))[^\s"/\\@]{1,2000}@/g

/** Reads composer.lock. Throws AppError('invalid') for a text that is none, or that names what no package can be. */
export function readLockFile(text: string): LockFile {
  const packages: LockedPackage[] = []
  const places: Place[] = []
  let listed = false
  const scanner = new JsonScanner(text)
  scanner.document((key) => {
    const isList = scanner.next() === 'list'
    if (!isList || (key !== 'packages' && key !== 'packages-dev')) {
      scanner.value()
      return
    }
    listed ||= key === 'packages'
    scanner.items(() => {
      if (packages.length >= MOST_PACKAGES) throw invalid(`it names more than ${MOST_PACKAGES} packages`)
      if (scanner.next() !== 'object') throw invalid('a package in it is no object')
      const fields = readFields(scanner, packages.length, places)
      packages.push(lockedPackage(fields, key === 'packages-dev'))
    })
  })
  if (!listed) throw invalid('it has no list of packages')
  return { text, packages, places }
}

/**
 * The text with the addresses of archives that `addressOf` gives; null leaves one as it is. Mirrors and options of
 * transport, which lead elsewhere and may hold secrets, are emptied, and passwords in addresses left out. Everything else
 * stays byte for byte.
 */
export function withAddresses(lock: LockFile, addressOf: (locked: LockedPackage) => string | null): string {
  let text = ''
  let done = 0
  for (const { what, at, start, end } of lock.places) {
    const locked = lock.packages[at]
    const address = what === 'url' && locked ? addressOf(locked) : null
    const value = what === 'url' ? (address === null ? lock.text.slice(start, end) : JSON.stringify(address)) : '[]'
    text += lock.text.slice(done, start) + value
    done = end
  }
  return withoutCredentials(text + lock.text.slice(done))
}

/** A JSON text without user and password in any address. */
export function withoutCredentials(text: string): string {
  return text.replace(CREDENTIALS, '$1')
}

function readFields(scanner: JsonScanner, at: number, places: Place[]): RawFields {
  const fields = new Map<string, string>()
  const place = (what: Place['what']) => {
    scanner.next()
    const start = scanner.position
    const value = scanner.value()
    places.push({ what, at, start, end: scanner.position })
    return value
  }
  scanner.members((key) => {
    if (key === 'transport-options') fields.set(key, place(key))
    else if (key !== 'dist' || scanner.next() !== 'object') fields.set(key, scanner.value())
    else {
      const dist = new Map<string, string>()
      scanner.members((part) => {
        dist.set(part, part === 'url' || part === 'mirrors' ? place(part) : scanner.value())
      })
      fields.set(key, `{${[...dist].map(([part, value]) => `${JSON.stringify(part)}:${value}`).join(',')}}`)
    }
  })
  return fields
}

function lockedPackage(fields: RawFields, dev: boolean): LockedPackage {
  const name = shortText(jsonValue(fields.get('name')))
  const problem = packageNameProblem(name)
  if (problem !== null) throw invalid(problem)
  const version = shortText(jsonValue(fields.get('version')))
  if (version === '' || version.length > MAX_VERSION_LENGTH) throw invalid(`the version of ${name} is none`)
  const dist = asObject(jsonValue(fields.get('dist')))
  const source = asObject(jsonValue(fields.get('source')))
  return {
    ...{ name: name.toLowerCase(), version, dev, fields },
    reference: shortText(dist?.reference) || shortText(source?.reference),
    dist: dist === null ? null : { url: shortText(dist.url), shasum: shortText(dist.shasum).toLowerCase() },
  }
}

/** '' for what is no text, or too long for what it should be. */
function shortText(value: unknown): string {
  return typeof value === 'string' && value.length <= LONGEST_TEXT ? value : ''
}

function invalid(reason: string): AppError {
  return new AppError('invalid', `The lock file cannot be used: ${reason}.`)
}

import { AppError } from '../errors.ts'
import { withoutControls } from '../printable.ts'
import { asObject, jsonValue, type RawFields, readJsonObject } from './json.ts'
import { withPrintableTexts } from './printed-fields.ts'

/** A composer.json that is JSON; whether clients can use it is for `manifestProblem`. */
export interface Manifest {
  /** Every top-level field as written. */
  readonly fields: RawFields
  /** `name` as written; undefined when absent or empty. Anything but a string is refused later, as a package name. */
  readonly name: unknown
  /** `version` as text, the way PHP turns a scalar into one; undefined when absent, null when it is none. */
  readonly version: string | null | undefined
}

/** Fields that are decided by the repository, or that Composer reads only in the root package. Never served. */
const WITHHELD: ReadonlySet<string> = new Set([
  'name',
  'version',
  'version_normalized',
  'uid',
  'time',
  'published-time',
  'dist',
  'source',
  'default-branch',
  'notification-url',
  'installation-source',
  'transport-options',
  'repositories',
  'config',
  'minimum-stability',
  'prefer-stable',
])

/**
 * Reads the bytes of a composer.json. Throws `AppError('invalid')` or `AppError('too_large')` with the reason: no JSON
 * object that PHP reads, or an empty one, which Composer takes for none. Composer: `VcsDriver::getComposerInformation`.
 */
export function readManifest(content: Uint8Array): Manifest {
  const fields = readJsonObject(content)
  if (fields.size === 0) throw new AppError('invalid', 'the file is an empty object')
  const name = jsonValue(fields.get('name'))
  return { fields, name: isEmpty(name) ? undefined : name, version: versionText(jsonValue(fields.get('version'))) }
}

/** The fields that clients get of a manifest, in its order and as written but for control characters in what is printed. */
export function servedFields(manifest: Manifest): RawFields {
  return withPrintableTexts(new Map([...manifest.fields].filter(([key]) => !WITHHELD.has(key))))
}

/** What listings show of a package, for people: plain text without control characters. */
export function manifestSummary(manifest: Manifest): {
  type: string
  description: string | null
  /** Null when the manifest does not say it. */
  abandoned: boolean | string | null
} {
  const type = jsonValue(manifest.fields.get('type'))
  const description = jsonValue(manifest.fields.get('description'))
  return {
    type: typeof type === 'string' && type !== '' ? printable(type).toLowerCase() : 'library',
    description: typeof description === 'string' && description !== '' ? printable(description) : null,
    abandoned: abandonment(jsonValue(manifest.fields.get('abandoned'))),
  }
}

function abandonment(said: unknown): boolean | string | null {
  if (said === undefined || said === null) return null
  return typeof said === 'string' && said !== '' ? printable(said) : !isEmpty(said)
}

/** When the manifest says it was released, in Unix seconds; null when it does not, or in no form that is read. */
export function manifestTime(manifest: Manifest): number | null {
  const time = jsonValue(manifest.fields.get('time'))
  return typeof time === 'string' && time !== '0' ? parseTime(time) : null
}

/** PHP `empty`. */
export function isEmpty(value: unknown): boolean {
  if (Array.isArray(value)) return value.length === 0
  const object = asObject(value)
  if (object !== null) return Object.keys(object).length === 0
  return value === undefined || value === null || value === false || value === 0 || value === '' || value === '0'
}

function versionText(value: unknown): string | null | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof value === 'boolean') return value ? '1' : ''
  return typeof value === 'string' || typeof value === 'number' ? String(value) : null
}

const TIME =
  /^(\d{4})-(\d{1,2})-(\d{1,2})(?:[T ](\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d{1,9})?)?)? ?(?:Z|UTC|([+-])(\d{2}):?(\d{2}))?$/

function parseTime(text: string): number | null {
  if (/^\d{1,11}$/.test(text)) return Number(text)
  const parts = TIME.exec(text)
  if (parts === null) return null
  const [year, month, day, hour, minute, second] = parts.slice(1, 7).map((part) => Number(part ?? 0))
  if (!inRange(month, 1, 12) || !inRange(day, 1, 31) || !inRange(hour, 0, 23) || !inRange(minute, 0, 59)) return null
  const local = Date.UTC(year ?? 0, (month ?? 1) - 1, day, hour, minute, second) / 1000
  const offset = Number(parts[8] ?? 0) * 3600 + Number(parts[9] ?? 0) * 60
  return parts[7] === '-' ? local + offset : local - offset
}

function inRange(value: number | undefined, least: number, most: number): boolean {
  return value !== undefined && value >= least && value <= most
}

function printable(text: string): string {
  return withoutControls(text).trim()
}

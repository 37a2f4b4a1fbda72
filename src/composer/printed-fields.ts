import { hasControls, withoutControls, withoutControlsInLines } from '../printable.ts'
import { asObject, type RawFields } from './json.ts'

/** What clients print of a version, for people to read. */
const PRINTED = [
  ...['description', 'keywords', 'homepage', 'license', 'authors', 'support', 'funding', 'suggest'],
  ...['abandoned', 'type'],
] as const
/** Quick to see: escapes that may stand for a control character other than the end of a line, which stays. */
const ESCAPED = /\\(?:[bfrt]|u(?:00[01789]|061|20[026]|feff))/i

/**
 * Fields that clients print, without what would steer a terminal: older ones print texts of a package as they come
 * (Composer: CVE-2025-67746). Everything else, and every text without such characters, stays as it was written.
 */
export function withPrintableTexts(fields: RawFields): RawFields {
  const cleaned = PRINTED.flatMap((key): [string, string][] => {
    const raw = fields.get(key)
    const text = raw === undefined ? undefined : printableJson(raw)
    return text === undefined || text === raw ? [] : [[key, text]]
  })
  return cleaned.length === 0 ? fields : new Map([...fields, ...cleaned])
}

function printableJson(raw: string): string {
  if (!ESCAPED.test(raw) && !hasControls(raw)) return raw
  const value = JSON.parse(raw)
  const cleaned = JSON.stringify(printableValue(value))
  return cleaned === JSON.stringify(value) ? raw : cleaned
}

function printableValue(value: unknown): unknown {
  if (typeof value === 'string') return withoutControlsInLines(value)
  if (Array.isArray(value)) return value.map(printableValue)
  const object = asObject(value)
  if (object === null) return value
  return Object.fromEntries(
    Object.entries(object).map(([key, member]) => [withoutControls(key), printableValue(member)]),
  )
}

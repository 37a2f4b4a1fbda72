import { AppError } from '../errors.ts'
import { scanJsonObject } from './json-scanner.ts'

/**
 * The top-level fields of a JSON object in their written order: key to compact JSON text. The text is never re-typed,
 * so `1.0`, big integers, `{}` against `[]` and the order of nested keys reach clients as their author wrote them.
 */
export type RawFields = ReadonlyMap<string, string>

/** Largest JSON file that is read, in bytes. */
export const MAX_JSON_BYTES = 1_048_576

/**
 * Reads the bytes of a JSON file that must hold an object. A key that occurs twice has its last value at its first
 * place, as in PHP. Throws `AppError('invalid')`, with the line where the text stops being JSON that PHP reads, or
 * `AppError('too_large')` beyond `MAX_JSON_BYTES`.
 */
export function readJsonObject(bytes: Uint8Array): RawFields {
  if (bytes.length > MAX_JSON_BYTES) {
    throw new AppError('too_large', `the file is larger than ${MAX_JSON_BYTES} bytes`)
  }
  return scanJsonObject(decodeUtf8(bytes))
}

/** The value of compact JSON text out of `RawFields`, for reading by rules; writing it again would lose its form. */
export function jsonValue(raw: string | undefined): unknown {
  return raw === undefined ? undefined : JSON.parse(raw)
}

/** Writes fields as one JSON object, in their order and without blanks. */
export function writeJsonObject(fields: Iterable<readonly [string, string]>): string {
  const members: string[] = []
  for (const [key, raw] of fields) members.push(`${JSON.stringify(key)}:${raw}`)
  return `{${members.join(',')}}`
}

/** The value as an object with string keys, or null for anything else, lists included. */
export function asObject(value: unknown): Record<string, unknown> | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : null
}

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (cause) {
    throw new AppError('invalid', 'the file is not encoded in UTF-8', { cause })
  }
}

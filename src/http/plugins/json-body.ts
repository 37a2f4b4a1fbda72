import { AppError, messageOf } from '../../errors.ts'
import { readBytes } from './body-bytes.ts'

/** Largest JSON body, in bytes. */
const LARGEST = 1024 * 1024
/** Deepest nesting of a JSON body: what checks it against a schema is recursive, and describes every wrong level. */
const DEEPEST = 64

/**
 * The JSON body of a request; null when there is none, whatever content type it names.
 * Throws AppError('too_large') as soon as it is known to be, and AppError('invalid') for anything but a JSON object.
 */
export async function readJsonBody(request: Request): Promise<object | null> {
  const bytes = await readBytes(request, LARGEST)
  if (bytes.length === 0) return null
  const type = request.headers.get('content-type')?.split(';')[0]?.trim().toLowerCase() ?? ''
  if (type !== '' && type !== 'application/json' && !/^application\/[a-z0-9.-]{1,100}\+json$/.test(type)) {
    throw new AppError('invalid', 'The body has to be JSON, sent with the header Content-Type: application/json.')
  }
  if (isTooDeep(bytes)) throw new AppError('invalid', `The body is nested deeper than ${DEEPEST} levels.`)
  const body = parse(bytes)
  // Elysia lets anything that is empty pass for an optional body: [], 0, "" and false too.
  if (typeof body === 'object' && body !== null && !Array.isArray(body)) return body
  throw new AppError('invalid', 'The body has to be a JSON object.')
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (cause) {
    const where = cause instanceof SyntaxError ? messageOf(cause).replace(/^JSON Parse error: /, '') : 'it is not UTF-8'
    throw new AppError('invalid', `The body is not valid JSON: ${where.slice(0, 200)}.`, { cause })
  }
}

const QUOTE = 0x22
const BACKSLASH = 0x5c

/** Counts brackets outside of strings; the text need not be JSON. */
function isTooDeep(bytes: Uint8Array): boolean {
  let depth = 0
  let inString = false
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at]
    if (byte === QUOTE) inString = !inString
    else if (inString) at += byte === BACKSLASH ? 1 : 0
    // [ and {, ] and } differ by one bit.
    else if (byte === 0x5b || byte === 0x7b) depth++
    else if (byte === 0x5d || byte === 0x7d) depth--
    if (depth > DEEPEST) return true
  }
  return false
}

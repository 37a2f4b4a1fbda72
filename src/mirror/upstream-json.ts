import { isAppError } from '../errors.ts'
import { protocolError } from './response-body.ts'

/**
 * What `read` makes of the JSON text that came from an address. `read` may throw AppError('invalid') for what is no
 * JSON. Throws AppError('upstream') with reason `protocol` and a sentence that names the host.
 */
export function readJson<T>(url: string, bytes: Uint8Array, read: (text: string) => T): T {
  const text = decoded(url, bytes)
  try {
    return read(text)
  } catch (error) {
    if (!isAppError(error, 'invalid')) throw error
    throw unreadable(url, text, error)
  }
}

/** The same for reading that takes its time. */
export async function readJsonSlowly<T>(
  url: string,
  bytes: Uint8Array,
  read: (text: string) => Promise<T>,
): Promise<T> {
  const text = decoded(url, bytes)
  try {
    return await read(text)
  } catch (error) {
    if (!isAppError(error, 'invalid')) throw error
    throw unreadable(url, text, error)
  }
}

function decoded(url: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (cause) {
    throw protocolError(`${new URL(url).host} answered with something that is not UTF-8.`, cause)
  }
}

function unreadable(url: string, text: string, cause: Error): Error {
  const { host } = new URL(url)
  if (/^\s*</.test(text.slice(0, 100))) {
    return protocolError(`${host} answered with a web page where Composer metadata should be.`, cause)
  }
  return protocolError(`${host} answered with something that is no Composer metadata: ${cause.message}.`, cause)
}

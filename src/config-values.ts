import { resolve } from 'node:path'
import { AppError } from './errors.ts'
import { type NetworkList, parseNetworks } from './networks.ts'

/*
 * How the texts of variables are read. Each gives the default for undefined, and throws AppError('invalid') saying what
 * is allowed.
 */

/** Reads the text of a variable; `soFar` is what the variables before it came to. */
export type ReadValue = (text: string | undefined, soFar: { readonly dataDir?: string }) => unknown

/** A whole number in these bounds. */
export function integer(fallback: number, lowest: number, highest: number): ReadValue {
  return (text) => {
    if (text === undefined) return fallback
    const value = Number(text)
    if (/^\d{1,16}$/.test(text) && value >= lowest && value <= highest) return value
    throw new AppError('invalid', `needs a whole number from ${lowest} to ${highest}.`)
  }
}

/** One of some words. */
export function oneOf(fallback: string, allowed: readonly string[]): ReadValue {
  return (text) => {
    if (text === undefined || allowed.includes(text)) return text ?? fallback
    throw new AppError('invalid', `needs one of ${allowed.join(', ')}.`)
  }
}

/** One line of text for people. */
export function sentence(text: string | undefined): string | null {
  if (text === undefined) return null
  if (text.length <= 500 && !/[\p{C}\p{Zl}\p{Zp}]/u.test(text)) return text
  throw new AppError('invalid', 'needs one line of at most 500 characters.')
}

/** CIDRs, comma-separated. */
export function networks(text: string | undefined): NetworkList {
  return parseNetworks(text ?? '')
}

/** Vendors, comma-separated; lower-case afterwards. */
export function vendors(text: string | undefined): readonly string[] {
  const names = entries(text).map((entry) => entry.toLowerCase())
  if (names.every((name) => /^[a-z0-9](?:[_.-]?[a-z0-9])*$/.test(name))) return [...new Set(names)]
  throw new AppError('invalid', 'needs vendors like acme, comma-separated, without a slash.')
}

/** Paths, comma-separated; absolute afterwards. */
export function directories(text: string | undefined): readonly string[] {
  return entries(text).map((entry) => resolve(entry))
}

function entries(text: string | undefined): string[] {
  return (text ?? '')
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '')
}

/** An origin, perhaps with a path. */
export function baseUrl(text: string | undefined): string | null {
  if (text === undefined) return null
  const url = URL.canParse(text) ? new URL(text) : null
  const plain =
    url && (url.protocol === 'https:' || url.protocol === 'http:') && !url.search && !url.hash && !url.username
  if (!plain)
    throw new AppError(
      'invalid',
      'needs an http or https address without query or credentials, like https://packages.example.com.',
    )
  return url.href.replace(/\/+$/, '')
}

/** Address of a database. */
export function databaseUrl(text: string | undefined, soFar: { readonly dataDir?: string }): string {
  const value = text ?? `file:${soFar.dataDir}/package-broker.db`
  if (/^(?:file:.|libsql:\/\/|https?:\/\/)/.test(value) && !value.includes(':memory:')) return value
  throw new AppError('invalid', 'needs a file: path, or a libsql://, https:// or http:// address.')
}

/** Base64 of 32 bytes. */
export function encryptionKey(text: string | undefined): Uint8Array | null {
  if (text === undefined) return null
  const key = /^[A-Za-z0-9+/]{43}=?$/.test(text) ? Buffer.from(text, 'base64') : null
  if (key?.length === 32) return new Uint8Array(key)
  throw new AppError('invalid', 'needs the base64 form of exactly 32 bytes, as `openssl rand -base64 32` prints it.')
}

/** A token that cannot be guessed. */
export function adminToken(text: string | undefined): string | null {
  if (text === undefined) return null
  if (/^[\x21-\x7e]{32,512}$/.test(text)) return text
  throw new AppError('invalid', 'needs at least 32 printable characters without spaces.')
}

/** A switch that is off unless it is on. */
export function onOff(text: string | undefined): boolean {
  if (text === undefined || /^(?:off|false|0)$/i.test(text)) return false
  if (/^(?:on|true|1)$/i.test(text)) return true
  throw new AppError('invalid', 'is `on` or `off`.')
}

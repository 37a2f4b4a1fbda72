import { AppError } from '../errors.ts'
import { type GithubApp, parseGithubApp } from './hosts/github-app.ts'
import { hostCredential, isHostType } from './hosts/host-credential.ts'
import type { SourceCredentials } from './source.ts'

/** The kinds of credential a repository can have, as `credential_type` names them. */
export const CREDENTIAL_TYPES = [
  'none',
  'token',
  'http_basic',
  'ssh_key',
  'github_app',
  'bearer',
  'custom_header',
] as const

/** One of the kinds of credential. */
export type CredentialType = (typeof CREDENTIAL_TYPES)[number]

/** Longest credential accepted, in characters; a 16,384-bit RSA key in PEM form has about 12,500. */
const LONGEST = 20_000

/**
 * Reads `auth_credentials` of the management API: a string or an object, by `credential_type`.
 * Throws AppError('invalid') with the expected form in `details.fields`; the value itself is never repeated.
 */
export function parseCredentials(type: CredentialType, value: unknown): SourceCredentials {
  if (type === 'none') {
    if (value === undefined || value === null) return { type }
    throw wrong('nothing, because credential_type is none')
  }
  if (JSON.stringify(value ?? '').length > LONGEST) throw wrong(`at most ${LONGEST} characters`)
  if (type === 'token') return { type, token: line(text(value, 'token'), 'the token as a string') }
  if (type === 'ssh_key') return { type, privateKey: privateKey(text(value, 'private_key')) }
  if (type === 'bearer') return { type, token: headerText(text(value, 'token'), 'the token, printable ASCII') }
  if (type === 'custom_header') return { type, ...customHeader(value) }
  if (type === 'github_app') return { type, ...githubApp(value) }
  return { type, ...userAndPassword(value) }
}

/**
 * The same for a repository of this `vcs_type`. Also throws AppError('invalid') for a form of token that its host has
 * retired or that cannot be kept, with advice.
 */
export function parseCredentialsFor(vcsType: string, type: CredentialType, value: unknown): SourceCredentials {
  const credentials = parseCredentials(type, value)
  if (isHostType(vcsType)) hostCredential(vcsType, credentials)
  return credentials
}

/**
 * Throws AppError('invalid') for a kind of credential that a repository of this `vcs_type` cannot be opened with; a
 * kind that depends on the address as well is judged with it.
 */
export function checkCredentialType(vcsType: string, type: CredentialType): void {
  const elsewhere = vcsType === 'github' ? undefined : FOR_GITHUB[type]
  const sentence = elsewhere ?? (vcsType === 'composer' ? FOR_COMPOSER[type] : FOR_GIT[type])
  if (sentence === undefined) return
  throw new AppError('invalid', `credential_type ${sentence}.`, { details: { fields: { credential_type: sentence } } })
}

const FOR_GITHUB: { readonly [Type in CredentialType]?: string } = {
  github_app: 'github_app is for vcs_type github',
}

const FOR_COMPOSER: { readonly [Type in CredentialType]?: string } = {
  token: 'token is for git hosts; a Composer repository takes a token as bearer, http_basic or custom_header',
  ssh_key: 'ssh_key is for git over ssh; a Composer repository is asked over http or https',
}

const FOR_GIT: { readonly [Type in CredentialType]?: string } = {
  bearer: 'bearer is for vcs_type composer; a git host takes its token as credential_type token',
  custom_header: 'custom_header is for vcs_type composer; a git host takes token, http_basic or ssh_key',
}

/** The text to seal; `restoreCredentials` reads it back. */
export function storedCredentials(credentials: SourceCredentials): string {
  return JSON.stringify(credentials)
}

/** Credentials from the text that `storedCredentials` made. */
export function restoreCredentials(stored: string): SourceCredentials {
  return JSON.parse(stored) as SourceCredentials
}

function text(value: unknown, key: string): string {
  if (typeof value === 'string') return value
  const inner = typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined
  if (typeof inner === 'string') return inner
  throw wrong(`a string, or an object with “${key}”`)
}

/** A value that goes into a header: no line break may get in with it. */
function line(value: string, expected: string): string {
  const trimmed = value.trim()
  if (/^[\x20-\x7e\u00a0-\uffff]+$/.test(trimmed)) return trimmed
  throw wrong(expected)
}

function userAndPassword(value: unknown): { username: string; password: string } {
  const expected = '"user:password", or an object with “username” and “password”'
  if (typeof value === 'string') {
    const colon = value.indexOf(':')
    if (colon < 1) throw wrong(expected)
    return { username: line(value.slice(0, colon), expected), password: line(value.slice(colon + 1), expected) }
  }
  const username = line(text(value, 'username'), expected)
  if (username.includes(':')) throw wrong('a user name without a colon')
  return { username, password: line(text(value, 'password'), expected) }
}

/** Headers that belong to the connection, or say what is asked rather than who asks. */
const NOT_A_CREDENTIAL =
  /^(?:host|connection|keep-alive|te|trailer|transfer-encoding|upgrade|expect|content-.*|proxy-.*|accept.*|if-.*|range|user-agent)$/i

function customHeader(value: unknown): { name: string; value: string } {
  const expected = '"Name: value", or an object with “name” and “value”'
  const [name, content] =
    typeof value === 'string' ? halves(value, expected) : [text(value, 'name'), text(value, 'value')]
  if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$/.test(name)) throw wrong(expected)
  if (NOT_A_CREDENTIAL.test(name)) throw wrong('a header that says who asks; the one given belongs to the connection')
  return { name, value: headerText(content, 'a value of printable ASCII') }
}

function halves(value: string, expected: string): [string, string] {
  const colon = value.indexOf(':')
  if (colon < 1) throw wrong(expected)
  return [value.slice(0, colon).trim(), value.slice(colon + 1)]
}

/** The value of a header as it is sent: characters beyond ASCII mean something else to each server. */
function headerText(value: string, expected: string): string {
  const trimmed = value.trim()
  if (/^[\x20-\x7e]+$/.test(trimmed)) return trimmed
  throw wrong(expected)
}

/** An object, or its JSON as a text, as it is read from a file. Ids may be numbers, as GitHub shows them. */
function githubApp(value: unknown): GithubApp {
  const expected = 'an object with “app_id”, “installation_id” and “private_key”, or its JSON'
  const object = typeof value === 'string' ? jsonObject(value, expected) : value
  const field = (key: string) => {
    const inner = typeof object === 'object' && object !== null ? (object as Record<string, unknown>)[key] : undefined
    if (typeof inner === 'string' || Number.isSafeInteger(inner)) return String(inner).trim()
    throw wrong(expected)
  }
  const key = `${field('private_key').replaceAll('\r\n', '\n')}\n`
  return parseGithubApp(field('app_id'), field('installation_id'), key)
}

function jsonObject(text: string, expected: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // The cause would quote the text.
    throw wrong(expected)
  }
}

function privateKey(value: string): string {
  const key = value.replaceAll('\r\n', '\n').trim()
  if (/^-----BEGIN [A-Z ]*PRIVATE KEY-----\n/.test(key) && /\n-----END [A-Z ]*PRIVATE KEY-----$/.test(key))
    return `${key}\n`
  throw wrong('a private key in OpenSSH or PEM form, with its first and last line')
}

function wrong(expected: string): AppError {
  return new AppError('invalid', `auth_credentials needs ${expected}.`, {
    details: { fields: { auth_credentials: expected } },
  })
}

import { randomBytes } from 'node:crypto'

/** What an id names; it is the first part of it. */
export type IdPrefix = 'repo' | 'tok' | 'pkg' | 'job' | 'flt' | 'disc'

/** A new opaque id such as `repo_9f2c…`: 120 random bits, URL-safe. */
export function newId(prefix: IdPrefix): string {
  return `${prefix}_${randomBytes(15).toString('base64url')}`
}

const LETTERS = '0123456789abcdefghjkmnpqrstvwxyz'

/** A new id of an advisory, such as `PB-9f2c-x0k4-7t1m`: 60 random bits, in the form that people know from registries. */
export function newAdvisoryId(): string {
  const letters = [...randomBytes(12)].map((byte) => LETTERS[byte % LETTERS.length]).join('')
  return `PB-${letters.slice(0, 4)}-${letters.slice(4, 8)}-${letters.slice(8)}`
}

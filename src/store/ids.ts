import { randomBytes } from 'node:crypto'

/** What an id names; it is the first part of it. */
export type IdPrefix = 'repo' | 'tok' | 'pkg' | 'job'

/** A new opaque id such as `repo_9f2c…`: 120 random bits, URL-safe. */
export function newId(prefix: IdPrefix): string {
  return `${prefix}_${randomBytes(15).toString('base64url')}`
}

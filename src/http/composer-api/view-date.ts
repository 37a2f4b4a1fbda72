import { createHash } from 'node:crypto'
import type { Scope } from '../../auth/scope.ts'

/** Views are dated between this moment and as long before it as the spread says: 1998 to 2023. In Unix seconds. */
const VIEWS_END = 1_700_000_000
const VIEW_SPREAD = 800_000_000

/**
 * The date of a document as a scope sees it, from the date of the document itself, both in Unix seconds. Two tokens may
 * share a client's cache, which knows the address of a document but not the token: so views are dated apart, and none
 * validates the copy of another. And a view is dated by what is in it alone, since the real date would tell of each
 * change that the scope does not see. A client compares dates for equality; those of a view do not rise.
 */
export function viewDate(scope: Scope, modifiedAt: number, content: string): number {
  return scope.key === '' ? modifiedAt : contentDate(scope, content)
}

/** The date of a document that only its content dates, in Unix seconds: another one for another content or scope. */
export function contentDate(scope: Scope, content: string): number {
  const digest = createHash('sha256').update(scope.key).update('\n').update(content).digest()
  return VIEWS_END - (digest.readUInt32BE(0) % VIEW_SPREAD)
}

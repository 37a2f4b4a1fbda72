import { createHash } from 'node:crypto'
import type { Scope } from '../../auth/scope.ts'

/** Views are dated up to this many seconds back, about 25 years. */
const VIEW_SPREAD = 800_000_000

/**
 * The date of a document as a scope sees it, from the date of the document itself, both in Unix seconds. Two tokens may
 * share a client's cache, which knows the address of a document but not the token. Views are therefore dated apart,
 * each by its own distance into the past, so that none ever validates the copy of another.
 */
export function viewDate(scope: Scope, modifiedAt: number): number {
  if (scope.key === '') return modifiedAt
  const distance = createHash('sha256').update(scope.key).digest().readUInt32BE(0) % VIEW_SPREAD
  return modifiedAt - distance - 1
}

import { createHash } from 'node:crypto'
import { asc, desc, gt, sql } from 'drizzle-orm'
import { turn } from '../pacer.ts'
import type { Queries } from './database.ts'
import { auditEntries } from './schema-access.ts'

/*
 * Every entry of the audit carries the hash of itself and of the entry before it, so that none can be changed, removed
 * or put between two others without all later hashes being wrong. Entries from before there were hashes are covered by
 * the first one that has one. That the newest are missing shows only against a hash that was noted elsewhere.
 */

/** An entry as it is hashed: `before` and `after` as the texts that are stored. */
export interface HashedEntry {
  readonly id: number
  readonly at: number
  readonly actor: string
  readonly action: string
  readonly subject: string
  readonly before: string | null
  readonly after: string | null
  readonly requestId: string
  readonly address: string | null
}

/** An entry with the hashes stored beside it; both null for one from before there were any. */
export type ChainedEntry = HashedEntry & { readonly previousHash: string | null; readonly hash: string | null }

/** The newest entry of a chain that was followed from its beginning. */
export interface ChainHead {
  /** 0 before the first entry. */
  readonly id: number
  readonly hash: string
}

/** The head of a chain without entries. */
export const NO_ENTRIES: ChainHead = { id: 0, hash: createHash('sha256').update('audit').digest('hex') }

/** Entries read at once. */
const PAGE = 500

/** SHA-256 of an entry and of the hash before it, hex. */
export function hashOf(entry: HashedEntry, previousHash: string): string {
  const { id, at, actor, action, subject, before, after, requestId, address } = entry
  const text = JSON.stringify([previousHash, id, at, actor, action, subject, before, after, requestId, address])
  return createHash('sha256').update(text).digest('hex')
}

/** Where the next entry is chained to, inside a write transaction. */
export async function chainHead(tx: Queries): Promise<ChainHead> {
  const last = await tx
    .select({ id: auditEntries.id, hash: auditEntries.hash })
    .from(auditEntries)
    .orderBy(desc(auditEntries.id))
    .limit(1)
    .get()
  if (!last) return NO_ENTRIES
  if (last.hash !== null) return { id: last.id, hash: last.hash }
  let head = NO_ENTRIES
  for await (const entry of entriesOf(tx)) head = { id: entry.id, hash: hashOf(entry, head.hash) }
  return head
}

/** Every entry, oldest first, page by page. */
export async function* entriesOf(read: Queries, after = Number.MIN_SAFE_INTEGER): AsyncGenerator<ChainedEntry> {
  for (let last = after; ; ) {
    const page = await read
      .select(CHAINED)
      .from(auditEntries)
      .where(gt(auditEntries.id, last))
      .orderBy(asc(auditEntries.id))
      .limit(PAGE)
    yield* page
    last = page.at(-1)?.id ?? last
    if (page.length < PAGE) return
    await turn()
  }
}

const CHAINED = {
  id: auditEntries.id,
  at: auditEntries.at,
  actor: auditEntries.actor,
  action: auditEntries.action,
  subject: auditEntries.subject,
  before: sql<string | null>`${auditEntries.before}`,
  after: sql<string | null>`${auditEntries.after}`,
  requestId: auditEntries.requestId,
  address: auditEntries.address,
  previousHash: auditEntries.previousHash,
  hash: auditEntries.hash,
}

/** What following the chain found. */
export interface ChainVerdict {
  readonly entries: number
  readonly head: ChainHead
  /** The first entry that does not fit, and why in one sentence; null when all do. */
  readonly broken: { readonly id: number; readonly reason: string } | null
  /** Hash of the entry that was asked for; null when there is none. */
  readonly witnessed: string | null
}

/** Follows the chain from its beginning. `witness` is the id of an entry whose hash is asked for. */
export async function followChain(read: Queries, witness = 0): Promise<ChainVerdict> {
  let head = NO_ENTRIES
  let entries = 0
  let chained = false
  let witnessed: string | null = null
  for await (const entry of entriesOf(read)) {
    const expected = hashOf(entry, head.hash)
    const reason = entry.hash === null ? (chained ? UNHASHED : null) : misfit(entry, head, expected)
    if (reason !== null) return { entries, head, broken: { id: entry.id, reason }, witnessed }
    chained ||= entry.hash !== null
    head = { id: entry.id, hash: expected }
    if (entry.id === witness) witnessed = expected
    entries++
  }
  return { entries, head, broken: null, witnessed }
}

const UNHASHED = 'It has no hash although the entries before it have one.'

function misfit(entry: ChainedEntry, before: ChainHead, expected: string): string | null {
  if (entry.previousHash !== before.hash) {
    return `It does not follow entry ${before.id}: an entry before it was changed, removed or added.`
  }
  return entry.hash === expected ? null : 'It is not what it was when it was written.'
}

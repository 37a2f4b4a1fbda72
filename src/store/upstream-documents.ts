import { promisify } from 'node:util'
import { gunzip, gzip } from 'node:zlib'
import { and, eq, sql } from 'drizzle-orm'
import type { Database, Queries } from './database.ts'
import { manyRows } from './many-rows.ts'
import { retiredDists, upstreamDocuments, upstreams } from './schema-upstream.ts'

/** Which document of which package at which upstream. */
export interface DocumentPlace {
  readonly repositoryId: string
  /** Lower-case full name. */
  readonly name: string
  readonly dev: boolean
}

/** A document as it is kept. Times are Unix seconds. */
export interface KeptDocument extends DocumentPlace {
  /** JSON text; null when the upstream has no such package. */
  readonly text: string | null
  readonly digest: string
  readonly etag: string | null
  readonly lastModified: string | null
  readonly firstSeen: Readonly<Record<string, number>>
  readonly fetchedAt: number
  readonly checkedAt: number
  readonly missingSince: number | null
  readonly modifiedAt: number
}

/** An archive that a document no longer names. */
export type RetiredDist = Omit<typeof retiredDists.$inferInsert, 'repositoryId' | 'name'>

/** What is written of a document: all of it, or that it was looked at again. */
export interface DocumentChange {
  readonly document: KeptDocument
  /** The text is another one. */
  readonly rewritten: boolean
  readonly retired: readonly RetiredDist[]
}

const squeeze = promisify(gzip)
const unsqueeze = promisify(gunzip)

/** Largest text that is read back, in bytes. */
const MAX_TEXT_BYTES = 64 * 1_048_576

/** Documents of packages as their upstreams gave them. */
export class UpstreamDocumentTable {
  constructor(private readonly db: Database) {}

  /** The document that is kept, or null. */
  async find(place: DocumentPlace): Promise<KeptDocument | null> {
    const row = await this.db.read.select().from(upstreamDocuments).where(at(place)).get()
    if (!row) return null
    const { body, ...rest } = row
    const text = body === null ? null : (await unsqueeze(body, { maxOutputLength: MAX_TEXT_BYTES })).toString('utf8')
    return { ...rest, text }
  }

  /** Writes changes in one transaction; those of upstreams that are gone are dropped. */
  async save(changes: readonly DocumentChange[]): Promise<void> {
    const bodies = await packedTexts(changes)
    await this.db.write(async (tx) => {
      for (const [index, change] of changes.entries()) await saveDocument(tx, change, bodies[index] ?? null)
    })
  }
}

/** The texts that changes write, as they are kept; null where a change writes none. */
export function packedTexts(changes: readonly DocumentChange[]): Promise<(Buffer | null)[]> {
  return Promise.all(
    changes.map(({ document, rewritten }) =>
      rewritten && document.text !== null ? squeeze(document.text, { level: 4 }) : null,
    ),
  )
}

/** Writes a change, with its packed text, inside a transaction. */
export async function saveDocument(tx: Queries, change: DocumentChange, body: Buffer | null): Promise<void> {
  const { text: _text, ...row } = change.document
  if (!change.rewritten) {
    const { etag, lastModified, checkedAt, missingSince } = row
    await tx.update(upstreamDocuments).set({ etag, lastModified, checkedAt, missingSince }).where(at(row))
    return
  }
  if (!(await tx.select().from(upstreams).where(eq(upstreams.repositoryId, row.repositoryId)).get())) return
  await tx
    .insert(upstreamDocuments)
    .values({ ...row, body })
    .onConflictDoUpdate({
      target: [upstreamDocuments.repositoryId, upstreamDocuments.name, upstreamDocuments.dev],
      set: { ...row, body, modifiedAt: sql`max(${upstreamDocuments.modifiedAt}, ${row.modifiedAt})` },
    })
  if (change.retired.length === 0) return
  const { repositoryId, name } = row
  const rows = change.retired.map((dist) => ({ ...dist, repositoryId, name }))
  await tx.insert(retiredDists).select(manyRows(retiredDists, rows)).onConflictDoNothing()
}

function at({ repositoryId, name, dev }: DocumentPlace) {
  return and(
    eq(upstreamDocuments.repositoryId, repositoryId),
    eq(upstreamDocuments.name, name),
    eq(upstreamDocuments.dev, dev),
  )
}

import { eq, sql } from 'drizzle-orm'
import type { Alongside, Database } from './database.ts'
import { upstreamFiles, upstreamIssues, upstreamNames, upstreams } from './schema-upstream.ts'
import { type DocumentChange, packedTexts, saveDocument } from './upstream-documents.ts'
import { packedFile, type UpstreamFile } from './upstream-files.ts'
import { changeUpstream } from './upstreams.ts'

/** What an import writes of an upstream. */
export interface ImportedRows {
  readonly documents: readonly DocumentChange[]
  /** The root document that tells which names there are, and those names; null to leave them as they are. */
  readonly root: { readonly file: UpstreamFile; readonly names: readonly string[]; readonly digest: string } | null
  /** What is shown about it among the issues of the repository. */
  readonly note: string
  /** Unix seconds. */
  readonly now: number
}

/** What of upstreams is taken from exports. */
export class UpstreamImportTable {
  constructor(private readonly db: Database) {}

  /** Writes all of it and what goes `alongside`, or nothing. Counts it as a change of the upstream. */
  async save(repositoryId: string, rows: ImportedRows, alongside: Alongside): Promise<void> {
    const { documents, root, note, now } = rows
    const bodies = await packedTexts(documents)
    const packed = root && (await packedFile(root.file))
    await this.db.write(async (tx) => {
      for (const [index, change] of documents.entries()) await saveDocument(tx, change, bodies[index] ?? null)
      if (root && packed) {
        const content = { ...packed, repositoryId }
        const target = [upstreamFiles.repositoryId, upstreamFiles.url]
        await tx.insert(upstreamFiles).values(content).onConflictDoUpdate({ target, set: packed })
        await tx
          .insert(upstreamNames)
          .select(sql`SELECT ${repositoryId}, value FROM json_each(${JSON.stringify(root.names)}) WHERE true`)
          .onConflictDoNothing()
        const change = { patterns: [], namesDigest: root.digest }
        await tx.update(upstreams).set(change).where(eq(upstreams.repositoryId, repositoryId))
      }
      const about = { repositoryId, subject: 'import', reason: note, at: now }
      const target = [upstreamIssues.repositoryId, upstreamIssues.subject]
      await tx.insert(upstreamIssues).values(about).onConflictDoUpdate({ target, set: about })
      await changeUpstream(tx, repositoryId, { upstream: {}, moved: false }, now)
      await alongside(tx)
    })
  }
}

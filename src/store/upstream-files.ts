import { promisify } from 'node:util'
import { gunzip, gzip } from 'node:zlib'
import { and, eq, inArray } from 'drizzle-orm'
import type { Database } from './database.ts'
import { repositories } from './schema.ts'
import { upstreamFiles } from './schema-upstream.ts'

/** A file of an upstream as it is known here. Times are Unix seconds. */
export interface UpstreamFile {
  /** Address it was asked at. */
  readonly url: string
  readonly bytes: Uint8Array
  readonly etag: string | null
  readonly lastModified: string | null
  readonly fetchedAt: number
  /** When the upstream last said that this is what it has. */
  readonly checkedAt: number
}

const deflate = promisify(gzip)
const inflate = promisify(gunzip)

/** Files of upstreams that are not documents of one package: root, includes, listings. */
export class UpstreamFileTable {
  constructor(private readonly db: Database) {}

  /** The file that was last read at an address; null when none was. */
  async find(repositoryId: string, url: string): Promise<UpstreamFile | null> {
    const row = await this.db.read.select().from(upstreamFiles).where(at(repositoryId, url)).get()
    if (row === undefined) return null
    const { body, etag, lastModified, fetchedAt, checkedAt } = row
    return { url, bytes: await inflate(body), etag, lastModified, fetchedAt, checkedAt }
  }

  /** The same without its bytes. */
  async about(repositoryId: string, url: string): Promise<Omit<UpstreamFile, 'bytes'> | null> {
    const { etag, lastModified, fetchedAt, checkedAt } = upstreamFiles
    const row = await this.db.read
      .select({ url: upstreamFiles.url, etag, lastModified, fetchedAt, checkedAt })
      .from(upstreamFiles)
      .where(at(repositoryId, url))
      .get()
    return row ?? null
  }

  /** Keeps a file in place of the one before at its address. A repository that is gone keeps nothing. */
  async save(repositoryId: string, file: UpstreamFile): Promise<void> {
    const { url, ...content } = await packedFile(file)
    await this.db.write(async (tx) => {
      const owner = await tx
        .select({ id: repositories.id })
        .from(repositories)
        .where(eq(repositories.id, repositoryId))
        .get()
      if (owner === undefined) return
      await tx
        .insert(upstreamFiles)
        .values({ repositoryId, url, ...content })
        .onConflictDoUpdate({ target: [upstreamFiles.repositoryId, upstreamFiles.url], set: content })
    })
  }

  /** Notes that the upstream still has this file. */
  async noteChecked(repositoryId: string, url: string, checkedAt: number): Promise<void> {
    await this.db.write(async (tx) => {
      await tx.update(upstreamFiles).set({ checkedAt }).where(at(repositoryId, url))
    })
  }

  /** Drops every file of an upstream but these. */
  async keepOnly(repositoryId: string, urls: ReadonlySet<string>): Promise<void> {
    const rows = await this.db.read
      .select({ url: upstreamFiles.url })
      .from(upstreamFiles)
      .where(eq(upstreamFiles.repositoryId, repositoryId))
    const dropped = rows.map(({ url }) => url).filter((url) => !urls.has(url))
    if (dropped.length === 0) return
    await this.db.write(async (tx) => {
      await tx
        .delete(upstreamFiles)
        .where(and(eq(upstreamFiles.repositoryId, repositoryId), inArray(upstreamFiles.url, dropped)))
    })
  }
}

/** A file as it is kept. */
export async function packedFile({ bytes, ...about }: UpstreamFile) {
  return { ...about, body: await deflate(bytes) }
}

function at(repositoryId: string, url: string) {
  return and(eq(upstreamFiles.repositoryId, repositoryId), eq(upstreamFiles.url, url))
}

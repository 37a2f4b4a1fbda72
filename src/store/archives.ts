import { and, asc, eq, sql } from 'drizzle-orm'
import type { Database, Queries } from './database.ts'
import { archives } from './schema.ts'

/** Which archive: the files of one reference of a repository below `path` ('' = all of it). */
export interface ArchivePlace {
  readonly repositoryId: string
  readonly reference: string
  readonly path: string
}

/** Digests of an archive. `sha1` is Composer's shasum, `size` bytes, `createdAt` Unix seconds. */
export interface ArchiveDigests {
  readonly sha1: string
  readonly sha256: string
  readonly size: number
  readonly format: number
  readonly createdAt: number
}

/** What names an archive among all of its repository. */
export function placeKey({ reference, path }: Pick<ArchivePlace, 'reference' | 'path'>): string {
  return `${reference}:${path}`
}

/** Digests of archives, written when one is first built and never changed. */
export class ArchiveTable {
  constructor(private readonly db: Database) {}

  /** The digests of an archive that was built before, whether or not its file is still there. */
  async find(place: ArchivePlace): Promise<ArchiveDigests | null> {
    return (await this.db.read.select(COLUMNS).from(archives).where(at(place)).get()) ?? null
  }

  /** SHA-1 of the archives of a repository, by `placeKey`. */
  async shasums(repositoryId: string): Promise<Map<string, string>> {
    const rows = await this.db.read
      .select({ reference: archives.reference, path: archives.path, sha1: archives.sha1 })
      .from(archives)
      .where(eq(archives.repositoryId, repositoryId))
    return new Map(rows.map((row) => [placeKey(row), row.sha1]))
  }

  /**
   * Digests of archives in a fixed order, each file once per format, at most `limit` of those after `after`; `after` is
   * the last one of the page before.
   */
  async page(after: Pick<ArchiveDigests, 'sha256' | 'format'> | null, limit: number): Promise<ArchiveDigests[]> {
    const later = after && sql`(${archives.sha256}, ${archives.format}) > (${after.sha256}, ${after.format})`
    return this.db.read
      .select(COLUMNS)
      .from(archives)
      .where(later ?? undefined)
      .groupBy(archives.sha256, archives.format)
      .orderBy(asc(archives.sha256), asc(archives.format))
      .limit(limit)
  }

  /** How many archives `page` goes through. */
  async countFiles(): Promise<number> {
    const row = await this.db.read
      .select({ count: sql<number>`count(DISTINCT sha256 || ' ' || format)` })
      .from(archives)
    return row[0]?.count ?? 0
  }

  /** Digests of archives with these bytes, once per format. */
  async withDigest(sha256: string): Promise<ArchiveDigests[]> {
    return this.db.read.select(COLUMNS).from(archives).where(eq(archives.sha256, sha256)).groupBy(archives.format)
  }

  /** SHA-256 and format of every archive that has a record. */
  async named(): Promise<Pick<ArchiveDigests, 'sha256' | 'format'>[]> {
    return this.db.read.selectDistinct({ sha256: archives.sha256, format: archives.format }).from(archives)
  }

  /** Keeps the digests unless there are some; returns the ones that count. */
  async record(place: ArchivePlace, digests: ArchiveDigests): Promise<ArchiveDigests> {
    return this.db.write((tx) => keepDigests(tx, place, digests))
  }

  /** True when an uploaded archive with these bytes is referred to. */
  async isUploaded(sha256: string): Promise<boolean> {
    const uploaded = and(eq(archives.sha256, sha256), eq(archives.format, UPLOADED_FORMAT))
    return (await this.db.read.select(COLUMNS).from(archives).where(uploaded).limit(1).get()) !== undefined
  }
}

/** Keeps the digests, inside a write transaction, unless there are some; returns the ones that count. */
export async function keepDigests(tx: Queries, place: ArchivePlace, digests: ArchiveDigests): Promise<ArchiveDigests> {
  await tx
    .insert(archives)
    .values({ ...place, ...digests })
    .onConflictDoNothing()
  return (await tx.select(COLUMNS).from(archives).where(at(place)).get()) ?? digests
}

/** `format` of archives that were uploaded: their bytes are kept, and nothing here can make them again. */
export const UPLOADED_FORMAT = 0

const COLUMNS = {
  sha1: archives.sha1,
  sha256: archives.sha256,
  size: archives.size,
  format: archives.format,
  createdAt: archives.createdAt,
}

function at(place: ArchivePlace) {
  return and(
    eq(archives.repositoryId, place.repositoryId),
    eq(archives.reference, place.reference),
    eq(archives.path, place.path),
  )
}

/**
 * What archives of a directory are: built from git and rebuilt when needed, uploaded and here only, or as an upstream
 * sent them, which need not be zips.
 */
export type ArchiveFolder = 'git' | 'uploads' | 'upstream'

export const ARCHIVE_FOLDERS: readonly ArchiveFolder[] = ['git', 'uploads', 'upstream']

/** Which archive: the files of one reference of a repository, or of one directory in it. */
export interface ArchiveKey {
  readonly repositoryId: string
  /** Commit, or the digest that stands for one. */
  readonly reference: string
  /** Directory of the package inside the repository; '' is the whole repository. */
  readonly path: string
}

/** What was published about an archive. Lock files hold the sha1, so none of it ever changes. */
export interface ArchiveRecord {
  /** Lower-case hexadecimal; Composer's `shasum`. */
  readonly sha1: string
  /** Lower-case hexadecimal; the name of the file on disk. */
  readonly sha256: string
  /** Bytes. */
  readonly size: number
  /** The canonical form it was written in, see `ZIP_FORMAT`; or that it was not written here. */
  readonly format: number
  /** Unix seconds. */
  readonly createdAt: number
}

/** Which directory an archive is in, by the format of its record. */
export function folderOfFormat(format: number): ArchiveFolder {
  if (format === 0) return 'uploads'
  return format < 0 ? 'upstream' : 'git'
}

/** Where records are kept. The first record of a key wins and never changes, whoever comes second. */
export interface ArchiveIndex {
  find(key: ArchiveKey): Promise<ArchiveRecord | null>
  /** Returns the record that counts: this one, or the one that was there before. */
  record(key: ArchiveKey, record: ArchiveRecord): Promise<ArchiveRecord>
}

/** An archive on disk, its bytes checked. Open it soon: after the store's grace it may be evicted. */
export interface ArchiveFile {
  readonly path: string
  /** Bytes. */
  readonly size: number
  readonly sha1: string
  readonly sha256: string
}

/** What the store tells logs and metrics. Durations in milliseconds, sizes in bytes. */
export type ArchiveEvent =
  | {
      readonly type: 'built'
      readonly key: ArchiveKey
      readonly sha256: string
      readonly size: number
      readonly milliseconds: number
      readonly warnings: readonly string[]
    }
  /** An archive of an upstream was fetched and checked. */
  | {
      readonly type: 'fetched'
      readonly key: ArchiveKey
      readonly sha256: string
      readonly size: number
      readonly milliseconds: number
    }
  /** What an upstream sent is not the archive that was wanted. Nothing is kept. */
  | { readonly type: 'refused'; readonly key: ArchiveKey; readonly reason: string }
  /** A build or download failed; those who waited for it got the error too, if any still waited. */
  | { readonly type: 'failed'; readonly key: ArchiveKey; readonly error: unknown }
  /** A file on disk did not hold the recorded bytes; it was put aside, and the next `get` builds it again. */
  | { readonly type: 'corrupt'; readonly sha256: string; readonly reason: string }
  /** A build gave other bytes than were published. Nothing is served. */
  | { readonly type: 'mismatch'; readonly key: ArchiveKey; readonly expected: string; readonly actual: string }
  | { readonly type: 'evicted'; readonly sha256: string; readonly size: number }
  /** Something went wrong that failed no call: a file that could not be deleted, a time that could not be set. */
  | { readonly type: 'trouble'; readonly sha256: string | null; readonly error: unknown }

/** A SHA-1 object name: 40 lower-case hexadecimal digits. */
export type ObjectId = string

/** File modes that reach an archive; git knows no others for files (`git: tree objects`). */
export type FileMode = 0o100644 | 0o100755 | 0o120000

/** One file of a commit, ready to be put into an archive. */
export interface SnapshotFile {
  /** Path from the root, or from the directory that was asked for, `/`-separated, in the raw bytes git holds: names need not be UTF-8. */
  readonly path: Uint8Array
  readonly mode: FileMode
  /** Bytes of the content; for a symbolic link, of its target. */
  readonly size: number
  /** The content. Inflated when called, so that a whole snapshot is never in memory inflated. */
  read(): Uint8Array | Promise<Uint8Array>
}

/** The files of one commit, or of a directory in it, with `export-ignore` already applied, sorted by the bytes of their paths. */
export interface Snapshot {
  readonly commit: ObjectId
  readonly files: readonly SnapshotFile[]
  /** What an archive of this commit cannot hold: submodules, LFS pointers, content filters. One sentence each. */
  readonly warnings: readonly string[]
}

import type { ObjectId, Snapshot } from '../git/snapshot.ts'
import type { GithubApp } from './hosts/github-app.ts'

/** A tag or branch, peeled to its commit. `name` is the full ref name, such as `refs/tags/v1.0.0`. */
export interface OfferedRef {
  readonly name: string
  readonly commit: ObjectId
}

/** Everything a source offers now. */
export interface RefList {
  readonly refs: readonly OfferedRef[]
  /** Short name of the default branch, or null when there is none. */
  readonly defaultBranch: string | null
  /** Refs left out because their names cannot be used. */
  readonly skipped: readonly { readonly ref: string; readonly reason: string }[]
}

/** A composer.json in a commit. */
export interface ManifestFile {
  /** Its directory, without slashes at the ends; empty for the root. */
  readonly path: string
  /** Its blob; null when it cannot be used. */
  readonly blob: ObjectId | null
  /** Its bytes; null when it cannot be used, or when the blob is among the known ones. */
  readonly content: Uint8Array | null
  /** Why it cannot be used, in one sentence. */
  readonly problem: string | null
}

/** What one commit has of the composer.json files that were asked for. */
export interface CommitManifests {
  readonly commit: ObjectId
  /** When it was committed, Unix seconds; 0 when the commit could not be read. */
  readonly committedAt: number
  /** In the order of their directories. */
  readonly files: readonly ManifestFile[]
  /** Why this commit cannot be used, in one sentence. */
  readonly problem: string | null
}

/** A place packages come from: the whole contract on one screen. */
export interface Source {
  /**
   * Every tag and branch offered now, with the default branch. Throws AppError('upstream') when the host cannot be
   * asked; never a partial list.
   */
  refs(signal: AbortSignal): Promise<RefList>
  /**
   * composer.json at each of these commits, in few round trips: the one at the root, or those that `globs` name when
   * there are some. Blobs in `known` are named and not sent again.
   */
  manifests(
    commits: readonly ObjectId[],
    globs: readonly string[],
    known: ReadonlySet<ObjectId>,
    signal: AbortSignal,
  ): Promise<Map<ObjectId, CommitManifests>>
  /** The files of one commit, or of the directory `path` in it unless that is empty; export-ignore already applied. */
  snapshot(commit: ObjectId, path: string, signal: AbortSignal): Promise<Snapshot>
  /** Ends connections that are still open. */
  close(): Promise<void>
}

/** Where a source is and how to get in. */
export interface SourceAddress {
  readonly url: string
  readonly vcsType: string
  readonly credentials: SourceCredentials
  /** ssh host key that was seen on first use, or null. */
  readonly hostKey: string | null
  /** Called with the ssh host key when there was none. */
  onHostKey(hostKey: string): Promise<void>
}

/** What opens a source. */
export type SourceCredentials =
  | { readonly type: 'none' }
  | { readonly type: 'token'; readonly token: string }
  | { readonly type: 'http_basic'; readonly username: string; readonly password: string }
  | { readonly type: 'ssh_key'; readonly privateKey: string }
  | { readonly type: 'bearer'; readonly token: string }
  | { readonly type: 'custom_header'; readonly name: string; readonly value: string }
  | ({ readonly type: 'github_app' } & GithubApp)

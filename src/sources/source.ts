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

/** composer.json of one commit. */
export interface ManifestFile {
  readonly commit: ObjectId
  /** When it was committed, Unix seconds. */
  readonly committedAt: number
  /** Its blob; null when the commit has none. */
  readonly blob: ObjectId | null
  /** Its bytes; null when the commit has none, or when the blob is among the known ones. */
  readonly content: Uint8Array | null
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
  /** composer.json at each of these commits, in few round trips. Blobs in `known` are named and not sent again. */
  manifests(
    commits: readonly ObjectId[],
    known: ReadonlySet<ObjectId>,
    signal: AbortSignal,
  ): Promise<Map<ObjectId, ManifestFile>>
  /** The files of one commit, export-ignore already applied. */
  snapshot(commit: ObjectId, signal: AbortSignal): Promise<Snapshot>
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

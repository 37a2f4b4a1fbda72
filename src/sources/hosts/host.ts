import type { Budget } from './budget.ts'

/** A repository of a host: by its path, and by the id that outlives renames and moves once it is known. */
export interface RepositoryKey {
  /** Owner and name, with every group between them: `acme/lib`, `acme/php/lib`. */
  readonly path: string
  readonly id: string | null
}

/** What a host says of a repository beside its refs and files. */
export interface RepositoryFacts {
  readonly id: string
  /** The path it has now. */
  readonly path: string
  readonly cloneUrl: string
  readonly defaultBranch: string | null
  readonly archived: boolean
  readonly visibility: 'public' | 'internal' | 'private'
  readonly description: string | null
  /** Its page. */
  readonly webUrl: string
  /** `support.issues` of its packages; null when issues are off. */
  readonly issuesUrl: string | null
}

/** A repository in the listing of its owner. */
export interface ListedRepository {
  readonly id: string
  readonly path: string
  readonly cloneUrl: string
  readonly defaultBranch: string | null
  readonly archived: boolean
  readonly fork: boolean
  /** When something was last pushed, Unix seconds; null where the host does not say it, or not dependably. */
  readonly pushedAt: number | null
}

/** What asking after an owner found. `validator` is for the next time. */
export type OwnerProbe =
  | { readonly state: 'unchanged' }
  /** The repositories that changed last, newest first; at most one page. */
  | { readonly state: 'changed'; readonly validator: string | null; readonly repositories: readonly ListedRepository[] }

/** What a credential is. */
export interface CredentialCheck {
  /** Whose it is, as the host names them; null where it belongs to nobody. */
  readonly login: string | null
  /** What it may do, in the host's words; null where the host does not say. */
  readonly scopes: readonly string[] | null
  /** Unix seconds; null when it does not end, or the host does not say. */
  readonly expiresAt: number | null
  /** What it cannot be used for and which permission is missing, in one sentence; null when nothing is. */
  readonly missing: string | null
}

/** A host of git repositories, by its API: the whole contract on one screen. Refs and files come by git. */
export interface Host {
  /**
   * Throws AppError('upstream') with a `HostFailureReason` in `details.reason`, as every method here does. A repository
   * whose id is known is found after it was renamed or moved.
   */
  facts(repository: RepositoryKey, signal: AbortSignal): Promise<RepositoryFacts>
  /** Every repository of a user, organisation, group (with its sub-groups) or workspace, page after page. */
  listRepositories(owner: string, signal: AbortSignal): AsyncIterable<readonly ListedRepository[]>
  /** Whether anything of an owner changed, in one request that costs little when nothing did. */
  probeOwner(owner: string, validator: string | null, signal: AbortSignal): Promise<OwnerProbe>
  checkCredential(signal: AbortSignal): Promise<CredentialCheck>
  /** Has the host tell `hook.url` of every push, signed with the secret. Returns the id for `removeWebhook`. */
  registerWebhook(
    repository: RepositoryKey,
    hook: { url: string; secret: string },
    signal: AbortSignal,
  ): Promise<string>
  /** A webhook that is not there any more is as good as removed. */
  removeWebhook(repository: RepositoryKey, webhookId: string, signal: AbortSignal): Promise<void>
  /** `support.source` of a version: the page of its files (Composer: the drivers' getComposerInformation). */
  sourcePage(repository: RepositoryFacts, ref: { name: string; commit: string }): string
  /** What the last answer left of the rate limit; null before the first, and where the host has none. */
  budget(): Budget | null
}

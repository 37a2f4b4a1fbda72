import { namePatterns } from '../composer/name-pattern.ts'
import type { BoundCredentials } from '../sources/upstream-http.ts'
import type { RepositoryRow } from '../store/repositories.ts'
import type { UpstreamNameTable } from '../store/upstream-names.ts'
import type { StoredUpstream, UpstreamRow, UpstreamTable } from '../store/upstreams.ts'
import type { Upstream } from './upstream.ts'

/** Opens the sealed credentials of a repository. Throws AppError('unavailable') when they cannot be opened. */
export type OpenCredentials = (row: RepositoryRow) => BoundCredentials | null

/** Which names an upstream has. */
export interface KnownNames {
  /** Lower-case, in order; empty for an upstream that does not say which names it has. */
  readonly names: readonly string[]
  /** Lower-case patterns of further names; null when it may have any. */
  readonly patterns: readonly string[] | null
}

interface Entry {
  readonly upstream: Upstream
  readonly offered: KnownNames
  /** Of what is offered. */
  readonly digest: string
}

/**
 * The upstreams as they are set now, and which names they say they have, in memory. `alone` says that no other process
 * follows logs of changes for this one, which would not hear of what became due.
 */
export class UpstreamSet {
  private entries: readonly Entry[] = []
  private upstreams: readonly Upstream[] = []
  private last: Promise<unknown> = Promise.resolve()

  constructor(
    private readonly tables: { readonly upstreams: UpstreamTable; readonly upstreamNames: UpstreamNameTable },
    private readonly openCredentials: OpenCredentials,
    private readonly options: { readonly alone?: boolean } = {},
  ) {}

  /** In the order they are asked. */
  list(): readonly Upstream[] {
    return this.upstreams
  }

  /** The upstream that is this repository, or null. */
  get(repositoryId: string): Upstream | null {
    return this.upstreams.find(({ id }) => id === repositoryId) ?? null
  }

  /** Each upstream with the names that it has, in the order they are asked. */
  offers(): readonly { readonly upstream: Upstream; readonly offered: KnownNames }[] {
    return this.entries
  }

  /** Takes over what is stored. An upstream whose settings are the same stays the same object. */
  refresh(): Promise<void> {
    // One after the other: what was read first must not be taken over last.
    const refreshed = this.last.then(() => this.load())
    this.last = refreshed.catch(() => {})
    return refreshed
  }

  private async load(): Promise<void> {
    const known = new Map(this.entries.map((entry) => [entry.upstream.id, entry]))
    const stored = await this.tables.upstreams.inOrder()
    this.entries = await Promise.all(stored.map((one) => this.entryOf(one, known.get(one.repository.id))))
    this.upstreams = this.entries.map(({ upstream }) => upstream)
  }

  private async entryOf(stored: StoredUpstream, before: Entry | undefined): Promise<Entry> {
    const { revision, namesDigest, patterns } = stored.upstream
    const upstream = before?.upstream.revision === revision ? before.upstream : this.upstreamOf(stored)
    if (before?.digest === namesDigest) return { ...before, upstream }
    const names = patterns === null ? [] : await this.tables.upstreamNames.names(upstream.id)
    return { upstream, offered: { names, patterns }, digest: namesDigest }
  }

  /** Credentials that cannot be opened fail the requests of their upstream, and not those of the others. */
  private upstreamOf({ repository, upstream }: StoredUpstream): Upstream {
    const open = this.openCredentials
    let credentials: { readonly bound: BoundCredentials | null } | null = null
    return {
      id: repository.id,
      url: repository.url,
      get credentials() {
        credentials ??= { bound: open(repository) }
        return credentials.bound
      },
      priority: upstream.priority,
      allow: namePatterns(repository.packageFilter),
      deny: namePatterns(upstream.packageDeny),
      freshFor: this.options.alone ? freshByLog(upstream) : upstream.freshFor,
      staleIfError: upstream.staleIfError,
      minimumReleaseAge: upstream.minimumReleaseAge,
      releaseAgeExceptions: namePatterns(upstream.releaseAgeExceptions),
      releaseAgePassesFixes: upstream.releaseAgePassesFixes,
      exposeSource: repository.exposeSource,
      revision: upstream.revision,
    }
  }
}

/** How long documents are fresh while the log of changes is followed, in seconds. */
const FRESH_BY_LOG = 600

/** A log that is followed tells of every change; whoever wants each request asked all the same gets that. */
function freshByLog({ freshFor, changesRead }: UpstreamRow): number {
  return changesRead === null || freshFor === 0 ? freshFor : Math.max(freshFor, FRESH_BY_LOG)
}

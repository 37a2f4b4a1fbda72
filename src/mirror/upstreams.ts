import { namePatterns } from '../composer/name-pattern.ts'
import type { BoundCredentials } from '../sources/upstream-http.ts'
import type { RepositoryRow } from '../store/repositories.ts'
import type { StoredUpstream, UpstreamTable } from '../store/upstreams.ts'
import type { Upstream } from './upstream.ts'

/** Opens the sealed credentials of a repository. Throws AppError('unavailable') when they cannot be opened. */
export type OpenCredentials = (row: RepositoryRow) => BoundCredentials | null

/** The upstreams as they are set now, in memory. */
export class UpstreamSet {
  private upstreams: readonly Upstream[] = []

  constructor(
    private readonly table: UpstreamTable,
    private readonly openCredentials: OpenCredentials,
  ) {}

  /** In the order they are asked. */
  list(): readonly Upstream[] {
    return this.upstreams
  }

  /** The upstream that is this repository, or null. */
  get(repositoryId: string): Upstream | null {
    return this.upstreams.find(({ id }) => id === repositoryId) ?? null
  }

  /** Takes over what is stored. An upstream whose settings are the same stays the same object. */
  async refresh(): Promise<void> {
    const known = new Map(this.upstreams.map((upstream) => [upstream.id, upstream]))
    this.upstreams = (await this.table.inOrder()).map((stored) => {
      const before = known.get(stored.repository.id)
      return before?.revision === stored.upstream.revision ? before : upstreamOf(stored, this.openCredentials)
    })
  }
}

/** Credentials that cannot be opened fail the requests of their upstream, and not those of the others. */
function upstreamOf({ repository, upstream }: StoredUpstream, open: OpenCredentials): Upstream {
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
    freshFor: upstream.freshFor,
    staleIfError: upstream.staleIfError,
    minimumReleaseAge: upstream.minimumReleaseAge,
    releaseAgeExceptions: namePatterns(upstream.releaseAgeExceptions),
    releaseAgePassesFixes: upstream.releaseAgePassesFixes,
    exposeSource: repository.exposeSource,
    revision: upstream.revision,
  }
}

import { AppError } from '../errors.ts'
import { gitFailureReason } from './failure.ts'
import { type CommitFile, FileReading } from './file-reading.ts'
import { DEFAULT_GIT_LIMITS, type GitLimits } from './limits.ts'
import type { CommitFilter } from './object-fetcher.ts'
import { isObjectId, type RefList } from './refs.ts'
import type { ObjectId, Snapshot } from './snapshot.ts'
import { type AttributeCache, SnapshotBuilding } from './snapshot-building.ts'
import type { GitTransport } from './transport.ts'
import { type GitTraffic, UploadPackClient } from './upload-pack-client.ts'

/**
 * What a server's filters allow, best first: trees down to a depth, trees one by one, everything but contents, nothing.
 * GitHub allows `tree:0` only, some servers no tree filters, Bitbucket Cloud none at all.
 */
const STRATEGIES = ['tree-depth', 'tree-zero', 'blob-none', 'unfiltered'] as const
type Strategy = (typeof STRATEGIES)[number]

/** A repository on a git server. Reads without keeping anything on disk; one instance serves one task at a time. */
export class GitRepository {
  readonly #transport: GitTransport
  readonly #limits: GitLimits
  readonly #client: UploadPackClient
  readonly #attributes: AttributeCache = new Map()
  /** The best strategy that the server is not known to refuse; null until it has been asked. */
  #strategy: Strategy | null = null

  constructor(transport: GitTransport, limits: Partial<GitLimits> = {}) {
    this.#transport = transport
    this.#limits = { ...DEFAULT_GIT_LIMITS, ...limits }
    this.#client = new UploadPackClient(transport, this.#limits)
  }

  /** Requests and bytes so far. */
  get traffic(): Readonly<GitTraffic> {
    return this.#client.traffic
  }

  /** Tags, branches and HEAD. Throws `AppError('upstream')` with a `GitFailureReason`; never a partial list. */
  listRefs(signal: AbortSignal): Promise<RefList> {
    return this.#client.listRefs(signal)
  }

  /**
   * The file `path` at each commit, in as few requests as the server allows; the answer has one entry per commit.
   * Contents of `knownBlobs` are not fetched. One bad commit is reported as its own result; throws
   * `AppError('upstream')` when the server cannot be read and `AppError('invalid')` for a path or id that cannot be.
   */
  async readFile(
    path: string,
    commits: readonly ObjectId[],
    signal: AbortSignal,
    knownBlobs: ReadonlySet<ObjectId> = new Set(),
  ): Promise<Map<ObjectId, CommitFile>> {
    for (const commit of commits) checkObjectId(commit)
    const query = { segments: pathSegments(path), commits, knownBlobs }
    if (commits.length === 0) return new Map()
    let strategy = await this.#bestStrategy(signal)
    for (;;) {
      const filter = commitFilter(strategy, query.segments.length)
      const reading = new FileReading(query, this.#client, filter, this.#limits, signal)
      try {
        const files = await reading.run()
        this.#strategy = strategy
        return files
      } catch (error) {
        strategy = nextStrategy(strategy, reading.refusedObjects, error)
      }
    }
  }

  /**
   * The files of one commit as `git archive` takes them. Throws `AppError('upstream')`, with reason `missing` when the
   * server does not have the commit any more.
   */
  async snapshot(commit: ObjectId, signal: AbortSignal): Promise<Snapshot> {
    checkObjectId(commit)
    const best = await this.#bestStrategy(signal)
    let strategy: Strategy = best === 'unfiltered' ? best : 'blob-none'
    for (;;) {
      const filter = strategy === 'unfiltered' ? null : 'blob:none'
      const building = new SnapshotBuilding(this.#client, filter, this.#attributes, this.#limits, signal)
      try {
        const snapshot = await building.run(commit)
        if (strategy === 'unfiltered') this.#strategy = strategy
        return snapshot
      } catch (error) {
        strategy = nextStrategy(strategy, true, error)
      }
    }
  }

  /** Ends connections that the transport holds open. */
  close(): Promise<void> {
    return this.#transport.close()
  }

  async #bestStrategy(signal: AbortSignal): Promise<Strategy> {
    if (this.#strategy !== null) return this.#strategy
    const { filter, agent } = await this.#client.capabilities(signal)
    if (!filter) return 'unfiltered'
    return agent.startsWith('git/github') ? 'tree-zero' : 'tree-depth'
  }
}

function commitFilter(strategy: Strategy, depth: number): CommitFilter {
  switch (strategy) {
    case 'tree-depth':
      return `tree:${depth}`
    case 'tree-zero':
      return 'tree:0'
    case 'blob-none':
      return 'blob:none'
    case 'unfiltered':
      return null
  }
}

/** What to try after a failure; throws it when another way of asking would not help. */
function nextStrategy(strategy: Strategy, refusedObjects: boolean, error: unknown): Strategy {
  const next = refusedObjects ? 'unfiltered' : STRATEGIES[STRATEGIES.indexOf(strategy) + 1]
  if (next === undefined || strategy === 'unfiltered' || gitFailureReason(error) !== 'refused') throw error
  return next
}

function pathSegments(path: string): string[] {
  const segments = path.split('/')
  if (segments.some((segment) => segment === '' || segment === '.' || segment === '..') || path.includes('\0')) {
    throw new AppError('invalid', 'The path of a file in a repository must be relative, without "." or ".." parts.')
  }
  return segments.map((segment) => Buffer.from(segment, 'utf8').toString('latin1'))
}

function checkObjectId(id: string): void {
  if (!isObjectId(id)) throw new AppError('invalid', 'A commit is named by 40 lower-case hexadecimal digits.')
}

import { AppError } from '../errors.ts'
import { gitFailureReason } from './failure.ts'
import { type CommitFiles, type FileQuery, FileReading } from './file-reading.ts'
import { DEFAULT_GIT_LIMITS, type GitLimits } from './limits.ts'
import type { CommitFilter } from './object-fetcher.ts'
import { PathGlobs } from './path-globs.ts'
import { isObjectId, type RefList } from './refs.ts'
import type { ServerMemory } from './server-memory.ts'
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

  /** `memory` is what is known of the server already. */
  constructor(transport: GitTransport, limits: Partial<GitLimits> = {}, memory?: ServerMemory) {
    this.#transport = transport
    this.#limits = { ...DEFAULT_GIT_LIMITS, ...limits }
    this.#client = new UploadPackClient(transport, this.#limits, memory)
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
   * The files that `globs` name at each commit, in as few requests as the server allows; the answer has one entry per
   * commit. `*` and `?` stand inside a name, `**` for directories of any depth, and only directories that a glob can
   * lead into are asked for. Contents of `knownBlobs` are not fetched. One bad commit is reported as its own result;
   * throws `AppError('upstream')` when the server cannot be read and `AppError('invalid')` for a glob or id that cannot be.
   */
  readFiles(
    globs: readonly string[],
    commits: readonly ObjectId[],
    signal: AbortSignal,
    knownBlobs: ReadonlySet<ObjectId> = new Set(),
  ): Promise<Map<ObjectId, CommitFiles>> {
    return this.#read({ globs: new PathGlobs(globs, this.#limits.attributeSteps), commits, knownBlobs }, signal)
  }

  async #read(query: FileQuery, signal: AbortSignal): Promise<Map<ObjectId, CommitFiles>> {
    for (const commit of query.commits) checkObjectId(commit)
    if (query.commits.length === 0) return new Map()
    let strategy = await this.#bestStrategy(signal)
    for (;;) {
      const filter = commitFilter(strategy, query.globs.firstLook)
      const reading = new FileReading(query, this.#client, filter, this.#limits, signal)
      try {
        const files = await reading.run()
        this.#strategy = strategy
        return files
      } catch (error) {
        if (reading.overflowed) return this.#readInHalves(query, signal)
        strategy = nextStrategy(strategy, reading.refusedObjects, error)
      }
    }
  }

  /** After commits had too many directories together; one alone never fails so. */
  async #readInHalves(query: FileQuery, signal: AbortSignal): Promise<Map<ObjectId, CommitFiles>> {
    const commits = [...new Set(query.commits)]
    const middle = commits.length >> 1
    const first = await this.#read({ ...query, commits: commits.slice(0, middle) }, signal)
    const second = await this.#read({ ...query, commits: commits.slice(middle) }, signal)
    return new Map([...first, ...second])
  }

  /**
   * The files of one commit as `git archive` takes them, or of the directory `path` in it, named from there on. Throws
   * `AppError('upstream')`, with reason `missing` when the server does not have the commit any more.
   */
  async snapshot(commit: ObjectId, signal: AbortSignal, path = ''): Promise<Snapshot> {
    checkObjectId(commit)
    const best = await this.#bestStrategy(signal)
    let strategy: Strategy = best === 'unfiltered' ? best : 'blob-none'
    for (;;) {
      const filter = strategy === 'unfiltered' ? null : 'blob:none'
      const building = new SnapshotBuilding(this.#client, filter, this.#attributes, this.#limits, signal)
      try {
        const snapshot = await building.run(commit, path)
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

function checkObjectId(id: string): void {
  if (!isObjectId(id)) throw new AppError('invalid', 'A commit is named by 40 lower-case hexadecimal digits.')
}

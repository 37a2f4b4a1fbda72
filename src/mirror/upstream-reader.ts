import { matchesAny } from '../composer/name-pattern.ts'
import { isPlatformPackage, packageNameProblem } from '../composer/package-name.ts'
import { isAppError } from '../errors.ts'
import type { Logger } from '../observability/logger.ts'
import type { UpstreamHttp } from '../sources/upstream-http.ts'
import type { UpstreamFileTable } from '../store/upstream-files.ts'
import { type ChangeLog, changesUrl, MAX_LOG_BYTES, readChangeLog } from './change-log.ts'
import type { HostGates } from './host-gate.ts'
import { KeptFile, type KeptFileParts } from './kept-file.ts'
import { NameList } from './name-list.ts'
import type { OnIssue } from './package-document.ts'
import { type DocumentQuestion, PackageDocuments } from './package-documents.ts'
import { PackageIndexes } from './package-index.ts'
import { protocolError } from './response-body.ts'
import { SingleFlight } from './single-flight.ts'
import type { DocumentAnswer, Upstream, Validators } from './upstream.ts'
import { readJson } from './upstream-json.ts'
import {
  type FilterSummary,
  type FoundPage,
  type FoundProvider,
  readFilterSummary,
  type SearchQuestion,
  UpstreamQueries,
} from './upstream-queries.ts'
import { type OfferedNames, readUpstreamRoot, type UpstreamRoot } from './upstream-root.ts'
import { UpstreamTransfers } from './upstream-transfer.ts'
import { rootUrl } from './upstream-url.ts'

/**
 * One upstream, asked over HTTP. Everything throws AppError('upstream') with a `details.reason` when the upstream cannot
 * be asked or answers with something else than what it was asked for: see `UpstreamTransfers`.
 */
export interface UpstreamReader {
  /** What its root document says. Kept across restarts; refreshed when it has aged, and used while it cannot be. */
  root(signal: AbortSignal): Promise<UpstreamRoot>
  /** The same asked for now, whatever is known. */
  askedRoot(signal: AbortSignal): Promise<UpstreamRoot>
  /** The names it says there are; null when it does not say. */
  offered(signal: AbortSignal): Promise<OfferedNames | null>
  /** Of all names in its list those that belong to one of these vendors, lower-case; none for an upstream without a list. */
  listed(vendors: ReadonlySet<string>, signal: AbortSignal): Promise<readonly string[]>
  /**
   * Its log of changes since a place in it, 1/10,000 seconds; for null nothing but where it ends. Null for an upstream
   * without one.
   */
  changes(since: number | null, signal: AbortSignal): Promise<ChangeLog | null>
  /**
   * The document of a package by its lower-case name; `known` are the validators of the copy that is known, as an answer
   * before this one gave them. What the upstream says it does not offer is `absent` without a request.
   */
  document(name: string, dev: boolean, known: Validators | null, signal: AbortSignal): Promise<DocumentAnswer>
  /** A page of the packages found by a text. Null for an upstream without a search. */
  search(wanted: SearchQuestion, signal: AbortSignal): Promise<FoundPage | null>
  /** Names that match a pattern. Null for an upstream without a list. */
  names(pattern: string, signal: AbortSignal): Promise<readonly string[] | null>
  /** Packages that provide or replace a name. Null for an upstream that does not say. */
  providers(name: string, signal: AbortSignal): Promise<readonly FoundProvider[] | null>
  /**
   * Complete advisories by lower-case name, each list as the upstream wrote it; a name it does not know is missing. Names
   * that it does not offer are not sent. Null for an upstream that is not asked, but has them in its documents or not at all.
   */
  advisories(names: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, readonly unknown[]> | null>
  /** Which versions are on its filter lists; kept like the root. Null for an upstream without a summary of them. */
  filterSummary(signal: AbortSignal): Promise<FilterSummary | null>
}

/** What readers share. */
export interface ReaderParts {
  readonly http: UpstreamHttp
  readonly gates: HostGates
  readonly files: UpstreamFileTable
  readonly logger: Logger
  /** Told of every version of an upstream that is left out, each time it is read. */
  readonly onIssue: (upstream: Upstream, subject: string, reason: string) => void
  /** Unix seconds. */
  readonly now: () => number
  /** Time for the document of one package, in milliseconds. */
  readonly documentDeadline?: number
  /** Time for a root, an include, a listing, in milliseconds. */
  readonly fileDeadline?: number
  /** Time for a question that is not kept, in milliseconds. */
  readonly queryDeadline?: number
}

const DOCUMENT_DEADLINE = 60_000
const FILE_DEADLINE = 300_000
/** A root that only says where documents are does not change every minute, in seconds. */
const LAZY_ROOT_FRESH = 300

/** A reader of one upstream by its settings; with other settings, another one. */
export function createUpstreamReader(upstream: Upstream, parts: ReaderParts): UpstreamReader {
  return new HttpUpstreamReader(upstream, parts)
}

/** Time for a search, a question for advisories, in milliseconds; clients wait 10 seconds (Composer: getSecurityAdvisories). */
const QUERY_DEADLINE = 9_000

class HttpUpstreamReader implements UpstreamReader {
  private readonly flights = new SingleFlight()
  private readonly transfers: UpstreamTransfers
  private readonly rootFile: KeptFile<UpstreamRoot>
  private readonly nameList: NameList
  private readonly indexes: PackageIndexes
  private readonly documents: PackageDocuments
  private readonly queries: UpstreamQueries
  private summary: { readonly url: string; readonly file: KeptFile<FilterSummary> } | null = null

  constructor(
    private readonly upstream: Upstream,
    private readonly parts: ReaderParts,
  ) {
    this.transfers = new UpstreamTransfers(upstream, parts.http, parts.gates)
    const url = rootUrl(upstream.url)
    const read = (bytes: Uint8Array) => readJson(url, bytes, (text) => readUpstreamRoot(text, upstream.url))
    const isLazy = ({ layout }: UpstreamRoot) => layout.kind === 'lazy' || layout.kind === 'lazy-v1'
    const freshFor = (root: UpstreamRoot) => Math.max(upstream.freshFor, isLazy(root) ? LAZY_ROOT_FRESH : 0)
    const kept = this.keptFileParts()
    this.rootFile = new KeptFile(kept, url, read, freshFor)
    this.nameList = new NameList(kept)
    this.indexes = new PackageIndexes(kept)
    this.queries = new UpstreamQueries(this.transfers, parts.queryDeadline ?? QUERY_DEADLINE)
    const { documentDeadline = DOCUMENT_DEADLINE } = parts
    const onIssue: OnIssue = (subject, reason) => parts.onIssue(upstream, subject, reason)
    this.documents = new PackageDocuments({ ...kept, documentDeadline, onIssue })
  }

  root(signal: AbortSignal): Promise<UpstreamRoot> {
    return this.rootFile.current(signal)
  }

  askedRoot(signal: AbortSignal): Promise<UpstreamRoot> {
    return this.rootFile.asked(signal)
  }

  async offered(signal: AbortSignal): Promise<OfferedNames | null> {
    const root = await this.root(signal)
    const { layout, availablePackages, availablePatterns } = root
    if (availablePackages !== null || availablePatterns !== null) {
      return { names: [...(availablePackages ?? [])], patterns: availablePatterns ?? [] }
    }
    if (layout.kind === 'lazy' || layout.kind === 'lazy-v1') return null
    const index = await this.indexes.of(root, signal)
    return { names: [...index.versions.keys(), ...index.hashes.keys()], patterns: [] }
  }

  async listed(vendors: ReadonlySet<string>, signal: AbortSignal): Promise<readonly string[]> {
    const { listUrl } = await this.root(signal)
    return listUrl === null || vendors.size === 0 ? [] : this.nameList.of(listUrl, vendors, signal)
  }

  async changes(since: number | null, signal: AbortSignal): Promise<ChangeLog | null> {
    const root = await this.root(signal)
    if (root.changesUrl === null) return null
    const url = changesUrl(root.changesUrl, since)
    const deadline = this.parts.fileDeadline ?? FILE_DEADLINE
    // Asked without a place, Packagist refuses and says where the log ends.
    const answer = await this.transfers.fetch({ url, accept: [400], limit: MAX_LOG_BYTES, deadline }, signal)
    if (answer.kind !== 'found') throw protocolError(`There is no log of changes at ${root.changesUrl}.`)
    return readChangeLog(url, answer.bytes)
  }

  async document(name: string, dev: boolean, known: Validators | null, signal: AbortSignal): Promise<DocumentAnswer> {
    if (packageNameProblem(name) !== null) return { kind: 'absent' }
    const root = await this.root(signal)
    if (!offers(root, name)) return { kind: 'absent' }
    const key = `document ${name} ${dev} ${known?.etag} ${known?.lastModified}`
    return this.flights.run(key, signal, (shared) => this.foundBy(root, { name, dev, known }, shared))
  }

  /** What a root names may have made place for something newer since: then the root has changed too. */
  private async foundBy(root: UpstreamRoot, question: DocumentQuestion, signal: AbortSignal): Promise<DocumentAnswer> {
    try {
      return await this.documents.read(question, root, await this.indexes.of(root, signal), signal)
    } catch (error) {
      const isNamed = root.layout.kind === 'hashed' || root.layout.kind === 'static'
      if (!isNamed || !isAppError(error, 'upstream') || error.details.reason !== 'protocol') throw error
      const newer = await this.rootFile.asked(signal)
      if (newer === root) throw error
      return this.documents.read(question, newer, await this.indexes.of(newer, signal), signal)
    }
  }

  async search(wanted: SearchQuestion, signal: AbortSignal): Promise<FoundPage | null> {
    const { searchUrl } = await this.root(signal)
    if (searchUrl === null) return null
    const { text, type, page, perPage } = wanted
    const key = `search ${JSON.stringify([text, type, page, perPage])}`
    return this.flights.run(key, signal, (shared) => this.queries.search(searchUrl, wanted, shared))
  }

  async names(pattern: string, signal: AbortSignal): Promise<readonly string[] | null> {
    const { listUrl } = await this.root(signal)
    if (listUrl === null) return null
    return this.flights.run(`names ${pattern}`, signal, (shared) => this.queries.names(listUrl, pattern, shared))
  }

  async providers(name: string, signal: AbortSignal): Promise<readonly FoundProvider[] | null> {
    const { providersApiUrl } = await this.root(signal)
    if (providersApiUrl === null) return null
    if (packageNameProblem(name) !== null && !isPlatformPackage(name)) return []
    return this.flights.run(`providers ${name}`, signal, (shared) =>
      this.queries.providers(providersApiUrl, name, shared),
    )
  }

  async advisories(names: readonly string[], signal: AbortSignal) {
    const root = await this.root(signal)
    const apiUrl = root.advisories?.apiUrl ?? null
    if (apiUrl === null) return null
    const asked = names.filter((name) => packageNameProblem(name) === null && offers(root, name))
    return this.flights.run(`advisories ${asked}`, signal, (shared) => this.queries.advisories(apiUrl, asked, shared))
  }

  async filterSummary(signal: AbortSignal): Promise<FilterSummary | null> {
    const url = (await this.root(signal)).filter?.summaryUrl ?? null
    if (url === null) return null
    if (this.summary?.url !== url) {
      const read = (bytes: Uint8Array) => readFilterSummary(url, bytes)
      this.summary = { url, file: new KeptFile(this.keptFileParts(), url, read, () => this.upstream.freshFor) }
    }
    return this.summary.file.current(signal)
  }

  private keptFileParts(): KeptFileParts {
    const { files, logger, now, fileDeadline = FILE_DEADLINE } = this.parts
    return {
      upstream: this.upstream,
      transfers: this.transfers,
      files,
      flights: this.flights,
      logger,
      now,
      fileDeadline,
    }
  }
}

/** False for a name that the upstream says it does not have (Composer: `lazyProvidersRepoContains`). */
function offers({ availablePackages, availablePatterns }: UpstreamRoot, name: string): boolean {
  if (availablePackages === null && availablePatterns === null) return true
  return availablePackages?.has(name) === true || matchesAny(availablePatterns ?? [], name)
}

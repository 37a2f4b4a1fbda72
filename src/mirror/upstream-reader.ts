import { matchesAny } from '../composer/name-pattern.ts'
import { packageNameProblem } from '../composer/package-name.ts'
import type { Logger } from '../observability/logger.ts'
import { Pacer } from '../pacer.ts'
import type { UpstreamHttp } from '../sources/upstream-http.ts'
import type { UpstreamFileTable } from '../store/upstream-files.ts'
import { type ChangeLog, changesUrl, MAX_LOG_BYTES, readChangeLog } from './change-log.ts'
import type { HostGates } from './host-gate.ts'
import { KeptFile, type KeptFileParts } from './kept-file.ts'
import { NameList } from './name-list.ts'
import { type OnIssue, readPackageDocument } from './package-document.ts'
import { protocolError } from './response-body.ts'
import { SingleFlight } from './single-flight.ts'
import type { DocumentAnswer, Upstream, Validators } from './upstream.ts'
import { readJson, readJsonSlowly } from './upstream-json.ts'
import { readUpstreamRoot, type UpstreamRoot } from './upstream-root.ts'
import { UpstreamTransfers } from './upstream-transfer.ts'
import { fillTemplate, rootUrl } from './upstream-url.ts'

/**
 * One upstream, asked over HTTP. Everything throws AppError('upstream') with a `details.reason` when the upstream cannot
 * be asked or answers with something else than what it was asked for: see `UpstreamTransfers`.
 */
export interface UpstreamReader {
  /** What its root document says. Kept across restarts; refreshed when it has aged, and used while it cannot be. */
  root(signal: AbortSignal): Promise<UpstreamRoot>
  /** The same asked for now, whatever is known. */
  askedRoot(signal: AbortSignal): Promise<UpstreamRoot>
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
}

/** Largest document of one package, in bytes. */
const MAX_DOCUMENT_BYTES = 16 * 1_048_576
const DOCUMENT_DEADLINE = 60_000
const FILE_DEADLINE = 300_000
/** A root that only says where documents are does not change every minute, in seconds. */
const LAZY_ROOT_FRESH = 300

/** A reader of one upstream by its settings; with other settings, another one. */
export function createUpstreamReader(upstream: Upstream, parts: ReaderParts): UpstreamReader {
  return new HttpUpstreamReader(upstream, parts)
}

class HttpUpstreamReader implements UpstreamReader {
  private readonly flights = new SingleFlight()
  private readonly transfers: UpstreamTransfers
  private readonly rootFile: KeptFile<UpstreamRoot>
  private readonly nameList: NameList
  private readonly onIssue: OnIssue

  constructor(
    private readonly upstream: Upstream,
    private readonly parts: ReaderParts,
  ) {
    this.transfers = new UpstreamTransfers(upstream, parts.http, parts.gates)
    this.onIssue = (subject, reason) => parts.onIssue(upstream, subject, reason)
    const url = rootUrl(upstream.url)
    const read = (bytes: Uint8Array) => readJson(url, bytes, (text) => readUpstreamRoot(text, upstream.url))
    const isLazy = ({ layout }: UpstreamRoot) => layout.kind === 'lazy' || layout.kind === 'lazy-v1'
    const freshFor = (root: UpstreamRoot) => Math.max(upstream.freshFor, isLazy(root) ? LAZY_ROOT_FRESH : 0)
    this.rootFile = new KeptFile(this.keptFileParts(), url, read, freshFor)
    this.nameList = new NameList(this.keptFileParts())
  }

  root(signal: AbortSignal): Promise<UpstreamRoot> {
    return this.rootFile.current(signal)
  }

  askedRoot(signal: AbortSignal): Promise<UpstreamRoot> {
    return this.rootFile.asked(signal)
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
    const { layout } = root
    if (layout.kind !== 'lazy') throw protocolError(`${new URL(this.upstream.url).host} has no metadata-url.`)
    const url = fillTemplate(layout.metadataUrl, { package: dev ? `${name}~dev` : name })
    const key = `document ${url} ${known?.etag} ${known?.lastModified}`
    return this.flights.run(key, signal, (shared) => this.lazyDocument(url, name, known, shared))
  }

  private async lazyDocument(
    url: string,
    name: string,
    known: Validators | null,
    signal: AbortSignal,
  ): Promise<DocumentAnswer> {
    const request = {
      url,
      known,
      limit: MAX_DOCUMENT_BYTES,
      deadline: this.parts.documentDeadline ?? DOCUMENT_DEADLINE,
    }
    const answer = await this.transfers.fetch(request, signal)
    if (answer.kind !== 'found') return answer
    const document = await readJsonSlowly(url, answer.bytes, (text) =>
      readPackageDocument(text, name, new Pacer(signal), this.onIssue),
    )
    if (document === null)
      throw protocolError(`${new URL(url).host} answered with a document that is not about ${name}.`)
    const { etag, lastModified } = answer
    return { kind: 'found', document, etag, lastModified }
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

import type { UpstreamAnswer, UpstreamRequest } from './http-connection.ts'
import { archiveOf, digest, releaseOf, releasesOf, type UpstreamPackage, type UpstreamVersion } from './packages.ts'
import { ChangesFeed } from './packagist-changes.ts'
import {
  type Listing,
  packageDocument,
  rootDocument,
  type UpstreamAdvisory,
  type UpstreamFilterEntry,
  zipballPath,
} from './packagist-documents.ts'
import {
  advisoriesAnswer,
  filterAnswer,
  filterSummaryAnswer,
  listAnswer,
  providersAnswer,
  searchAnswer,
} from './packagist-queries.ts'
import { jsonAnswer, NOT_FOUND, startUpstream, UpstreamServer, type UpstreamServerOptions } from './upstream-server.ts'

/** What a Packagist-like upstream has, and how it behaves. */
export interface PackagistOptions extends UpstreamServerOptions {
  packages?: readonly UpstreamPackage[]
  /**
   * Where archives are. `same`: on this server; `other`: on a second one, as packages are on GitHub; `redirect`: this
   * server sends clients on to the second one, which gives no length, as api.github.com does. Default `same`.
   */
  archives?: 'same' | 'other' | 'redirect'
  /** Keys of packages.json beside or instead of the usual ones; undefined leaves a usual one out. */
  root?: Readonly<Record<string, unknown>>
  /** Unix milliseconds; decides `Last-Modified` and the feed of changes. */
  now?: () => number
}

/** A p2 file; `modified` in Unix seconds. */
interface P2File {
  body: string
  modified: number
}

/** A stand-in for packagist.org: lazy metadata of version 2, with everything its root file promises. */
export class Packagist extends UpstreamServer {
  /** Downloads that clients reported: `acme/lib 1.0.0.0`. */
  readonly downloads: string[] = []
  /** The second server; undefined where archives are on this one. It has the same delay and wants no credentials. */
  archiveServer: UpstreamServer | undefined
  private readonly listings = new Map<string, Listing>()
  private readonly files = new Map<string, P2File>()
  private readonly archives = new Map<string, Buffer<ArrayBuffer>>()
  private readonly changes = new ChangesFeed()
  private readonly rootModified: number

  constructor(private readonly settings: PackagistOptions) {
    super({ gzip: true, ...settings })
    this.rootModified = this.seconds()
  }

  /** Starts both servers and publishes the packages. */
  override async start(): Promise<void> {
    await super.start()
    const { archives = 'same', packages = [] } = this.settings
    if (this.archiveServer !== undefined) await this.archiveServer.start()
    else if (archives !== 'same') {
      this.archiveServer = await startUpstream((request) => this.archive(request), { delayMs: this.delayMs })
    }
    if (this.listings.size === 0) for (const each of packages) this.add(each)
  }

  override async stop(): Promise<void> {
    await Promise.all([super.stop(), this.archiveServer?.stop()])
  }

  /** A new package with its versions. */
  add(given: UpstreamPackage): void {
    const { name, description = `Library ${name}`, type = 'library', abandoned = false } = given
    const releases = releasesOf(given)
    this.listings.set(name, { name, description, type, abandoned, releases, advisories: [], filters: new Map() })
    this.write(name)
  }

  /** A new version of a package there is; one of the same name is replaced, as when a tag is moved. */
  publish(name: string, version: UpstreamVersion | string): void {
    const listing = this.listing(name)
    const { description, type, releases } = listing
    const release = releaseOf({ name, description, type }, version, releases.length)
    listing.releases = [...releases.filter((other) => other.version !== release.version), release]
    this.write(name)
  }

  /** Removes a version; its archive stays, as on GitHub. */
  removeVersion(name: string, version: string): void {
    const listing = this.listing(name)
    listing.releases = listing.releases.filter((release) => release.version !== version)
    this.write(name)
  }

  /** Removes a package: 404 from now on, and a `delete` in the feed. */
  remove(name: string): void {
    this.listings.delete(name)
    for (const file of [name, `${name}~dev`]) this.files.delete(file)
    this.changes.deleted(name, this.seconds())
  }

  setAbandoned(name: string, abandoned: boolean | string): void {
    this.listing(name).abandoned = abandoned
    this.write(name)
  }

  /** Reports an advisory; what is not given is made up. */
  addAdvisory(name: string, given: Partial<UpstreamAdvisory> & { affectedVersions: string }): UpstreamAdvisory {
    const listing = this.listing(name)
    const number = digest('sha1', `${name} ${listing.advisories.length}`).slice(0, 12)
    const remoteId = `GHSA-${number.slice(0, 4)}-${number.slice(4, 8)}-${number.slice(8)}`
    const advisory = {
      advisoryId: `PKSA-${number.slice(0, 4)}-${number.slice(4, 8)}-${number.slice(8)}`,
      packageName: name,
      remoteId,
      title: `A weakness of ${name}`,
      link: `https://github.com/advisories/${remoteId}`,
      cve: null,
      source: 'GitHub',
      sources: [{ name: 'GitHub', remoteId }],
      reportedAt: '2024-06-01 12:00:00',
      composerRepository: 'https://packagist.org',
      severity: 'high',
      ...given,
    }
    listing.advisories.push(advisory)
    this.write(name)
    return advisory
  }

  /** Takes an advisory back. */
  withdrawAdvisory(name: string, advisoryId: string): void {
    const listing = this.listing(name)
    listing.advisories = listing.advisories.filter((advisory) => advisory.advisoryId !== advisoryId)
    this.write(name)
  }

  /** Puts versions of a package on a filter list, `malware` by default. */
  addFilterEntry(name: string, entry: Omit<UpstreamFilterEntry, 'package'>, list = 'malware'): void {
    const { filters } = this.listing(name)
    filters.set(list, [...(filters.get(list) ?? []), { package: name, ...entry }])
    this.write(name)
  }

  /** Drops the feed of changes until now: who asks from before must start again. */
  forgetChanges(): void {
    this.changes.forget()
  }

  protected override handle(request: UpstreamRequest): UpstreamAnswer {
    const { path, query } = request
    const file = /^\/p2\/([^/]+\/[^/]+)\.json$/.exec(path)?.[1]
    if (file !== undefined) return conditional(request, this.files.get(file))
    const asked = /^\/providers\/([^/]+\/[^/]+)\.json$/.exec(path)?.[1]
    if (asked !== undefined) return providersAnswer(this.listings, asked)
    if (path.startsWith('/repos/')) return this.archive(request)
    switch (path) {
      case '/packages.json':
        return conditional(request, { body: this.rootBody(), modified: this.rootModified })
      case '/metadata/changes.json':
        return this.changes.answer(query.get('since'))
      case '/search.json':
        return searchAnswer(this.listings, query, this.url)
      case '/packages/list.json':
        return listAnswer(this.listings, query)
      case '/api/security-advisories/':
        return advisoriesAnswer(this.listings, request)
      case '/lists/all/summary.json':
        return filterSummaryAnswer(this.listings)
      case '/api/filter-lists/':
        return filterAnswer(this.listings, request.body)
      case '/downloads/':
        return this.countDownloads(request.body)
      default:
        return NOT_FOUND
    }
  }

  private rootBody(): string {
    return JSON.stringify({ ...rootDocument(this.url), ...this.settings.root })
  }

  private listing(name: string): Listing {
    const listing = this.listings.get(name)
    if (listing === undefined) throw new Error(`This upstream has no package ${name}.`)
    return listing
  }

  /** Writes the files that changed. `Last-Modified` of a file grows by a second at least, as clients rely on it. */
  private write(name: string): void {
    const listing = this.listing(name)
    const archiveUrl = this.settings.archives === 'other' ? (this.archiveServer?.url ?? this.url) : this.url
    for (const release of listing.releases) {
      const path = zipballPath(release)
      if (!this.archives.has(path)) this.archives.set(path, archiveOf(release, 'wrapped').bytes)
    }
    for (const kind of ['stable', 'dev'] as const) {
      const file = kind === 'dev' ? `${name}~dev` : name
      const body = packageDocument(listing, kind, archiveUrl)
      const before = this.files.get(file)
      if (before?.body === body) continue
      const modified = Math.max(this.seconds(), (before?.modified ?? 0) + 1)
      this.files.set(file, { body, modified })
      this.changes.updated(file, modified)
    }
  }

  /** An archive, from either server. */
  private archive({ path, headers }: UpstreamRequest): UpstreamAnswer {
    const bytes = this.archives.get(path.replace('/legacy.zip/', '/zipball/'))
    if (bytes === undefined) return NOT_FOUND
    const elsewhere = this.settings.archives === 'redirect' ? this.archiveServer?.url : undefined
    if (elsewhere === undefined) return { headers: ZIP, body: bytes }
    if (elsewhere.endsWith(`//${headers.host}`)) return { headers: ZIP, body: bytes, unsized: true }
    return { status: 302, headers: { Location: elsewhere + path.replace('/zipball/', '/legacy.zip/') } }
  }

  /** packagist: `ApiController::trackDownloadsAction`. */
  private countDownloads(body: string): UpstreamAnswer {
    const { downloads } = JSON.parse(body) as { downloads?: { name: string; version: string }[] }
    if (!Array.isArray(downloads)) return jsonAnswer({ status: 'error', message: 'Invalid request format' })
    for (const { name, version } of downloads) this.downloads.push(`${name} ${version}`)
    const unknown = downloads.filter(({ name }) => !this.listings.has(name))
    if (unknown.length === 0) return jsonAnswer({ status: 'success' }, {}, 201)
    return jsonAnswer({ status: 'partial', message: `Packages not found: ${JSON.stringify(unknown)}` })
  }

  private seconds(): number {
    return Math.floor((this.settings.now?.() ?? Date.now()) / 1000)
  }
}

const ZIP = { 'Content-Type': 'application/zip' }

/** Starts a Packagist-like upstream. */
export async function startPackagist(options: PackagistOptions = {}): Promise<Packagist> {
  const packagist = new Packagist(options)
  await packagist.start()
  return packagist
}

/** A file with its date, or 304 to a client that has it of that date; the only validator Packagist has. */
function conditional({ headers }: UpstreamRequest, file: P2File | undefined): UpstreamAnswer {
  if (file === undefined) return NOT_FOUND
  const date = new Date(file.modified * 1000).toUTCString()
  if (headers['if-modified-since'] === date) return { status: 304, headers: { 'Last-Modified': date } }
  return { headers: { 'Content-Type': 'application/json', 'Last-Modified': date }, body: file.body }
}

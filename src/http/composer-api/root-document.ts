import { coversAllPackages, maySee, type Scope } from '../../auth/scope.ts'
import { MALWARE } from '../../composer/filter-list.ts'
import type { UpstreamSet } from '../../mirror/upstreams.ts'
import type { PackageCatalog } from '../../store/catalog.ts'
import type { PolicyCatalog } from '../../store/policy-catalog.ts'
import { DocumentCache } from './document-cache.ts'
import { RenderedDocument } from './rendered-document.ts'
import { type AvailableNames, byVendor, upstreamNames, withinScope } from './upstream-names.ts'
import { viewDate } from './view-date.ts'

/** Above this many visible packages only patterns are sent. */
const MOST_LISTED = 5_000
/** Most names of packages of others. */
const MOST_FOREIGN = 1_000
/** No package has this name: Composer reads an empty list as "ask for everything". */
const NOTHING = '-/-'

/** What the operator tells everybody who uses Composer here; null for nothing. */
export interface Messages {
  readonly warning: string | null
  readonly info: string | null
}

/** What the root document is made from. */
export interface RootParts {
  readonly catalog: PackageCatalog
  readonly policies: PolicyCatalog
  readonly upstreamSet: UpstreamSet
}

/** Makes `packages.json` for a scope. */
export class RootDocuments {
  private readonly cache = new DocumentCache(8 * 1024 * 1024)
  readonly counts = this.cache.counts
  private upstream: { readonly revision: number; readonly available: AvailableNames } | null = null

  /** `installedAt` in Unix seconds: together with the change counter it dates the documents. */
  constructor(
    private readonly parts: RootParts,
    private readonly installedAt: number,
    private readonly messages: Messages = { warning: null, info: null },
  ) {}

  /** The document of what this scope covers, with addresses under `baseUrl`. */
  get(scope: Scope, baseUrl: string): RenderedDocument | Promise<RenderedDocument> {
    const revision = this.parts.catalog.revision
    return this.cache.get(`${baseUrl}\n${scope.key}`, revision, async () => {
      const json = JSON.stringify(this.content(scope, baseUrl))
      return new RenderedDocument(json, viewDate(scope, this.installedAt + revision, json))
    })
  }

  private content(scope: Scope, baseUrl: string): Record<string, unknown> {
    const { names, patterns } = this.namesIn(scope)
    return {
      packages: {},
      'metadata-url': `${baseUrl}/p2/%package%.json?minified=1`,
      ...(names.length > 0 ? { 'available-packages': names } : {}),
      'available-package-patterns': patterns.length > 0 ? patterns : [NOTHING],
      'notify-batch': `${baseUrl}/downloads`,
      search: `${baseUrl}/search.json?q=%query%&type=%type%`,
      list: `${baseUrl}/packages/list.json`,
      'providers-api': `${baseUrl}/providers/%package%.json`,
      'metadata-changes-url': `${baseUrl}/metadata/changes.json`,
      'security-advisories': { metadata: true, 'api-url': `${baseUrl}/api/security-advisories` },
      ...this.filterIn(scope, baseUrl),
      ...this.told(),
    }
  }

  /** Composer prints them whenever it reads the document anew (Composer: HttpDownloader::outputWarnings). */
  private told(): Partial<Messages> {
    const { warning, info } = this.messages
    return { ...(warning === null ? {} : { warning }), ...(info === null ? {} : { info }) }
  }

  /** Above some number of names only patterns. */
  private namesIn(scope: Scope): AvailableNames {
    const owned = this.parts.catalog.offeredAmong(scope)
    const claimed = this.vendorsIn(scope).map((vendor) => `${vendor}/*`)
    const upstream = withinScope(scope, this.upstreamNames())
    const listed = owned.length + upstream.names.length <= MOST_LISTED
    const others = listed ? upstream : withinScope(scope, byVendor(this.upstreamNames()))
    return {
      names: listed ? [...owned, ...others.names].sort() : [],
      patterns: [
        ...new Set([...claimed, ...others.patterns, ...(listed ? [] : others.names), ...this.foreignNamesIn(scope)]),
      ],
    }
  }

  /** The same for every scope, so worked out once per change. */
  private upstreamNames(): AvailableNames {
    const { revision } = this.parts.catalog
    if (this.upstream?.revision === revision) return this.upstream.available
    const all = upstreamNames(this.parts.upstreamSet.offers(), (vendor) => this.parts.catalog.claimsVendor(vendor))
    const available = all.names.length > MOST_LISTED ? byVendor(all) : all
    this.upstream = { revision, available }
    return available
  }

  /** The lists of what the scope covers; nothing where there are none, since Composer 2.10 asks on each install. */
  private filterIn(scope: Scope, baseUrl: string) {
    const own = this.parts.policies.listsAmong((name) => maySee(scope, name))
    // What upstreams say of malware is in the documents of their packages.
    const lists = [...new Set([...own, ...(this.parts.upstreamSet.list().length > 0 ? [MALWARE] : [])])].sort()
    if (lists.length === 0) return {}
    return {
      filter: {
        metadata: true,
        lists: Object.fromEntries(lists.map((list) => [list, { enabled: true }])),
        'summary-url': `${baseUrl}/filter-lists/summary.json`,
        'api-url': `${baseUrl}/api/filter-lists`,
      },
    }
  }

  /** Packages of others that something is said of here: a client asks for no name that the root document does not have. */
  private foreignNamesIn(scope: Scope): string[] {
    const names = [...this.parts.policies.names()].filter(
      (name) => maySee(scope, name) && !this.parts.catalog.claimsVendor(name.slice(0, name.indexOf('/'))),
    )
    return names.sort().slice(0, MOST_FOREIGN)
  }

  private vendorsIn(scope: Scope): string[] {
    if (coversAllPackages(scope)) return this.parts.catalog.claimedVendors()
    const named = [...scope.prefixes, ...scope.packages.keys()].map((text) => text.slice(0, text.indexOf('/')))
    return [...new Set(named)].filter((vendor) => this.parts.catalog.claimsVendor(vendor)).sort()
  }
}

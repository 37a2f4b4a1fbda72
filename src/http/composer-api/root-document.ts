import { coversAllPackages, type Scope } from '../../auth/scope.ts'
import type { PackageCatalog } from '../../store/catalog.ts'
import { DocumentCache } from './document-cache.ts'
import { RenderedDocument } from './rendered-document.ts'
import { viewDate } from './view-date.ts'

/** Above this many visible packages only patterns are sent. */
const MOST_LISTED = 5_000
/** No package has this name: Composer reads an empty list as "ask for everything". */
const NOTHING = '-/-'

/** Makes `packages.json` for a scope. */
export class RootDocuments {
  private readonly cache = new DocumentCache(8 * 1024 * 1024)

  /** `installedAt` in Unix seconds: together with the change counter it dates the documents. */
  constructor(
    private readonly catalog: PackageCatalog,
    private readonly installedAt: number,
  ) {}

  /** The document of what this scope covers, with addresses under `baseUrl`. */
  get(scope: Scope, baseUrl: string): RenderedDocument | Promise<RenderedDocument> {
    const revision = this.catalog.revision
    return this.cache.get(`${baseUrl}\n${scope.key}`, revision, async () => {
      const json = JSON.stringify(this.content(scope, baseUrl))
      return new RenderedDocument(json, viewDate(scope, this.installedAt + revision, json))
    })
  }

  private content(scope: Scope, baseUrl: string): Record<string, unknown> {
    const names = this.catalog.offeredAmong(scope)
    const patterns = this.vendorsIn(scope).map((vendor) => `${vendor}/*`)
    const listed = names.length > 0 && names.length <= MOST_LISTED
    return {
      packages: {},
      'metadata-url': `${baseUrl}/p2/%package%.json?minified=1`,
      ...(listed ? { 'available-packages': names } : {}),
      'available-package-patterns': patterns.length > 0 ? patterns : [NOTHING],
      'notify-batch': `${baseUrl}/downloads`,
      search: `${baseUrl}/search.json?q=%query%&type=%type%`,
      list: `${baseUrl}/packages/list.json`,
      'providers-api': `${baseUrl}/providers/%package%.json`,
      'metadata-changes-url': `${baseUrl}/metadata/changes.json`,
    }
  }

  private vendorsIn(scope: Scope): string[] {
    if (coversAllPackages(scope)) return this.catalog.claimedVendors()
    const named = [...scope.prefixes, ...scope.packages.keys()].map((text) => text.slice(0, text.indexOf('/')))
    return [...new Set(named)].filter((vendor) => this.catalog.claimsVendor(vendor)).sort()
  }
}

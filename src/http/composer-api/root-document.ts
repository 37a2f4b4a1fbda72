import { createHash } from 'node:crypto'
import { type Caller, maySee, maySeeVendor } from '../../auth/scope.ts'
import type { PackageCatalog } from '../../store/catalog.ts'
import { DocumentCache } from './document-cache.ts'
import { RenderedDocument } from './rendered-document.ts'

/** Above this many visible packages only patterns are sent. */
const MOST_LISTED = 5_000
/** No package has this name: Composer reads an empty list as "ask for everything". */
const NOTHING = '-/-'
/** Views are dated up to this many seconds back, about 25 years. */
const VIEW_SPREAD = 800_000_000

/** Makes `packages.json` for a caller. */
export class RootDocuments {
  private readonly cache = new DocumentCache(8 * 1024 * 1024)

  /** `installedAt` in Unix seconds: together with the change counter it dates the documents. */
  constructor(
    private readonly catalog: PackageCatalog,
    private readonly installedAt: number,
  ) {}

  /** The document of what this caller may see, with addresses under `baseUrl`. */
  get(caller: Caller, baseUrl: string): RenderedDocument | Promise<RenderedDocument> {
    const view = caller.prefixes.join(' ')
    const revision = this.catalog.revision
    return this.cache.get(`${baseUrl}\n${view}`, revision, async () => {
      const json = JSON.stringify(this.content(caller, baseUrl))
      return new RenderedDocument(json, this.date(view, revision))
    })
  }

  /**
   * Two tokens may share a client's cache, which knows the address of a document but not the token. Views are therefore
   * dated apart, each by its own distance into the past, so that none ever validates the copy of another.
   */
  private date(view: string, revision: number): number {
    if (view === '') return this.installedAt + revision
    const distance = createHash('sha256').update(view).digest().readUInt32BE(0) % VIEW_SPREAD
    return this.installedAt + revision - distance - 1
  }

  private content(caller: Caller, baseUrl: string): Record<string, unknown> {
    const names = this.catalog.offeredNames().filter((name) => maySee(caller, name))
    const patterns = this.catalog
      .claimedVendors()
      .filter((vendor) => maySeeVendor(caller, vendor))
      .map((vendor) => `${vendor}/*`)
    const listed = names.length > 0 && names.length <= MOST_LISTED
    return {
      packages: {},
      'metadata-url': `${baseUrl}/p2/%package%.json?minified=1`,
      ...(listed ? { 'available-packages': names } : {}),
      'available-package-patterns': patterns.length > 0 ? patterns : [NOTHING],
    }
  }
}

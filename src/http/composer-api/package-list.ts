import type { Scope } from '../../auth/scope.ts'
import { matchesPattern } from '../../composer/name-pattern.ts'
import type { CatalogEntry, PackageCatalog } from '../../store/catalog.ts'
import { DocumentCache } from './document-cache.ts'
import { RenderedDocument } from './rendered-document.ts'

/** Which names are asked for; lower-case. */
export interface ListRequest {
  /** A name with `*` for any text. */
  readonly filter: string | null
  readonly vendor: string | null
  readonly type: string | null
  /** Facts wanted beside the names; none for names alone. */
  readonly fields: readonly ListField[]
}

/** Facts of packages that a list can show. */
export const LIST_FIELDS = ['repository', 'type', 'abandoned'] as const

/** One of the facts. */
export type ListField = (typeof LIST_FIELDS)[number]

/** Longest pattern or vendor that is looked at. */
const LONGEST = 200

/** Reads the query of `/packages/list.json`; what it does not know means nothing, as at Packagist. */
export function readListRequest(query: URLSearchParams): ListRequest {
  const text = (key: string) => query.get(key)?.slice(0, LONGEST).toLowerCase() || null
  const named = [...query.getAll('fields'), ...query.getAll('fields[]')]
  const fields = LIST_FIELDS.filter((field) => named.includes(field))
  return { filter: text('filter'), vendor: text('vendor'), type: text('type'), fields }
}

/** Makes `/packages/list.json` (Packagist: PackageController::listAction). */
export class PackageLists {
  private readonly cache = new DocumentCache(8 * 1024 * 1024)

  constructor(private readonly catalog: PackageCatalog) {}

  /** The list of what a scope covers. */
  get(scope: Scope, request: ListRequest): RenderedDocument | Promise<RenderedDocument> {
    const key = `${scope.key} ${JSON.stringify(request)}`
    return this.cache.get(key, this.catalog.revision, async () => {
      const json = JSON.stringify(this.content(scope, request))
      return new RenderedDocument(json, null)
    })
  }

  private content(scope: Scope, { filter, vendor, type, fields }: ListRequest) {
    const entries = this.catalog
      .offeredAmong(scope)
      .filter((name) => vendor === null || name.startsWith(`${vendor}/`))
      // Packagist leaves the pattern out of account when facts are asked for; who sends both means both.
      .filter((name) => filter === null || matchesPattern(filter, name))
      .flatMap((name) => this.catalog.get(name) ?? [])
      .filter((entry) => type === null || entry.type === type)
    if (fields.length === 0) return { packageNames: entries.map(({ name }) => name) }
    return { packages: Object.fromEntries(entries.map((entry) => [entry.name, factsOf(entry, fields)])) }
  }
}

/** The address of a repository is told to nobody here: it is private, and may be a path. */
function factsOf(entry: CatalogEntry, fields: readonly ListField[]) {
  const facts = { repository: null, type: entry.type, abandoned: entry.abandoned }
  return Object.fromEntries(fields.map((field) => [field, facts[field]]))
}

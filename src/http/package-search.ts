import { coversAllPackages, maySee, type Scope } from '../auth/scope.ts'
import { byAge, type CatalogEntry, type PackageCatalog } from '../store/catalog.ts'
import { type Page, type PageOf, pageOf } from '../store/paging.ts'

/** Which packages are looked for. */
export interface PackageQuery {
  /** Nothing else is looked at, so neither the answer nor its time tells of packages that it does not cover. */
  readonly scope: Scope
  readonly repositoryId?: string
  /** Words that all occur in the name or description, in any case. */
  readonly text?: string
  readonly type?: string
  /** With packages that offer nothing at the moment; only for a scope that covers everything. */
  readonly withEmpty?: boolean
}

/**
 * The packages that a scope covers and a query means, oldest first. In memory, since the catalog is there anyway: an
 * index of texts in the database would be asked before the scope is known, and would take as long as others match.
 */
export function findPackages(catalog: PackageCatalog, query: PackageQuery): readonly CatalogEntry[] {
  const { repositoryId, type } = query
  const { candidates, words } = narrowed(catalog, query)
  const conditions: ((entry: CatalogEntry) => boolean)[] = []
  if (repositoryId !== undefined) conditions.push((entry) => entry.repositoryId === repositoryId)
  if (type !== undefined) conditions.push((entry) => entry.type === type)
  for (const word of words) conditions.push(({ searchText }) => searchText.includes(word))
  return conditions.length === 0 ? candidates : candidates.filter((entry) => conditions.every((holds) => holds(entry)))
}

/** A page of them. A cursor outside the scope is as good as an unknown one: there is nothing behind it. */
export function pageOfPackages(catalog: PackageCatalog, page: Page, query: PackageQuery): PageOf<CatalogEntry> {
  const found = findPackages(catalog, query)
  if (page.cursor === null) return pageOf(found, found.length, page)
  const place = catalog.known(page.cursor)
  const rest = place && maySee(query.scope, place.name) ? found.filter((entry) => byAge(place, entry) < 0) : []
  return pageOf(rest, found.length, page)
}

/** Orders what a text found: the package of that very name, then names that begin with it, then the others by name. */
export function byRelevance(found: readonly CatalogEntry[], text: string): CatalogEntry[] {
  const wanted = wordsOf(text).join(' ')
  const rank = ({ name }: CatalogEntry) => {
    const forms = [name, name.slice(name.indexOf('/') + 1)]
    if (forms.includes(wanted)) return 0
    return forms.some((form) => form.startsWith(wanted)) ? 1 : 2
  }
  return found
    .map((entry) => ({ entry, rank: rank(entry) }))
    .sort((left, right) => left.rank - right.rank || (left.entry.name < right.entry.name ? -1 : 1))
    .map(({ entry }) => entry)
}

/** What is covered, as far as the scope or one part of the query narrows it down at once, and the words left to look for. */
function narrowed(catalog: PackageCatalog, query: PackageQuery) {
  const { scope, repositoryId, text = '', type, withEmpty = false } = query
  const words = wordsOf(text).sort((left, right) => right.length - left.length)
  if (!coversAllPackages(scope)) {
    const covered = catalog.offeredAmong(scope).flatMap((name) => catalog.get(name) ?? [])
    return { candidates: covered.sort(byAge), words }
  }
  const list = catalog.oldestFirst(withEmpty)
  const [longest, ...others] = words
  if (longest !== undefined) return { candidates: list.mentioning(longest), words: others }
  if (repositoryId !== undefined) return { candidates: list.ofRepository(repositoryId), words }
  return { candidates: type === undefined ? list.all : list.ofType(type), words }
}

function wordsOf(text: string): string[] {
  return text.toLowerCase().split(/\s+/).filter(Boolean)
}

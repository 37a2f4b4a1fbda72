import { coversAllPackages, limitsVersions, maySee, type Scope } from '../../auth/scope.ts'
import { AppError } from '../../errors.ts'
import type { UpstreamDirectory } from '../../mirror/directory.ts'
import type { FoundPackage } from '../../mirror/upstream-queries.ts'
import type { CatalogEntry, PackageCatalog } from '../../store/catalog.ts'
import type { DownloadTable } from '../../store/downloads.ts'
import { byRelevance, findPackages } from '../package-search.ts'

/** What searching takes. */
export interface SearchParts {
  readonly catalog: PackageCatalog
  readonly downloads: DownloadTable
  readonly directory: UpstreamDirectory
}

/** What is looked for, and which part of the results is wanted. */
export interface SearchRequest {
  readonly text: string
  readonly type: string | null
  readonly page: number
  readonly perPage: number
}

/** Packagist: WebController::searchAction. */
const PER_PAGE = 15
const MOST_PER_PAGE = 100
const MOST_PAGES = 300
const LONGEST = 200

/**
 * Reads the query of `/search.json`. Composer leaves `%type%` as it is, or empty, when no type was asked for.
 * Throws AppError('invalid') when nothing is looked for.
 */
export function readSearchRequest(query: URLSearchParams): SearchRequest {
  const text = (query.get('q') ?? query.get('query') ?? '').slice(0, LONGEST)
  const type = (query.get('type') ?? '').slice(0, LONGEST).toLowerCase()
  const named = type === '' || type === '%type%' ? null : type
  if (text.trim() === '' && named === null) {
    throw new AppError('invalid', 'Nothing to search for: give words as q, or a type.', {
      details: { fields: { q: 'words of a name or description' } },
    })
  }
  return {
    text,
    type: named,
    page: bounded(query.get('page'), 1, MOST_PAGES),
    perPage: bounded(query.get('per_page'), PER_PAGE, MOST_PER_PAGE),
  }
}

/**
 * The packages found as far as the scope covers them, most relevant first: a page of those owned here, and then the same
 * page of what upstreams find.
 */
export async function searchResult(
  parts: SearchParts,
  scope: Scope,
  request: SearchRequest,
  { baseUrl, signal }: { baseUrl: string; signal: AbortSignal },
) {
  const { text, type, page, perPage } = request
  const found = findPackages(parts.catalog, { scope, text, ...(type === null ? {} : { type }) })
  const start = (page - 1) * perPage
  const shown = byRelevance(found, text).slice(start, start + perPage)
  const counted = shown.filter((entry) => !limitsVersions(scope, entry.name)).map((entry) => entry.id)
  const totals = await parts.downloads.totals(counted)
  const others = await foundUpstream(parts, scope, request, signal)
  const total = found.length + others.total
  const more = Math.max(found.length, others.total) > start + perPage && page < MOST_PAGES
  return {
    results: [
      ...shown.map((entry) => resultOf(entry, totals.get(entry.id) ?? 0, baseUrl)),
      ...others.packages.map((entry) => upstreamResult(entry, baseUrl)),
    ],
    total,
    ...(more ? { next: addressOf(request, baseUrl) } : {}),
  }
}

/** Words that name a vendor of ours are not told to others, and names of ours are not taken from them. */
async function foundUpstream(
  { catalog, directory }: SearchParts,
  scope: Scope,
  request: SearchRequest,
  signal: AbortSignal,
) {
  const nothing = { packages: [], total: 0 }
  if (namesClaimed(catalog, request.text)) return nothing
  const { packages, total } = await directory.search({ ...request, type: request.type ?? '' }, signal)
  const visible = packages.filter(({ name }) => maySee(scope, name) && !catalog.claimsVendor(vendorOf(name)))
  return { packages: visible, total: coversAllPackages(scope) ? total : visible.length }
}

/** True when a text that a person looks for has a vendor of ours in it. */
export function namesClaimed(catalog: PackageCatalog, text: string): boolean {
  return text
    .toLowerCase()
    .split(/\s+/)
    .some((word) => catalog.claimsVendor(vendorOf(word)))
}

function vendorOf(name: string): string {
  return name.split('/')[0] ?? ''
}

function upstreamResult({ name, description, url, downloads, abandoned }: FoundPackage, baseUrl: string) {
  return {
    ...{ name, description, url: url === '' ? `${baseUrl}/p2/${name}.json` : url, repository: '' },
    ...{ downloads, favers: 0 },
    ...(abandoned === false ? {} : { abandoned }),
  }
}

/** Downloads of versions that a token does not see are none of its business, so those count none at all. */
function resultOf(entry: CatalogEntry, downloads: number, baseUrl: string) {
  return {
    name: entry.prettyName,
    description: entry.description ?? '',
    url: `${baseUrl}/p2/${entry.name}.json`,
    repository: '',
    downloads,
    favers: 0,
    ...(entry.abandoned === false ? {} : { abandoned: entry.abandoned }),
  }
}

function addressOf({ text, type, page, perPage }: SearchRequest, baseUrl: string): string {
  const query = new URLSearchParams(text === '' ? {} : { q: text })
  if (type !== null) query.set('type', type)
  if (perPage !== PER_PAGE) query.set('per_page', String(perPage))
  query.set('page', String(page + 1))
  return `${baseUrl}/search.json?${query}`
}

function bounded(text: string | null, fallback: number, most: number): number {
  if (text === null || !/^\d{1,6}$/.test(text) || Number(text) < 1) return fallback
  return Math.min(Number(text), most)
}

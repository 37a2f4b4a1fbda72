import { maySee, type Scope } from '../../auth/scope.ts'
import { matchesPattern } from '../../composer/name-pattern.ts'
import { mayBeAsked } from '../../mirror/allowed-names.ts'
import type { UpstreamDirectory } from '../../mirror/directory.ts'
import type { UpstreamSet } from '../../mirror/upstreams.ts'
import type { CatalogEntry, PackageCatalog } from '../../store/catalog.ts'

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

/** What lists are made from. */
export interface ListParts {
  readonly catalog: PackageCatalog
  readonly upstreamSet: Pick<UpstreamSet, 'offers'>
  readonly directory: UpstreamDirectory
}

/**
 * Makes `/packages/list.json` (Packagist: PackageController::listAction). Names of upstreams are in it as far as those
 * say which they have, and when a part of a name is asked for, what they answer to that. Facts are of packages owned here.
 */
export async function packageList(parts: ListParts, scope: Scope, request: ListRequest, signal: AbortSignal) {
  const { filter, vendor, type, fields } = request
  const matches = (name: string) =>
    // Packagist leaves the pattern out of account when facts are asked for; who sends both means both.
    (filter === null || matchesPattern(filter, name)) && (vendor === null || name.startsWith(`${vendor}/`))
  const entries = parts.catalog
    .offeredAmong(scope)
    .filter(matches)
    .flatMap((name) => parts.catalog.get(name) ?? [])
    .filter((entry) => type === null || entry.type === type)
  if (fields.length > 0) {
    return { packages: Object.fromEntries(entries.map((entry) => [entry.name, factsOf(entry, fields)])) }
  }
  const others = type === null ? await namesElsewhere(parts, request, signal) : []
  const theirs = others.filter((name) => matches(name) && maySee(scope, name) && !isOurs(parts.catalog, name))
  return { packageNames: [...new Set([...entries.map(({ name }) => name), ...theirs])].sort() }
}

async function namesElsewhere(
  { catalog, upstreamSet, directory }: ListParts,
  request: ListRequest,
  signal: AbortSignal,
) {
  const offers = upstreamSet.offers()
  const told = offers.flatMap(({ upstream, offered }) => offered.names.filter((name) => mayBeAsked(upstream, name)))
  const pattern = request.filter ?? (request.vendor === null ? null : `${request.vendor}/*`)
  const open = offers.some(({ offered }) => offered.patterns === null || offered.patterns.length > 0)
  // Without a part of a name an upstream would have to tell hundreds of thousands.
  if (pattern === null || !open || isOurs(catalog, pattern)) return told
  return [...told, ...(await directory.names(pattern, signal))]
}

function isOurs(catalog: PackageCatalog, name: string): boolean {
  return catalog.claimsVendor(name.split('/')[0] ?? '')
}

/** The address of a repository is told to nobody here: it is private, and may be a path. */
function factsOf(entry: CatalogEntry, fields: readonly ListField[]) {
  const facts = { repository: null, type: entry.type, abandoned: entry.abandoned }
  return Object.fromEntries(fields.map((field) => [field, facts[field]]))
}

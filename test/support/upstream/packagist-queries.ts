import type { UpstreamAnswer, UpstreamRequest } from './http-connection.ts'
import type { Listing, UpstreamAdvisory, UpstreamFilterEntry } from './packagist-documents.ts'
import { jsonAnswer } from './upstream-server.ts'

type Listings = ReadonlyMap<string, Listing>

/** `/packages/list.json`. packagist: `PackageController::listAction`. */
export function listAnswer(listings: Listings, query: URLSearchParams): UpstreamAnswer {
  const [type, vendor, filter] = [query.get('type'), query.get('vendor'), query.get('filter')]
  const chosen = [...listings.values()].filter(
    (listing) => (type === null || listing.type === type) && (vendor === null || listing.name.startsWith(`${vendor}/`)),
  )
  const fields = [...query.getAll('fields[]'), ...query.getAll('fields')]
  if (fields.length > 0) {
    const packages = chosen.map((listing) => {
      const all = { repository: repositoryOf(listing), type: listing.type, abandoned: listing.abandoned }
      return [listing.name, Object.fromEntries(Object.entries(all).filter(([key]) => fields.includes(key)))]
    })
    return jsonAnswer({ packages: Object.fromEntries(packages) })
  }
  const names = chosen.map(({ name }) => name).sort()
  return jsonAnswer({ packageNames: filter === null ? names : names.filter((name) => matches(name, filter)) })
}

/** `/search.json`. packagist: `WebController::searchAction`; a text is found in names and descriptions. */
export function searchAnswer(listings: Listings, query: URLSearchParams, url: string): UpstreamAnswer {
  const text = query.get('q') ?? query.get('query') ?? ''
  const type = (query.get('type') ?? '').replace('%type%', '')
  if (text === '' && type === '') {
    const message = 'Missing search query, example: ?q=example'
    return jsonAnswer({ status: 'error', message }, {}, 400)
  }
  const size = Number(query.get('per_page') ?? 15)
  const page = Number(query.get('page') ?? 1)
  const found = [...listings.values()].filter(
    (listing) =>
      `${listing.name} ${listing.description}`.toLowerCase().includes(text.toLowerCase()) &&
      (type === '' || listing.type === type),
  )
  const results = found.slice((page - 1) * size, page * size).map((listing) => ({
    name: listing.name,
    description: listing.description,
    url: `${url}/packages/${listing.name}`,
    repository: repositoryOf(listing),
    downloads: 0,
    favers: 0,
    ...(listing.abandoned === false ? {} : { abandoned: listing.abandoned }),
  }))
  const next = new URLSearchParams({ q: text, page: String(page + 1) })
  if (type !== '') next.set('type', type)
  if (size !== 15) next.set('per_page', String(size))
  const more = page * size < found.length ? { next: `${url}/search.json?${next}` } : {}
  return jsonAnswer({ results, total: found.length, ...more })
}

/** `/providers/{name}.json`: who has `name` in `provide` or `replace`. packagist: `viewProvidersAction`. */
export function providersAnswer(listings: Listings, name: string): UpstreamAnswer {
  const provides = (listing: Listing) =>
    listing.releases.some(({ manifest }) =>
      [manifest.provide, manifest.replace].some((links) => Object.keys(links ?? {}).includes(name)),
    )
  const providers = [...listings.values()].filter(provides)
  return jsonAnswer({ providers: providers.map(({ name, description, type }) => ({ name, description, type })) })
}

/** `GET` or `POST /api/security-advisories/`. packagist: `ApiController::securityAdvisoryAction`. */
export function advisoriesAnswer(listings: Listings, request: UpstreamRequest): UpstreamAnswer {
  const form = new URLSearchParams(request.method === 'POST' ? request.body : '')
  const parameters = [...request.query, ...form]
  const names = parameters.filter(([key]) => /^packages(?:\[\d*\])?$/.test(key)).map(([, value]) => nameOf(value))
  const since = request.query.get('updatedSince')
  if ((names.length === 0) === (since === null)) {
    const message = 'Missing array of package names as the "packages" parameter or updatedSince timestamp.'
    return jsonAnswer({ status: 'error', message }, {}, 400)
  }
  const advisories: Record<string, UpstreamAdvisory[]> = {}
  if (since !== null) {
    for (const listing of listings.values()) {
      const younger = listing.advisories.filter(
        ({ reportedAt }) => Date.parse(`${reportedAt}Z`) >= Number(since) * 1000,
      )
      if (younger.length > 0) advisories[listing.name] = younger
    }
  }
  for (const name of names) {
    const listing = listings.get(name)
    if (listing !== undefined) advisories[name] = listing.advisories
  }
  // PHP writes an empty map as a list.
  return jsonAnswer({ advisories: Object.keys(advisories).length === 0 ? [] : advisories })
}

/** `/lists/all/summary.json`: one constraint for each package of each list. */
export function filterSummaryAnswer(listings: Listings): UpstreamAnswer {
  const filter: Record<string, Record<string, string>> = {}
  for (const listing of listings.values()) {
    for (const [list, entries] of listing.filters) {
      filter[list] ??= {}
      filter[list][listing.name] = entries.map(({ constraint }) => constraint).join('||')
    }
  }
  return jsonAnswer({ filter })
}

/** `POST /api/filter-lists/` with `{packages: [purl], lists: [name]}`. Composer: `FilterListApiClient`. */
export function filterAnswer(listings: Listings, body: string): UpstreamAnswer {
  const asked = JSON.parse(body) as { packages: string[]; lists: string[] }
  const filter: Record<string, UpstreamFilterEntry[]> = {}
  for (const purl of asked.packages) {
    for (const [list, entries] of listings.get(nameOf(purl))?.filters ?? []) {
      if (asked.lists.includes(list)) filter[list] = [...(filter[list] ?? []), ...entries]
    }
  }
  return jsonAnswer({ filter })
}

/** The name in `vendor/name`, `pkg:composer/vendor/name` or `pkg://composer/vendor/name`. */
function nameOf(text: string): string {
  return text.replace(/^pkg:(?:\/\/)?composer\//, '').toLowerCase()
}

function repositoryOf({ name }: Listing): string {
  return `https://github.com/${name}`
}

function matches(name: string, glob: string): boolean {
  const pattern = glob.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'))
  return new RegExp(`^${pattern.join('.*?')}$`, 'i').test(name)
}

import { Elysia, t } from 'elysia'
import { type Caller, maySee } from '../../auth/scope.ts'
import type { TokenVerifier } from '../../auth/tokens.ts'
import { mergeAdvisories, servedAdvisory } from '../../composer/advisories.ts'
import { type FilterLists, mergeFilterLists, servedFilterEntry } from '../../composer/filter-list.ts'
import { packageNameProblem } from '../../composer/package-name.ts'
import type { UpstreamFilterLists } from '../../mirror/filter-lists.ts'
import type { Relayed, RelayedAdvisories } from '../../mirror/relayed-advisories.ts'
import type { PackageCatalog } from '../../store/catalog.ts'
import type { PolicyCatalog } from '../../store/policy-catalog.ts'
import { authenticate } from '../plugins/authenticate.ts'
import { MOST_NAMES, packageNames, readAdvisoryRequest } from './advisory-request.ts'
import { type OwnPolicies, ownFilters } from './package-policies.ts'
import { POLICY_OPERATIONS } from './policy-operations.ts'
import { RenderedDocument } from './rendered-document.ts'
import { contentDate } from './view-date.ts'

/** What the routes of advisories and filter lists work with. `now` gives Unix seconds. */
export interface PolicyAnswerParts {
  readonly verifier: TokenVerifier
  readonly catalog: PackageCatalog
  readonly policies: PolicyCatalog
  readonly ownPolicies: OwnPolicies
  /** Advisories of upstreams by name, of names that are not claimed here. */
  readonly relayed: RelayedAdvisories
  readonly filterLists: UpstreamFilterLists
  readonly now: () => number
}

const FilterQuestion = t.Object(
  {
    packages: t.Array(t.String({ maxLength: 300 }), {
      maxItems: MOST_NAMES,
      description: 'package URLs, like ["pkg://composer/acme/lib"]',
    }),
    lists: t.Optional(t.Array(t.String({ maxLength: 100 }), { maxItems: 100, description: 'names of lists' })),
  },
  { description: 'packages, and the lists that are asked for' },
)

/**
 * `/api/security-advisories`, `/api/filter-lists` and the summary of all lists: what `composer audit`, blocked updates
 * and installs ask beside the metadata. Names that a token does not cover are left out, as unknown ones are.
 */
export function policyRoutes(parts: PolicyAnswerParts) {
  const advisories = ({ request, caller }: { request: Request; caller: Caller }) =>
    advisoryAnswer(parts, request, caller)
  return new Elysia({ name: 'policies' })
    .use(
      new Elysia({ name: 'advisories' })
        .use(authenticate(parts.verifier, 'any token', 'raw'))
        .get('/api/security-advisories', advisories, { detail: POLICY_OPERATIONS.advisories })
        .post('/api/security-advisories', advisories, { detail: POLICY_OPERATIONS.askAdvisories }),
    )
    .use(
      new Elysia({ name: 'filter-lists' })
        .use(authenticate(parts.verifier, 'any token'))
        .post('/api/filter-lists', ({ body, caller }) => filterAnswer(parts, caller, body), {
          body: FilterQuestion,
          detail: POLICY_OPERATIONS.askFilters,
        })
        .get('/filter-lists/summary.json', ({ request, caller }) => filterSummary(parts, caller, request), {
          detail: POLICY_OPERATIONS.summary,
        }),
    )
}

/** Packagist: ApiController::securityAdvisoriesAction. Known packages without advisories have an empty list. */
async function advisoryAnswer(parts: PolicyAnswerParts, request: Request, caller: Caller): Promise<Response> {
  const asked = await readAdvisoryRequest(request, parts.now())
  const since = 'since' in asked ? asked.since : 0
  const names = 'names' in asked ? asked.names : parts.policies.changedSince(since)
  const seen = names.filter((name) => packageNameProblem(name) === null && maySee(caller.scope, name))
  const others = 'names' in asked ? seen.filter((name) => !isClaimed(parts.catalog, name)) : []
  const [own, relayed] = await Promise.all([
    parts.ownPolicies.advisoriesOf(seen, since),
    others.length === 0 ? NOT_RELAYED : parts.relayed.of(others),
  ])
  const theirs = relayed.advisories
  const answered = seen.flatMap((name) => {
    const known = own.has(name) || theirs.has(name) || ('names' in asked && parts.catalog.get(name) !== null)
    const list = mergeAdvisories([own.get(name) ?? [], theirs.get(name) ?? []])
    return !known ? [] : [[name, list.map((advisory) => servedAdvisory(name, advisory))] as const]
  })
  return privateJson({ advisories: Object.fromEntries(answered), ...silenceOf(relayed) })
}

const NOT_RELAYED: Relayed = { advisories: new Map(), silent: [] }

/** Composer prints it: what is missing may be missing because nobody could be asked. */
function silenceOf({ silent }: Relayed): { warning?: string } {
  if (silent.length === 0) return {}
  return { warning: `${silent.join(', ')} could not be asked for security advisories; only what is known is told.` }
}

function isClaimed(catalog: PackageCatalog, name: string): boolean {
  return catalog.get(name) !== null || catalog.claimsVendor(name.slice(0, name.indexOf('/')))
}

/** Composer: FilterListApiClient. Each entry names its package; other lists than those asked for are left out. */
async function filterAnswer(
  parts: PolicyAnswerParts,
  caller: Caller,
  { packages, lists }: { packages: string[]; lists?: string[] },
): Promise<Response> {
  const seen = packageNames(packages).filter((name) => packageNameProblem(name) === null && maySee(caller.scope, name))
  const wanted = lists === undefined ? null : new Set(lists)
  const filter = new Map<string, object[]>()
  const found = await Promise.all(seen.map(async (name) => [name, await filtersOf(parts, name)] as const))
  for (const [name, known] of found) {
    for (const [list, entries] of known) {
      if (wanted !== null && !wanted.has(list)) continue
      const named = entries.map((entry) => ({ package: name, ...servedFilterEntry(entry) }))
      filter.set(list, [...(filter.get(list) ?? []), ...named])
    }
  }
  return privateJson({ filter: Object.fromEntries(filter) })
}

/** Entries of this server, and those of the upstream that has the package. */
async function filtersOf({ policies, catalog, filterLists }: PolicyAnswerParts, name: string): Promise<FilterLists> {
  const own = ownFilters(policies.filtersOf(name))
  return isClaimed(catalog, name) ? own : mergeFilterLists([own, await filterLists.of(name)])
}

/** Composer: ComposerRepository, `summary-url`. Of each list the packages on it, with the versions of all entries. */
async function filterSummary(parts: PolicyAnswerParts, caller: Caller, request: Request): Promise<Response> {
  const { policies, catalog, filterLists } = parts
  const filter = new Map<string, Map<string, string>>()
  const add = (list: string, name: string, constraint: string) => {
    if (!maySee(caller.scope, name)) return
    const packages = filter.get(list) ?? new Map<string, string>()
    const before = packages.get(name)
    filter.set(list, packages.set(name, before === undefined ? constraint : `${before}|${constraint}`))
  }
  for (const name of policies.filteredNames()) {
    for (const [list, entries] of ownFilters(policies.filtersOf(name)))
      for (const { constraint } of entries) add(list, name, constraint)
  }
  for (const { list, name, constraint } of await filterLists.summary(request.signal))
    if (!isClaimed(catalog, name)) add(list, name, constraint)
  const lists = [...filter].map(([list, packages]) => [list, Object.fromEntries(packages)])
  const json = JSON.stringify({ filter: Object.fromEntries(lists) })
  return new RenderedDocument(json, contentDate(caller.scope, json)).respond(request)
}

function privateJson(body: object): Response {
  return Response.json(body, { headers: { 'Cache-Control': 'private, no-store', 'Content-Type': 'application/json' } })
}

import { Elysia, t } from 'elysia'
import { type Caller, maySee } from '../../auth/scope.ts'
import type { TokenVerifier } from '../../auth/tokens.ts'
import { type Advisory, mergeAdvisories, servedAdvisory } from '../../composer/advisories.ts'
import { type FilterLists, servedFilterEntry } from '../../composer/filter-list.ts'
import { packageNameProblem } from '../../composer/package-name.ts'
import type { PackageCatalog } from '../../store/catalog.ts'
import type { PolicyCatalog } from '../../store/policy-catalog.ts'
import { authenticate } from '../plugins/authenticate.ts'
import { MOST_NAMES, packageNames, readAdvisoryRequest } from './advisory-request.ts'
import { type OwnPolicies, ownFilters } from './package-policies.ts'
import { POLICY_OPERATIONS } from './policy-operations.ts'
import { RenderedDocument } from './rendered-document.ts'

/** What the routes of advisories and filter lists work with. `now` gives Unix seconds. */
export interface PolicyAnswerParts {
  readonly verifier: TokenVerifier
  readonly catalog: PackageCatalog
  readonly policies: PolicyCatalog
  readonly ownPolicies: OwnPolicies
  /** Advisories of upstreams by name, of names that are not claimed here. */
  readonly relayed: (names: readonly string[]) => Promise<ReadonlyMap<string, readonly Advisory[]>>
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
  const [own, theirs] = await Promise.all([
    parts.ownPolicies.advisoriesOf(seen, since),
    others.length === 0 ? new Map<string, readonly Advisory[]>() : parts.relayed(others),
  ])
  const answered = seen.flatMap((name) => {
    const known = own.has(name) || theirs.has(name) || ('names' in asked && parts.catalog.get(name) !== null)
    const list = mergeAdvisories([own.get(name) ?? [], theirs.get(name) ?? []])
    return !known ? [] : [[name, list.map((advisory) => servedAdvisory(name, advisory))] as const]
  })
  return privateJson({ advisories: Object.fromEntries(answered) })
}

function isClaimed(catalog: PackageCatalog, name: string): boolean {
  return catalog.get(name) !== null || catalog.claimsVendor(name.slice(0, name.indexOf('/')))
}

/** Composer: FilterListApiClient. Each entry names its package; other lists than those asked for are left out. */
function filterAnswer(
  parts: PolicyAnswerParts,
  caller: Caller,
  { packages, lists }: { packages: string[]; lists?: string[] },
): Response {
  const seen = packageNames(packages).filter((name) => maySee(caller.scope, name))
  const wanted = lists === undefined ? null : new Set(lists)
  const filter: Record<string, object[]> = {}
  for (const name of seen) {
    for (const [list, entries] of ownFilters(parts.policies.filtersOf(name))) {
      if (wanted !== null && !wanted.has(list)) continue
      filter[list] = [
        ...(filter[list] ?? []),
        ...entries.map((entry) => ({ package: name, ...servedFilterEntry(entry) })),
      ]
    }
  }
  return privateJson({ filter })
}

/** Composer: ComposerRepository, `summary-url`. Of each list the packages on it, with the versions of all entries. */
function filterSummary(parts: PolicyAnswerParts, caller: Caller, request: Request): Response | Promise<Response> {
  const filter: Record<string, Record<string, string>> = {}
  for (const name of parts.policies.filteredNames()) {
    if (maySee(caller.scope, name)) addToSummary(filter, name, ownFilters(parts.policies.filtersOf(name)))
  }
  return new RenderedDocument(JSON.stringify({ filter }), null).respond(request)
}

function addToSummary(filter: Record<string, Record<string, string>>, name: string, lists: FilterLists): void {
  for (const [list, entries] of lists) {
    filter[list] = { ...filter[list], [name]: entries.map(({ constraint }) => constraint).join('|') }
  }
}

function privateJson(body: object): Response {
  return Response.json(body, { headers: { 'Cache-Control': 'private, no-store', 'Content-Type': 'application/json' } })
}

import { Elysia } from 'elysia'
import type { Caller } from '../../auth/scope.ts'
import type { TokenVerifier } from '../../auth/tokens.ts'
import { packageNameProblem } from '../../composer/package-name.ts'
import { AppError } from '../../errors.ts'
import type { BaseUrlOf } from '../base-url.ts'
import { authenticate } from '../plugins/authenticate.ts'
import { DISCOVERY_OPERATIONS, NO_STAMP_SENTENCE } from './discovery-operations.ts'
import { type ChangesParts, changesSince, readStamp, stampOf } from './metadata-changes.ts'
import { type ListParts, packageList, readListRequest } from './package-list.ts'
import { readSearchRequest, type SearchParts, searchResult } from './package-search.ts'
import { type ProviderParts, providersOf } from './providers.ts'
import { RenderedDocument } from './rendered-document.ts'

/** What the routes work with by which packages are found. `now` gives Unix seconds. */
export interface DiscoveryRoutesParts extends ChangesParts, SearchParts, ListParts, ProviderParts {
  readonly verifier: TokenVerifier
  readonly baseUrlOf: BaseUrlOf
  readonly now: () => number
}

/** Lists of names, packages that stand in for others, and what changed: the questions beside those for one package. */
export function discoveryRoutes(parts: DiscoveryRoutesParts) {
  return new Elysia({ name: 'discovery' })
    .use(authenticate(parts.verifier, 'any token'))
    .get(
      '/packages/list.json',
      async ({ request, caller }) => {
        const wanted = readListRequest(new URL(request.url).searchParams)
        return answerWith(request, await packageList(parts, caller.scope, wanted, request.signal))
      },
      { detail: DISCOVERY_OPERATIONS.list },
    )
    .get(
      '/search.json',
      async ({ request, caller }) => {
        const wanted = readSearchRequest(new URL(request.url).searchParams)
        const how = { baseUrl: parts.baseUrlOf(request), signal: request.signal }
        return answerWith(request, await searchResult(parts, caller.scope, wanted, how))
      },
      { detail: DISCOVERY_OPERATIONS.search },
    )
    .get(
      '/providers/:vendor/:file',
      ({ request, caller, params }) => providersAnswer(parts, caller, request, `${params.vendor}/${params.file}`),
      { detail: DISCOVERY_OPERATIONS.providers },
    )
    .get('/metadata/changes.json', ({ request, caller }) => changesAnswer(parts, caller, request), {
      detail: DISCOVERY_OPERATIONS.changes,
    })
}

async function providersAnswer(parts: DiscoveryRoutesParts, caller: Caller, request: Request, path: string) {
  const name = path.toLowerCase().replace(/\.json$/, '')
  if (name === path.toLowerCase() || packageNameProblem(name) !== null)
    throw new AppError('not_found', 'This is no name of a package.')
  return answerWith(request, { providers: await providersOf(parts, caller.scope, name, request.signal) })
}

/** Without a date: an answer that many things change is validated by its content alone. */
function answerWith(request: Request, content: object): Response | Promise<Response> {
  return new RenderedDocument(JSON.stringify(content), null).respond(request)
}

async function changesAnswer(parts: DiscoveryRoutesParts, caller: Caller, request: Request): Promise<Response> {
  const since = readStamp(new URL(request.url).searchParams.get('since'))
  if (since !== null) {
    const headers = { 'Cache-Control': 'private, no-cache', Vary: 'Authorization' }
    return Response.json(await changesSince(parts, caller.scope, since), { headers })
  }
  // Packagist's form of this error has the stamp beside the message, where followers look for it.
  const error = { error: NO_STAMP_SENTENCE, code: 'INVALID_REQUEST', details: {}, warning: NO_STAMP_SENTENCE }
  return Response.json(
    { ...error, timestamp: stampOf(parts.now() * 1_000) },
    { status: 400, headers: { 'Cache-Control': 'no-store' } },
  )
}

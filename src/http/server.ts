import { Elysia } from 'elysia'
import packageJson from '../../package.json' with { type: 'json' }
import type { Admission } from '../auth/admission.ts'
import type { TokenVerifier } from '../auth/tokens.ts'
import type { Logger } from '../observability/logger.ts'
import type { Metrics } from '../observability/metrics.ts'
import { checkHost, checkPath, pathStart } from './base-url.ts'
import { composerDirect } from './composer-api/direct.ts'
import { type DiscoveryRoutesParts, discoveryRoutes } from './composer-api/discovery-routes.ts'
import { type NotifyParts, notifyRoutes } from './composer-api/notify.ts'
import { type PolicyAnswerParts, policyRoutes } from './composer-api/policy-routes.ts'
import { RecentArchives } from './composer-api/recent-archives.ts'
import { type ComposerRoutesParts, composerRoutes } from './composer-api/routes.ts'
import { advisoryRoutes } from './management-api/advisories.ts'
import { type ArtifactRoutesParts, artifactRoutes } from './management-api/artifacts.ts'
import { type AuditRoutesParts, auditRoutes } from './management-api/audit.ts'
import { type ConflictRoutesParts, conflictRoutes } from './management-api/conflicts.ts'
import { type OwnerDiscoveryRoutesParts, ownerDiscoveryRoutes } from './management-api/discoveries.ts'
import { type EncryptionKeyParts, encryptionKeyRoutes } from './management-api/encryption-key.ts'
import { filterRoutes } from './management-api/filters.ts'

import { type ImportRoutesParts, importRoutes } from './management-api/imports.ts'

import { readmeRoutes, type VersionRoutesParts, withdrawalRoutes } from './management-api/package-versions.ts'
import { packageRoutes } from './management-api/packages.ts'
import type { PolicyRoutesParts } from './management-api/policy-entries.ts'
import { type RepositoryRoutesParts, repositoryRoutes } from './management-api/repositories.ts'
import { type RepositoryEventParts, repositoryEventRoutes } from './management-api/repository-events.ts'
import { type TokenRoutesParts, tokenRoutes } from './management-api/tokens.ts'
import { updatePackageRoute } from './management-api/update-package.ts'
import { webhookRegistrationRoutes } from './management-api/webhook-registration.ts'
import { describeRoutes } from './openapi/document.ts'
import { errorResponse, translateError } from './plugins/error-response.ts'
import { queryCheck } from './plugins/known-query.ts'
import { showLimit } from './plugins/rate-limit.ts'
import type { RequestFacts } from './request-facts.ts'
import { methodsAt, type Route } from './route-table.ts'
import { type DoctorRouteParts, doctorRoute } from './system/doctor-route.ts'
import { type ReadinessCheck, systemRoutes } from './system/routes.ts'
import { type WebhookRoutesParts, webhookRoutes } from './webhooks/routes.ts'

/** Everything the features need. */
export interface ServerParts
  extends Omit<ComposerRoutesParts, 'recentArchives'>,
    NotifyParts,
    DiscoveryRoutesParts,
    RepositoryRoutesParts,
    OwnerDiscoveryRoutesParts,
    RepositoryEventParts,
    ArtifactRoutesParts,
    ImportRoutesParts,
    TokenRoutesParts,
    AuditRoutesParts,
    ConflictRoutesParts,
    PolicyRoutesParts,
    EncryptionKeyParts,
    DoctorRouteParts,
    PolicyAnswerParts,
    WebhookRoutesParts,
    VersionRoutesParts {
  readonly ready: ReadinessCheck
  readonly facts: RequestFacts
  readonly metrics: Metrics
  readonly metricsGate: TokenVerifier | null
  readonly admission: Admission
  readonly logger: Logger
}

/** Answers one request. Never throws. */
export type Handler = (request: Request) => Promise<Response>

/** Answers one request. Never throws. `routes` lists all there are. */
export function createHandler(parts: ServerParts): Handler & { readonly routes: readonly Route[] } {
  const { logger, facts, admission } = parts
  const failed = (error: unknown, request: Request, id: string): Response => {
    const response = errorResponse(error, { path: pathOf(request), id })
    logFailure(logger, request, id, response.status, error)
    return response
  }
  const composer: ComposerRoutesParts = { ...parts, recentArchives: new RecentArchives() }
  const app = createRouter(parts, composer, (error, request) => failed(error, request, facts.idOf(request)))
  const direct = composerDirect(composer)
  const answer = (request: Request, id: string): Response | Promise<Response> => {
    checkHost(request)
    const response = direct(request)
    if (response) return response
    facts.noteId(request, id)
    checkPath(request.url)
    return optionsAnswer(app.routes, request) ?? plainJson(app.handle(request))
  }

  const handler: Handler = async (request) => {
    const began = performance.now()
    const id = requestId(request)
    let response: Response
    try {
      const given = answer(request, id)
      // An await costs a turn of the event loop, which most answers do not need.
      response = given instanceof Promise ? await given : given
    } catch (error) {
      response = failed(error, request, id)
    }
    const window = admission.windowOf(request)
    if (window) showLimit(response, window)
    response.headers.set('X-Request-Id', id)
    response.headers.set('X-Content-Type-Options', 'nosniff')
    // What says nothing of caches is for whoever asked: tokens, credentials, and what only some may see.
    if (!response.headers.has('Cache-Control')) response.headers.set('Cache-Control', 'no-store')
    const route = facts.routeOf(request) || directRoute(request)
    parts.metrics.request(route, knownMethod(request), response.status, (performance.now() - began) / 1_000)
    if (logger.enabled('debug')) {
      logger.debug('request', { request: id, method: request.method, path: pathOf(request), status: response.status })
    }
    return response
  }
  return Object.assign(handler, { routes: app.routes.map(({ method, path }) => ({ method, path })) })
}

/** The table of contents: errors first, then the features. */
function createRouter(
  parts: ServerParts,
  composer: ComposerRoutesParts,
  failed: (error: unknown, request: Request) => Response,
) {
  const app = new Elysia({ normalize: false })
  const checkQuery = queryCheck(() => app.routes)
  return app
    .onError({ as: 'global' }, ({ code, error, request, route }) => {
      parts.facts.noteRoute(request, code === 'NOT_FOUND' ? '' : route)
      return failed(translateError(code, error, request, app.routes), request)
    })
    .onBeforeHandle({ as: 'global' }, ({ request, route }) => {
      parts.facts.noteRoute(request, route)
      return checkQuery(request, route)
    })
    .use(composerRoutes(composer))
    .use(policyRoutes(parts))
    .use(notifyRoutes(parts))
    .use(discoveryRoutes(parts))
    .use(repositoryRoutes(parts))
    .use(repositoryEventRoutes(parts))
    .use(ownerDiscoveryRoutes(parts))
    .use(webhookRegistrationRoutes(parts))
    .use(updatePackageRoute(parts))
    .use(artifactRoutes(parts))
    .use(importRoutes(parts))
    .use(packageRoutes(parts))
    .use(readmeRoutes(parts))
    .use(withdrawalRoutes(parts))
    .use(tokenRoutes(parts))
    .use(auditRoutes(parts))
    .use(conflictRoutes(parts))
    .use(encryptionKeyRoutes(parts))
    .use(advisoryRoutes(parts))
    .use(filterRoutes(parts))
    .use(doctorRoute(parts))
    .use(webhookRoutes(parts))
    .use(systemRoutes({ ...parts, apiDocument: () => describeRoutes(app.routes, packageJson.version) }))
}

/** Which methods an address has; null for other questions, and where there is nothing. */
function optionsAnswer(routes: readonly Route[], request: Request): Response | null {
  const allow = request.method === 'OPTIONS' ? methodsAt(routes, new URL(request.url).pathname) : []
  return allow.length === 0 ? null : new Response(null, { status: 204, headers: { Allow: allow.join(', ') } })
}

/** The client's id when it is a sane one, so that its log and ours name the same request. */
function requestId(request: Request): string {
  const sent = request.headers.get('x-request-id')
  return sent !== null && /^[A-Za-z0-9._-]{1,100}$/.test(sent) ? sent : crypto.randomUUID()
}

/** JSON has no charset parameter; Bun adds one to objects that a handler returns, which would make two forms of answers. */
async function plainJson(given: Response | Promise<Response>): Promise<Response> {
  const response = await given
  const { headers } = response
  if (headers.get('content-type') === 'application/json;charset=utf-8') headers.set('Content-Type', 'application/json')
  return response
}

function pathOf(request: Request): string {
  return URL.canParse(request.url) ? new URL(request.url).pathname : '/'
}

function logFailure(logger: Logger, request: Request, id: string, status: number, error: unknown): void {
  const fields = { request: id, method: request.method, path: pathOf(request), status }
  if (status >= 500)
    logger.error('request failed', { ...fields, error: error instanceof Error ? error : String(error) })
  else if (logger.enabled('debug'))
    logger.debug('request refused', { ...fields, error: error instanceof Error ? error.message : String(error) })
}

/** What the router never saw is one of the two forms that are answered without it, or of no route. */
function directRoute(request: Request): string {
  const { url } = request
  const start = pathStart(url)
  if (url.startsWith('/p2/', start)) return '/p2/:vendor/:file'
  return url.startsWith('/dist/', start) ? '/dist/*' : 'none'
}

/** A stranger's method must not become a label. */
function knownMethod({ method }: Request): string {
  return /^(?:GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS)$/.test(method) ? method : 'other'
}

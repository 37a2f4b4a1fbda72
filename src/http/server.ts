import { Elysia } from 'elysia'
import type { Logger } from '../observability/logger.ts'
import { checkHost, checkPath } from './base-url.ts'
import { composerDirect } from './composer-api/direct.ts'
import { RecentArchives } from './composer-api/recent-archives.ts'
import { type ComposerRoutesParts, composerRoutes } from './composer-api/routes.ts'
import { type RepositoryRoutesParts, repositoryRoutes } from './management-api/repositories.ts'
import { type TokenRoutesParts, tokenRoutes } from './management-api/tokens.ts'
import { errorResponse, translateError } from './plugins/error-response.ts'
import { type ReadinessCheck, systemRoutes } from './system/routes.ts'

/** Everything the features need. */
export interface ServerParts
  extends Omit<ComposerRoutesParts, 'recentArchives'>,
    RepositoryRoutesParts,
    TokenRoutesParts {
  readonly ready: ReadinessCheck
  readonly logger: Logger
}

/** Answers one request. Never throws. */
export type Handler = (request: Request) => Promise<Response>

/** A method and the path pattern it belongs to, such as `GET /p2/:vendor/:file`. */
export interface Route {
  readonly method: string
  readonly path: string
}

/** The table of contents: errors first, then the features. `routes` lists all there are. */
export function createHandler(parts: ServerParts): Handler & { readonly routes: readonly Route[] } {
  const { logger } = parts
  const ids = new WeakMap<Request, string>()
  const failed = (error: unknown, request: Request, id: string): Response => {
    const response = errorResponse(error, { path: pathOf(request), id })
    logFailure(logger, request, id, response.status, error)
    return response
  }
  const composer: ComposerRoutesParts = { ...parts, recentArchives: new RecentArchives() }
  const app = new Elysia({ normalize: false })
  app
    .onError({ as: 'global' }, ({ code, error, request }) =>
      failed(translateError(code, error, request, app.router), request, ids.get(request) ?? ''),
    )
    .use(composerRoutes(composer))
    .use(repositoryRoutes(parts))
    .use(tokenRoutes(parts))
    .use(systemRoutes(parts))
  const direct = composerDirect(composer)
  const answer = (request: Request, id: string): Response | Promise<Response> => {
    checkHost(request)
    const response = direct(request)
    if (response) return response
    checkPath(request)
    ids.set(request, id)
    return app.handle(request)
  }

  const handler: Handler = async (request) => {
    const id = requestId(request)
    let response: Response
    try {
      const given = answer(request, id)
      // An await costs a turn of the event loop, which most answers do not need.
      response = given instanceof Promise ? await given : given
    } catch (error) {
      response = failed(error, request, id)
    }
    response.headers.set('X-Request-Id', id)
    response.headers.set('X-Content-Type-Options', 'nosniff')
    if (logger.enabled('debug')) {
      logger.debug('request', { request: id, method: request.method, path: pathOf(request), status: response.status })
    }
    return response
  }
  return Object.assign(handler, { routes: app.routes.map(({ method, path }) => ({ method, path })) })
}

/** The client's id when it is a sane one, so that its log and ours name the same request. */
function requestId(request: Request): string {
  const sent = request.headers.get('x-request-id')
  return sent !== null && /^[A-Za-z0-9._-]{1,100}$/.test(sent) ? sent : crypto.randomUUID()
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

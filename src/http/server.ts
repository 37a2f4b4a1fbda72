import { Elysia } from 'elysia'
import type { Logger } from '../observability/logger.ts'
import { checkHost } from './base-url.ts'
import { type ComposerRoutesParts, composerRoutes } from './composer-api/routes.ts'
import { type RepositoryRoutesParts, repositoryRoutes } from './management-api/repositories.ts'
import { type TokenRoutesParts, tokenRoutes } from './management-api/tokens.ts'
import { errorResponse, translateError } from './plugins/error-response.ts'
import type { RequestFacts } from './request-facts.ts'
import { type ReadinessCheck, systemRoutes } from './system/routes.ts'

/** Everything the features need. */
export interface ServerParts extends ComposerRoutesParts, RepositoryRoutesParts, TokenRoutesParts {
  readonly ready: ReadinessCheck
  readonly facts: RequestFacts
  readonly logger: Logger
}

/** Answers one request. Never throws. */
export type Handler = (request: Request) => Promise<Response>

/** The table of contents: errors first, then the features. */
export function createHandler(parts: ServerParts): Handler {
  const { logger, facts } = parts
  const failed = (error: unknown, request: Request): Response => {
    const id = facts.idOf(request)
    const response = errorResponse(error, { path: pathOf(request), id })
    logFailure(logger, request, id, response.status, error)
    return response
  }
  const app = new Elysia({ normalize: false })
  app
    .onError({ as: 'global' }, ({ code, error, request }) =>
      failed(translateError(code, error, request, app.router), request),
    )
    .use(composerRoutes(parts))
    .use(repositoryRoutes(parts))
    .use(tokenRoutes(parts))
    .use(systemRoutes(parts))

  return async (request) => {
    const id = facts.idOf(request)
    const response = await answer(app, request, failed)
    response.headers.set('X-Request-Id', id)
    response.headers.set('X-Content-Type-Options', 'nosniff')
    if (logger.enabled('debug')) {
      logger.debug('request', { request: id, method: request.method, path: pathOf(request), status: response.status })
    }
    return response
  }
}

async function answer(
  app: { handle(request: Request): Response | Promise<Response> },
  request: Request,
  failed: (error: unknown, request: Request) => Response,
) {
  try {
    checkHost(request)
    return await app.handle(request)
  } catch (error) {
    return failed(error, request)
  }
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

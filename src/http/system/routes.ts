import { Elysia } from 'elysia'
import { AppError } from '../../errors.ts'
import type { BaseUrlOf } from '../base-url.ts'
import type { OpenApiDocument } from '../openapi/document.ts'
import { apiPageFile } from './api-page.ts'
import { type MetricsRouteParts, metricsRoute } from './metrics-route.ts'
import { SYSTEM_OPERATIONS } from './operations.ts'

/** Whether the parts that requests need can be used now. Throws what is wrong. */
export type ReadinessCheck = () => Promise<void>

/** What the routes of the system work with. */
export interface SystemRoutesParts extends MetricsRouteParts {
  readonly ready: ReadinessCheck
  readonly baseUrlOf: BaseUrlOf
  /** Describes every route. */
  readonly apiDocument: () => Promise<OpenApiDocument>
}

/**
 * `/health`: the process is up. `/ready`: database and archive directory can be used, and it is not shutting down.
 * `/swagger`: the description of the API and a page that shows it.
 */
export function systemRoutes({ ready, baseUrlOf, apiDocument, ...parts }: SystemRoutesParts) {
  let rendered: Promise<string> | null = null
  return new Elysia({ name: 'system' })
    .use(metricsRoute(parts))
    .get('/health', () => ({ status: 'ok' }), { detail: SYSTEM_OPERATIONS.health })
    .get(
      '/ready',
      async () => {
        try {
          await ready()
        } catch (error) {
          if (error instanceof AppError) throw error
          throw new AppError('unavailable', 'The database or the archive directory cannot be used.', { cause: error })
        }
        return { status: 'ready' }
      },
      { detail: SYSTEM_OPERATIONS.ready },
    )
    .get(
      '/swagger/json',
      async ({ request }) => {
        rendered ??= apiDocument().then((document) => JSON.stringify(document))
        // Only the address depends on the request; it is set in front of what was rendered once.
        const servers = JSON.stringify([{ url: baseUrlOf(request) }])
        const body = `{"servers":${servers},${(await rendered).slice(1)}`
        return new Response(body, { headers: { 'Content-Type': 'application/json', 'Cache-Control': 'no-cache' } })
      },
      { detail: SYSTEM_OPERATIONS.document },
    )
    .get('/swagger', ({ request }) => apiPageFile('page.html', request), { detail: SYSTEM_OPERATIONS.page })
    .get('/swagger/page.css', ({ request }) => apiPageFile('page.css', request), { detail: SYSTEM_OPERATIONS.style })
    .get('/swagger/page.js', ({ request }) => apiPageFile('page.js', request), { detail: SYSTEM_OPERATIONS.script })
}

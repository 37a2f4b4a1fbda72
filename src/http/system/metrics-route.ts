import { Elysia } from 'elysia'
import type { TokenVerifier } from '../../auth/tokens.ts'
import type { Metrics } from '../../observability/metrics.ts'
import { admit } from '../plugins/authenticate.ts'
import { SYSTEM_OPERATIONS } from './operations.ts'

/** What the route of the metrics works with. */
export interface MetricsRouteParts {
  readonly metrics: Metrics
  /** Null when everybody may look. */
  readonly metricsGate: TokenVerifier | null
}

/** `/metrics`, for Prometheus. It tells of the whole installation, so a token that covers a part of it is not enough. */
export function metricsRoute({ metrics, metricsGate }: MetricsRouteParts) {
  return new Elysia({ name: 'metrics' }).get(
    '/metrics',
    async ({ request }) => {
      if (metricsGate !== null) await admit(metricsGate, 'token for everything', request)
      const { contentType, body } = await metrics.text()
      return new Response(body, { headers: { 'Content-Type': contentType, 'Cache-Control': 'no-store' } })
    },
    { detail: SYSTEM_OPERATIONS.metrics },
  )
}

import type { RateWindow } from '../../auth/rate-limits.ts'

/**
 * Tells a caller what is left of its window, on every answer. One that says "not modified" did not cost us anything
 * and is taken back. Without a limit there is nothing left to tell but that: `X-RateLimit-Limit: 0`.
 */
export function showLimit(response: Response, window: RateWindow): void {
  if (response.status === 304) window.giveBack()
  const { headers } = response
  headers.set('X-RateLimit-Limit', window.limitText)
  if (window.limitText === '0') return
  headers.set('X-RateLimit-Remaining', String(window.remaining))
  headers.set('X-RateLimit-Reset', window.resetText)
}

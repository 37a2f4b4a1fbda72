import { AppError } from '../../errors.ts'

/** Throws AppError('invalid') with `details.fields`. */
export function wrongField(field: string, expected: string): AppError {
  return new AppError('invalid', `${field} ${expected}.`, { details: { fields: { [field]: expected } } })
}

/** `limit` and `cursor` of a list. Throws AppError('invalid'). */
export function pageOf(query: Record<string, string | undefined>): { limit: number; cursor: string | null } {
  const { limit = '100', cursor } = query
  const rows = Number(limit)
  if (!/^\d{1,4}$/.test(limit) || rows < 1 || rows > 1_000)
    throw wrongField('limit', 'needs a whole number from 1 to 1000')
  return { limit: rows, cursor: cursor ?? null }
}

/** A list answer with `X-Total-Count`, and `Link` when there is another page. */
export function listResponse(
  request: Request,
  baseUrl: string,
  page: { body: unknown[]; total: number; next: string | null },
): Response {
  const headers: Record<string, string> = { 'Content-Type': 'application/json', 'X-Total-Count': String(page.total) }
  if (page.next !== null) {
    const { pathname, searchParams } = new URL(request.url)
    searchParams.set('cursor', page.next)
    headers.Link = `<${baseUrl}${pathname}?${searchParams}>; rel="next"`
  }
  return new Response(JSON.stringify(page.body), { headers })
}

import { hostFailure } from './failure.ts'

/** Most pages read of one listing: 50,000 repositories at a hundred a page. */
export const MOST_PAGES = 500

/** A page of a listing, and where the next one is. */
export interface Page<T> {
  readonly items: readonly T[]
  /** Path or address; null at the end. */
  readonly next: string | null
}

/** Pages until there is none, with an end to them. Throws AppError('upstream') for a listing that goes in a circle. */
export async function* pages<T>(
  first: string,
  where: string,
  read: (path: string) => Promise<Page<T>>,
): AsyncGenerator<readonly T[]> {
  const seen = new Set<string>()
  for (let next: string | null = first; next !== null; ) {
    if (seen.has(next)) throw hostFailure('protocol', `The listing of ${where} leads back to a page of its own.`)
    if (seen.size >= MOST_PAGES)
      throw hostFailure('protocol', `The listing of ${where} has more than ${MOST_PAGES} pages.`)
    seen.add(next)
    const page: Page<T> = await read(next)
    yield page.items
    next = page.next
  }
}

/** The address with `rel="next"` in a `Link` header (RFC 8288); null when there is none. */
export function nextLink(headers: Headers): string | null {
  const text = (headers.get('link') ?? '').slice(0, 20_000)
  for (const part of text.split(/,(?=\s*<)/)) {
    const match = /^\s*<([^<>]{1,4000})>(.*)$/s.exec(part)
    if (match?.[1] !== undefined && /;\s*rel="?next"?/.test(match[2] ?? '')) return match[1]
  }
  return null
}

/** Path segments of `acme/lib`, each encoded. */
export function encodedPath(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/')
}

/** How a link names a ref: its short name, or the commit for what is neither tag nor branch. */
export function refShortName(ref: { name: string; commit: string }): string {
  const name = /^refs\/(?:tags|heads)\/(.+)$/.exec(ref.name)?.[1]
  return name === undefined ? ref.commit : encodedPath(name)
}

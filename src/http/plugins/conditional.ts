/** What tells two states of a document apart. */
export interface Validators {
  /** Weak entity tag with its quotes, such as `W/"abc"`. */
  readonly etag: string
  /** HTTP date; null for an answer that must not be revalidated by date. */
  readonly lastModified: string | null
}

/**
 * True when the client's copy is the current one. Dates are compared for equality: Composer echoes the one it was sent,
 * and a database restored from a backup may have gone back in time.
 */
export function isFresh(headers: Headers, { etag, lastModified }: Validators): boolean {
  const wanted = headers.get('if-none-match')
  if (wanted !== null) return wanted === '*' || wanted.split(',').some((tag) => weak(tag) === weak(etag))
  const since = headers.get('if-modified-since')
  return since !== null && lastModified !== null && since === lastModified
}

function weak(tag: string): string {
  return tag.trim().replace(/^W\//, '')
}

/** Codings a document is kept in, best first. */
export const CODINGS = ['zstd', 'gzip'] as const

/** A content coding; `identity` is none. */
export type Coding = (typeof CODINGS)[number] | 'identity'

/** Choices made before; clients send few forms of the header. Emptied when it grows past its bound. */
const chosen = new Map<string, Coding>()
const CHOICES = 200

/** The coding to answer with, by `Accept-Encoding` (RFC 9110, 12.5.3). */
export function chooseCoding(acceptEncoding: string | null): Coding {
  if (acceptEncoding === null || acceptEncoding.length > 500) return 'identity'
  const known = chosen.get(acceptEncoding)
  if (known !== undefined) return known
  if (chosen.size >= CHOICES) chosen.clear()
  const coding = weighCodings(acceptEncoding)
  chosen.set(acceptEncoding, coding)
  return coding
}

function weighCodings(acceptEncoding: string): Coding {
  const weights = new Map<string, number>()
  for (const item of acceptEncoding.toLowerCase().split(',')) {
    const [name = '', ...parameters] = item.split(';').map((part) => part.trim())
    const q = parameters.find((parameter) => parameter.startsWith('q='))
    weights.set(name, q === undefined ? 1 : Number(q.slice(2)) || 0)
  }
  const weight = (coding: string) => weights.get(coding) ?? weights.get('*') ?? 0
  const best = [...CODINGS].sort((left, right) => weight(right) - weight(left))[0]
  return best !== undefined && weight(best) > 0 ? best : 'identity'
}

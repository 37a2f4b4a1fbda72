/** A header of an answer as the document describes it. `pattern` is what its value always looks like. */
export interface HeaderObject {
  readonly description: string
  readonly required: boolean
  readonly schema: { readonly type: 'string' | 'integer'; readonly pattern?: string; readonly minimum?: number }
  readonly example: string | number
}

const DATE = '^[A-Z][a-z]{2}, \\d{2} [A-Z][a-z]{2} \\d{4} \\d{2}:\\d{2}:\\d{2} GMT$'

const text = (description: string, example: string, pattern?: string): HeaderObject => ({
  description,
  required: true,
  schema: { type: 'string', ...(pattern === undefined ? {} : { pattern }) },
  example,
})

const count = (description: string, example: number): HeaderObject => ({
  description,
  required: true,
  schema: { type: 'integer', minimum: 0 },
  example,
})

const optional = (header: HeaderObject): HeaderObject => ({ ...header, required: false })

/** Headers that answers carry, by name. Operations name them; the document holds each once. */
export const HEADERS = {
  'X-Request-Id': text(
    'Names the request in the log; the one the client sent when it is 1 to 100 letters, digits, dots, dashes or underscores.',
    '0d5cbb5e-6a0b-4b58-9a57-4d0a9e6b8d3e',
    '^[A-Za-z0-9._-]{1,100}$',
  ),
  'X-Content-Type-Options': text('The content type is to be believed.', 'nosniff', '^nosniff$'),
  'Cache-Control': text('Who may keep the answer, and for how long.', 'no-store'),
  'WWW-Authenticate': text('How to authenticate.', 'Basic realm="package-broker", charset="UTF-8"', '^Basic realm='),
  'Retry-After': optional(count('Seconds to wait before the next try.', 60)),
  'X-Accel-Buffering': text('Proxies send on what comes as it comes.', 'no', '^no$'),
  Allow: text('Methods that are possible at this address.', 'GET, HEAD', '^[A-Z]+(?:, [A-Z]+)*$'),
  Link: optional(
    text(
      'The next page, as long as there is one.',
      '<https://packages.example.com/api/tokens?cursor=tok_V1StGXR8Z5>; rel="next"',
      '^<https?://[^>]+>; rel="next"$',
    ),
  ),
  'X-Total-Count': count('How many there are on all pages.', 42),
  'X-RateLimit-Limit': optional(
    count('Requests that the token has in an hour, 0 for no limit; when a token came.', 1_000),
  ),
  'X-RateLimit-Remaining': optional(count('How many are left of them, when there is a limit.', 997)),
  'X-RateLimit-Reset': optional(count('When the hour ends, in Unix seconds, when there is a limit.', 1_767_229_200)),
  ETag: text('Tells two states of the answer apart.', 'W/"mZoqFhtHhFYHSN2UaTsQvXhpOoE"', '^(?:W/)?"[^"]+"$'),
  'Last-Modified': optional(text('When the document last changed.', 'Tue, 01 Jul 2025 10:00:00 GMT', DATE)),
  Vary: text('Request headers that the answer depends on.', 'Authorization, Accept-Encoding'),
  'Content-Encoding': optional(text('How the body is compressed.', 'gzip', '^(?:gzip|zstd)$')),
  'Content-Length': count('Length of the body in bytes.', 5120),
  'Content-Range': text('Which bytes these are, of how many.', 'bytes 0-99/5120', '^bytes (?:\\d+-\\d+|\\*)/\\d+$'),
  'Accept-Ranges': text('Parts can be asked for.', 'bytes', '^bytes$'),
  'Content-Disposition': text(
    'The name of the file.',
    'attachment; filename="acme-lib-1.0.0.zip"',
    '^attachment; filename="[A-Za-z0-9._-]+"$',
  ),
  'Content-Security-Policy': text('What the page may load.', "default-src 'none'"),
  'Referrer-Policy': text('What links of the page tell.', 'no-referrer'),
} satisfies Record<string, HeaderObject>

/** Name of a header in `HEADERS`. */
export type HeaderName = keyof typeof HEADERS

/** Headers that only some answers of a status carry, by what the document calls them. */
export const SOME_HEADERS = {
  'Content-Length.some': optional(HEADERS['Content-Length']),
  'ETag.some': optional(HEADERS.ETag),
  'Accept-Ranges.some': optional(HEADERS['Accept-Ranges']),
} satisfies Record<string, HeaderObject>

/** Name of a header in `SOME_HEADERS`. */
export type SomeHeaderName = 'Content-Length' | 'ETag' | 'Accept-Ranges'

/** Headers of answers to a token. */
export const RATE_LIMIT: readonly HeaderName[] = ['X-RateLimit-Limit', 'X-RateLimit-Remaining', 'X-RateLimit-Reset']

/** Headers of every answer whatever it is. */
export const EVERYWHERE: readonly HeaderName[] = ['X-Request-Id', 'X-Content-Type-Options', 'Cache-Control']

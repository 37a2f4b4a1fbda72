import type { ArchiveFile } from '../../archives/archive-index.ts'
import type { IncomingArchive } from '../../archives/incoming-archive.ts'
import { isFresh } from '../plugins/conditional.ts'

/** A part of a file, both ends included, in bytes. */
interface ByteRange {
  readonly start: number
  readonly end: number
}

/** Content types by the ending of an archive's name. */
const TYPES: Readonly<Record<string, string>> = {
  zip: 'application/zip',
  tar: 'application/x-tar',
  gz: 'application/gzip',
  tgz: 'application/gzip',
  bz2: 'application/x-bzip2',
  xz: 'application/x-xz',
  rar: 'application/vnd.rar',
}
const OTHER_TYPE = 'application/octet-stream'

/** Every content type that an archive can have. */
export const ARCHIVE_TYPES: readonly string[] = [...new Set([...Object.values(TYPES), OTHER_TYPE])]

/**
 * The answer for an archive: the file streamed from disk, the asked part of it, or only its headers. `name` is what a
 * browser saves it as.
 */
export function archiveResponse(request: Request, file: ArchiveFile, name: string): Response {
  const etag = `"${file.sha256}"`
  const headers: Record<string, string> = { ...archiveHeaders(name), 'Accept-Ranges': 'bytes', ETag: etag }
  if (isFresh(request.headers, { etag, lastModified: null })) {
    return new Response(null, { status: 304, headers })
  }
  const range = rangeOf(request, file.size, etag)
  if (range === 'unsatisfiable') {
    return new Response(null, { status: 416, headers: { ...headers, 'Content-Range': `bytes */${file.size}` } })
  }
  const { start, end } = range ?? { start: 0, end: file.size - 1 }
  headers['Content-Length'] = String(end - start + 1)
  if (range) headers['Content-Range'] = `bytes ${start}-${end}/${file.size}`
  const blob = Bun.file(file.path)
  const body = request.method === 'HEAD' ? null : range ? blob.slice(start, end + 1) : blob
  return new Response(body, { status: range ? 206 : 200, headers })
}

/**
 * The answer for an archive that is on its way: its bytes as they come, broken off when it turns out to be a wrong one.
 * It has no length, since Bun sends none with a stream.
 */
export function incomingArchiveResponse(incoming: IncomingArchive, name: string): Response {
  return new Response(incoming.stream(), { headers: archiveHeaders(name) })
}

/** True when only the complete archive can answer: its length, its digest or a part of it is asked for. */
export function needsWholeArchive({ method, headers }: Request): boolean {
  return method === 'HEAD' || headers.has('range') || headers.has('if-none-match')
}

function archiveHeaders(name: string): Record<string, string> {
  return {
    'Content-Type': TYPES[name.slice(name.lastIndexOf('.') + 1)] ?? OTHER_TYPE,
    'Cache-Control': 'private, max-age=31536000, immutable, no-transform',
    Vary: 'Authorization',
    'Content-Disposition': `attachment; filename="${name.replace(/[^A-Za-z0-9._-]+/g, '-')}"`,
  }
}

/** One range of bytes; several, or one that is no range, mean the whole file (RFC 9110, 14.2). */
function rangeOf(request: Request, size: number, etag: string): ByteRange | 'unsatisfiable' | null {
  const header = request.headers.get('range')
  const condition = request.headers.get('if-range')
  if (header === null || request.method !== 'GET' || (condition !== null && condition !== etag)) return null
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header.replaceAll(' ', ''))
  const [, first = '', last = ''] = match ?? []
  if (!match || (first === '' && last === '')) return null
  if (first === '') {
    const length = Math.min(Number(last), size)
    return length === 0 ? 'unsatisfiable' : { start: size - length, end: size - 1 }
  }
  const start = Number(first)
  const end = last === '' ? size - 1 : Math.min(Number(last), size - 1)
  if (start >= size) return 'unsatisfiable'
  return end < start ? null : { start, end }
}

import type { UpstreamAnswer, UpstreamRequest } from './http-connection.ts'
import { NOT_FOUND } from './upstream-server.ts'

interface StaticFile {
  body: string | Uint8Array
  /** Unix seconds. */
  modified: number
}

/** A directory behind a plain web server, with the validators that nginx gives: `Last-Modified` and `ETag`. */
export class StaticFiles {
  private files = new Map<string, StaticFile>()

  /** Writes a file at an absolute path; one of the same content keeps its date. */
  put(path: string, body: string | Uint8Array): void {
    const before = this.files.get(path)
    if (before !== undefined && Buffer.from(before.body).equals(Buffer.from(body))) return
    const modified = Math.max(Math.floor(Date.now() / 1000), (before?.modified ?? 0) + 1)
    this.files.set(path, { body, modified })
  }

  /** Removes every file below a path that is not in `kept`. */
  prune(prefix: string, kept: ReadonlySet<string>): void {
    for (const path of this.files.keys()) if (path.startsWith(prefix) && !kept.has(path)) this.files.delete(path)
  }

  /** The file, 304, or 404. */
  answer({ path, headers }: UpstreamRequest): UpstreamAnswer {
    const file = this.files.get(path)
    if (file === undefined) return NOT_FOUND
    const date = new Date(file.modified * 1000).toUTCString()
    const tag = `"${file.modified.toString(16)}-${file.body.length.toString(16)}"`
    const validators = { 'Last-Modified': date, ETag: tag }
    const asked = headers['if-none-match']
    const same = asked === undefined ? headers['if-modified-since'] === date : asked.replace(/^W\//, '') === tag
    if (same) return { status: 304, headers: validators }
    const type = path.endsWith('.json') ? 'application/json' : 'application/zip'
    return { headers: { 'Content-Type': type, ...validators }, body: file.body }
  }
}

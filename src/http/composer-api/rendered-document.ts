import { createHash } from 'node:crypto'
import { promisify } from 'node:util'
import { gzip, constants as zlib, zstdCompress } from 'node:zlib'
import { type Coding, chooseCoding, isFresh } from '../plugins/conditional.ts'

const compress: Record<Exclude<Coding, 'identity'>, (body: Uint8Array) => Promise<Uint8Array>> = {
  gzip: (body) => promisify(gzip)(body, { level: 9 }),
  zstd: (body) => promisify(zstdCompress)(body, { params: { [zlib.ZSTD_c_compressionLevel]: 12 } }),
}

/** A JSON document with its validators, compressed at most once per coding. */
export class RenderedDocument {
  readonly etag: string
  readonly lastModified: string | null
  private readonly bodies = new Map<Coding, Uint8Array<ArrayBuffer>>()
  private readonly pending = new Map<Coding, Promise<Uint8Array<ArrayBuffer>>>()
  private readonly headers: Record<string, string>

  /** `modifiedAt` in Unix seconds; null for a document without a date, which a client fetches anew each time. */
  constructor(json: string, modifiedAt: number | null) {
    const body = new TextEncoder().encode(json)
    this.bodies.set('identity', body)
    this.etag = `W/"${createHash('sha1').update(body).digest('base64url')}"`
    this.lastModified = modifiedAt === null ? null : new Date(modifiedAt * 1000).toUTCString()
    this.headers = {
      'Content-Type': 'application/json',
      'Cache-Control': 'private, no-cache',
      Vary: 'Authorization, Accept-Encoding',
      ETag: this.etag,
      ...(this.lastModified === null ? {} : { 'Last-Modified': this.lastModified }),
    }
  }

  /** Bytes held in memory. */
  get size(): number {
    let size = 0
    for (const body of this.bodies.values()) size += body.length
    return size
  }

  /** 304 without a body, or the document in the coding the client likes best. */
  respond(request: Request): Response | Promise<Response> {
    if (isFresh(request.headers, this)) return new Response(null, { status: 304, headers: this.headers })
    const coding = chooseCoding(request.headers.get('accept-encoding'))
    const body = this.bodies.get(coding)
    return body ? this.answer(coding, body) : this.encoded(coding).then((made) => this.answer(coding, made))
  }

  private answer(coding: Coding, body: Uint8Array<ArrayBuffer>): Response {
    const headers = coding === 'identity' ? this.headers : { ...this.headers, 'Content-Encoding': coding }
    return new Response(body, { headers })
  }

  private encoded(coding: Coding): Promise<Uint8Array<ArrayBuffer>> {
    const running = this.pending.get(coding)
    if (running || coding === 'identity')
      return running ?? Promise.resolve(this.bodies.get('identity') ?? new Uint8Array())
    const made = compress[coding](this.bodies.get('identity') ?? new Uint8Array()).then((body) => {
      const bytes = new Uint8Array(body)
      this.bodies.set(coding, bytes)
      this.pending.delete(coding)
      return bytes
    })
    this.pending.set(coding, made)
    return made
  }
}

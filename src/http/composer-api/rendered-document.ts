import { createHash } from 'node:crypto'
import { promisify } from 'node:util'
import { gzip, constants as zlib, zstdCompress } from 'node:zlib'
import { type Coding, chooseCoding, isFresh } from '../plugins/conditional.ts'

const compress: Record<Exclude<Coding, 'identity'>, (body: Uint8Array) => Promise<Uint8Array>> = {
  gzip: (body) => promisify(gzip)(body, { level: 9 }),
  zstd: (body) => promisify(zstdCompress)(body, { params: { [zlib.ZSTD_c_compressionLevel]: 12 } }),
}

/** A document in one coding, ready to be sent: a Blob's bytes are shared by its responses, those of an array copied. */
interface Encoded {
  readonly body: Blob
  readonly headers: Headers
}

/** A JSON document with its validators, compressed at most once per coding. */
export class RenderedDocument {
  readonly etag: string
  readonly lastModified: string | null
  private readonly plain: Encoded
  private readonly compressed = new Map<Coding, Encoded>()
  private readonly pending = new Map<Coding, Promise<Encoded>>()

  /** `modifiedAt` in Unix seconds; null for a document without a date, which a client fetches anew each time. */
  constructor(json: string, modifiedAt: number | null) {
    const bytes = new TextEncoder().encode(json)
    this.etag = `W/"${createHash('sha1').update(bytes).digest('base64url')}"`
    this.lastModified = modifiedAt === null ? null : new Date(modifiedAt * 1000).toUTCString()
    const headers = new Headers({
      'Content-Type': 'application/json',
      'Cache-Control': 'private, no-cache',
      Vary: 'Authorization, Accept-Encoding',
      ETag: this.etag,
    })
    if (this.lastModified !== null) headers.set('Last-Modified', this.lastModified)
    this.plain = { body: new Blob([bytes]), headers }
  }

  /** Bytes held in memory. */
  get size(): number {
    let size = this.plain.body.size
    for (const { body } of this.compressed.values()) size += body.size
    return size
  }

  /** 304 without a body, or the document in the coding the client likes best. */
  respond(request: Request): Response | Promise<Response> {
    if (isFresh(request.headers, this)) return new Response(null, { status: 304, headers: this.plain.headers })
    const coding = chooseCoding(request.headers.get('accept-encoding'))
    const known = coding === 'identity' ? this.plain : this.compressed.get(coding)
    return known ? send(known) : this.encoded(coding).then(send)
  }

  private encoded(coding: Coding): Promise<Encoded> {
    if (coding === 'identity') return Promise.resolve(this.plain)
    const running = this.pending.get(coding)
    if (running) return running
    const made = this.compress(coding).finally(() => this.pending.delete(coding))
    this.pending.set(coding, made)
    return made
  }

  private async compress(coding: Exclude<Coding, 'identity'>): Promise<Encoded> {
    const bytes = await compress[coding](await this.plain.body.bytes())
    const headers = new Headers(this.plain.headers)
    headers.set('Content-Encoding', coding)
    const made = { body: new Blob([new Uint8Array(bytes)]), headers }
    this.compressed.set(coding, made)
    return made
  }
}

function send({ body, headers }: Encoded): Response {
  return new Response(body, { headers })
}

import { promisify } from 'node:util'
import { brotliDecompress, gunzip, inflate, zstdDecompress } from 'node:zlib'
import { AppError } from '../errors.ts'
import type { UpstreamResponse } from '../sources/upstream-http.ts'

const INFLATE = {
  gzip: promisify(gunzip),
  'x-gzip': promisify(gunzip),
  deflate: promisify(inflate),
  br: promisify(brotliDecompress),
  zstd: promisify(zstdDecompress),
} as const

/** What `readBody` can undo, for `Accept-Encoding`. */
export const READABLE_ENCODINGS = 'gzip, br, zstd'

/**
 * The whole body of a response that was left as it was sent, inflated. Neither what is sent nor what it becomes may have
 * more than `limit` bytes. Throws AppError('upstream') with reason `protocol`, and whatever the connection breaks with.
 */
export async function readBody(response: UpstreamResponse, limit: number): Promise<Uint8Array> {
  const { host } = new URL(response.url)
  const sent = await receive(response, host, limit)
  const encoding = (response.headers.get('content-encoding') ?? 'identity').trim().toLowerCase()
  if (encoding === 'identity' || encoding === '') return sent
  const decode = INFLATE[encoding as keyof typeof INFLATE]
  if (decode === undefined) throw protocolError(`${host} answered in the unknown encoding "${encoding.slice(0, 40)}".`)
  try {
    return await decode(sent, { maxOutputLength: limit })
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(host, limit)
    throw protocolError(`The answer of ${host} is no ${encoding}, or is cut off.`, cause)
  }
}

/** An unread body would keep its connection. */
export async function discardBody(response: UpstreamResponse): Promise<void> {
  await response.body?.cancel().catch(() => undefined)
}

/** An answer that is not what was asked for: nothing that another attempt would make right. */
export function protocolError(sentence: string, cause?: unknown): AppError {
  const details = { reason: 'protocol' }
  return new AppError('upstream', sentence, cause === undefined ? { details } : { details, cause })
}

async function receive(response: UpstreamResponse, host: string, limit: number): Promise<Uint8Array> {
  const declared = Number(response.headers.get('content-length') ?? Number.NaN)
  if (declared > limit) {
    await discardBody(response)
    throw tooLarge(host, limit)
  }
  const chunks: Uint8Array[] = []
  let length = 0
  const reader = response.body?.getReader()
  for (;;) {
    const { done, value } = (await reader?.read()) ?? { done: true, value: undefined }
    if (done || value === undefined) break
    length += value.length
    if (length > limit) {
      await reader?.cancel().catch(() => undefined)
      throw tooLarge(host, limit)
    }
    chunks.push(value)
  }
  if (!Number.isNaN(declared) && length !== declared) {
    throw protocolError(`The answer of ${host} has ${length} bytes, and ${declared} were announced.`)
  }
  return Buffer.concat(chunks)
}

function tooLarge(host: string, limit: number): AppError {
  return protocolError(`The answer of ${host} is larger than ${limit / 1_048_576} MB.`)
}

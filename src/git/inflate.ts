import { createInflate, inflateSync, type ZlibOptions } from 'node:zlib'
import { turn } from '../pacer.ts'
import { gitFailure } from './failure.ts'

/** An inflated zlib stream and how many compressed bytes it took. */
export interface Inflated {
  readonly content: Uint8Array
  readonly consumed: number
}

/** What Node's and Bun's zlib return with `info: true`; their type declarations leave it out. */
interface InflateInfo {
  readonly buffer: Uint8Array
  readonly engine: { readonly bytesWritten: number }
}

const LARGEST_CHUNK = 1024 * 1024

/**
 * Inflates the zlib stream at the beginning of `bytes`, which may go on after it. `size` is what the pack declares: a
 * stream that inflates to more is stopped there. Throws `protocol` when the stream is broken or of another size.
 */
export function inflateObject(bytes: Uint8Array, size: number): Inflated {
  let info: InflateInfo
  try {
    info = inflateSync(bytes, optionsFor(size)) as unknown as InflateInfo
  } catch (cause) {
    throw brokenStream(cause)
  }
  return checked(info, size)
}

/** As `inflateObject`, off the main thread and in pieces: for objects so large that a server would notice. */
export async function inflateLargeObject(bytes: Uint8Array, size: number): Promise<Inflated> {
  const content = new Uint8Array(size)
  let at = 0
  const stream = createInflate({ chunkSize: LARGEST_CHUNK })
  stream.end(bytes)
  try {
    for await (const piece of stream as AsyncIterable<Uint8Array>) {
      if (at + piece.length > size) break
      content.set(piece, at)
      at += piece.length
      // Pieces that are there already follow one another without a turn of the event loop.
      await turn()
    }
  } catch (cause) {
    throw brokenStream(cause)
  }
  if (at !== size || !stream.readableEnded) throw brokenStream(undefined)
  return { content, consumed: stream.bytesWritten }
}

/** One byte more than declared as chunk lets zlib see the end of the stream without a second chunk. */
function optionsFor(size: number): ZlibOptions {
  const chunkSize = Math.min(Math.max(size + 1, 64), LARGEST_CHUNK)
  return { info: true, maxOutputLength: Math.max(size, 1), chunkSize }
}

function checked(info: InflateInfo, size: number): Inflated {
  if (info.buffer.length !== size) throw brokenStream(undefined)
  return { content: info.buffer, consumed: info.engine.bytesWritten }
}

function brokenStream(cause: unknown): Error {
  const sentence = 'An object in the pack of the git server is cut off, broken or not of its declared size.'
  return gitFailure('protocol', sentence, cause === undefined ? {} : { cause })
}

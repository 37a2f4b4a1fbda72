import { createHash } from 'node:crypto'
import { AppError } from '../errors.ts'
import type { TempFile } from './temp-file.ts'

/** What a written body was. */
export interface ReceivedBytes {
  /** Bytes. */
  readonly size: number
  readonly sha1: string
  readonly sha256: string
}

/** How a body is written. */
export interface ReceiveOptions {
  /** Most bytes. */
  readonly maxBytes: number
  /** Ends the reading, with its reason. */
  readonly signal?: AbortSignal
  /** Called with each piece before it is written; may throw. */
  readonly onPiece?: (piece: Uint8Array) => void
  /** Called after each piece with all the bytes so far; some of them may not be in the file yet. */
  readonly onWritten?: (size: number) => Promise<void>
  /** The errors of a body that is larger, and of one that breaks off. */
  readonly tooLarge: () => AppError
  readonly brokenOff: (cause: unknown) => AppError
}

/** Writes a body to a file as it comes, with its digests. Gives up reading when anything fails. */
export async function receiveBody(
  body: ReadableStream<Uint8Array>,
  temp: TempFile,
  options: ReceiveOptions,
): Promise<ReceivedBytes> {
  const sha1 = createHash('sha1')
  const sha256 = createHash('sha256')
  let size = 0
  for await (const piece of piecesOf(body, options)) {
    size += piece.length
    if (size > options.maxBytes) throw options.tooLarge()
    options.onPiece?.(piece)
    sha1.update(piece)
    sha256.update(piece)
    await temp.write(piece)
    await options.onWritten?.(size)
  }
  return { size, sha1: sha1.digest('hex'), sha256: sha256.digest('hex') }
}

/** A sender that leaves makes reading fail, which is no fault of this server. */
async function* piecesOf(
  body: ReadableStream<Uint8Array>,
  { brokenOff, signal }: ReceiveOptions,
): AsyncGenerator<Uint8Array> {
  const reader = body.getReader()
  if (signal?.aborted) await reader.cancel().catch(() => {})
  const stop = () => void reader.cancel(signal?.reason).catch(() => {})
  signal?.addEventListener('abort', stop)
  try {
    for (;;) {
      const { done, value } = await reader.read().catch((cause: unknown) => {
        throw cause instanceof AppError ? cause : brokenOff(cause)
      })
      // A reader that is cancelled reads the end of the body.
      signal?.throwIfAborted()
      if (done) return
      yield value
    }
  } finally {
    signal?.removeEventListener('abort', stop)
    await reader.cancel().catch(() => {})
  }
}

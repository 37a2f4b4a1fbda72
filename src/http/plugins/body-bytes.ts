import { AppError } from '../../errors.ts'

/**
 * The body of a request as it came, of at most `limit` bytes. Throws AppError('too_large') as soon as it is known to be
 * longer.
 */
export async function readBytes(request: Request, limit: number): Promise<Uint8Array> {
  if (request.body === null) return new Uint8Array()
  if (Number(request.headers.get('content-length') ?? 0) > limit) throw tooLarge(limit)
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of request.body) {
    length += chunk.length
    if (length > limit) throw tooLarge(limit)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

function tooLarge(limit: number): AppError {
  return new AppError('too_large', `The body is larger than ${limit} bytes; send less at once.`, { details: { limit } })
}

import { AppError, messageOf } from '../../src/errors.ts'
import { gitFailureReason } from '../../src/git/failure.ts'
import { pktLine } from '../../src/git/pkt-line.ts'
import { type GitHttpResponse, SmartHttpTransport } from '../../src/git/smart-http.ts'
import { OneFileRepository } from './one-file.ts'

/** How a piece of work failed; reason `none` when it did not. */
export async function failure(
  work: Promise<unknown>,
): Promise<{ reason: string | null; message: string; details: unknown }> {
  return work.then(
    () => ({ reason: 'none', message: 'it worked', details: {} }),
    (error: unknown) => ({
      reason: gitFailureReason(error),
      message: messageOf(error),
      details: error instanceof AppError ? error.details : {},
    }),
  )
}

export const ADVERTISEMENT = 'application/x-git-upload-pack-advertisement'
export const RESULT = 'application/x-git-upload-pack-result'
export const CAPABILITIES = `${pktLine('version 2')}${pktLine('agent=git/2.40')}${pktLine('ls-refs')}${pktLine('fetch=shallow filter')}${pktLine('object-format=sha1')}0000`

/** An answer of a server that exists only in memory. */
export function answer(
  body: string | Uint8Array | ReadableStream<Uint8Array>,
  type: string,
  init: ResponseInit = {},
): GitHttpResponse {
  return new Response(body, { ...init, headers: { 'content-type': type, ...init.headers } })
}

/** A repository whose server answers from memory: capabilities, then one answer for each command. */
export function scripted(...answers: (GitHttpResponse | (() => GitHttpResponse))[]): OneFileRepository {
  let next = 0
  return new OneFileRepository(
    new SmartHttpTransport('http://127.0.0.1/lib.git', async ({ method }) => {
      if (method === 'GET') return answer(CAPABILITIES, ADVERTISEMENT)
      const given = answers[Math.min(next++, answers.length - 1)]
      if (given === undefined) throw new Error('no answer left')
      return typeof given === 'function' ? given() : given
    }),
  )
}

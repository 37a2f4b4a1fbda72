import { createHash } from 'node:crypto'
import type { Caller } from '../../auth/scope.ts'
import type { SecretBox } from '../../auth/secret-box.ts'
import { AppError } from '../../errors.ts'
import type { Alongside } from '../../store/database.ts'
import {
  answerPlace,
  type IdempotentAnswerRow,
  type IdempotentAnswerTable,
  KeyUsedError,
  REPEATED_FOR,
} from '../../store/idempotent-answers.ts'

/** What answering a key once takes. `now` gives Unix seconds. */
export interface IdempotencyParts {
  readonly idempotentAnswers: IdempotentAnswerTable
  readonly secretBox: SecretBox
  readonly now: () => number
}

/** Something about to be created. */
export interface Creation {
  /** The whole answer: it is known before anything is written. */
  readonly answer: object
  /** Writes it, and does `alongside` first in the same transaction. */
  save(alongside: Alongside): Promise<void>
}

/** One request to create something. `route` and the caller are the realm of its key. */
export interface CreationRequest {
  readonly request: Request
  readonly caller: Caller
  readonly route: string
  readonly body: unknown
}

/**
 * Creates something and answers 201. With an `Idempotency-Key` the same key and body within a day create it once and get
 * the first answer each time, also when they arrive at the same moment: the answer is written in the transaction of what
 * it tells of, so the second one undoes itself. A request that fails leaves nothing, and its key may be used again.
 * Throws AppError('conflict') for another body under the same key, AppError('invalid') for a key that is none.
 */
export async function createOnce(
  parts: IdempotencyParts,
  asked: CreationRequest,
  create: () => Creation | Promise<Creation>,
): Promise<Response> {
  const key = asked.request.headers.get('idempotency-key')
  if (key === null) {
    const { answer, save } = await create()
    await save(async () => {})
    return created(JSON.stringify(answer))
  }
  if (!/^[\x21-\x7e]{1,255}$/.test(key)) {
    throw new AppError('invalid', 'The header Idempotency-Key needs 1 to 255 visible ASCII characters.')
  }
  const at = { scope: `${asked.caller.actor} ${asked.route}`, key }
  const body = createHash('sha256').update(JSON.stringify(asked.body)).digest('hex')
  const since = parts.now() - REPEATED_FOR
  const first = await parts.idempotentAnswers.find(at.scope, key, since)
  if (first) return repeated(parts, first, body)
  const { answer, save } = await create()
  const text = JSON.stringify(answer)
  try {
    await save(parts.idempotentAnswers.keeping(sealed(parts, at, body, text), since))
    return created(text)
  } catch (error) {
    const earlier = error instanceof KeyUsedError ? await parts.idempotentAnswers.find(at.scope, key, since) : null
    if (!earlier) throw error
    return repeated(parts, earlier, body)
  }
}

/** The digest is sealed too: of a body with a short password it would be as good as the password. */
function sealed(
  { secretBox, now }: IdempotencyParts,
  at: { scope: string; key: string },
  body: string,
  answer: string,
): IdempotentAnswerRow {
  return {
    ...at,
    bodyHash: secretBox.seal(body, answerPlace('body', at)),
    status: 201,
    answer: secretBox.seal(answer, answerPlace('answer', at)),
    createdAt: now(),
  }
}

function repeated({ secretBox }: IdempotencyParts, row: IdempotentAnswerRow, body: string): Response {
  if (secretBox.open(row.bodyHash, answerPlace('body', row)) !== body) {
    throw new AppError('conflict', 'This Idempotency-Key was used with another body; take a new key for a new request.')
  }
  return created(secretBox.open(row.answer ?? '', answerPlace('answer', row)))
}

function created(json: string): Response {
  return new Response(json, { status: 201, headers: { 'Content-Type': 'application/json' } })
}

import { t } from 'elysia'
import type { ErrorKind } from '../../errors.ts'
import { ERROR_STATUS } from '../plugins/error-response.ts'
import type { HeaderName } from './headers.ts'
import type { Answer } from './operation.ts'

/** The envelope of every error. */
export const ErrorBody = t.Object(
  {
    error: t.String({ minLength: 1, description: 'what is wrong, for a person' }),
    code: t.String({ pattern: '^[A-Z_]+$', description: 'what is wrong, for a program' }),
    details: t.Record(t.String(), t.Unknown(), {
      description: 'more about it; of a wrong body or query `fields`, which names each field and what was expected',
    }),
  },
  { additionalProperties: false, title: 'Error' },
)

/** The envelope of errors on addresses that `composer` asks. */
export const ComposerErrorBody = t.Object(
  {
    ...ErrorBody.properties,
    warning: t.String({ minLength: 1, description: 'the same sentence, which Composer prints' }),
  },
  { additionalProperties: false, title: 'ComposerError' },
)

/** Sentences of errors by kind, shown as examples. */
export type ErrorSentences = { readonly [Kind in ErrorKind]?: string }

const DESCRIPTIONS: Readonly<Record<number, string>> = {
  400: 'Malformed, or a field is unknown or wrong.',
  401: 'No token, or one that is unknown, revoked or expired.',
  403: 'The token is valid and may not do this.',
  404: 'There is no such thing, or the token does not cover it.',
  409: 'It is in the way of something that exists.',
  413: 'The body is larger than it may be.',
  429: 'The token has used up its requests of this hour.',
  500: 'A bug; the request id leads to it in the log.',
  502: 'The source could not be read, and nothing usable is stored.',
  503: 'The server cannot do this now; try again.',
  507: 'There is no room on the disk for it.',
}

const HEADERS_OF: Readonly<Record<number, readonly HeaderName[]>> = {
  401: ['WWW-Authenticate'],
  429: ['Retry-After'],
  502: ['Retry-After'],
  503: ['Retry-After'],
}

/** The answers for errors by status; kinds that share a status share an answer, with an example of each. */
export function errorAnswers(sentences: ErrorSentences, composer: boolean): Record<number, Answer> {
  const answers: Record<number, Answer> = {}
  for (const [kind, sentence] of Object.entries(sentences) as [ErrorKind | 'internal', string][]) {
    const [status, code] = kind === 'internal' ? INTERNAL : ERROR_STATUS[kind]
    const details = kind === 'internal' ? { request_id: '0d5cbb5e-6a0b-4b58-9a57-4d0a9e6b8d3e' } : {}
    const example = { error: sentence, code, details, ...(composer ? { warning: sentence } : {}) }
    answers[status] = {
      description: DESCRIPTIONS[status] ?? 'Refused.',
      schema: composer ? ComposerErrorBody : ErrorBody,
      headers: ['Cache-Control', ...(HEADERS_OF[status] ?? [])],
      examples: { ...answers[status]?.examples, [code]: example },
    }
  }
  return answers
}

const INTERNAL = [500, 'INTERNAL_ERROR'] as const

/** What any request may be answered with. */
export const ALWAYS = {
  invalid: 'The Host header is not the name of a host.',
  internal: 'Something went wrong inside the server; its log has the details under this request id.',
  unavailable: 'The server is shutting down.',
}

import type { DocumentDecoration, TSchema } from 'elysia'
import type { AccessRule } from '../plugins/authenticate.ts'
import { ALWAYS, type ErrorSentences, errorAnswers } from './errors.ts'
import { EVERYWHERE, type HeaderName, RATE_LIMIT, type SomeHeaderName } from './headers.ts'

/** An answer of an operation. Without a schema it has no body, unless `contentType` names one, or several, that are no JSON. */
export interface Answer {
  readonly description: string
  readonly schema?: TSchema
  readonly contentType?: string | readonly string[]
  /** Beside those that every answer carries. */
  readonly headers?: readonly HeaderName[]
  /** Those that only some answers of this status carry. */
  readonly someHeaders?: readonly SomeHeaderName[]
  readonly examples?: Readonly<Record<string, unknown>>
}

/** A parameter in the path, the query or a header. */
export interface Parameter {
  readonly description: string
  readonly schema: TSchema
  readonly example?: string | number
}

/** What is said about a route beside the schemas it checks with. */
export interface OperationSpec {
  readonly id: string
  readonly tag: Tag
  readonly summary: string
  readonly description?: string
  readonly access: AccessRule | 'open'
  /** The path as the document shows it, where the router only knows a wildcard. */
  readonly path?: string
  readonly pathParameters?: Readonly<Record<string, Parameter>>
  readonly query?: Readonly<Record<string, Parameter>>
  readonly requestHeaders?: Readonly<Record<string, Parameter>>
  /** The body of a route that reads it itself. */
  readonly body?: {
    readonly description: string
    readonly schema: TSchema
    readonly required: boolean
    /** JSON unless this says otherwise. */
    readonly contentType?: string
  }
  readonly bodyExamples?: Readonly<Record<string, unknown>>
  readonly answers: Readonly<Record<number, Answer>>
  /** Errors beside those that every operation of this access has. */
  readonly errors?: ErrorSentences
  /** The route is one that `composer` asks: its errors carry `warning`. */
  readonly composer?: boolean
}

/** Groups of operations, in the order of the document. */
export const TAGS = {
  Composer: 'What the `composer` program asks. Any token, as Bearer or as Basic password.',
  Repositories: 'Where packages come from.',
  Discoveries: 'Owners at git hosts whose repositories are added as they appear.',
  Packages: 'What the repositories offer.',
  Tokens: 'Who may read and write. A shop mints the tokens of its customers here.',
  Policies: 'Security advisories, and versions that nobody is to install.',
  Audit: 'Who changed what.',
  Webhooks: 'Notices of a push.',
  System: 'Health of the server, and this document.',
} as const

/** Name of a group. */
export type Tag = keyof typeof TAGS

const REFUSED: ErrorSentences = {
  unauthorized: 'A token is needed.',
  token_expired: 'This token has expired.',
  rate_limited: 'This token has used up its 1000 requests of this hour.',
}

const DENIED: Readonly<Record<AccessRule | 'open', ErrorSentences>> = {
  open: {},
  'any token': REFUSED,
  'token for everything': { ...REFUSED, forbidden: 'This needs a token that covers every package.' },
  'write token': {
    ...REFUSED,
    forbidden: 'This needs a token with write permission; the one sent is readonly.',
  },
  'unrestricted token': {
    ...REFUSED,
    forbidden: 'This needs a write token without allowed_package_prefixes.',
  },
}

/**
 * The `detail` of a route: an OpenAPI operation without what the route's own schemas say. Answers are described here
 * and not in Elysia's `response`, which would answer 422 to a client when it is the server that errs.
 */
export function operation(spec: OperationSpec): DocumentDecoration {
  const errors = { ...ALWAYS, ...DENIED[spec.access], ...spec.errors }
  const answers = { ...errorAnswers(errors, spec.composer ?? false), ...spec.answers }
  const detail = {
    operationId: spec.id,
    tags: [spec.tag],
    summary: spec.summary,
    ...(spec.description === undefined ? {} : { description: spec.description }),
    security: spec.access === 'open' ? [] : [{ bearer: [] }, { basic: [] }],
    parameters: [
      ...parameters('path', spec.pathParameters),
      ...parameters('query', spec.query),
      ...parameters('header', spec.requestHeaders),
    ],
    responses: Object.fromEntries(
      Object.entries(answers).map(([status, answer]) => [
        status,
        response(answer, spec.access === 'open' || status === '401' ? [] : RATE_LIMIT),
      ]),
    ),
    'x-access': spec.access,
    ...(spec.body === undefined ? {} : { requestBody: ownBody(spec.body, spec.bodyExamples) }),
    ...(spec.path === undefined ? {} : { 'x-path': spec.path }),
    ...(spec.bodyExamples === undefined ? {} : { 'x-body-examples': spec.bodyExamples }),
  }
  // Elysia's type is that of OpenAPI 3.0; schemas here are JSON Schema, as in 3.1.
  return detail as unknown as DocumentDecoration
}

function ownBody(
  { schema, contentType = 'application/json', ...body }: NonNullable<OperationSpec['body']>,
  examples: OperationSpec['bodyExamples'],
) {
  return { ...body, content: { [contentType]: { schema, examples: exampleObjects(examples ?? {}) } } }
}

function parameters(place: string, named: Readonly<Record<string, Parameter>> | undefined) {
  return Object.entries(named ?? {}).map(([name, { description, schema, example }]) => ({
    name,
    in: place,
    required: place === 'path',
    description,
    schema,
    ...(example === undefined ? {} : { example }),
  }))
}

function response(answer: Answer, further: readonly HeaderName[]) {
  const { description, schema, contentType = 'application/json', headers = [], someHeaders = [], examples } = answer
  const names = new Set([...EVERYWHERE, ...headers, ...further])
  const body = schema ?? (contentType === 'application/json' ? undefined : {})
  const media = { schema: body, ...(examples ? { examples: exampleObjects(examples) } : {}) }
  return {
    description,
    headers: Object.fromEntries([
      ...[...names].map((name) => [name, { $ref: `#/components/headers/${name}` }]),
      ...someHeaders.map((name) => [name, { $ref: `#/components/headers/${name}.some` }]),
    ]),
    ...(body === undefined ? {} : { content: Object.fromEntries([contentType].flat().map((type) => [type, media])) }),
  }
}

/** Examples in the form of the document. */
export function exampleObjects(examples: Readonly<Record<string, unknown>>) {
  return Object.fromEntries(Object.entries(examples).map(([name, value]) => [name, { value }]))
}

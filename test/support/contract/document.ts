import type { TestApp } from '../app.ts'

/** A JSON Schema, as far as the tests look into it. */
export interface Schema {
  readonly $ref?: string
  readonly type?: string
  readonly const?: unknown
  readonly enum?: readonly unknown[]
  readonly anyOf?: readonly Schema[]
  readonly properties?: Readonly<Record<string, Schema>>
  readonly patternProperties?: Readonly<Record<string, Schema>>
  readonly additionalProperties?: boolean | Schema
  readonly required?: readonly string[]
  readonly items?: Schema
  readonly pattern?: string
  readonly minimum?: number
  readonly maximum?: number
  readonly minLength?: number
  readonly maxLength?: number
  readonly minItems?: number
  readonly maxItems?: number
  readonly minProperties?: number
  readonly maxProperties?: number
}

/** A body of one content type. */
export interface Media {
  readonly schema: Schema
  readonly examples?: Readonly<Record<string, { readonly value: unknown }>>
}

/** A body by content type. */
export interface Body {
  readonly required?: boolean
  readonly headers?: Readonly<Record<string, { readonly $ref: string }>>
  readonly content?: Readonly<Record<string, Media>>
}

export interface Parameter {
  readonly name: string
  readonly in: 'path' | 'query' | 'header'
  readonly required?: boolean
  readonly schema: Schema
  readonly example?: unknown
}

export interface Operation {
  readonly operationId: string
  readonly summary?: string
  readonly tags?: readonly string[]
  readonly security?: readonly unknown[]
  readonly parameters: readonly Parameter[]
  readonly requestBody?: Body
  readonly responses: Readonly<Record<string, Body>>
}

export interface Header {
  readonly required: boolean
  readonly schema: Schema
}

/** The document at `/swagger/json`. */
export interface ApiDocument {
  readonly openapi: string
  readonly servers: readonly { url: string }[]
  readonly tags: readonly { name: string }[]
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: {
    readonly headers: Readonly<Record<string, Header>>
    readonly schemas: Readonly<Record<string, Schema>>
    readonly responses: Readonly<Record<string, Body>>
  }
}

/** An operation with where it is; `method` in capitals. */
export interface PlacedOperation {
  readonly method: string
  readonly path: string
  readonly operation: Operation
}

/** Asks an app for its document, without a token. */
export async function readDocument(app: TestApp): Promise<ApiDocument> {
  const response = await app.ask('/swagger/json', { token: null })
  if (response.status !== 200) throw new Error(`no document: ${response.status} ${await response.text()}`)
  return withAnswers((await response.json()) as ApiDocument)
}

/** A document in which every answer stands where it belongs, also those that several operations share. */
function withAnswers(api: ApiDocument): ApiDocument {
  for (const { operation } of operationsOf(api)) {
    const answers = operation.responses as Record<string, Body & { $ref?: string }>
    for (const [status, { $ref }] of Object.entries(answers)) {
      const shared = api.components.responses[$ref?.split('/').at(-1) ?? '']
      if ($ref !== undefined && !shared) throw new Error(`${$ref} leads nowhere`)
      if (shared) answers[status] = shared
    }
  }
  return api
}

/** Every operation of a document. */
export function operationsOf(api: ApiDocument): PlacedOperation[] {
  return Object.entries(api.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
  )
}

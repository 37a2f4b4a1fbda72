import type { InternalRoute } from 'elysia'
import { ComposerErrorBody, ErrorBody } from './errors.ts'
import { EVERYWHERE, HEADERS, SOME_HEADERS } from './headers.ts'
import { exampleObjects, TAGS } from './operation.ts'

/** A JSON object whose form the document's own standard fixes. */
type Json = Record<string, unknown>

/** The document without the address of this server: what `paths` and `components` hold does not depend on a request. */
export interface OpenApiDocument {
  readonly openapi: '3.1.0'
  readonly info: Json
  readonly tags: readonly Json[]
  readonly paths: Record<string, Record<string, Json>>
  readonly components: Record<string, Json>
}

const DESCRIPTION = `A private Composer repository.

JSON in and out; times are Unix seconds. \`OPTIONS\` tells which methods an address has; any other one is
answered with 405 and \`Allow\`.
Lists take \`limit\` and \`cursor\`; the next page is in \`Link\`, the number of all entries in \`X-Total-Count\`.
What a token does not cover is answered as what does not exist.`

/**
 * Describes every route in OpenAPI 3.1, from the schemas that it checks requests with and from its `detail`.
 * @elysiajs/swagger reads the schemas; it is loaded when the document is first asked for.
 */
export async function describeRoutes(routes: readonly InternalRoute[], version: string): Promise<OpenApiDocument> {
  const { registerSchemaPath } = await import('@elysiajs/swagger/utils')
  const paths: OpenApiDocument['paths'] = {}
  for (const { method, path, hooks = {} } of routes) {
    const found: OpenApiDocument['paths'] = {}
    const { detail = {}, body, query, params } = hooks
    // Of several content types it names three unless told; a route here reads JSON.
    const hook = { parse: ['application/json'], body, query, params }
    registerSchemaPath({ schema: found, path, method: method as 'GET', hook, models: {} })
    const [[shown, methods] = ['', {}]] = Object.entries(found)
    const described = describe(detail as Json, methods[method.toLowerCase()] ?? {}, body)
    const place = (detail as Json)['x-path'] ?? (shown.length > 1 ? shown.replace(/\/$/, '') : shown)
    paths[String(place)] = { ...paths[String(place)], [method.toLowerCase()]: described }
  }
  const schemas: Json = {}
  const described = hoist(paths, schemas) as OpenApiDocument['paths']
  const responses = shareAnswers(described)
  return {
    openapi: '3.1.0',
    info: { title: 'package-broker', version, description: DESCRIPTION, license: { name: 'MIT', identifier: 'MIT' } },
    tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
    paths: described,
    components: {
      securitySchemes: SECURITY,
      headers: { ...HEADERS, ...SOME_HEADERS },
      responses: { ...responses, ...placelessResponses(schemas) },
      schemas: Object.fromEntries(Object.entries(schemas).sort(([left], [right]) => (left < right ? -1 : 1))),
    },
  }
}

const SECURITY = {
  bearer: { type: 'http', scheme: 'bearer', description: 'A token: `pb_` and 43 characters.' },
  basic: { type: 'http', scheme: 'basic', description: 'Any user name and a token as password, as Composer sends it.' },
}

/** Answers that belong to no operation: an address that is not there, a method that it does not have. */
function placelessResponses(schemas: Json): Json {
  const headers = (names: readonly string[]) =>
    Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]))
  const schema = hoist({ anyOf: [ErrorBody, ComposerErrorBody] }, schemas)
  const common = EVERYWHERE
  return {
    NotFound: {
      description: 'There is nothing at this address.',
      headers: headers(common),
      content: { 'application/json': { schema } },
    },
    Methods: {
      description: 'To OPTIONS, at every address: the methods that it has.',
      headers: headers([...common, 'Allow']),
    },
    MethodNotAllowed: {
      description: 'The address does not have this method.',
      headers: headers([...common, 'Allow']),
      content: { 'application/json': { schema } },
    },
  }
}

/** Joins what the schemas say with what the `detail` says; of a parameter that both name, the `detail` is shown. */
function describe(detail: Json, derived: Json, body: unknown): Json {
  const { 'x-path': _path, 'x-body-examples': examples, ...said } = detail
  const own = (said.parameters ?? []) as Json[]
  const named = new Set(own.map(({ name, in: place }) => `${place} ${name}`))
  const further = ((derived.parameters ?? []) as Json[]).filter(({ name, in: place }) => !named.has(`${place} ${name}`))
  const bodyOf = (derived.requestBody as { content?: Record<string, Json> } | undefined)?.content?.['application/json']
  return {
    ...said,
    parameters: [...own, ...further],
    ...(bodyOf === undefined
      ? {}
      : {
          requestBody: {
            required: !isOptional(body),
            content: {
              'application/json': { ...bodyOf, ...(examples ? { examples: exampleObjects(examples as Json) } : {}) },
            },
          },
        }),
  }
}

/** TypeBox marks what `t.Optional` wraps with a symbol. */
function isOptional(schema: unknown): boolean {
  return typeof schema === 'object' && schema !== null && Symbol.for('TypeBox.Optional') in schema
}

/** Answers that several operations have are written once; in the operations stand references. */
function shareAnswers(paths: OpenApiDocument['paths']): Json {
  const shared: Json = {}
  const known = new Map<string, { holder: Json; status: string; name: string | null }>()
  for (const operation of Object.values(paths).flatMap((methods) => Object.values(methods))) {
    const answers = operation.responses as Record<string, Json>
    for (const [status, answer] of Object.entries(answers)) {
      const text = JSON.stringify(answer)
      const first = known.get(text)
      if (!first) known.set(text, { holder: answers, status, name: null })
      if (!first) continue
      first.name ??= nameFor(status, shared)
      shared[first.name] = answer
      answers[status] = { $ref: `#/components/responses/${first.name}` }
      first.holder[first.status] = answers[status]
    }
  }
  return shared
}

function nameFor(status: string, taken: Json): string {
  const free = (name: string) => !(name in taken)
  const names = ['', 'b', 'c', 'd', 'e', 'f', 'g', 'h'].map((variant) => `Answer${status}${variant}`)
  return names.find(free) ?? `Answer${status}_${Object.keys(taken).length}`
}

/** A copy as plain JSON in which every schema with a title is a reference to the one copy in `schemas`. */
function hoist(value: unknown, schemas: Json): unknown {
  if (Array.isArray(value)) return value.map((entry) => hoist(entry, schemas))
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).filter(([, entry]) => entry !== undefined)
  const copy = Object.fromEntries(entries.map(([key, entry]) => [key, hoist(entry, schemas)]))
  if (copy.type === 'number' && copy.multipleOf === 1) {
    const { multipleOf: _one, ...rest } = copy
    return { ...rest, type: 'integer' }
  }
  const { title, type } = copy
  if (typeof title !== 'string' || type === undefined) return copy
  schemas[title] = copy
  return { $ref: `#/components/schemas/${title}` }
}

import fc from 'fast-check'
import type { Media, Parameter, PlacedOperation } from './document.ts'
import { type Lookup, spoiled, valuesOf } from './schema-values.ts'

/** Who sends a request. */
export const SENDERS = ['owner', 'readonly', 'restricted', 'shop', 'expired', 'stranger', 'nobody'] as const
export type Sender = (typeof SENDERS)[number]

/** Text of a path or a header: something that is known under a number, or text as it is. */
export type Piece = { readonly known: number } | { readonly text: string }

/** A request before it is known which things there are. */
export interface Draft {
  readonly sender: Sender
  readonly path: Readonly<Record<string, Piece>>
  readonly query: readonly (readonly [name: string, value: string])[]
  readonly headers: Readonly<Record<string, Piece | undefined>>
  readonly contentType: string | null
  /** Null for none; text is sent as it is, a number names an archive. */
  readonly body: string | number | null
}

const FORM = 'application/x-www-form-urlencoded'

const ODD_TEXT = ['', ' ', '..', '%2e%2e%2f', '\u0000', 'x'.repeat(300), 'é💥', 'a/b', '%', '"', '*', '-1', 'null']

const oddText = fc.oneof(fc.constantFrom(...ODD_TEXT), fc.string({ unit: 'binary', maxLength: 40 }))

/** Header values are bytes without control characters. */
const headerText = fc.oneof(
  fc.constantFrom('*', '"x"', 'W/"x"', 'bytes=0-0', 'bytes=0-', 'bytes=-1', 'bytes=9999999-', 'bytes=5-1', 'bytes=a-b'),
  fc.string({ unit: 'grapheme-ascii', maxLength: 40 }).map((text) => text.trim()),
)

const known = fc.nat().map((number) => ({ known: number }))
const asText = (values: fc.Arbitrary<string>) => values.map((text) => ({ text }))

/** Requests for an operation: some as its examples show, the others right or wrong in every part of them. */
export function draftsOf(placed: PlacedOperation, lookup: Lookup): fc.Arbitrary<Draft> {
  return fc.oneof({ weight: 1, arbitrary: plain(placed) }, { weight: 3, arbitrary: any(placed, lookup) })
}

const inPlace = ({ operation }: PlacedOperation, place: Parameter['in']) =>
  operation.parameters.filter((parameter) => parameter.in === place)

function plain(placed: PlacedOperation): fc.Arbitrary<Draft> {
  const { content = {} } = placed.operation.requestBody ?? {}
  const [contentType = null] = Object.keys(content)
  const forms = formsIn(content[FORM])
  const json = Object.values(content['application/json']?.examples ?? {}).map(({ value }) => JSON.stringify(value))
  const examples = [...forms, ...json]
  const query = inPlace(placed, 'query').flatMap(({ name, example }) =>
    example === undefined ? [] : [[name, String(example)] as const],
  )
  return fc.record<Draft>({
    sender: fc.constant('owner'),
    path: fc.record(Object.fromEntries(inPlace(placed, 'path').map(({ name }) => [name, known]))),
    query: fc.constantFrom([], query),
    headers: fc.constant({}),
    contentType: fc.constant(contentType),
    body: contentType === 'application/zip' ? fc.nat() : fc.constantFrom(...examples, ...(examples[0] ? [] : [null])),
  })
}

function any(placed: PlacedOperation, lookup: Lookup): fc.Arbitrary<Draft> {
  const { content = {} } = placed.operation.requestBody ?? {}
  return fc.record<Draft>({
    sender: fc.oneof(
      { weight: 12, arbitrary: fc.constant<Sender>('owner') },
      { weight: 8, arbitrary: fc.constantFrom(...SENDERS) },
    ),
    path: fc.record(Object.fromEntries(inPlace(placed, 'path').map(({ name }) => [name, pathPiece()]))),
    query: queries(inPlace(placed, 'query'), lookup),
    headers: fc.record(
      Object.fromEntries(inPlace(placed, 'header').map(({ name }) => [name, fc.oneof(known, asText(headerText))])),
      { requiredKeys: [] },
    ),
    ...payload(content, lookup),
  })
}

function pathPiece(): fc.Arbitrary<Piece> {
  return fc.oneof({ weight: 8, arbitrary: known }, { weight: 2, arbitrary: asText(oddText) })
}

function queries(parameters: readonly Parameter[], lookup: Lookup): fc.Arbitrary<(readonly [string, string])[]> {
  const [first] = parameters
  if (first === undefined) return fc.constantFrom([], [], [], [], [], [], [], [['unknown', 'x'] as const])
  const each = parameters.map(({ name, schema, example }) => {
    const fitting = fc.oneof(valuesOf(schema, lookup).map(String), fc.constant(String(example ?? '1')))
    const value = fc.oneof({ weight: 3, arbitrary: fitting }, { weight: 1, arbitrary: oddText })
    return value.map((text) => [name, text] as const)
  })
  return fc.array(fc.oneof(...each), { maxLength: 3 })
}

function payload(content: Readonly<Record<string, Media>>, lookup: Lookup): Payload {
  if (content['application/zip']) return uploads()
  return content[FORM] ? forms(content[FORM]) : bodies(content['application/json'], lookup)
}

function formsIn(media: Media | undefined): string[] {
  return Object.values(media?.examples ?? {}).map(({ value }) => {
    const fields = Object.entries(value as Record<string, string[]>).flatMap(([name, list]) =>
      list.map((text): [string, string] => [name, text]),
    )
    return new URLSearchParams(fields).toString()
  })
}

function forms(media: Media): Payload {
  const fitting = fc.constantFrom(...formsIn(media))
  const odd = fc.constantFrom('', 'packages[]=', 'packages[0]=%FF', 'updatedSince=-1', '=&=&', '{}', '\u0000')
  return {
    contentType: fc.constantFrom(FORM, FORM, FORM, 'application/json', null),
    body: fc.oneof(fitting, fitting, odd, oddText, fc.constant(null)),
  }
}

interface Payload {
  readonly contentType: fc.Arbitrary<Draft['contentType']>
  readonly body: fc.Arbitrary<Draft['body']>
}

function uploads(): Payload {
  return {
    contentType: fc.constantFrom('application/zip', 'application/zip', 'application/json', null),
    body: fc.oneof(
      { weight: 4, arbitrary: fc.nat() },
      { weight: 1, arbitrary: fc.oneof(fc.string(), fc.constantFrom('', 'PK\u0003\u0004', null)) },
    ),
  }
}

function bodies(media: Media | undefined, lookup: Lookup): Payload {
  if (media === undefined) {
    const none = { weight: 5, arbitrary: fc.constant(null) }
    const some = { weight: 1, arbitrary: fc.constantFrom('{}', 'x') }
    return { contentType: fc.constantFrom(null, 'application/json'), body: fc.oneof(none, some) }
  }
  // What a schema cannot say, such as which credentials belong to which kind, the examples show.
  const examples = Object.values(media.examples ?? {}).map(({ value }) => fc.constant(value))
  const fitting = fc.oneof(valuesOf(media.schema, lookup), ...examples)
  const json = (values: fc.Arbitrary<unknown>) => values.map((value) => JSON.stringify(value))
  const broken = fc.constantFrom(
    '',
    '{',
    'null',
    '[]',
    '""',
    '0',
    'false',
    '"x"',
    '{"a":',
    '[[['.repeat(5_000),
    '\u0000',
  )
  return {
    contentType: fc.oneof(
      { weight: 12, arbitrary: fc.constant('application/json') },
      {
        weight: 2,
        arbitrary: fc.constantFrom(null, 'text/plain', 'multipart/form-data', 'application/json; charset=x'),
      },
    ),
    body: fc.oneof(
      { weight: 10, arbitrary: json(fitting) },
      { weight: 8, arbitrary: json(spoiled(fitting)) },
      { weight: 2, arbitrary: broken },
      { weight: 1, arbitrary: fc.constant(null) },
      { weight: 1, arbitrary: fc.constant(JSON.stringify({ description: 'x'.repeat(1_200_000) })) },
    ),
  }
}

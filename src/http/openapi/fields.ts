import { t } from 'elysia'
import type { Parameter } from './operation.ts'

/**
 * A whole number. Elysia's own `t.Integer` also takes text such as "60", which is a wrong type; the document shows this
 * one as `integer`.
 */
export function integer(options: NonNullable<Parameters<typeof t.Number>[0]> = {}) {
  return t.Number({ multipleOf: 1, ...options })
}

/** A time in Unix seconds. */
export const time = (description: string) => integer({ minimum: 0, description: `${description}, in Unix seconds` })

/** A value that may be missing. */
export const orNull = <Schema extends Parameters<typeof t.Union>[0][number]>(schema: Schema) =>
  t.Union([schema, t.Null()])

/** One of some words. */
export const words = <const Values extends readonly string[]>(values: Values, description?: string) =>
  t.Union(
    values.map((value) => t.Literal(value as Values[number])),
    description === undefined ? {} : { description },
  )

/** A whole number that counts something. */
export const count = (description: string) => integer({ minimum: 0, description })

/** An id with the prefix that says what it names. */
export const idOf = (prefix: string, description: string) => t.String({ pattern: `^${prefix}_`, description })

/** The answer that says what was done. */
export const Message = t.Object({ message: t.String() }, { additionalProperties: false, title: 'Message' })

/** An object of an answer: nothing in it is undocumented. */
export const shape = <Properties extends Parameters<typeof t.Object>[0]>(title: string, properties: Properties) =>
  t.Object(properties, { additionalProperties: false, title })

/** An object inside another one, which needs no name. */
export const part = <Properties extends Parameters<typeof t.Object>[0]>(properties: Properties, description?: string) =>
  t.Object(properties, { additionalProperties: false, ...(description === undefined ? {} : { description }) })

/** `limit` and `cursor` of a list. */
export const PAGING: Readonly<Record<string, Parameter>> = {
  limit: {
    description: 'How many to answer with.',
    schema: integer({ minimum: 1, maximum: 1_000, default: 100 }),
    example: 100,
  },
  cursor: { description: 'Where the page begins, from `Link` of the page before.', schema: t.String() },
}

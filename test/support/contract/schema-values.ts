import fc from 'fast-check'
import type { Schema } from './document.ts'

/** Finds what a reference leads to. */
export type Lookup = (schema: Schema) => Schema

const LONGEST = 60

/** Values that fit a schema, its limits included. */
export function valuesOf(given: Schema, lookup: Lookup): fc.Arbitrary<unknown> {
  const schema = lookup(given)
  if (schema.anyOf) return fc.oneof(...schema.anyOf.map((form) => valuesOf(form, lookup)))
  if (schema.const !== undefined) return fc.constant(schema.const)
  if (schema.enum) return fc.constantFrom(...schema.enum)
  if (schema.type === 'string') return texts(schema)
  if (schema.type === 'integer' || schema.type === 'number') return numbers(schema)
  if (schema.type === 'boolean') return fc.boolean()
  if (schema.type === 'null') return fc.constant(null)
  if (schema.type === 'array') {
    const [minLength, maxLength] = [schema.minItems ?? 0, Math.min(schema.maxItems ?? 4, 4)]
    return fc.array(valuesOf(schema.items ?? {}, lookup), { minLength, maxLength: Math.max(minLength, maxLength) })
  }
  return schema.type === 'object' ? objects(schema, lookup) : fc.jsonValue({ maxDepth: 2 })
}

function texts(schema: Schema): fc.Arbitrary<string> {
  const { minLength = 0, maxLength = LONGEST, pattern } = schema
  if (pattern !== undefined) {
    const fits = (text: string) => text.length >= minLength && text.length <= (schema.maxLength ?? text.length)
    return fc.stringMatching(new RegExp(pattern)).filter(fits)
  }
  const limits = { minLength, maxLength: Math.max(minLength, Math.min(maxLength, LONGEST)) }
  const forms: fc.Arbitrary<string>[] = [
    fc.string(limits),
    fc.string({ ...limits, unit: 'binary' }).filter((text) => text.length <= maxLength),
  ]
  if (schema.maxLength !== undefined && schema.maxLength <= 5_000) forms.push(fc.constant('x'.repeat(schema.maxLength)))
  return fc.oneof(...forms)
}

function numbers({ minimum = 0, maximum = Number.MAX_SAFE_INTEGER }: Schema): fc.Arbitrary<number> {
  return fc.oneof(fc.constantFrom(minimum, maximum), fc.maxSafeInteger().map(within(minimum, maximum)))
}

function within(minimum: number, maximum: number): (value: number) => number {
  return (value) => minimum + (Math.abs(value) % (maximum - minimum + 1))
}

function objects(schema: Schema, lookup: Lookup): fc.Arbitrary<unknown> {
  const { properties = {}, required = [] } = schema
  const named = Object.entries(properties).map(([name, field]) => [name, valuesOf(field, lookup)] as const)
  const further = Object.values(schema.patternProperties ?? {})[0] ?? schema.additionalProperties
  const known = fc.record(Object.fromEntries(named), { requiredKeys: [...required] })
  const enough = (value: object) => Object.keys(value).length >= (schema.minProperties ?? 0)
  if (typeof further !== 'object') return known.filter(enough)
  return fc.dictionary(fc.string({ maxLength: 20 }), valuesOf(further, lookup), { maxKeys: 3 }).filter(enough)
}

const ODD: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  1.5,
  1e300,
  '',
  '1',
  'x'.repeat(10_000),
  '\u0000',
  '\ud800',
  '💥',
  '../../etc/passwd',
  "'; DROP TABLE tokens; --",
  [],
  {},
  [[]],
]

/** Values near those that fit: something inside them is of another type, out of range, missing or too much. */
export function spoiled(values: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  const unknownField = fc.constantFrom('admin', 'id', '__proto__', 'constructor', 'é', '')
  return fc.tuple(values, fc.nat(), fc.nat(3), fc.constantFrom(...ODD), unknownField).map(spoil)
}

function spoil([value, place, way, odd, name]: [unknown, number, number, unknown, string]): unknown {
  if (typeof value !== 'object' || value === null) return odd
  const keys = Object.keys(value)
  const key = keys[place % Math.max(keys.length, 1)]
  const copy = structuredClone(value) as Record<string, unknown>
  if (way === 0 || key === undefined) return withField(copy, name, odd)
  const inner = copy[key]
  if (way === 1 && typeof inner === 'object' && inner !== null) {
    return withField(copy, key, spoil([inner, place, (place % 2) + 2, odd, name]))
  }
  if (way === 3) {
    delete copy[key]
    return copy
  }
  return withField(copy, key, odd)
}

/** Sets a field even where its name is `__proto__`. */
function withField(object: Record<string, unknown>, name: string, value: unknown): unknown {
  if (Array.isArray(object)) return [...object.slice(0, -1), value]
  return Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true })
}

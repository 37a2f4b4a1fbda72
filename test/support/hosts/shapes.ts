import { join } from 'node:path'
import Ajv2020 from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'

/** A JSON schema. */
export type Schema = { readonly [key: string]: unknown }

/** An answer of a double: to what, with which status, and its JSON. */
export interface GivenAnswer {
  readonly method: string
  /** Path behind the base address of the API, without the query. */
  readonly path: string
  readonly status: number
  readonly body: unknown
}

/** A text of each format. */
const TEXTS: Readonly<Record<string, string>> = {
  'date-time': '2024-01-01T00:00:00Z',
  uri: 'https://example.org/',
  email: 'octocat@example.org',
}

/** What a host publishes of its API: makes answers of that shape, and finds those that are not. */
export class Shapes {
  private readonly ajv = new Ajv2020({ strict: false, allErrors: true })
  private readonly answers: Readonly<Record<string, unknown>>
  /** Swagger 2 and the types made of it have no word for null: there a field that is null counts as one that is absent. */
  private readonly knowsNull: boolean

  /** `NAME-api.json`, which lies beside this file. */
  static async load(name: string): Promise<Shapes> {
    return new Shapes(await Bun.file(join(import.meta.dir, `${name}-api.json`)).json())
  }

  private constructor(private readonly root: Schema) {
    addFormats.default(this.ajv)
    // Bitbucket gives addresses of ssh in the form of scp, and calls them URIs all the same.
    this.ajv.addFormat('uri', /^(?:[a-z][a-z\d+.-]*:|[\w.-]+@[\w.-]+:)\S+$/i)
    this.ajv.addSchema({ $id: 'published', ...root })
    this.answers = root.answers as Record<string, unknown>
    this.knowsNull = JSON.stringify(root).includes('"nullable":true')
  }

  /** A value of the named shape with every required field, and with these; whether they fit, `check` finds out. */
  make(name: string, fields: Record<string, unknown>): Record<string, unknown> {
    return { ...(this.sample({ $ref: `#/components/schemas/${name}` }) as object), ...fields }
  }

  /** How an answer differs from what is published, in sentences; none when it fits. */
  check(answer: GivenAnswer): string[] {
    const key = Object.keys(this.answers).find((each) => fits(each, answer))
    const what = `${answer.method} ${answer.path} ${answer.status}`
    if (key !== undefined) {
      const pointer = `#/answers/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`
      return this.problems(this.answers[key] as Schema, encodeURI(pointer), answer.body).map(
        (each) => `${what}: ${each}`,
      )
    }
    // Of refusals little is published, and what has no body has no shape.
    return answer.status >= 400 || answer.body === null ? [] : [`${what}: nothing is published of such an answer.`]
  }

  private problems(schema: Schema, $ref: string, given: unknown): string[] {
    const value = this.knowsNull ? given : withoutNulls(given)
    const valid = this.ajv.validate({ $ref: `published${$ref}` }, value)
    return [...(valid ? [] : [this.ajv.errorsText()]), ...this.unknown([schema], value, '')]
  }

  /** Fields that the schemas have no name for, though they name others. */
  private unknown(schemas: Schema[], value: unknown, at: string): string[] {
    const all = schemas.flatMap((each) => this.alternatives(each))
    if (Array.isArray(value)) {
      const items = all.flatMap(({ items: each }) => (each === undefined ? [] : [each as Schema]))
      return value.flatMap((each) => this.unknown(items, each, `${at}[]`))
    }
    const named = all.flatMap(({ properties }) =>
      properties === undefined ? [] : [properties as Record<string, Schema>],
    )
    if (typeof value !== 'object' || value === null || named.length === 0) return []
    return Object.entries(value).flatMap(([name, inner]) => {
      const known = named.flatMap((each) => (each[name] === undefined ? [] : [each[name]]))
      return known.length === 0 ? [`no field ${at}.${name} is published`] : this.unknown(known, inner, `${at}.${name}`)
    })
  }

  /** The schema with references followed, and every schema that it is put together from. */
  private alternatives(schema: Schema): Schema[] {
    if (typeof schema.$ref === 'string') return this.alternatives(this.at(schema.$ref))
    const parts = [schema.allOf, schema.oneOf, schema.anyOf].flatMap((each) => (each ?? []) as Schema[])
    return [schema, ...parts.flatMap((each) => this.alternatives(each))]
  }

  private sample(schema: Schema): unknown {
    if (typeof schema.$ref === 'string') return this.sample(this.at(schema.$ref))
    const type = Array.isArray(schema.type) ? schema.type.at(-1) : schema.type
    if (Array.isArray(schema.enum)) return schema.enum[0]
    if (Array.isArray(schema.allOf)) return Object.assign({}, ...schema.allOf.map((each: Schema) => this.sample(each)))
    if (schema.properties !== undefined) {
      const properties = schema.properties as Record<string, Schema>
      const required = (schema.required ?? []) as string[]
      return Object.fromEntries(required.map((name) => [name, this.sample(properties[name] ?? {})]))
    }
    if (schema.oneOf ?? schema.anyOf) return this.sample(((schema.oneOf ?? schema.anyOf) as Schema[])[0] ?? {})
    if (type === 'integer' || type === 'number') return 1
    if (type === 'boolean') return false
    if (type === 'array') return []
    if (type === 'object' || type === undefined) return {}
    return TEXTS[String(schema.format)] ?? 'text'
  }

  private at(pointer: string): Schema {
    let value: unknown = this.root
    for (const part of pointer.replace(/^#\//, '').split('/')) value = (value as Schema)[part]
    return value as Schema
  }
}

/** Whether `GET /repos/{owner}/{repo} 200` is about this answer. */
function fits(key: string, { method, path, status }: GivenAnswer): boolean {
  const [verb = '', template = '', code = ''] = key.split(' ')
  if (verb !== method || code !== String(status)) return false
  const pattern = template.replace(/[.*+?^$()|[\]\\]/g, '\\$&').replace(/\{[^}]+\}/g, '[^/]+')
  return new RegExp(`^${pattern}$`).test(path)
}

function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls)
  if (typeof value !== 'object' || value === null) return value
  const kept = Object.entries(value).filter(([, each]) => each !== null)
  return Object.fromEntries(kept.map(([name, each]) => [name, withoutNulls(each)]))
}

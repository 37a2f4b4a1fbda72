import type { Schema } from './shapes.ts'

/**
 * Reads the types that generators write from API descriptions (openapi-typescript, swagger-typescript-api) back into JSON
 * schemas: interfaces, literals, unions, intersections, lists, records and look-ups such as
 * `components["schemas"]["repository"]`, which become references. `Format: …` and `@format …` of a comment are kept.
 */
export class TypeDeclarations {
  constructor(private readonly text: string) {}

  /** The schema of an interface; it refers to other interfaces under `#/components/schemas/`. */
  interface(name: string): Schema {
    const start = this.text.search(new RegExp(`^(?:export )?interface ${name} \\{`, 'm'))
    if (start < 0) throw new Error(`There is no interface ${name}.`)
    return new Reader(this.text, this.text.indexOf('{', start)).type()
  }
}

const WORDS: Readonly<Record<string, Schema>> = {
  string: { type: 'string' },
  number: { type: 'number' },
  boolean: { type: 'boolean' },
  null: { type: 'null' },
  unknown: {},
  any: {},
  undefined: {},
  never: { not: {} },
}

class Reader {
  private comment = ''

  constructor(
    private readonly text: string,
    private at: number,
  ) {}

  type(): Schema {
    const options = this.separated('|', () => {
      const parts = this.separated('&', () => this.listed())
      return parts.length === 1 ? (parts[0] ?? {}) : { allOf: parts }
    })
    const literals = options.flatMap(({ enum: values }) => (Array.isArray(values) ? values : [null]))
    if (options.length === 1) return options[0] ?? {}
    return literals.includes(null) ? { anyOf: options } : { enum: literals }
  }

  private separated(separator: string, read: () => Schema): Schema[] {
    this.takes(separator)
    const all = [read()]
    while (this.takes(separator)) all.push(read())
    return all
  }

  private listed(): Schema {
    this.takes('readonly ')
    let schema = this.single()
    while (this.takes('[]')) schema = { type: 'array', items: schema }
    return schema
  }

  private single(): Schema {
    if (this.takes('{')) return this.members()
    if (this.takes('(')) {
      const inner = this.type()
      this.needs(')')
      return inner
    }
    const quoted = this.matches(/"([^"\\]*)"|'([^'\\]*)'/y)
    if (quoted !== null) return { enum: [quoted[1] ?? quoted[2]] }
    const number = this.matches(/-?\d+(?:\.\d+)?/y)
    if (number !== null) return { enum: [Number(number[0])] }
    const name = this.matches(/[\w$]+/y)?.[0]
    if (name === undefined) throw new Error(`No type begins with ${this.text.slice(this.at, this.at + 40)}.`)
    return this.named(name)
  }

  private named(name: string): Schema {
    const keys = this.lookUps()
    if (keys.length > 0) return { $ref: `#/${[name, ...keys].join('/')}` }
    if (name in WORDS) return WORDS[name] ?? {}
    if (!this.takes('<')) return { $ref: `#/components/schemas/${name}` }
    const given = [this.type()]
    while (this.takes(',')) given.push(this.type())
    this.needs('>')
    if (name === 'Record') return { type: 'object', additionalProperties: given[1] ?? {} }
    // `Omit<object, "type">`: what is left out is said again by the schema that it is part of.
    if (name === 'Omit') return given[0]?.$ref === '#/components/schemas/object' ? {} : (given[0] ?? {})
    return given[0] ?? {}
  }

  private lookUps(): string[] {
    const keys: string[] = []
    for (let found = this.key(); found !== null; found = this.key()) keys.push(found)
    return keys
  }

  private key(): string | null {
    return this.matches(/\["([^"]+)"\]/y)?.[1] ?? null
  }

  private members(): Schema {
    const properties: Record<string, Schema> = {}
    const required: string[] = []
    while (!this.takes('}')) {
      this.takes('readonly ')
      // Any further property, which a JSON schema allows anyway.
      if (this.matches(/\[\w+: string\]: unknown;/y) !== null) continue
      const name = this.matches(/"([^"]+)"|([\w$]+)/y)
      if (name === null) throw new Error(`No property begins with ${this.text.slice(this.at, this.at + 40)}.`)
      const format = /(?:Format: |@format )([\w-]+)/.exec(this.comment)?.[1]
      const key = name[1] ?? name[2] ?? ''
      if (!this.takes('?')) required.push(key)
      this.needs(':')
      properties[key] = formatted(this.type(), format)
      this.takes(';')
    }
    return { type: 'object', ...(required.length > 0 ? { required } : {}), properties }
  }

  private takes(token: string): boolean {
    this.skip()
    if (!this.text.startsWith(token, this.at)) return false
    this.at += token.length
    return true
  }

  private needs(token: string): void {
    if (!this.takes(token)) throw new Error(`${token} is expected before ${this.text.slice(this.at, this.at + 40)}.`)
  }

  private matches(pattern: RegExp): RegExpExecArray | null {
    this.skip()
    pattern.lastIndex = this.at
    const found = pattern.exec(this.text)
    if (found !== null) this.at += found[0].length
    return found
  }

  /** Over spaces and comments; the comment before a property is kept for its format. */
  private skip(): void {
    const spaces = /(?:\s|\/\*[\s\S]*?\*\/|\/\/[^\n]*)*/y
    spaces.lastIndex = this.at
    const skipped = spaces.exec(this.text)?.[0] ?? ''
    if (skipped.trim() !== '') this.comment = skipped
    else if (skipped.includes('\n')) this.comment = ''
    this.at += skipped.length
  }
}

function formatted(schema: Schema, format: string | undefined): Schema {
  if (format === undefined) return schema
  if (/^int\d+$/.test(format)) return { ...schema, type: 'integer' }
  return schema.type === 'string' && ['date-time', 'uri', 'email', 'date'].includes(format)
    ? { ...schema, format }
    : schema
}

import Ajv2020, { type ValidateFunction } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import type { ApiDocument, Body, Header, Schema } from './document.ts'

/** Headers that HTTP itself adds, or that the content type of an answer stands for. */
const TRANSPORT = new Set(['content-type', 'content-length', 'date', 'connection', 'transfer-encoding', 'keep-alive'])

/** An answer, read to its end. */
export interface ReadAnswer {
  readonly status: number
  readonly headers: Headers
  readonly body: Uint8Array
}

/** Compares answers with what a document says. */
export class ContractCheck {
  private readonly ajv = addFormats(new Ajv2020({ strict: false, allErrors: true, logger: false }))
  private readonly compiled = new Map<Schema, ValidateFunction>()

  constructor(private readonly api: ApiDocument) {
    this.ajv.addSchema(api, 'api')
  }

  /** What a reference leads to; any other schema as it is. */
  readonly lookup = (schema: Schema): Schema => {
    if (schema.$ref === undefined) return schema
    const found = this.api.components.schemas[schema.$ref.split('/').at(-1) ?? '']
    if (!found) throw new Error(`${schema.$ref} leads nowhere`)
    return found
  }

  /** Whether a value fits a schema of the document, and if not why. */
  problemOf(schema: Schema, value: unknown): string | null {
    let validate = this.compiled.get(schema)
    if (!validate) {
      // References of the document are written from its top.
      const text = JSON.stringify(schema).replaceAll('"#/', '"api#/')
      validate = this.ajv.compile(JSON.parse(text) as object)
      this.compiled.set(schema, validate)
    }
    return validate(value) ? null : this.ajv.errorsText(validate.errors)
  }

  /** Everything about an answer that the document does not say, or says otherwise. */
  problems(answers: Readonly<Record<string, Body>>, answer: ReadAnswer, method = 'GET'): string[] {
    const described = answers[String(answer.status)]
    if (answer.status === 500) return [`500: ${text(answer.body)}`]
    if (!described) return [`${answer.status} is not documented: ${text(answer.body)}`]
    // HEAD is described with the body that its length belongs to.
    const { content, ...bare } = described
    const body = method === 'HEAD' || content === undefined ? bare : { ...bare, content }
    return [...this.headerProblems(described, answer.headers), ...this.bodyProblems(body, answer)]
  }

  private headerProblems({ headers = {} }: Body, given: Headers): string[] {
    const problems: string[] = []
    const described = new Map(
      Object.entries(headers).map(([name, { $ref }]) => [name.toLowerCase(), $ref.split('/').at(-1) ?? '']),
    )
    for (const [name] of given) {
      if (!described.has(name) && !TRANSPORT.has(name)) problems.push(`header ${name} is not documented`)
    }
    for (const [name, component] of described) {
      const header = this.api.components.headers[component]
      const value = given.get(name)
      if (!header) problems.push(`header ${name} is described nowhere`)
      else if (value === null && header.required) problems.push(`header ${name} is missing`)
      else if (value !== null && !fits(header, value)) problems.push(`header ${name} is ${value}`)
    }
    return problems
  }

  private bodyProblems({ content }: Body, { headers, body }: ReadAnswer): string[] {
    if (!content) return body.length === 0 ? [] : [`a body of ${body.length} bytes is not documented`]
    const type = headers.get('content-type') ?? ''
    const media = content[type]
    if (!media) return [`content type ${type} is not documented`]
    if (type !== 'application/json') return body.length > 0 ? [] : ['the body is empty']
    let value: unknown
    try {
      value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body))
    } catch {
      return [`the body is no JSON: ${text(body)}`]
    }
    const problem = this.problemOf(media.schema, value)
    return problem === null ? [] : [`the body does not fit: ${problem}: ${text(body)}`]
  }
}

function fits({ schema }: Header, value: string): boolean {
  if (schema.type === 'integer') return /^-?\d+$/.test(value) && Number(value) >= (schema.minimum ?? 0)
  return schema.pattern === undefined || new RegExp(schema.pattern).test(value)
}

function text(body: Uint8Array): string {
  return new TextDecoder().decode(body).slice(0, 300)
}

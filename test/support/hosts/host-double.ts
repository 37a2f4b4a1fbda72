import { join } from 'node:path'
import Ajv2020 from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import type { Host } from '../../../src/sources/hosts/host.ts'

/** A repository as a double keeps it; each says it in the words of its host. */
export interface DoubleRepository {
  id: number
  path: string
  defaultBranch: string | null
  archived: boolean
  fork: boolean
  private: boolean
  description: string | null
  issues: boolean
  /** Unix seconds. */
  pushedAt: number
}

/** One request, as it came. */
export interface SeenRequest {
  readonly method: string
  readonly path: string
  readonly headers: Headers
  readonly body: string
}

/** A text of each format. */
const TEXTS: Readonly<Record<string, string>> = {
  'date-time': '2024-01-01T00:00:00Z',
  uri: 'https://example.org/',
  email: 'octocat@example.org',
}

/** A JSON schema. */
export type Schema = { readonly [key: string]: unknown }

/** The stand-in of a host's API on loopback. Every answer it gives is checked against the host's description of it. */
export abstract class HostDouble {
  readonly seen: SeenRequest[] = []
  readonly repositories: DoubleRepository[] = []
  readonly hooks = new Map<string, { url: string; secret: string }>()
  /** Answers instead of the double while it is set. */
  instead: ((request: SeenRequest) => Response | null) | null = null
  pageSize = 2
  /** Answers without a credential. */
  everybody = false
  readonly token: string = 'right-token'
  private readonly server: ReturnType<typeof Bun.serve>

  /** Requests beside pages that a listing takes. */
  readonly lookups: number = 0
  /** Whether it finds repositories by their ids. */
  readonly followsIds: boolean = true
  readonly hasIssues: boolean = true
  /** Whether it knows archived repositories. */
  readonly archives: boolean = true
  /** What `describe` says. */
  abstract readonly name: string
  /** The host as it is opened with the token, or with another one. */
  abstract open(token?: string): Host
  /** The answer of the host to a request with the right credential. */
  protected abstract answer(request: SeenRequest): Response
  protected abstract authorized(headers: Headers): boolean
  /** The refusals of this host, as it words them. */
  abstract readonly refusals: {
    noPermission(): Response
    weakToken(): Response
    limited(seconds: number | null): Response
  }
  /** The owner whose repositories are listed. */
  readonly owner: string = 'acme'
  /** The path of a repository of the owner. */
  pathOf(name: string): string {
    return `${this.owner}/${name}`
  }
  /** The same listing with a link to another origin as its next page. */
  abstract strayPage(origin: string): Response

  constructor() {
    this.server = Bun.serve({ hostname: '127.0.0.1', port: 0, fetch: (request) => this.handle(request) })
  }

  get origin(): string {
    return `http://127.0.0.1:${this.server.port}`
  }

  async stop(): Promise<void> {
    await this.server.stop(true)
  }

  /** Adds a repository of the owner; the newest is pushed last. */
  add(name: string, facts: Partial<DoubleRepository> = {}): DoubleRepository {
    const id = this.repositories.length + 101
    const repository: DoubleRepository = {
      id,
      path: this.pathOf(name),
      defaultBranch: 'main',
      archived: false,
      fork: false,
      private: true,
      description: null,
      issues: true,
      pushedAt: 1_700_000_000 + id,
      ...facts,
    }
    this.repositories.push(repository)
    return repository
  }

  /** Repositories of the owner, the one pushed last first. */
  protected newestFirst(): DoubleRepository[] {
    return [...this.repositories].sort((a, b) => b.pushedAt - a.pushedAt)
  }

  private async handle(request: Request): Promise<Response> {
    const { pathname, search } = new URL(request.url)
    const seen = {
      method: request.method,
      path: pathname + search,
      headers: request.headers,
      body: await request.text(),
    }
    this.seen.push(seen)
    const instead = this.instead?.(seen) ?? null
    if (instead !== null) return instead
    if (!this.everybody && !this.authorized(request.headers)) return json({ message: 'Bad credentials' }, 401)
    return this.answer(seen)
  }
}

/** An answer with a JSON body. */
export function json(value: unknown, status = 200, headers: Record<string, string> = {}): Response {
  return Response.json(value, { status, headers })
}

/** Published shapes of answers: makes values that have them, and refuses those that do not. */
export class Shapes {
  private readonly ajv = new Ajv2020({ strict: false, allErrors: true })

  /** `file` lies beside this one; its schemas refer to one another under `prefix`. */
  static async load(file: string, prefix: string): Promise<Shapes> {
    return new Shapes(await Bun.file(join(import.meta.dir, file)).json(), prefix)
  }

  private constructor(
    private readonly root: Schema,
    private readonly prefix: string,
  ) {
    addFormats.default(this.ajv)
    this.ajv.addSchema({ $id: 'published', ...root })
  }

  /** A value of the named shape with every required field, and with these; throws when one of them does not fit. */
  make(name: string, fields: Record<string, unknown>): Record<string, unknown> {
    const value = { ...(this.sample({ $ref: `${this.prefix}${name}` }) as object), ...fields }
    const known = this.at(`${this.prefix}${name}`).properties as Schema
    for (const field of Object.keys(fields)) if (!(field in known)) throw new Error(`${name} has no field ${field}.`)
    if (!this.ajv.validate({ $ref: `published${this.prefix}${name}` }, value)) {
      throw new Error(`This is no ${name}: ${this.ajv.errorsText()}`)
    }
    return value
  }

  private sample(schema: Schema): unknown {
    if (typeof schema.$ref === 'string') return this.sample(this.at(schema.$ref))
    const type = Array.isArray(schema.type) ? schema.type.at(-1) : schema.type
    if (Array.isArray(schema.enum)) return schema.enum[0]
    if (schema.properties !== undefined) {
      const properties = schema.properties as Record<string, Schema>
      const required = (schema.required ?? []) as string[]
      return Object.fromEntries(required.map((name) => [name, this.sample(properties[name] ?? {})]))
    }
    if (schema.oneOf ?? schema.anyOf) return this.sample(((schema.oneOf ?? schema.anyOf) as Schema[])[0] ?? {})
    if (type === 'integer' || type === 'number') return 1
    if (type === 'boolean') return false
    if (type === 'array') return []
    if (type === 'object') return {}
    return TEXTS[String(schema.format)] ?? 'text'
  }

  private at(pointer: string): Schema {
    let value: unknown = this.root
    for (const part of pointer.replace(/^#\//, '').split('/')) value = (value as Schema)[part]
    return value as Schema
  }
}

/** A date as hosts write it. */
export function date(seconds: number): string {
  return new Date(seconds * 1000).toISOString()
}

/** The page of a list that a query asks for, and whether another follows. */
export function pageOf<T>(items: readonly T[], page: number, size: number): { items: T[]; more: boolean } {
  return { items: items.slice((page - 1) * size, page * size), more: items.length > page * size }
}

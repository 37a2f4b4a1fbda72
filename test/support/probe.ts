import { createHash } from 'node:crypto'
import { connect } from '../../src/store/database.ts'
import type { TestApp } from './app.ts'
import type { TestRequest } from './broker.ts'

/** A request that tries to learn something. */
export interface Probe extends TestRequest {
  readonly path: string
}

/** Something that a probe asks about: it exists out of sight, or it does not exist. */
export interface Subject {
  /** Lower-case full name; `vendor` is its first part. */
  readonly name: string
  readonly vendor: string
  readonly packageId: string
  readonly repositoryId: string
  readonly tokenId: string
  readonly customer: string
  readonly type: string
  readonly reference: string
  readonly url: string
}

/** All that an answer tells, with what differs between any two requests left out and the subject's own words masked. */
export async function told(app: TestApp, probe: Probe, token: string, subject: Subject | null) {
  const { path, ...request } = probe
  const response = await app.ask(path, { ...request, token })
  const body = await response.text()
  const headers = Object.fromEntries(response.headers)
  for (const name of ['x-request-id', 'date', 'x-ratelimit-remaining', 'x-ratelimit-reset']) delete headers[name]
  // An entity tag made of nothing but the body tells what the body tells; that of an empty entry, what its name tells.
  const plain = [body, JSON.stringify({ packages: { [subject?.name ?? '']: {} } })]
  if (plain.some((text) => headers.etag === entityTag(text))) headers.etag = 'of the body'
  return JSON.parse(masked(JSON.stringify({ status: response.status, headers, body }), subject)) as {
    status: number
    headers: Record<string, string>
    body: string
  }
}

function entityTag(body: string): string {
  return `W/"${createHash('sha1').update(body).digest('base64url')}"`
}

function masked(text: string, subject: Subject | null): string {
  const words = Object.entries(subject ?? {}).sort(([, left], [, right]) => right.length - left.length)
  let result = text
  for (const [what, word] of words) {
    for (const form of [word, encodeURIComponent(word)]) result = result.replaceAll(form, `<${what}>`)
  }
  return result
}

/** Statements that the time of a request depends on, and that every request may cause: not about what is asked for. */
const UNRELATED = /"jobs"|"rate_windows"|where \("tokens"\."hash"|^pragma/i

/** Notes every statement that databases of this process run, until `stop`. */
export async function watchStatements() {
  const client = await connect({ url: ':memory:', authToken: null })
  const prototype = Object.getPrototypeOf(client) as { execute: (...args: unknown[]) => unknown }
  client.close()
  const { execute } = prototype
  let seen: string[] = []
  prototype.execute = function (this: unknown, ...args: unknown[]) {
    const [statement] = args as [string | { sql: string }]
    const text = typeof statement === 'string' ? statement : statement.sql
    if (!UNRELATED.test(text)) seen.push(text)
    return execute.apply(this, args)
  }
  return {
    /** Statements since the last call. */
    taken(): string[] {
      const taken = seen
      seen = []
      return taken
    },
    stop() {
      prototype.execute = execute
    },
  }
}

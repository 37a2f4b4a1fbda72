import fc from 'fast-check'
import { ContractCheck, type ReadAnswer } from './check.ts'
import { type ApiDocument, type Body, operationsOf, type PlacedOperation } from './document.ts'
import { type Draft, draftsOf } from './requests.ts'
import type { ContractWorld, Sent } from './world.ts'

/** What a run has seen. */
export interface FuzzReport {
  /** Answers by operation and status. */
  readonly seen: ReadonlyMap<string, ReadonlyMap<number, number>>
  /** What did not fit, each kind once, with the request that shows it. */
  readonly problems: readonly string[]
  readonly requests: number
}

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']
const SHOWN = 400
/** Requests to an operation that nothing can be said to. */
const SAME = 20

/** Sends `rounds` requests to every operation of a document, made from `seed`, and compares every answer with it. */
export async function fuzz(world: ContractWorld, api: ApiDocument, seed: number, rounds: number): Promise<FuzzReport> {
  const run = new FuzzRun(world, api)
  const operations = operationsOf(api).sort((left, right) => order(left) - order(right))
  // By name, so that a new operation leaves the requests to the others as they are.
  const seedOf = ({ operation }: PlacedOperation) => seed + (Bun.hash.crc32(operation.operationId) % 2 ** 20)
  const drafts = operations.map((placed) =>
    fc.sample(draftsOf(placed, run.check.lookup), { seed: seedOf(placed), numRuns: rounds }),
  )
  for (let round = 0; round < rounds; round += 1) {
    for (const [index, placed] of operations.entries()) {
      const draft = drafts[index]?.[round]
      if (!draft || (round >= SAME && !varies(placed))) continue
      // The first one comes without a token, so that no operation depends on chance for being refused.
      await run.ask(placed, round === 0 ? { ...draft, sender: 'nobody' } : draft)
    }
  }
  // A version may hold slashes, so what follows one may belong to it and lead to another operation.
  const paths = Object.keys(api.paths).filter((path) => !path.includes('{version}/') && !path.endsWith('{version}'))
  for (const path of paths) await run.askOtherMethods(path)
  for (const placed of operations) await run.askWithoutHost(placed)
  await run.askNowhere()
  return run.report()
}

function varies({ operation }: PlacedOperation): boolean {
  return operation.parameters.length > 0 || operation.requestBody !== undefined
}

/** What adds comes before what reads, and what removes last. */
function order({ method }: PlacedOperation): number {
  return ['POST', 'PUT', 'PATCH', 'GET', 'HEAD', 'DELETE'].indexOf(method)
}

class FuzzRun {
  readonly check: ContractCheck
  private readonly seen = new Map<string, Map<number, number>>()
  private readonly problems = new Map<string, string>()
  private requests = 0

  constructor(
    private readonly world: ContractWorld,
    private readonly api: ApiDocument,
  ) {
    this.check = new ContractCheck(api)
  }

  async ask(placed: PlacedOperation, draft: Draft): Promise<void> {
    const sent = this.world.request(placed, draft)
    const answer = await this.answer(sent)
    if (!answer) return
    const name = placed.operation.operationId
    this.note(name, answer.status)
    const { responses } = placed.operation
    for (const problem of this.check.problems(responses, answer, sent.method))
      this.found(name, problem, sent, answer.status)
    for (const problem of this.decision(placed, draft, sent, answer)) this.found(name, problem, sent, answer.status)
    if (sent.method === 'GET') await this.askHead(placed, sent, answer)
  }

  /** What belongs to no operation: OPTIONS, and methods that the document does not have at a path. */
  async askOtherMethods(path: string): Promise<void> {
    const { Methods, MethodNotAllowed } = this.api.components.responses
    if (!Methods || !MethodNotAllowed) throw new Error('The document does not say what other methods are answered.')
    const described = Object.keys(this.api.paths[path] ?? {}).map((method) => method.toUpperCase())
    const possible = described.includes('GET') ? [...described, 'HEAD'] : described
    const place = path.replace(/\{\w+\}/g, 'x')
    await this.askPlain('OPTIONS', place, { 204: Methods })
    for (const method of METHODS.filter((name) => !possible.includes(name))) {
      await this.askPlain(method, place, { 405: MethodNotAllowed })
    }
  }

  /** Asks where there is nothing. */
  async askNowhere(): Promise<void> {
    const { NotFound } = this.api.components.responses
    if (!NotFound) throw new Error('The document does not say what unknown addresses are answered.')
    for (const path of ['/nothing', '/api', '/api/nothing', '/api/tokens/x/y/z', '/swagger/nothing', '/p2', '/%00']) {
      for (const method of METHODS) await this.askPlain(method, path, { 404: NotFound })
    }
  }

  /** A Host header that names no host is refused by every operation. */
  async askWithoutHost({ method, path, operation }: PlacedOperation): Promise<void> {
    const refused = operation.responses['400']
    const place = path.replace(/\{\w+\}/g, 'x')
    await this.askPlain(method, place, refused ? { 400: refused } : {}, { Host: '!' })
  }

  report(): FuzzReport {
    const problems = [...this.problems.values()]
    return { seen: this.seen, problems, requests: this.requests }
  }

  /** HEAD answers as GET does, without a body. */
  private async askHead(placed: PlacedOperation, sent: Sent, got: ReadAnswer): Promise<void> {
    if (this.requests % 5 !== 0) return
    const answer = await this.answer({ ...sent, method: 'HEAD' })
    if (!answer) return
    const known = placed.operation.responses[String(answer.status)] !== undefined || got.status === 206
    if (!known) this.found(placed.operation.operationId, `HEAD answers ${answer.status}`, sent, got.status)
    if (answer.body.length > 0) this.found(placed.operation.operationId, 'HEAD has a body', sent, answer.status)
  }

  /** What the document promises beyond the form of an answer: who is let in, and that wrong bodies are refused. */
  private decision(
    { operation }: PlacedOperation,
    draft: Draft,
    sent: Sent,
    { status, headers }: ReadAnswer,
  ): string[] {
    const problems: string[] = []
    const secured = (operation.security ?? []).length > 0
    const success = status < 300
    if (secured && draft.sender === 'nobody' && status !== 401) problems.push('no token is not answered with 401')
    if (secured && ['expired', 'stranger'].includes(draft.sender) && ![401, 429].includes(status))
      problems.push('a wrong token is not refused')
    if (secured && success && !headers.has('x-ratelimit-limit')) problems.push('no X-RateLimit-Limit')
    if (status === 429 && !headers.has('retry-after')) problems.push('no Retry-After')
    const json = operation.requestBody?.content?.['application/json']
    const anything = Object.keys(json?.schema ?? {}).length === 0
    if (!json || anything || !success || typeof sent.body !== 'string' || sent.body === '') return problems
    const problem = this.check.problemOf(json.schema, JSON.parse(sent.body))
    if (problem !== null) problems.push(`a body that does not fit is accepted: ${problem}`)
    return problems
  }

  private async askPlain(
    method: string,
    path: string,
    answers: Readonly<Record<string, Body>>,
    headers: Record<string, string> = {},
  ): Promise<void> {
    const sent = { method, url: this.world.urlOf(path), headers, body: null }
    const answer = await this.answer(sent)
    if (!answer) return
    this.note(`${method} outside of operations`, answer.status)
    for (const problem of this.check.problems(answers, answer, method)) this.found(path, problem, sent, answer.status)
  }

  private async answer(sent: Sent): Promise<ReadAnswer | null> {
    this.requests += 1
    try {
      return await this.world.send(sent)
    } catch (error) {
      this.found('connection', String(error), sent, 0)
      return null
    }
  }

  private note(name: string, status: number): void {
    const statuses = this.seen.get(name) ?? new Map<number, number>()
    this.seen.set(name, statuses.set(status, (statuses.get(status) ?? 0) + 1))
  }

  private found(name: string, problem: string, sent: Sent, status: number): void {
    const kind = `${name} ${status} ${problem.replace(/\d+/g, '#').slice(0, 60)}`
    if (this.problems.has(kind)) return
    const { Authorization: _secret, ...headers } = sent.headers
    const shown = `${sent.method} ${sent.url} ${JSON.stringify(headers)} ${sent.body?.toString().slice(0, SHOWN) ?? ''}`
    this.problems.set(kind, `${name}, ${status}: ${problem}\n  ${shown}`)
  }
}

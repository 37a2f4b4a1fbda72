import { Database, type SQLQueryBindings } from 'bun:sqlite'

/*
 * A stand-in for a libSQL server: Hrana over HTTP, version 2, as far as clients use it, on another SQLite than libSQL's.
 * Like the real one it keeps a connection per stream and refuses to have its journal set by clients.
 */

interface Value {
  type: 'null' | 'integer' | 'float' | 'text' | 'blob'
  value?: string | number
  base64?: string
}
interface Statement {
  sql?: string
  sql_id?: number
  args?: Value[]
}
type Condition = { type: 'ok' | 'error'; step: number } | { type: 'not'; cond: Condition } | { type: string }
interface StreamRequest {
  type: string
  stmt?: Statement
  sql?: string
  sql_id?: number
  batch?: { steps: { condition?: Condition; stmt: Statement }[] }
}

interface Stream {
  database: Database
  texts: Map<number, string>
}

/** A running stand-in; `statements` are those it was asked to run. */
export interface HranaServer {
  url: string
  statements: string[]
  stop(): Promise<void>
}

/** Serves the database file on a free loopback port. */
export function startHranaServer(file: string): HranaServer {
  const streams = new Map<string, Stream>()
  const statements: string[] = []
  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    async fetch(request) {
      const path = new URL(request.url).pathname
      if (path === '/v2') return new Response('ok')
      if (path !== '/v2/pipeline') return new Response('unknown', { status: 404 })
      const body = (await request.json()) as { baton: string | null; requests: StreamRequest[] }
      const baton = body.baton ?? crypto.randomUUID()
      const stream = streams.get(baton) ?? open(file)
      streams.set(baton, stream)
      const results: unknown[] = []
      for (const asked of body.requests) results.push(await answer(stream, asked, statements))
      const closed = body.requests.some((asked) => asked.type === 'close')
      if (closed) {
        streams.delete(baton)
        stream.database.close()
      }
      return Response.json({ baton: closed ? null : baton, base_url: null, results })
    },
  })
  return { url: `http://127.0.0.1:${server.port}`, statements, stop: () => server.stop(true) }
}

function open(file: string): Stream {
  const database = new Database(file, { create: true })
  database.run('PRAGMA foreign_keys = ON')
  return { database, texts: new Map() }
}

async function answer(stream: Stream, asked: StreamRequest, statements: string[]): Promise<unknown> {
  try {
    return { type: 'ok', response: { type: asked.type, ...(await reply(stream, asked, statements)) } }
  } catch (error) {
    const code = (error as { code?: string }).code ?? 'UNKNOWN'
    return { type: 'error', error: { message: String((error as Error).message), code } }
  }
}

async function reply(stream: Stream, asked: StreamRequest, statements: string[]): Promise<object> {
  switch (asked.type) {
    case 'execute':
      return { result: await execute(stream, asked.stmt ?? {}, statements) }
    case 'batch':
      return { result: await batch(stream, asked.batch?.steps ?? [], statements) }
    case 'store_sql':
      stream.texts.set(asked.sql_id ?? 0, asked.sql ?? '')
      return {}
    case 'sequence':
      stream.database.run(asked.sql ?? '')
      return {}
    case 'get_autocommit':
      return { is_autocommit: !stream.database.inTransaction }
    default:
      return {}
  }
}

async function batch(stream: Stream, steps: { condition?: Condition; stmt: Statement }[], statements: string[]) {
  const results: unknown[] = []
  const errors: unknown[] = []
  for (const [index, { condition, stmt }] of steps.entries()) {
    results[index] = null
    errors[index] = null
    if (condition && !holds(condition, results, errors)) continue
    try {
      results[index] = await execute(stream, stmt, statements)
    } catch (error) {
      errors[index] = {
        message: String((error as Error).message),
        code: (error as { code?: string }).code ?? 'UNKNOWN',
      }
    }
  }
  return { step_results: results, step_errors: errors }
}

function holds(condition: Condition, results: unknown[], errors: unknown[]): boolean {
  if ('cond' in condition) return !holds(condition.cond, results, errors)
  if ('step' in condition) return (condition.type === 'ok' ? results : errors)[condition.step] !== null
  throw new Error(`unknown condition ${condition.type}`)
}

async function execute(stream: Stream, statement: Statement, statements: string[]) {
  const sql = statement.sql ?? stream.texts.get(statement.sql_id ?? -1) ?? ''
  statements.push(sql)
  if (/^\s*PRAGMA\s+(journal_mode|synchronous)/i.test(sql)) throw new Error(`unsupported statement: ${sql}`)
  const { database } = stream
  for (;;) {
    try {
      const prepared = database.prepare<unknown, SQLQueryBindings[]>(sql)
      const rows = prepared.values(...(statement.args ?? []).map(bound)) as unknown[][]
      const changes = database.query('SELECT changes() AS changes').get() as { changes: number }
      return {
        cols: prepared.columnNames.map((name) => ({ name })),
        rows: rows.map((row) => row.map(sent)),
        affected_row_count: changes.changes,
        last_insert_rowid: null,
      }
    } catch (error) {
      // The server lets streams wait for one another.
      if (!sql.startsWith('BEGIN') || (error as { code?: string }).code !== 'SQLITE_BUSY') throw error
      await Bun.sleep(2)
    }
  }
}

function bound({ type, value, base64 }: Value): SQLQueryBindings {
  if (type === 'null') return null
  if (type === 'blob') return Buffer.from(base64 ?? '', 'base64')
  return type === 'text' ? String(value) : Number(value)
}

function sent(value: unknown): Value {
  if (value === null || value === undefined) return { type: 'null' }
  if (typeof value === 'string') return { type: 'text', value }
  if (typeof value === 'number')
    return Number.isInteger(value) ? { type: 'integer', value: String(value) } : { type: 'float', value }
  return { type: 'blob', base64: Buffer.from(value as Uint8Array).toString('base64') }
}

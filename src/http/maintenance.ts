import { ARCHIVE_FOLDERS } from '../archives/archive-index.ts'
import { AppError } from '../errors.ts'
import type { DataHold } from '../maintenance/data-hold.ts'
import type { Maintenance } from '../maintenance/maintenance.ts'
import { errorResponse } from './plugins/error-response.ts'
import { readJsonBody } from './plugins/json-body.ts'

/** Answers one request of a command; null for addresses that are not about maintenance. Never throws. */
export type LocalHandler = (request: Request) => Promise<Response> | null

const PREFIX = '/maintenance/'
/** How often a hold shows that it is there, in milliseconds: a silent connection would be closed. */
const SIGN_OF_LIFE_MS = 10_000

/**
 * What commands ask of the server that owns the data, beside the management API. It is reached by the Unix socket alone
 * and by no token: whoever may open the socket may read and write the files as well. No answer and no body names a
 * path; commands copy files themselves.
 *
 * `POST /maintenance/hold` answers `{"hold": id}` in a first line and then nothing until the client leaves, which ends
 * the hold: a command that is killed leaves none behind. `POST /maintenance/hold/{id}/copied` lets writes go on.
 */
export function maintenanceHandler(maintenance: Maintenance): LocalHandler {
  const holds = new Map<string, DataHold>()
  const answer = async (request: Request, path: string): Promise<Response> => {
    const at = `${request.method} ${path}`
    if (at === 'POST hold') return heldResponse(maintenance, holds, request.signal)
    const id = /^POST hold\/([0-9a-f-]{36})\/copied$/.exec(at)?.[1]
    if (id !== undefined) return copied(holds.get(id))
    if (at === 'POST recheck') return recheck(maintenance, request)
    if (at === 'POST gc') return gc(maintenance, request)
    throw new AppError('not_found', `There is nothing at ${PREFIX}${path}.`)
  }
  return (request) => {
    const { pathname } = new URL(request.url)
    if (!pathname.startsWith(PREFIX)) return null
    return answer(request, pathname.slice(PREFIX.length)).catch((error: unknown) =>
      errorResponse(error, { path: pathname, id: '' }),
    )
  }
}

async function heldResponse(
  maintenance: Maintenance,
  holds: Map<string, DataHold>,
  signal: AbortSignal,
): Promise<Response> {
  const hold = await maintenance.hold()
  const id = crypto.randomUUID()
  holds.set(id, hold)
  let left = false
  const leave = () => {
    left = true
    maintenance.release(hold)
  }
  signal.addEventListener('abort', leave, { once: true })
  if (signal.aborted) leave()
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      const encoder = new TextEncoder()
      controller.enqueue(encoder.encode(`${JSON.stringify({ hold: id })}\n`))
      const timer = setInterval(() => controller.enqueue(encoder.encode('\n')), SIGN_OF_LIFE_MS)
      void hold.ended.then(() => {
        clearInterval(timer)
        holds.delete(id)
        // A server that stops does not wait for the client to leave.
        if (!left) controller.close()
      })
    },
    cancel: leave,
  })
  return new Response(body, { headers: { 'Content-Type': 'application/x-ndjson' } })
}

function copied(hold: DataHold | undefined): Response {
  if (hold?.copied()) return Response.json({})
  throw new AppError(
    'unavailable',
    'Copying the database took longer than the minute for which writes may wait; try again when the disk has less to do.',
  )
}

async function recheck(maintenance: Maintenance, request: Request): Promise<Response> {
  const { folder: wanted, sha256 } = ((await readJsonBody(request)) ?? {}) as { folder?: unknown; sha256?: unknown }
  const folder = ARCHIVE_FOLDERS.find((name) => name === wanted)
  if (folder === undefined || typeof sha256 !== 'string' || !/^[0-9a-f]{64}$/.test(sha256)) {
    throw new AppError('invalid', 'An archive is named by folder and sha256.')
  }
  return Response.json({ condition: await maintenance.recheck(folder, sha256) })
}

async function gc(maintenance: Maintenance, request: Request): Promise<Response> {
  const { dry_run: dryRun } = ((await readJsonBody(request)) ?? {}) as { dry_run?: unknown }
  if (typeof dryRun !== 'boolean') throw new AppError('invalid', 'dry_run has to be true or false.')
  return Response.json(await maintenance.collectGarbage(dryRun))
}

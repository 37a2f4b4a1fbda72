import { rmSync } from 'node:fs'
import { storageError } from '../archives/storage-error.ts'
import { AppError, messageOf } from '../errors.ts'
import { InheritedSocket } from './inherited-socket.ts'
import type { LocalHandler } from './maintenance.ts'
import { errorResponse } from './plugins/error-response.ts'
import type { RequestFacts } from './request-facts.ts'
import type { Handler } from './server.ts'

/** A listening server. */
export interface Listener {
  /** Address it is reached at, for logs. */
  readonly url: string
  /** Accepts nothing new; waits up to `graceMs` for transfers under way, then cuts them. */
  stop(graceMs: number): Promise<void>
}

/** Bun's own refusal of a body has not our form, so the routes bound what they read; what nobody reads is not kept. */
const MAX_BODY = Number.MAX_SAFE_INTEGER
/** Seconds of silence after which a connection is closed. */
const IDLE_SECONDS = 30
/** The same while an archive is built or an uploaded one checked, before the first byte; the longest Bun allows. */
const LONG_WORK_SECONDS = 255

/** Listens on an address; port 0 picks a free one. Throws AppError('unavailable') when the address cannot be had. */
export function listenOnPort(handler: Handler, options: ListenOptions): Listener {
  const server = serve(handler, options)
  options.facts.attach(server)
  return {
    url: `http://${options.host.includes(':') ? `[${options.host}]` : options.host}:${server.port}`,
    stop: stopper(server),
  }
}

/**
 * Listens on a socket that whoever started this process has opened, as file descriptor `fd`.
 * Throws AppError('unavailable') when that is no listening socket.
 */
export function listenOnInherited(handler: Handler, { fd, facts }: { fd: number; facts: RequestFacts }): Listener {
  const server = serve(handler, { host: '127.0.0.1', port: 0, facts })
  const socket = openInherited(fd, Number(server.port))
  facts.attach(server, (port) => socket.peerOf(port))
  const stop = stopper(server)
  return {
    url: `socket:${fd}`,
    async stop(graceMs) {
      const until = performance.now() + graceMs
      await socket.stop()
      await stop(until - performance.now())
      await socket.drained(until - performance.now())
    },
  }
}

function openInherited(fd: number, port: number): InheritedSocket {
  try {
    return new InheritedSocket(fd, port)
  } catch (error) {
    const sentence = `The socket that this process was given cannot be listened on: ${messageOf(error)}`
    throw new AppError('unavailable', sentence, { cause: error, fault: 'lasting' })
  }
}

interface ListenOptions {
  readonly host: string
  readonly port: number
  readonly facts: RequestFacts
}

function serve(handler: Handler, { host, port }: ListenOptions) {
  try {
    return Bun.serve({
      hostname: host,
      port,
      // Without `development` Bun shares ports: a second server would start and take every other request.
      reusePort: false,
      development: false,
      idleTimeout: IDLE_SECONDS,
      maxRequestBodySize: MAX_BODY,
      fetch(request, bun) {
        if (request.url.includes('/dist/') || request.url.endsWith('/readme') || request.method === 'PUT')
          bun.timeout(request, LONG_WORK_SECONDS)
        return handler(request)
      },
      error: unsent,
    })
  } catch (error) {
    throw new AppError('unavailable', `HOST ${host} with PORT ${port} cannot be listened on: ${messageOf(error)}`, {
      cause: error,
      fault: (error as NodeJS.ErrnoException).code === 'EADDRINUSE' ? 'temporary' : 'lasting',
    })
  }
}

/**
 * Listens on a Unix socket that only this user may open; whoever may open it owns the data, so it asks for no token.
 * `local` answers first: what it has is reached in no other way.
 */
export function listenOnSocket(
  handler: Handler,
  { path, token, local }: { readonly path: string; readonly token: string; readonly local: LocalHandler },
): Listener {
  rmSync(path, { force: true })
  const before = process.umask(0o177)
  try {
    const server = Bun.serve({
      unix: path,
      development: false,
      maxRequestBodySize: MAX_BODY,
      fetch(request, bun) {
        bun.timeout(request, LONG_WORK_SECONDS)
        const answer = local(request)
        if (answer) return answer
        const headers = new Headers(request.headers)
        headers.set('Authorization', `Bearer ${token}`)
        // A request made of another one would hold the whole body in memory; made of its parts, it streams.
        const { url, method, body, signal } = request
        return handler(new Request(url, { method, headers, signal, ...(body === null ? {} : { body }) }))
      },
      error: unsent,
    })
    return { url: `unix:${path}`, stop: stopper(server) }
  } finally {
    process.umask(before)
  }
}

/** What is answered when an archive that was found could not be opened: Bun does that after the handler is done. */
function unsent(error: Error): Response {
  return errorResponse(storageError(error), { path: '/', id: '' })
}

function stopper(server: { stop(force?: boolean): Promise<void> }) {
  return async (graceMs: number) => {
    const finished = server.stop()
    let timer: ReturnType<typeof setTimeout> | undefined
    const tooLate = new Promise<'late'>((resolve) => {
      timer = setTimeout(resolve, graceMs, 'late')
    })
    if ((await Promise.race([finished, tooLate])) === 'late') void server.stop(true)
    clearTimeout(timer)
  }
}

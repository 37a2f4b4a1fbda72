/** What went wrong, in the terms every room shares; `http/plugins/error-response.ts` maps a kind to a status and code. */
export type ErrorKind =
  | 'invalid'
  | 'unauthorized'
  | 'token_expired'
  | 'forbidden'
  | 'not_found'
  | 'method_not_allowed'
  | 'conflict'
  | 'too_large'
  | 'rate_limited'
  | 'upstream'
  | 'unavailable'
  | 'disk_full'

/**
 * What a fault of the surroundings asks of whoever starts the program: to try again later (a server that cannot be
 * reached, a lock that is held), or to change something first (a directory that cannot be written, a wrong key).
 */
export type Fault = 'temporary' | 'lasting'

/** Facts a client can act on, shown as `details` in an error answer. Never a secret, never a path of this machine. */
export type ErrorDetails = Record<string, unknown>

interface AppErrorOptions {
  readonly details?: ErrorDetails
  readonly cause?: unknown
  readonly fault?: Fault
}

/**
 * An expected failure. `message` is one sentence that a stranger can act on and is shown to the client as it is;
 * what only an operator may see goes into `cause`, which is logged and never sent.
 *
 * The field is `kind` and not `code`, because Elysia reads `error.code` first and would lose the class.
 */
export class AppError extends Error {
  readonly kind: ErrorKind
  readonly details: ErrorDetails
  /** Of what keeps the program from starting, and null of everything else. */
  readonly fault: Fault | null

  constructor(kind: ErrorKind, message: string, options: AppErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'AppError'
    this.kind = kind
    this.details = options.details ?? {}
    this.fault = options.fault ?? null
  }
}

/** True for an `AppError`, of one kind when `kind` is given. */
export function isAppError(error: unknown, kind?: ErrorKind): error is AppError {
  return error instanceof AppError && (kind === undefined || error.kind === kind)
}

/** The sentence of any thrown value, for logs and stored error messages. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

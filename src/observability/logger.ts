import { messageOf } from '../errors.ts'
import { escapedJson, withoutControls } from '../printable.ts'

/** Facts beside a log message. Values are numbers, strings, booleans or an error; never a credential. */
export type LogFields = Readonly<Record<string, unknown>>

/** Writes one line per call. `child` adds fields to every line of a part of the program. */
export interface Logger {
  debug(message: string, fields?: LogFields): void
  info(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
  error(message: string, fields?: LogFields): void
  child(fields: LogFields): Logger
  /** True when lines of this level are written, so that a caller can spare the work of making one. */
  enabled(level: LogLevel): boolean
}

/** How grave a line is. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

const RANK: Record<LogLevel, number> = { debug: 0, info: 1, warn: 2, error: 3 }

/**
 * A logger to `write`. `json` gives one object per line; `pretty` is for a terminal.
 * Control characters never reach the output, so a tag name or a URL cannot forge a line or move a cursor.
 */
export function createLogger(options: {
  level: LogLevel
  format: 'json' | 'pretty'
  write: (line: string) => void
  now?: () => Date
}): Logger {
  const { write } = options
  const now = options.now ?? (() => new Date())
  const at = (level: LogLevel, bound: LogFields) => (message: string, fields?: LogFields) => {
    if (RANK[level] < RANK[options.level]) return
    const entry = { ...bound, ...fields }
    write(options.format === 'json' ? jsonLine(level, now(), message, entry) : prettyLine(level, now(), message, entry))
  }
  const make = (bound: LogFields): Logger => ({
    debug: at('debug', bound),
    info: at('info', bound),
    warn: at('warn', bound),
    error: at('error', bound),
    child: (fields) => make({ ...bound, ...fields }),
    enabled: (level) => RANK[level] >= RANK[options.level],
  })
  return make({})
}

/** A logger that writes nothing. */
export const silentLogger: Logger = createLogger({ level: 'error', format: 'json', write: () => {} })

function jsonLine(level: LogLevel, time: Date, message: string, fields: LogFields): string {
  const head = { time: time.toISOString(), level, message }
  const facts = Object.entries(fields).map(([key, value]) => [key, value instanceof Error ? describe(value) : value])
  // The head a second time: a field of the same name must not replace it.
  const line = writeJson({ ...head, ...Object.fromEntries(facts), ...head })
  return `${escapedJson(line)}\n`
}

/** JSON of a line; values that have none are written as their text, since logging must never fail. */
function writeJson(entry: Record<string, unknown>): string {
  try {
    return JSON.stringify(entry)
  } catch {
    return JSON.stringify(Object.fromEntries(Object.entries(entry).map(([key, value]) => [key, String(value)])))
  }
}

function prettyLine(level: LogLevel, time: Date, message: string, fields: LogFields): string {
  const facts = Object.entries(fields).map(
    ([key, value]) => `${key}=${value instanceof Error ? describe(value) : String(value)}`,
  )
  const line = [time.toISOString().slice(11, 19), level.padEnd(5), message, ...facts].join(' ')
  return `${withoutControls(line)}\n`
}

function describe(error: Error): string {
  const reason = error.cause === undefined ? '' : messageOf(error.cause)
  const cause = error.message.includes(reason) ? '' : ` (${reason})`
  return error.name === 'AppError' ? `${error.message}${cause}` : `${error.stack ?? error.message}${cause}`
}

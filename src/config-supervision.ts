import { AppError } from './errors.ts'

/** What a service manager has set for a process that it started: sd_notify(3), sd_watchdog_enabled(3). */
export interface Supervision {
  /** Where it wants to be told of the state of the process. */
  readonly notifySocket: string | null
  /** Milliseconds without a sign of life after which it ends the process. */
  readonly watchdogMs: number | null
  /** The descriptor of a socket that it has opened for this process, sd_listen_fds(3). */
  readonly socket: number | null
}

/** The first descriptor that is passed, SD_LISTEN_FDS_START. */
const FIRST_PASSED = 3

/** How the process `pid` with this environment is supervised. Throws AppError('invalid') when it is given several sockets. */
export function supervisionOf(environment: Readonly<Record<string, string | undefined>>, pid: number): Supervision {
  const { NOTIFY_SOCKET: socket, WATCHDOG_USEC: microseconds, WATCHDOG_PID: watched } = environment
  // Without WATCHDOG_PID it is meant for whoever reads it.
  const ours = watched === undefined || Number(watched) === pid
  const watchdogMs = ours && /^[1-9]\d{0,17}$/.test(microseconds ?? '') ? Number(microseconds) / 1_000 : null
  const { LISTEN_FDS: passed, LISTEN_PID: receiver } = environment
  const given = passed !== undefined && Number(receiver) === pid ? Number(passed) : 0
  if (given > 1) throw new AppError('invalid', `LISTEN_FDS ${passed}: only one socket can be listened on.`)
  return {
    notifySocket: socket ? socket : null,
    watchdogMs: socket ? watchdogMs : null,
    socket: given === 1 ? FIRST_PASSED : null,
  }
}

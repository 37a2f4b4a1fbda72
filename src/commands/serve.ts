import { parseArgs } from 'node:util'
import { type App, createApp } from '../app.ts'
import { readConfig } from '../config.ts'
import { type Command, EXIT } from './command.ts'
import { Supervision } from './supervision.ts'

/** Transfers get 30 seconds, and what was in memory has to be written after them. */
const LONGEST_STOP_MS = 34_000

/** `serve`: the server, until SIGTERM or SIGINT. */
export const serve: Command = {
  summary: 'run the server (what happens without a command)',
  help: `Usage: package-broker [serve]

Runs the server. Configuration comes from the environment; “package-broker config” shows it.
SIGTERM and SIGINT stop it: transfers under way are finished, for at most 30 seconds. A second one ends it at once.

Exit codes: 0 after SIGTERM or SIGINT, 1 failed, 2 wrong configuration, 75 something is missing that may come back (the
database server, a lock, the port), 78 something has to be changed first (a directory, the key, the schema).`,
  async run(args) {
    parseArgs({ args: [...args], options: {} })
    const config = readConfig()
    const supervision = await Supervision.begin()
    const app = await createApp(config)
    const listener = await app.start(supervision.socket)
    // Not before it listens: a start that fails must not use up a token that nobody has seen.
    const token = await app.firstAdminToken()
    if (token !== null) announce(token)
    app.logger.info('listening', { url: listener.url })
    // Asked for before the first signal can come.
    const reason = Promise.race([signalled(), failed(app)])
    await supervision.ready(app, listener.url)
    const code = await reason
    app.logger.info('stopping')
    const stop = stopped(app)
    await supervision.stopping(app)
    return Math.max(code, await stop)
  },
}

/** Stops it. What does not end in time is left: a service manager would kill it a little later. */
async function stopped(app: App): Promise<number> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(resolve, LONGEST_STOP_MS, 'late')
  })
  const outcome = await Promise.race([app.stop(), late])
  clearTimeout(timer)
  if (outcome !== 'late') return EXIT.done
  app.logger.error('did not stop in time')
  return EXIT.failed
}

/** Printed once and to a person: it is in no log and cannot be shown again. */
function announce(token: string): void {
  console.error(`
  This is the administrator token. It is shown this once:

    ${token}

  Use it as “Authorization: Bearer <token>” with the management API.
`)
}

/**
 * Resolves at the first error that no request, job or upkeep has caught: what else it left undone nobody knows, so the
 * process ends like after a signal, and a service manager starts another.
 */
function failed(app: App): Promise<number> {
  return new Promise((resolve) => {
    const end = (error: unknown) => {
      app.logger.error('an error that nothing expects: the process ends and has to be started again', { error })
      resolve(EXIT.failed)
    }
    for (const event of ['uncaughtException', 'unhandledRejection'] as const) process.on(event, end)
  })
}

/** Resolves at the first signal. A second one, whichever, means now. */
function signalled(): Promise<number> {
  return new Promise((resolve) => {
    let signals = 0
    const stop = () => {
      signals += 1
      if (signals > 1) process.exit(EXIT.failed)
      resolve(EXIT.done)
    }
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, stop)
  })
}

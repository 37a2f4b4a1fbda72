import { parseArgs } from 'node:util'
import { createApp } from '../app.ts'
import { readConfig } from '../config.ts'
import { type Command, EXIT } from './command.ts'

/** `serve`: the server, until SIGTERM or SIGINT. */
export const serve: Command = {
  summary: 'run the server (what happens without a command)',
  help: `Usage: package-broker [serve]

Runs the server. Configuration comes from the environment; “package-broker config” shows it.
SIGTERM and SIGINT stop it: transfers under way are finished, for at most 30 seconds.`,
  async run(args) {
    parseArgs({ args: [...args], options: {} })
    const config = readConfig()
    const app = await createApp(config)
    const listener = await app.start()
    // Not before it listens: a start that fails must not use up a token that nobody has seen.
    const token = await app.firstAdminToken()
    if (token !== null) announce(token)
    app.logger.info('listening', { url: listener.url })
    await signalled()
    app.logger.info('stopping')
    await app.stop()
    return EXIT.done
  },
}

/** Printed once and to a person: it is in no log and cannot be shown again. */
function announce(token: string): void {
  console.error(`
  This is the administrator token. It is shown this once:

    ${token}

  Use it as “Authorization: Bearer <token>” with the management API.
`)
}

function signalled(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.once(signal, () => {
        resolve()
        // A second signal means now.
        process.once(signal, () => process.exit(EXIT.failed))
      })
    }
  })
}

import { parseArgs } from 'node:util'
import { type Command, EXIT, UsageError } from './command.ts'
import { SOCKET_UNIT, SYSUSERS, unitFor } from './systemd-unit.ts'

/** Where the executable is expected when this is not it. */
const USUAL_PLACE = '/usr/local/bin/package-broker'
/** What the unit hides from the server, so that an executable there cannot be started. */
const HIDDEN = /^\/(?:home|root|run\/user|tmp|var\/tmp)\//

/** `systemd`: the unit that this executable is run by. */
export const systemd: Command = {
  summary: 'print a hardened unit for systemd',
  help: `Usage: package-broker systemd [--executable PATH] [--socket | --sysusers]

Prints a unit that runs this executable (or the one at PATH) as the user package-broker, with its data in
/var/lib/package-broker and variables in /etc/package-broker/environment. With --sysusers it prints the file for
sysusers.d that makes the user, with --socket a unit for the socket, which you may use beside it: clients then wait
while the service is started again, instead of being refused. “make install” puts all in place; by hand:

  package-broker systemd > /etc/systemd/system/package-broker.service
  package-broker systemd --sysusers > /etc/sysusers.d/package-broker.conf
  systemd-sysusers && systemctl daemon-reload && systemctl enable --now package-broker

Secrets are credentials: files ENCRYPTION_KEY, ADMIN_TOKEN and DATABASE_AUTH_TOKEN by the names that the unit says.`,
  async run(args) {
    const { values } = parseArgs({
      args: [...args],
      options: {
        executable: { type: 'string' },
        socket: { type: 'boolean', default: false },
        sysusers: { type: 'boolean', default: false },
      },
    })
    const executable = values.executable ?? thisExecutable() ?? USUAL_PLACE
    if (!executable.startsWith('/')) throw new UsageError('--executable has to be an absolute path.')
    if (values.socket && values.sysusers) throw new UsageError('Give --socket or --sysusers.')
    if (values.sysusers) console.log(SYSUSERS)
    else if (values.socket) console.log(SOCKET_UNIT)
    else {
      if (HIDDEN.test(executable))
        console.error(`The unit hides ${executable} from itself: put the executable elsewhere.`)
      console.log(unitFor(executable))
    }
    return EXIT.done
  },
}

/** Null when Bun runs the sources. */
function thisExecutable(): string | null {
  return import.meta.path.startsWith('/$bunfs/') ? process.execPath : null
}

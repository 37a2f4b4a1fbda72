import { parseArgs } from 'node:util'
import { collect, type Receiver } from '../bundle/collect.ts'
import { readConfig } from '../config.ts'
import { type Command, EXIT, print, UsageError } from './command.ts'
import { failureLines, LOCK_OPTIONS, lockedIn, progressLine, readLocks } from './lock-arguments.ts'
import { withManagementApi } from './management-client.ts'

/** `mirror`. */
export const mirror: Command = {
  summary: 'fetch everything that lock files name',
  help: `Usage: package-broker mirror --lock composer.lock [--lock …] [--no-dev] [--json]

Fetches the metadata and the archive of each package that the lock files name, so that they are here when they are
wanted. A lock file may also have been made without this server. --no-dev leaves out what only development needs.
What could not be had is listed with the reason, and the exit code is 1 then.`,
  async run(args) {
    const { values } = parseArgs({ args: [...args], options: LOCK_OPTIONS })
    if (values.lock.length === 0) throw new UsageError('mirror needs at least one --lock.')
    const locked = lockedIn(await readLocks(values.lock), values['no-dev'])
    const counter = new Counter()
    const line = progressLine()
    const { versions, failures } = await withManagementApi(readConfig(), (api) =>
      collect(api, { locked, packages: [] }, counter, line.step),
    ).finally(line.end)
    const { archives, bytes } = counter
    print(values.json, { packages: versions.length, archives, bytes, failures }, () => [
      `${versions.length} versions and ${archives} archives (${bytes} bytes) are here.`,
      ...(failures.length === 0 ? [] : [`${failures.length} could not be had:`, ...failureLines(failures)]),
    ])
    return failures.length === 0 ? EXIT.done : EXIT.failed
  },
}

/** Archives go to the stores of the server on their way here, and no further. */
class Counter implements Receiver {
  archives = 0
  bytes = 0

  async open() {
    return {
      write: async () => {},
      finish: async ({ size }: { size: number }) => {
        this.archives += 1
        this.bytes += size
      },
      discard: async () => {},
    }
  }
}

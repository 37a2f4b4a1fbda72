import { parseArgs } from 'node:util'
import { readConfig } from '../config.ts'
import { type Command, EXIT, UsageError } from './command.ts'
import { withManagementApi } from './management-client.ts'

/** `audit export`. */
export const audit: Command = {
  summary: 'export the record of all changes',
  help: `Usage: package-broker audit export [--json]

export  writes every change through the API or the command line as one line of JSON each, oldest first.`,
  async run(args) {
    const [action, ...rest] = args
    if (action !== 'export') throw new UsageError('audit needs export.')
    // The lines are JSON in any case; the option is taken because every command that prints has it.
    parseArgs({ args: rest, options: { json: { type: 'boolean', default: false } } })
    await withManagementApi(readConfig(), async (api) => {
      for await (const page of api.pages('/api/audit?order=oldest&limit=1000')) {
        for (const entry of page) console.log(JSON.stringify(entry))
      }
    })
    return EXIT.done
  },
}

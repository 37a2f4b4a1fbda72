import { parseArgs } from 'node:util'
import { readConfig } from '../config.ts'
import type { Garbage } from '../maintenance/garbage.ts'
import { type Command, EXIT, print } from './command.ts'
import { withMaintenance } from './maintenance-client.ts'

/** `gc`. */
export const gc: Command = {
  summary: 'remove files that nothing needs any more',
  help: `Usage: package-broker gc [--dry-run] [--json]

Removes archives that no record names and that are older than an hour, damaged ones that were put aside more than a week
ago, copies of the database that an interrupted backup left, and answers that are kept for an Idempotency-Key for longer
than a day. What a version names, or a lock file may name, is never among it. --dry-run only counts.`,
  async run(args) {
    const { values } = parseArgs({
      args: [...args],
      options: { 'dry-run': { type: 'boolean', default: false }, json: { type: 'boolean', default: false } },
    })
    const garbage = await withMaintenance(readConfig(), (tools) => tools.collectGarbage(values['dry-run']))
    print(values.json, { dry_run: values['dry-run'], ...garbage }, () => linesOf(garbage, values['dry-run']))
    return EXIT.done
  },
}

function linesOf({ archives, quarantined, copies, answers }: Garbage, dryRun: boolean): string[] {
  const bytes = archives.bytes + quarantined.bytes + copies.bytes
  const files = archives.count + quarantined.count + copies.count
  return [
    `${dryRun ? 'Would remove' : 'Removed'} ${files} files of ${bytes} bytes and ${answers} kept answers:`,
    `  ${archives.count} archives that nothing names, ${archives.bytes} bytes`,
    `  ${quarantined.count} damaged archives that were put aside, ${quarantined.bytes} bytes`,
    `  ${copies.count} copies of the database, ${copies.bytes} bytes`,
  ]
}

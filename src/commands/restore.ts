import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { readConfig } from '../config.ts'
import { openBackup } from '../maintenance/backup-source.ts'
import { onBackupDisk } from '../maintenance/backup-target.ts'
import { checkBackup, type RestoreReport, restoreBackup } from '../maintenance/restore.ts'
import { type Command, EXIT, print, UsageError } from './command.ts'

/** `restore`. */
export const restore: Command = {
  summary: 'put a backup in place, checked',
  help: `Usage: package-broker restore DIR|FILE.tar [--force] [--json]
       package-broker restore DIR|FILE.tar --check [--json]

Writes what a backup holds into an empty DATA_DIR and ARCHIVE_DIR, comparing every byte with the manifest. Nothing takes
effect when something is missing or changed. No server may run. --check only reads the backup.

--force puts it in place of data that is there; the database from before stays as package-broker.db.before-restore.

Without the key of stored credentials (in the backup, in encryption.key or in ENCRYPTION_KEY) the server does not start;
what is missing is told.`,
  async run(args) {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        force: { type: 'boolean', default: false },
        check: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
      },
    })
    const [place, ...more] = positionals
    if (place === undefined || more.length > 0) throw new UsageError('restore needs one directory or file.')
    // What is written is for this user alone, also where SQLite writes it.
    process.umask(0o077)
    const config = readConfig()
    const source = await onBackupDisk(place, () => openBackup(resolve(place)))
    const report = values.check
      ? await onBackupDisk(place, () => checkBackup(source))
      : await restoreBackup(config, source, values.force)
    print(values.json, report, () => linesOf(place, config.dataDir, report))
    return EXIT.done
  },
}

function linesOf(place: string, dataDir: string, report: RestoreReport): string[] {
  const made = new Date(report.created_at * 1000).toISOString()
  const what = `${report.counts.packages ?? 0} packages, ${report.archives} archives, as of ${made}`
  if (report.key === null) return [`${place} is complete: ${what}.`]
  return [`${dataDir} holds the backup: ${what}.`, ...KEY_LINES[report.key]]
}

const KEY_LINES: Readonly<Record<'fits' | 'other' | 'missing', readonly string[]>> = {
  fits: [],
  missing: [
    'The key of stored credentials is missing: put encryption.key into DATA_DIR, or set ENCRYPTION_KEY, before the start.',
  ],
  other: [
    'The key here is not the one that credentials were sealed with: put the right one into encryption.key or ENCRYPTION_KEY before the start.',
  ],
}

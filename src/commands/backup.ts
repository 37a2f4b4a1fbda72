import { lstat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import packageJson from '../../package.json' with { type: 'json' }
import { type Config, readConfig } from '../config.ts'
import { type BackupReport, makeBackup } from '../maintenance/backup.ts'
import { BackupDirectory } from '../maintenance/backup-directory.ts'
import { BackupTar } from '../maintenance/backup-tar.ts'
import { onBackupDisk } from '../maintenance/backup-target.ts'
import { ownDatabaseFile } from '../maintenance/database-hold.ts'
import { type Command, EXIT, print, UsageError } from './command.ts'
import { withHeldData } from './maintenance-client.ts'

/** `backup`. */
export const backup: Command = {
  summary: 'write a consistent copy of everything, while the server runs',
  help: `Usage: package-broker backup DIR|FILE.tar [--with-key] [--recheck] [--prune] [--json]

Copies the database as it is at one moment, and every archive it names that is on disk. A server that runs goes on;
changes wait until the file of the database is copied, for a minute at most. Needs free space for that file beside the
database meanwhile.

Into a directory only new archives are written; --recheck reads the others again and replaces damaged ones, --prune
removes those that are not named any more. A file is written anew each time. What was there before stays complete until the new backup is.

The key of stored credentials is not in it, so that a backup tells no credentials; keep encryption.key or ENCRYPTION_KEY
elsewhere, or put the key in with --with-key. Exits with 1 when uploads are damaged or gone; the rest is backed up then.`,
  async run(args) {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        'with-key': { type: 'boolean', default: false },
        recheck: { type: 'boolean', default: false },
        prune: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
      },
    })
    const [place, ...more] = positionals
    if (place === undefined || more.length > 0) throw new UsageError('backup needs one directory or file.')
    // What is written is for this user alone, also where SQLite writes it.
    process.umask(0o077)
    const config = readConfig()
    ownDatabaseFile(config)
    const report = await backUp(config, resolve(place), {
      withKey: values['with-key'],
      recheck: values.recheck,
      prune: values.prune,
    })
    print(values.json, report, () => linesOf(place, report))
    return report.lost.length === 0 ? EXIT.done : EXIT.failed
  },
}

async function backUp(
  config: Config,
  place: string,
  options: { readonly withKey: boolean; readonly recheck: boolean; readonly prune: boolean },
): Promise<BackupReport> {
  const now = Math.floor(Date.now() / 1000)
  const inFile = place.endsWith('.tar') && !(await lstat(place).catch(() => null))?.isDirectory()
  const target = await onBackupDisk(place, async () =>
    inFile ? BackupTar.create(place, now) : BackupDirectory.open(place, options.recheck),
  )
  try {
    const order = { target, place, program: packageJson.version, now, ...options }
    return await withHeldData(config, 'backup', (hold) => makeBackup(config, hold, order))
  } finally {
    await target.close()
  }
}

function linesOf(place: string, { database, archives, lost, key }: BackupReport): string[] {
  const { total, copied, absent, damaged, pruned } = archives
  return [
    `${place}: database of ${database.size} bytes, ${total} archives (${copied} new).`,
    ...(absent > 0 ? [`${absent} archives are not on disk now; they are built or fetched again when wanted.`] : []),
    ...(damaged > 0
      ? [`${damaged} damaged archives were left out; package-broker verify --repair puts them aside.`]
      : []),
    ...(pruned > 0 ? [`${pruned} archives of earlier backups were removed.`] : []),
    ...lost.map((sha256) => `The upload ${sha256} is damaged or gone: upload the same file again.`),
    key
      ? 'The key of stored credentials is in it: whoever reads the backup can read them.'
      : 'The key of stored credentials (encryption.key or ENCRYPTION_KEY) is not in it; keep it elsewhere.',
  ]
}

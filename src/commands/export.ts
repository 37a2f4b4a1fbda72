import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { collect, type Failure, type Wanted } from '../bundle/collect.ts'
import { ExportDirectory } from '../bundle/export-directory.ts'
import type { LockFile } from '../bundle/lock-file.ts'
import { StaticRepository } from '../bundle/static-repository.ts'
import { readConfig } from '../config.ts'
import { type Command, EXIT, print, UsageError } from './command.ts'
import { failureLines, LOCK_OPTIONS, lockedIn, progressLine, readLocks, readPackages } from './lock-arguments.ts'
import { withManagementApi } from './management-client.ts'

/** `export`. */
export const exportCommand: Command = {
  summary: 'write a static repository of what lock files name',
  help: `Usage: package-broker export --out DIR [--lock composer.lock …] [--no-dev] [--packages NAME[:CONSTRAINT],…]
                            [--base-url URL] [--json]

Writes a directory that Composer installs from, by file:// or from any web server: packages.json, the documents of the
locked versions, their archives, manifest.json with the digest of every file, and each lock file with the addresses of
the export. Its addresses begin with URL, or else with file:// and the path of DIR. --packages adds versions that no lock
file names: all releases, or those that fulfil the constraint; not what they require.

An earlier export in DIR is replaced, and its archives are not fetched again. DIR stays as it is when anything could not
be had; that is listed with the reason, and the exit code is 1 then.`,
  async run(args) {
    const { values } = parseArgs({
      args: [...args],
      options: {
        ...LOCK_OPTIONS,
        packages: { type: 'string' },
        out: { type: 'string' },
        'base-url': { type: 'string' },
      },
    })
    const { out } = values
    if (out === undefined) throw new UsageError('export needs --out.')
    const packages = readPackages(values.packages)
    if (values.lock.length === 0 && packages.length === 0) throw new UsageError('export needs --lock or --packages.')
    const baseUrl = values['base-url'] === undefined ? `file://${resolve(out)}` : checkedBaseUrl(values['base-url'])
    const locks = await readLocks(values.lock)
    const wanted = { locked: lockedIn(locks, values['no-dev']), packages }
    const made = await makeExport({ out, baseUrl, locks, wanted })
    print(values.json, made, () => linesOf(out, made))
    return made.failures.length === 0 ? EXIT.done : EXIT.failed
  },
}

interface Order {
  readonly out: string
  readonly baseUrl: string
  readonly locks: readonly LockFile[]
  readonly wanted: Wanted
}

interface Made {
  readonly versions: number
  readonly files: number
  readonly bytes: number
  readonly reused: number
  /** Of the manifest; null when nothing was written. */
  readonly manifest_sha256: string | null
  readonly failures: readonly Failure[]
}

async function makeExport({ out, baseUrl, locks, wanted }: Order): Promise<Made> {
  const directory = await ExportDirectory.begin(out)
  const line = progressLine()
  try {
    const repository = new StaticRepository(directory, baseUrl)
    const collection = await withManagementApi(readConfig(), (api) => collect(api, wanted, repository, line.step))
    const { versions, failures } = collection
    if (failures.length > 0) {
      return { versions: versions.length, files: 0, bytes: 0, reused: 0, manifest_sha256: null, failures }
    }
    const manifest = await repository.finish(collection, locks, Math.floor(Date.now() / 1000))
    await directory.finish()
    const { reused, size } = repository
    return { versions: versions.length, ...size, reused, manifest_sha256: manifest, failures }
  } finally {
    line.end()
    await directory.discard()
  }
}

function linesOf(out: string, { versions, files, bytes, reused, manifest_sha256: manifest, failures }: Made): string[] {
  if (manifest === null) {
    return [`${out} was not written; ${failures.length} could not be had:`, ...failureLines(failures)]
  }
  return [
    `${out} holds ${versions} versions in ${files} files (${bytes} bytes); ${reused} archives were there already.`,
    `SHA-256 of its manifest.json: ${manifest}`,
  ]
}

/** The address of a web server, without a slash at the end. Throws UsageError for anything else. */
function checkedBaseUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null
  const isPlain = url && /^(?:https?|file):$/.test(url.protocol) && url.username + url.password + url.search === ''
  if (!isPlain || url.hash !== '')
    throw new UsageError('--base-url has to be an http, https or file address without credentials.')
  return text.replace(/\/+$/, '')
}

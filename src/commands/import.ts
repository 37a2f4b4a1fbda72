import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type ExportedPackage, exportedDocuments } from '../bundle/exported-documents.ts'
import { type VerifiedExport, verifyExport } from '../bundle/verify-export.ts'
import { readConfig } from '../config.ts'
import { AppError, messageOf } from '../errors.ts'
import { type Command, EXIT, print, UsageError } from './command.ts'
import { importOwner, namesOwner } from './import-owner.ts'
import { progressLine } from './lock-arguments.ts'
import { type ManagementClient, withManagementApi } from './management-client.ts'
import { only, pathOf } from './repository-arguments.ts'

/** `import`. */
export const importCommand: Command = {
  summary: 'take over an export, or add every repository of an organisation, group or workspace',
  help: `Usage: package-broker import DIR [--manifest-sha256 SHA256] [--json]
       package-broker import github:OWNER|gitlab:GROUP/SUB|bitbucket:WORKSPACE|gitea:OWNER [--url https://git.example.com]
                             [--token-file FILE | --credential-type TYPE --credential-file FILE] [--include GLOBS]
                             [--exclude GLOBS] [--archived] [--forks] [SETTINGS] [--once] [--no-wait] [--json]

Of an owner, every repository that has a composer.json is added, now and as it appears; archived ones and forks when it is
asked for. It is told what became of each, and why. --url names a server of one's own; --once adds what there is now
and then looks no more. Done again it changes what is named and looks again. Globs are of paths: acme/php-*.
Settings of what is added: [--archives lazy|tags|all] [--package-filter GLOBS] [--composer-json-paths GLOBS]
                           [--sync-interval SECONDS] [--expose-source true|false]

Of an export: verifies every file of an export by its manifest, and the manifest by SHA256 where one is given, which export printed.
When all of them are right, their packages are taken over as those of an upstream repository, which is the server that the
export was made from; it is added when it is not there, and need not be reached. Doing it again changes nothing.`,
  async run(args) {
    if (namesOwner(args)) return importOwner(args)
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { 'manifest-sha256': { type: 'string' }, json: { type: 'boolean', default: false } },
    })
    const directory = only(positionals, 'import needs the directory of an export, or an owner such as github:acme.')
    if (/^[a-z]{2,}:[^/\\]/i.test(directory) && !existsSync(directory)) {
      throw new UsageError(
        `Owners are named github:, gitlab:, bitbucket: or gitea: and their name, unlike ${directory}.`,
      )
    }
    const sha256 = values['manifest-sha256']?.toLowerCase() ?? null
    if (sha256 !== null && !/^[0-9a-f]{64}$/.test(sha256)) {
      throw new UsageError('--manifest-sha256 needs 64 hexadecimal digits.')
    }
    const line = progressLine()
    const done = await verifyExport(directory, sha256, line.step)
      .then((verified) => withManagementApi(readConfig(), (api) => new Import(api, verified, line.step).run()))
      .finally(line.end)
    print(values.json, done, () => [
      `${done.versions} versions of ${done.packages} packages are here, from ${done.url} (${done.repository_id}).`,
      `${done.archives} archives were taken over; the others were here already.`,
    ])
    return EXIT.done
  },
}

interface Taken {
  readonly versions: number
  readonly missing: readonly { readonly name: string; readonly dist: string; readonly url: string }[]
}

const YEAR = 31_536_000
/** Most characters of documents in one request. */
const BATCH = 500_000
const MOST_IN_BATCH = 500

/** One import of one verified export. */
class Import {
  private archives = 0
  private versions = 0
  private readonly names = new Set<string>()

  constructor(
    private readonly api: ManagementClient,
    private readonly verified: VerifiedExport,
    private readonly progress: (step: string, done: number, total: number) => void,
  ) {}

  async run() {
    const url = this.verified.manifest.origin
    // Every document is read before anything is taken over.
    const packages: ExportedPackage[] = []
    for await (const one of exportedDocuments(this.verified)) packages.push(one)
    if (packages.length === 0) throw new AppError('invalid', 'There are no packages in this export.')
    const id = await this.repositoryOf(url)
    for (const batch of batches(packages)) await this.take(id, batch)
    const { archives, versions } = this
    return { repository_id: id, url, packages: this.names.size, versions, archives }
  }

  /** The upstream that stands for the server of the export. */
  private async repositoryOf(url: string): Promise<string> {
    for await (const page of this.api.pages('/api/repositories?limit=1000')) {
      const known = page.find((row) => row.vcs_type === 'composer' && row.url === url)
      if (known) return String(known.id)
    }
    // It may never be reached from here, so that nothing that is known of it ages.
    const body = { url, vcs_type: 'composer', fresh_for: YEAR, stale_if_error: YEAR }
    return String(((await this.api.call('POST', '/api/repositories', body)) as { id: unknown }).id)
  }

  private async take(id: string, batch: readonly ExportedPackage[]): Promise<void> {
    const documents = batch.map(({ document }) => document)
    const { versions, missing } = (await this.api.call('PUT', `${pathOf(id)}/documents`, { documents })) as Taken
    this.versions += versions
    for (const { name } of documents) this.names.add(name)
    const paths = new Map(batch.flatMap(({ archives }) => [...archives]))
    for (const { name, dist, url } of missing) {
      const path = paths.get(url)
      // One that an earlier import named, whose archive did not come then or is gone.
      if (path === undefined) continue
      await this.upload(`${pathOf(id)}/archives/${dist}?${new URLSearchParams({ package: name })}`, path)
      this.archives += 1
      this.progress('archives', this.archives, this.verified.manifest.files.length)
    }
  }

  private async upload(address: string, path: string): Promise<void> {
    try {
      await this.api.upload(address, Bun.file(join(this.verified.path, path)))
    } catch (cause) {
      throw new AppError('invalid', `${path}: ${messageOf(cause)} Run the import again to continue.`, { cause })
    }
  }
}

function* batches(packages: readonly ExportedPackage[]): Generator<ExportedPackage[]> {
  let batch: ExportedPackage[] = []
  let size = 0
  for (const one of packages) {
    const length = JSON.stringify(one.document.text).length
    if (batch.length > 0 && (size + length > BATCH || batch.length >= MOST_IN_BATCH)) {
      yield batch
      batch = []
      size = 0
    }
    batch.push(one)
    size += length
  }
  if (batch.length > 0) yield batch
}

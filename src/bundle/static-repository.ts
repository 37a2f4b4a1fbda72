import { open, rename, rm } from 'node:fs/promises'
import { asObject, jsonValue, type RawFields, writeJsonObject } from '../composer/json.ts'
import type { OfferedPackage } from './broker.ts'
import type { ArchiveSums, Collection, Receiver } from './collect.ts'
import { digestFile, type ExportDirectory } from './export-directory.ts'
import { type LockFile, withAddresses, withoutCredentials } from './lock-file.ts'
import { MANIFEST, type ManifestFile, manifestText } from './manifest.ts'
import type { SelectedVersion } from './selection.ts'

/** How file names of archives end: Composer tells by it what a file is (Composer: FileDownloader::getFileName). */
const ENDING = /\.(tar\.gz|tar\.bz2|tar\.xz|tgz|tar|zip|phar|gz|xz|rar)$/i

/**
 * A Composer repository of plain files. Composer resolves no relative address, so that all of them begin with `baseUrl`;
 * there is a document of branches for each package too, since a file that is missing behind file:// ends Composer.
 */
export class StaticRepository implements Receiver {
  readonly #files = new Map<string, ManifestFile>()
  readonly #archives = new Map<string, ManifestFile>()
  readonly #earlier: ReadonlyMap<string, ManifestFile>

  constructor(
    private readonly directory: ExportDirectory,
    private readonly baseUrl: string,
  ) {
    const archives = directory.earlier?.files ?? []
    this.#earlier = new Map(
      archives.flatMap((file) => (file.archive ? [[keyOf(file.archive.package, file.archive), file]] : [])),
    )
  }

  /** Archives that were taken over from the earlier export. */
  reused = 0

  async has(version: SelectedVersion): Promise<boolean> {
    const key = keyOfVersion(version)
    const known = this.#earlier.get(key)
    const sha1 = version.expected || (version.dist?.shasum ?? '')
    if (known === undefined || (sha1 !== '' && known.archive?.sha1 !== sha1)) return false
    if (!this.#files.has(known.path) && !(await this.directory.reuse(known))) return false
    this.reused += 1
    this.add(known)
    this.#archives.set(key, known)
    return true
  }

  async open(version: SelectedVersion) {
    const unfinished = `dist/${version.name}/${safeWord(version.version)}-${crypto.randomUUID()}`
    const path = await this.directory.place(unfinished)
    const file = await open(path, 'wx', 0o644)
    return {
      write: async (piece: Uint8Array) => {
        for (let at = 0; at < piece.length; ) at += (await file.write(piece, at)).bytesWritten
      },
      finish: async (sums: ArchiveSums) => {
        await file.sync()
        await file.close()
        await this.keep(version, path, sums)
      },
      discard: async () => {
        await file.close().catch(() => {})
        await rm(path, { force: true })
      },
    }
  }

  /** Writes everything but the archives, which are there, and the manifest. Resolves to the manifest's SHA-256. */
  async finish(collection: Collection, locks: readonly LockFile[], createdAt: number): Promise<string> {
    const byName = Map.groupBy(collection.versions, ({ name }) => name)
    for (const [name, versions] of byName) await this.writeDocuments(name, versions, collection.packages.get(name))
    await this.write('packages.json', rootDocument(this.baseUrl, collection, [...byName.keys()]))
    for (const [index, lock] of locks.entries()) {
      const name = index === 0 ? 'composer.lock' : `composer-${index + 1}.lock`
      await this.write(name, this.rewrittenLock(lock, collection.chosen))
    }
    const { baseUrl } = this
    const files = [...this.#files.values()]
    const manifest = manifestText({ origin: collection.baseUrl, baseUrl, createdAt, files })
    await this.directory.write(MANIFEST, manifest)
    return (await digestFile(await this.directory.place(MANIFEST))).sha256
  }

  /** Number of files, without the manifest, and their bytes. */
  get size(): { files: number; bytes: number } {
    const files = [...this.#files.values()]
    return { files: files.length, bytes: files.reduce((sum, { size }) => sum + size, 0) }
  }

  private async keep(version: SelectedVersion, from: string, { size, sha1, sha256 }: ArchiveSums): Promise<void> {
    const { name, reference, dist } = version
    const address = dist?.address ?? ''
    const ending = ENDING.exec(address.split('?')[0] ?? '')?.[0].toLowerCase() ?? '.zip'
    const path = `dist/${name}/${safeWord(version.version)}-${sha256.slice(0, 16)}${ending}`
    await rename(from, await this.directory.place(path))
    const archive = { package: name, version: version.version, address, reference, sha1 }
    const file = { path, size, sha256, archive }
    this.add(file)
    this.#archives.set(keyOfVersion(version), file)
  }

  private async writeDocuments(
    name: string,
    versions: readonly SelectedVersion[],
    offered: OfferedPackage | undefined,
  ): Promise<void> {
    for (const dev of [false, true]) {
      const list = versions.filter((one) => one.dev === dev).map((one) => writeJsonObject(this.rewritten(one)))
      const document = writeJsonObject([
        ['packages', writeJsonObject([[name, `[${list.join(',')}]`]])],
        ...(dev || !offered?.advisories ? [] : ([['security-advisories', offered.advisories]] as const)),
        ...(dev || !offered?.filter ? [] : ([['filter', offered.filter]] as const)),
      ])
      await this.write(`p2/${name}${dev ? '~dev' : ''}.json`, withoutCredentials(document))
    }
  }

  private rewritten(version: SelectedVersion): RawFields {
    const fields = new Map(version.fields)
    for (const field of ['notification-url', 'transport-options', 'installation-source']) fields.delete(field)
    const address = this.addressOf(version)
    if (address === null) return fields
    const { mirrors: _mirrors, ...dist } = asObject(jsonValue(fields.get('dist'))) ?? {}
    return fields.set('dist', JSON.stringify({ ...dist, url: address }))
  }

  private rewrittenLock(lock: LockFile, chosen: Collection['chosen']): string {
    return withAddresses(lock, (locked) => {
      const version = chosen.get(locked)
      return version ? this.addressOf(version) : null
    })
  }

  private addressOf(version: SelectedVersion): string | null {
    const file = this.#archives.get(keyOfVersion(version))
    return file ? `${this.baseUrl}/${file.path}` : null
  }

  private async write(path: string, text: string): Promise<void> {
    await this.directory.write(path, text)
    const { size, sha256 } = await digestFile(await this.directory.place(path))
    this.add({ path, size, sha256 })
  }

  private add(file: ManifestFile): void {
    this.#files.set(file.path, file)
  }
}

function rootDocument(baseUrl: string, { packages }: Collection, names: readonly string[]): string {
  const offered = names.map((name) => packages.get(name))
  const lists = new Set(offered.flatMap((one) => Object.keys(asObject(jsonValue(one?.filter ?? undefined)) ?? {})))
  const enabled = Object.fromEntries([...lists].map((list) => [list, { enabled: true }]))
  return JSON.stringify({
    packages: [],
    'metadata-url': `${baseUrl}/p2/%package%.json`,
    // No package has this name: Composer reads an empty list as "ask for everything".
    'available-packages': names.length > 0 ? [...names].sort() : ['-/-'],
    ...(offered.some((one) => one?.advisories) ? { 'security-advisories': { metadata: true } } : {}),
    ...(lists.size > 0 ? { filter: { metadata: true, lists: enabled } } : {}),
  })
}

function keyOfVersion({ name, dist, reference }: SelectedVersion): string {
  return keyOf(name, { address: dist?.address ?? '', reference })
}

function keyOf(name: string, { address, reference }: { address: string; reference: string }): string {
  return JSON.stringify([name, address, reference])
}

/** A version as a word of a path; two that become the same one still differ by their digests. */
function safeWord(version: string): string {
  return (
    version
      .replace(/[^A-Za-z0-9._+-]+/g, '-')
      .replace(/^\.+/, '')
      .slice(0, 100) || 'version'
  )
}

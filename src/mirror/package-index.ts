import { createHash } from 'node:crypto'
import { asObject, jsonValue, type RawFields } from '../composer/json.ts'
import { JsonScanner, scanJsonObject } from '../composer/json-scanner.ts'
import { lowerAscii } from '../composer/php-text.ts'
import { messageOf } from '../errors.ts'
import { type KeptFileParts, MAX_FILE_BYTES } from './kept-file.ts'
import { protocolError } from './response-body.ts'
import type { Validators } from './upstream.ts'
import { readJson } from './upstream-json.ts'
import { type HashedFile, hashedFiles, type UpstreamRoot } from './upstream-root.ts'
import { rootUrl } from './upstream-url.ts'

/** What the root and the files it includes say of packages, by lower-case name. */
export interface PackageIndex {
  /** JSON texts of lists or objects of versions. */
  readonly versions: ReadonlyMap<string, readonly string[]>
  /** SHA-256 of the file with the versions, hexadecimal. */
  readonly hashes: ReadonlyMap<string, string>
}

interface Build {
  readonly versions: Map<string, string[]>
  readonly hashes: Map<string, string>
  /** False when a file has no hash, and may be another one although the root is the same. */
  settled: boolean
}

/** Files that a root may include, and bytes of all of them. */
const MAX_FILES = 1_000
const MAX_BYTES = 4 * MAX_FILE_BYTES
/** The hash of a file that has none: it is asked for each time, conditionally. */
const UNHASHED: HashedFile['hash'] = ''

/** Reads the files that a root names. They are named with their hashes: one that is known is not asked for again. */
export class PackageIndexes {
  private built: { readonly root: UpstreamRoot; readonly index: Build; readonly at: number } | null = null

  constructor(private readonly parts: KeptFileParts) {}

  /**
   * The index of a root. While a file of a new root cannot be read, that of the root before is as good as
   * `stale_if_error` allows. Throws AppError('upstream').
   */
  async of(root: UpstreamRoot, signal: AbortSignal): Promise<PackageIndex> {
    const { upstream, flights, now, logger } = this.parts
    return flights.run(`index ${upstream.id}`, signal, async (shared) => {
      const { built } = this
      const isCurrent = built?.root === root && (built.index.settled || now() - built.at < upstream.freshFor)
      if (built !== null && isCurrent) return built.index
      try {
        const index = await this.build(root, shared)
        this.built = { root, index, at: now() }
        return index
      } catch (error) {
        if (shared.aborted || built === null || now() - built.at >= upstream.freshFor + upstream.staleIfError)
          throw error
        logger.warn('files that the root of an upstream includes cannot be read', { error: messageOf(error) })
        return built.index
      }
    })
  }

  /** Composer: `loadIncludes`, `loadProviderListings`, and `initializePartialPackages` for a lazy root. */
  private async build(root: UpstreamRoot, signal: AbortSignal): Promise<Build> {
    const { layout, fields } = root
    const index: Build = { versions: new Map(), hashes: new Map(), settled: true }
    const hashed = layout.kind === 'hashed'
    const more = (from: RawFields) =>
      hashed
        ? hashedFiles(from.get('provider-includes'), 'sha256', this.parts.upstream.url)
        : hashedFiles(from.get('includes'), 'sha1', this.parts.upstream.url)
    const seen = new Set<string>()
    const waiting = layout.kind === 'static' || hashed ? [...more(fields)] : []
    collect(fields, index, hashed)
    let size = 0
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      if (seen.has(file.url)) continue
      seen.add(file.url)
      const bytes = await this.read(file, hashed ? 'sha256' : 'sha1', signal)
      size += bytes.length
      if (seen.size > MAX_FILES || size > MAX_BYTES) throw protocolError(`The root of ${file.url} includes too much.`)
      const included = readJson(file.url, bytes, scanJsonObject)
      collect(included, index, hashed)
      waiting.push(...more(included))
      index.settled &&= file.hash !== UNHASHED
    }
    await this.parts.files.keepOnly(this.parts.upstream.id, this.keptUrls(root, seen))
    return index
  }

  /** Files that are still named; with them what is kept by others: the root itself, its list of names, a summary. */
  private keptUrls({ listUrl, filter }: UpstreamRoot, files: ReadonlySet<string>): ReadonlySet<string> {
    const others = [rootUrl(this.parts.upstream.url), listUrl, filter?.summaryUrl ?? null]
    return new Set([...files, ...others.filter((url) => url !== null)])
  }

  private async read(file: HashedFile, algorithm: 'sha1' | 'sha256', signal: AbortSignal): Promise<Uint8Array> {
    const { files, upstream, now } = this.parts
    const stored = await files.find(upstream.id, file.url)
    const matches = (bytes: Uint8Array) => createHash(algorithm).update(bytes).digest('hex') === file.hash
    if (stored !== null && matches(stored.bytes)) return stored.bytes
    const known = file.hash === UNHASHED ? stored : null
    const answer = await this.fetch(file.url, known, signal)
    if (answer.kind === 'unchanged' && known !== null) return known.bytes
    if (answer.kind !== 'found') throw protocolError(`There is nothing at ${file.url}, which the root document names.`)
    if (file.hash !== UNHASHED && !matches(answer.bytes)) {
      throw protocolError(`${file.url} does not have the ${algorithm} that the root document names.`)
    }
    const { bytes, etag, lastModified } = answer
    await files.save(upstream.id, { url: file.url, bytes, etag, lastModified, fetchedAt: now(), checkedAt: now() })
    return bytes
  }

  private fetch(url: string, known: Validators | null, signal: AbortSignal) {
    const { transfers, fileDeadline } = this.parts
    return transfers.fetch({ url, known, limit: MAX_FILE_BYTES, deadline: fileDeadline }, signal)
  }
}

function collect(fields: RawFields, index: Build, hashed: boolean): void {
  if (hashed) collectHashes(fields.get('providers'), index.hashes)
  const raw = fields.get('packages')
  if (raw?.startsWith('{') !== true) return
  const scanner = new JsonScanner(raw)
  scanner.document((name) => {
    const key = lowerAscii(name)
    index.versions.set(key, [...(index.versions.get(key) ?? []), scanner.value()])
  })
}

function collectHashes(raw: string | undefined, hashes: Map<string, string>): void {
  for (const [name, entry] of Object.entries(asObject(jsonValue(raw)) ?? {})) {
    const hash = asObject(entry)?.sha256
    if (typeof hash === 'string') hashes.set(lowerAscii(name), hash.toLowerCase())
  }
}

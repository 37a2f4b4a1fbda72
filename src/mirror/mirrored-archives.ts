import { archiveForm } from '../archives/archive-form.ts'
import type { ArchiveFile, ArchiveKey } from '../archives/archive-index.ts'
import type { WantedArchive } from '../archives/download.ts'
import type { DownloadStore } from '../archives/download-store.ts'
import type { IncomingArchive } from '../archives/incoming-archive.ts'
import { AppError } from '../errors.ts'
import type { UpstreamHttp } from '../sources/upstream-http.ts'
import type { KnownDist, UpstreamArchiveTable } from '../store/upstream-archives.ts'
import { mayBeAsked } from './allowed-names.ts'
import { distUrl, requestArchive } from './archive-request.ts'
import { readUpstreamDist, type UpstreamDist } from './dist-address.ts'
import { type DistVersion, namedDists } from './dist-versions.ts'
import type { Mirror, MirroredDocument, Upstream } from './upstream.ts'
import type { UpstreamSet } from './upstreams.ts'

/** What archives of upstreams are had from. `now` gives Unix seconds. */
export interface MirroredArchivesParts {
  readonly mirror: Mirror
  readonly upstreams: Pick<UpstreamSet, 'get'>
  readonly table: UpstreamArchiveTable
  readonly store: DownloadStore
  readonly http: UpstreamHttp
  readonly now: () => number
}

/** Which archive an address names. */
export interface DistQuestion {
  /** Lower-case full name. */
  readonly name: string
  /** What `distId` makes of a `dist`. */
  readonly id: string
  /** The version in the address: only says where to look first. */
  readonly version: string
  /** False for a name that is owned here: no upstream is asked about it. */
  readonly ask: boolean
}

/** An archive that was found for an address. */
export interface MirroredArchive extends KnownDist {
  /** What decides who may have it. */
  readonly facts: DistVersion
  readonly source: UpstreamDist
  /** Where it can be fetched; null when it can only be had if it is stored. */
  readonly upstream: Upstream | null
}

/** Archives of packages that are not owned here. */
export class MirroredArchives {
  constructor(private readonly parts: MirroredArchivesParts) {}

  /**
   * What an address names, as the version that `covers` accepts; null when there is none such. What was fetched before
   * is found without its upstream. Throws what `Mirror.document` throws when that has to be asked.
   */
  async find(question: DistQuestion, covers: (version: DistVersion) => boolean): Promise<MirroredArchive | null> {
    for (const known of await this.parts.table.known(question.name, question.id)) {
      const archive = this.remembered(known, question.ask)
      if (archive && covers(archive.facts)) return archive
    }
    return question.ask ? this.offered(question, covers) : null
  }

  /** The archive: from disk, or on its way. Null when it is not stored and no upstream may be asked for it. `client` is whose turn it takes. */
  async get(archive: MirroredArchive, client: string): Promise<ArchiveFile | IncomingArchive | null> {
    const { upstream } = archive
    return upstream === null
      ? this.parts.store.peek(keyOf(archive))
      : this.parts.store.get(this.wanted({ ...archive, upstream }), client)
  }

  private remembered(known: KnownDist, ask: boolean): MirroredArchive | null {
    const source = readUpstreamDist(known.content)
    if (source === null) return null
    const upstream = this.parts.upstreams.get(known.repositoryId)
    const { version, versionNormalized, releasedAt } = known
    return {
      ...known,
      source,
      facts: { version, versionNormalized, releasedAt, alias: null },
      upstream: ask && upstream && mayBeAsked(upstream, known.name) ? upstream : null,
    }
  }

  private async offered(
    { name, id, version }: DistQuestion,
    covers: (version: DistVersion) => boolean,
  ): Promise<MirroredArchive | null> {
    const devFirst = version.startsWith('dev-') || version.endsWith('-dev')
    const failures: unknown[] = []
    for (const dev of [devFirst, !devFirst]) {
      const document = await this.document(name, dev).catch((error: unknown) => {
        failures.push(error)
        return null
      })
      const named = document && namedDists(document).get(id)
      const facts = named?.versions.find(covers)
      if (!document || !named || !facts) continue
      const { upstream } = document
      const { content, dist: source } = named
      return { repositoryId: upstream.id, name, dist: id, content, source, upstream, facts, ...facts }
    }
    if (failures.length > 0) throw failures[0]
    return null
  }

  private async document(name: string, dev: boolean): Promise<MirroredDocument | null> {
    return this.parts.mirror.document(name, dev)
  }

  private wanted(archive: MirroredArchive & { readonly upstream: Upstream }): WantedArchive {
    const { table, http, now } = this.parts
    const { repositoryId, name, source, version, versionNormalized, upstream } = archive
    const subject = `${name} ${version}`
    const offered = { upstream, name, version, versionNormalized, dist: source }
    return {
      key: keyOf(archive),
      subject,
      form: archiveForm(source.type),
      sha1: source.shasum,
      host: hostOf(distUrl(offered)),
      open: (signal) => requestArchive(http, offered, signal),
      record: (digests) => table.record(knownOf(archive), { subject, digests, now: now() }),
      refused: (reason) => table.refuse(repositoryId, { subject, reason, now: now() }),
    }
  }
}

function keyOf({ repositoryId, dist }: KnownDist): ArchiveKey {
  return { repositoryId, reference: dist, path: '' }
}

function knownOf(archive: MirroredArchive): KnownDist {
  const { repositoryId, name, dist, content, version, versionNormalized, releasedAt } = archive
  return { repositoryId, name, dist, content, version, versionNormalized, releasedAt }
}

function hostOf(url: string): string {
  if (URL.canParse(url)) return new URL(url).host
  throw new AppError('upstream', 'The address of the archive is none, once its placeholders are filled in.')
}

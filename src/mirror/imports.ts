import { createHash } from 'node:crypto'
import { archiveForm } from '../archives/archive-form.ts'
import type { ArchiveFile } from '../archives/archive-index.ts'
import type { Delivery } from '../archives/download.ts'
import type { DownloadStore } from '../archives/download-store.ts'
import { AppError } from '../errors.ts'
import { Pacer } from '../pacer.ts'
import type { Alongside } from '../store/database.ts'
import type { UpstreamArchiveTable } from '../store/upstream-archives.ts'
import type { DocumentChange, DocumentPlace, UpstreamDocumentTable } from '../store/upstream-documents.ts'
import type { UpstreamFileTable } from '../store/upstream-files.ts'
import type { ImportedRows, UpstreamImportTable } from '../store/upstream-imports.ts'
import { completeVersions } from './complete-document.ts'
import { namedDists } from './dist-versions.ts'
import { heldAfter, heldAgain, keptForm } from './held-document.ts'
import { readPackageDocument } from './package-document.ts'
import type { MirroredDocument, Upstream, UpstreamDocument } from './upstream.ts'
import { readUpstreamRoot } from './upstream-root.ts'
import { rootUrl } from './upstream-url.ts'
import type { UpstreamSet } from './upstreams.ts'

/** What imports work with. `now` gives Unix seconds. */
export interface ImportParts {
  readonly upstreams: UpstreamSet
  readonly documents: UpstreamDocumentTable
  readonly files: UpstreamFileTable
  readonly archives: UpstreamArchiveTable
  readonly imports: UpstreamImportTable
  readonly store: DownloadStore
  readonly now: () => number
}

/** A document of an export. */
export interface GivenDocument {
  /** Lower-case full name. */
  readonly name: string
  readonly dev: boolean
  /** JSON in the form of a metadata file. */
  readonly text: string
}

/** An archive that documents name and that is not stored. */
export interface MissingArchive {
  readonly name: string
  /** What addresses here name it by. */
  readonly dist: string
  /** Where its upstream has it. */
  readonly url: string
}

/** What became of documents that were given. */
export interface TakenDocuments {
  readonly versions: number
  readonly missing: readonly MissingArchive[]
}

/** Documents and archives of an upstream that come from an export instead of the upstream itself. */
export class MirrorImports {
  constructor(private readonly parts: ImportParts) {}

  /**
   * Takes documents over, each merged with what is known of the same package: a version that is given replaces the one
   * that is known. Nothing is taken over when one cannot be. Throws AppError('invalid' | 'conflict' | 'not_found').
   */
  async take(repositoryId: string, given: readonly GivenDocument[], alongside: Alongside): Promise<TakenDocuments> {
    const upstream = await this.upstream(repositoryId)
    const merged = new Map<string, Merged>()
    for (const one of given) {
      const place = { repositoryId, name: one.name, dev: one.dev }
      merged.set(`${one.name} ${one.dev}`, await this.merged(upstream, place, one.text))
    }
    const changes = [...merged.values()].map(({ change }) => change)
    const now = this.parts.now()
    const day = new Date(now * 1_000).toISOString().slice(0, 10)
    const note = `Packages were imported from an export, last on ${day}; they are served while the upstream cannot be asked.`
    const root = await this.root(
      upstream,
      given.map(({ name }) => name),
    )
    await this.parts.imports.save(repositoryId, { documents: changes, root, note, now }, alongside)
    const missing: MissingArchive[] = []
    for (const { document } of merged.values()) missing.push(...(await this.missing(document)))
    return { versions: [...merged.values()].reduce((sum, { given: count }) => sum + count, 0), missing }
  }

  /**
   * Takes an archive over that a document of this upstream names. Throws AppError('not_found') when none does,
   * AppError('upstream') when it is not that archive, and what the store throws.
   */
  async archive(
    repositoryId: string,
    wanted: { name: string; dist: string },
    delivery: Delivery,
  ): Promise<ArchiveFile> {
    const { archives, store, now } = this.parts
    const { name, dist } = wanted
    const upstream = await this.upstream(repositoryId)
    for (const dev of [false, true]) {
      const document = await this.known(upstream, { repositoryId, name, dev })
      const named = document && namedDists(document).get(dist)
      const [facts] = named?.versions ?? []
      if (!named || !facts) continue
      const { version, versionNormalized, releasedAt } = facts
      const known = { repositoryId, name, dist, content: named.content, version, versionNormalized, releasedAt }
      const subject = `${name} ${version}`
      return store
        .get({
          key: { repositoryId, reference: dist, path: '' },
          subject,
          form: archiveForm(named.dist.type),
          sha1: named.dist.shasum,
          host: 'an import',
          open: async () => delivery,
          record: (digests) => archives.record(known, { subject, digests, now: now() }),
          refused: (reason) => archives.refuse(repositoryId, { subject, reason, now: now() }),
        })
        .finished()
    }
    throw new AppError('not_found', `No document of ${name} from this upstream names the archive ${dist}.`)
  }

  private async upstream(repositoryId: string): Promise<Upstream> {
    await this.parts.upstreams.refresh()
    const upstream = this.parts.upstreams.get(repositoryId)
    if (upstream) return upstream
    throw new AppError('not_found', `There is no repository ${repositoryId} with vcs_type composer.`)
  }

  private async merged(upstream: Upstream, place: DocumentPlace, text: string): Promise<Merged> {
    const { name } = place
    const problems: string[] = []
    const pacer = new Pacer(AbortSignal.timeout(LONGEST_READ_MS))
    const read = await readPackageDocument(text, name, pacer, (subject, reason) => {
      problems.push(`${subject}: ${reason}`)
    })
    if (read === null) throw new AppError('invalid', `A document is not about ${name}, which it is given for.`)
    if (problems.length > 0) throw new AppError('invalid', `A document cannot be used: ${problems[0]}.`)
    const kept = await this.parts.documents.find(place)
    const before = kept && heldAgain(upstream, kept)
    const document = mergedDocument(before?.document ?? null, read)
    const answer = { kind: 'found', document, etag: null, lastModified: null } as const
    const held = heldAfter(upstream, place, before, answer, this.parts.now())
    if (held.document === null) throw new Error('A document that was given is none.')
    const change = { document: keptForm(held), rewritten: true, retired: [] }
    return { change, document: held.document, given: read.versions.length }
  }

  private async known(upstream: Upstream, place: DocumentPlace): Promise<MirroredDocument | null> {
    const kept = await this.parts.documents.find(place)
    return kept && heldAgain(upstream, kept).document
  }

  private async missing(document: MirroredDocument): Promise<MissingArchive[]> {
    const missing: MissingArchive[] = []
    for (const [dist, named] of namedDists(document)) {
      const key = { repositoryId: document.upstream.id, reference: dist, path: '' }
      if (await this.parts.store.peek(key)) continue
      missing.push({ name: document.name, dist, url: named.dist.url })
    }
    return missing
  }

  /** A root that says which names there are, unless the upstream itself was read and says something else. */
  private async root(upstream: Upstream, given: readonly string[]): Promise<ImportedRows['root']> {
    const url = rootUrl(upstream.url)
    const stored = await this.parts.files.find(upstream.id, url)
    const text = stored === null ? null : Buffer.from(stored.bytes).toString('utf8')
    if (text !== null && !text.includes(MARK)) return null
    const known = text === null ? [] : (readUpstreamRoot(text, upstream.url).availablePackages ?? [])
    const names = [...new Set([...known, ...given])].sort()
    const root = {
      packages: [],
      'metadata-url': `${upstream.url}/p2/%package%.json`,
      'available-packages': names,
      info: MARK,
    }
    const now = this.parts.now()
    const about = { url, etag: null, lastModified: null, fetchedAt: now, checkedAt: now }
    const digest = createHash('sha256')
      .update(JSON.stringify({ names, patterns: [] }))
      .digest('hex')
    return { file: { ...about, bytes: Buffer.from(JSON.stringify(root)) }, names, digest }
  }
}

interface Merged {
  readonly change: DocumentChange
  readonly document: MirroredDocument
  /** Versions in what was given. */
  readonly given: number
}

/** In a root document that an import wrote. */
const MARK = 'Written by an import.'
/** Longest reading of one document, in milliseconds. */
const LONGEST_READ_MS = 60_000

function mergedDocument(known: MirroredDocument | null, given: UpstreamDocument): UpstreamDocument {
  if (known === null) return given
  const versions = new Map(completeVersions(known).map((one) => [one.facts.identity, one.fields]))
  for (const { facts, fields } of completeVersions(given)) versions.set(facts.identity, fields)
  return {
    versions: [...versions.values()],
    minified: false,
    advisories: given.advisories ?? known.advisories,
    filter: given.filter ?? known.filter,
  }
}

import { createHash } from 'node:crypto'
import { JsonScanner } from '../composer/json-scanner.ts'
import { Pacer } from '../pacer.ts'
import type { KeptFileParts } from './kept-file.ts'
import { type OnIssue, readPackageDocument, scanVersions } from './package-document.ts'
import type { PackageIndex } from './package-index.ts'
import { protocolError } from './response-body.ts'
import { READING, scanEntries, sortedDocument } from './unsorted-versions.ts'
import type { DocumentAnswer, Validators } from './upstream.ts'
import { readJsonSlowly } from './upstream-json.ts'
import type { UpstreamRoot } from './upstream-root.ts'
import { fillTemplate } from './upstream-url.ts'

/** Which document of which package, and the validators of the known copy. */
export interface DocumentQuestion {
  /** Lower-case full name. */
  readonly name: string
  readonly dev: boolean
  readonly known: Validators | null
}

/** What documents are read with. */
export interface DocumentParts extends KeptFileParts {
  readonly onIssue: OnIssue
  /** Time for one document, in milliseconds. */
  readonly documentDeadline: number
}

/** Largest document of one package, in bytes. */
const MAX_DOCUMENT_BYTES = 16 * 1_048_576
/** Files named by a hash whose text is held, since tags and branches are asked for one after the other. */
const RECENT_FILES = 20

/** The documents of an upstream, whatever its layout. */
export class PackageDocuments {
  private readonly recent = new Map<string, Uint8Array>()

  constructor(private readonly parts: DocumentParts) {}

  /** The document as the root and its index say it is found. Throws AppError('upstream'). */
  async read(
    question: DocumentQuestion,
    root: UpstreamRoot,
    index: PackageIndex,
    signal: AbortSignal,
  ): Promise<DocumentAnswer> {
    const texts = index.versions.get(question.name)
    if (texts !== undefined) return this.inlineDocument(question, texts, signal)
    const { layout } = root
    switch (layout.kind) {
      case 'static':
        return { kind: 'absent' }
      case 'hashed':
        return this.hashedDocument(question, layout.providersUrl, index.hashes.get(question.name), signal)
      default:
        return this.lazyDocument(question, layout, signal)
    }
  }

  private async inlineDocument(
    { name, dev, known }: DocumentQuestion,
    texts: readonly string[],
    signal: AbortSignal,
  ): Promise<DocumentAnswer> {
    const etag = etagOf(texts)
    if (known?.etag === etag) return { kind: 'unchanged' }
    const entries = texts.flatMap((text) => scanVersions(new JsonScanner(text)))
    const document = await sortedDocument(entries, name, dev, new Pacer(signal), this.parts.onIssue)
    return { kind: 'found', document, etag, lastModified: null }
  }

  private async hashedDocument(
    { name, dev, known }: DocumentQuestion,
    providersUrl: string,
    hash: string | undefined,
    signal: AbortSignal,
  ): Promise<DocumentAnswer> {
    if (hash === undefined) return { kind: 'absent' }
    const etag = etagOf([hash])
    if (known?.etag === etag) return { kind: 'unchanged' }
    const url = fillTemplate(providersUrl, { package: name, hash }).replaceAll('$', '%24')
    const bytes = await this.hashedFile(url, hash, signal)
    const document = await readJsonSlowly(url, bytes, async (text) => {
      const entries = scanEntries(text, name)
      if (entries === null) throw notAbout(url, name)
      return sortedDocument(entries, name, dev, new Pacer(signal), this.parts.onIssue)
    })
    return { kind: 'found', document, etag, lastModified: null }
  }

  private hashedFile(url: string, hash: string, signal: AbortSignal): Promise<Uint8Array> {
    const { flights, transfers, documentDeadline: deadline } = this.parts
    return flights.run(`hashed ${url}`, signal, async (shared) => {
      const known = this.recent.get(url)
      if (known !== undefined) return known
      const answer = await transfers.fetch({ url, limit: MAX_DOCUMENT_BYTES, deadline }, shared)
      if (answer.kind !== 'found') throw protocolError(`There is nothing at ${url}, which a listing names.`)
      if (createHash('sha256').update(answer.bytes).digest('hex') !== hash) {
        throw protocolError(`${url} does not have the sha256 that a listing names.`)
      }
      this.recent.set(url, answer.bytes)
      for (const oldest of this.recent.keys()) {
        if (this.recent.size <= RECENT_FILES) break
        this.recent.delete(oldest)
      }
      return answer.bytes
    })
  }

  private async lazyDocument(
    { name, dev, known }: DocumentQuestion,
    layout: { readonly kind: 'lazy' | 'lazy-v1'; readonly metadataUrl: string },
    signal: AbortSignal,
  ): Promise<DocumentAnswer> {
    const { transfers, onIssue, documentDeadline: deadline } = this.parts
    const sorted = layout.kind === 'lazy'
    const url = fillTemplate(layout.metadataUrl, { package: sorted && dev ? `${name}~dev` : name })
    const answer = await transfers.fetch({ url, known, limit: MAX_DOCUMENT_BYTES, deadline }, signal)
    if (answer.kind !== 'found') return answer
    const document = await readJsonSlowly(url, answer.bytes, async (text) => {
      const pacer = new Pacer(signal)
      if (sorted) return readPackageDocument(text, name, pacer, onIssue)
      const entries = scanEntries(text, name)
      return entries === null ? null : sortedDocument(entries, name, dev, pacer, onIssue)
    })
    if (document === null) throw notAbout(url, name)
    return { kind: 'found', document, etag: answer.etag, lastModified: answer.lastModified }
  }
}

function etagOf(texts: readonly string[]): string {
  const hash = createHash('sha1')
  for (const text of texts) hash.update(text).update('\n')
  return `"${READING}-${hash.digest('hex')}"`
}

function notAbout(url: string, name: string): Error {
  return protocolError(`${new URL(url).host} answered with a document that is not about ${name}.`)
}

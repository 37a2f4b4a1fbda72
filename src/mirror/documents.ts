import { messageOf } from '../errors.ts'
import type { Logger } from '../observability/logger.ts'
import type { DocumentPlace, UpstreamDocumentTable } from '../store/upstream-documents.ts'
import { mayBeAsked } from './allowed-names.ts'
import { DocumentMemory } from './document-memory.ts'
import { DocumentWriter } from './document-writer.ts'
import { type HeldDocument, heldAfter, heldAgain, keptForm, redated, retiredBy } from './held-document.ts'
import type { MirroredDocument, ReadyMirror, Upstream } from './upstream.ts'
import type { UpstreamReader } from './upstream-reader.ts'

/** What documents are read with. */
export interface MirrorDocumentParts {
  readonly upstreams: { list(): readonly Upstream[] }
  readonly readerOf: (upstream: Upstream) => Pick<UpstreamReader, 'document'>
  readonly table: UpstreamDocumentTable
  readonly logger: Logger
  /** Told of each document that was read anew. */
  readonly onRead?: (upstream: Upstream, name: string, dev: boolean) => void
  /** Unix seconds. */
  readonly now: () => number
  /** How long a client waits for a fresh document when another is known, in milliseconds. */
  readonly patience?: number
  /** Bytes of documents held in memory. */
  readonly memory?: number
}

/** How long it is believed that an upstream has no such package, in seconds. */
const ABSENT_FOR = 300
/** How long an upstream is not asked again for a document that it failed to give, in seconds. */
const FAILED_FOR = 30
const PATIENCE_MS = 2_000
/** Most documents of which a failure is remembered. */
const MOST_FAILURES = 10_000

/**
 * Documents of packages that are not owned here, read through their upstreams: asked for when they are wanted, kept, and
 * asked for again when they have aged, once however many want them. What is known is served when its upstream fails.
 */
export class MirrorDocuments implements ReadyMirror {
  private readonly memory: DocumentMemory
  private readonly writer: DocumentWriter
  private readonly refreshing = new Map<string, Promise<HeldDocument>>()
  private readonly failedAt = new Map<string, number>()
  private readonly ending = new AbortController()

  constructor(private readonly parts: MirrorDocumentParts) {
    this.memory = new DocumentMemory(parts.memory)
    this.writer = new DocumentWriter(parts.table, parts.logger)
  }

  known(name: string, dev: boolean): MirroredDocument | null {
    const first = this.parts.upstreams.list().find((upstream) => mayBeAsked(upstream, name))
    if (!first) return null
    const held = this.memory.get(keyOf(first, name, dev))
    return held?.document && this.isFresh(held, first) ? held.document : null
  }

  document(name: string, dev: boolean): MirroredDocument | null | Promise<MirroredDocument | null> {
    const known = this.known(name, dev)
    if (known) return known
    const asked = this.parts.upstreams.list().filter((upstream) => mayBeAsked(upstream, name))
    return asked.length === 0 ? null : this.search(asked, name, dev)
  }

  /**
   * Looks at the database again for the documents of an upstream, of these names or all for null: something was noted of
   * them there.
   */
  async forget(repositoryId: string, names: ReadonlySet<string> | null): Promise<void> {
    await this.writer.flush()
    this.memory.forget(({ place }) => place.repositoryId === repositoryId && (names?.has(place.name) ?? true))
  }

  /** Lets no request wait any longer, and writes what is not written. */
  async stop(): Promise<void> {
    this.ending.abort(new DOMException('The server is stopping.', 'AbortError'))
    await Promise.allSettled(this.refreshing.values())
    await this.writer.stop()
  }

  /** The name belongs to the first upstream that has either of its documents: the other one is empty there then. */
  private async search(asked: readonly Upstream[], name: string, dev: boolean): Promise<MirroredDocument | null> {
    const denied: HeldDocument[] = []
    for (const [index, upstream] of asked.entries()) {
      const held = await this.at(upstream, name, dev)
      if (held.document === null && index === asked.length - 1) break
      const other = held.document === null ? await this.at(upstream, name, !dev) : null
      if (held.document ?? other?.document) {
        this.keepDenials(denied)
        return held.document ?? emptyDocument(upstream, name, dev, other?.document ?? null)
      }
      denied.push(held, ...(other ? [other] : []))
    }
    return null
  }

  /** That the upstreams before do not have it is kept with it: were one of them down later, nobody could tell. */
  private keepDenials(denied: readonly HeldDocument[]): void {
    for (const held of denied) {
      if (held.kept) continue
      const key = keyOf(held.upstream, held.place.name, held.place.dev)
      const kept = { ...held, kept: true }
      this.memory.set(key, kept)
      this.writer.write(key, { document: keptForm(kept), rewritten: true, retired: [] })
    }
  }

  private async at(upstream: Upstream, name: string, dev: boolean): Promise<HeldDocument> {
    const key = keyOf(upstream, name, dev)
    const place = { repositoryId: upstream.id, name, dev }
    const held = this.memory.get(key)?.upstream === upstream ? this.memory.get(key) : await this.kept(upstream, place)
    if (held && this.isFresh(held, upstream)) return held
    if (!held || !this.isUsable(held, upstream)) return this.refresh(upstream, place, held ?? null)
    if (this.hasJustFailed(key)) return held
    const refreshed = this.refresh(upstream, place, held).catch(() => held)
    return within(this.parts.patience ?? PATIENCE_MS, refreshed, held)
  }

  /** What is known of a document by other means than this memory, or by it under settings that are not those any more. */
  private async kept(upstream: Upstream, place: DocumentPlace): Promise<HeldDocument | undefined> {
    const key = keyOf(upstream, place.name, place.dev)
    if (this.writer.pending(key)) await this.writer.flush()
    const kept = this.writer.pending(key)?.document ?? (await this.parts.table.find(place))
    if (!kept) return undefined
    const before = this.memory.get(key)
    const held = redated(heldAgain(upstream, kept), before?.document?.modifiedAt ?? 0, this.parts.now())
    this.memory.set(key, held)
    if (held.document && held.document.modifiedAt !== kept.modifiedAt)
      this.writer.write(key, { document: keptForm(held), rewritten: true, retired: [] })
    return held
  }

  /** Asks the upstream; nobody who waits for it can end it, since others and the next one want it too. */
  private refresh(upstream: Upstream, place: DocumentPlace, before: HeldDocument | null): Promise<HeldDocument> {
    const key = keyOf(upstream, place.name, place.dev)
    const running = this.refreshing.get(key)
    if (running) return running
    const made = this.ask(upstream, place, before)
      .catch((error: unknown) => {
        this.noteFailure(key, error)
        throw error
      })
      .finally(() => this.refreshing.delete(key))
    this.refreshing.set(key, made)
    return made
  }

  private async ask(upstream: Upstream, place: DocumentPlace, before: HeldDocument | null): Promise<HeldDocument> {
    const { readerOf, now } = this.parts
    const known = before?.document ? before.validators : null
    const answer = await readerOf(upstream).document(place.name, place.dev, known, this.ending.signal)
    if (answer.kind === 'found') this.parts.onRead?.(upstream, place.name, place.dev)
    const held = heldAfter(upstream, place, before, answer, now())
    this.keep(before, held)
    return this.memory.get(keyOf(upstream, place.name, place.dev)) ?? held
  }

  private keep(before: HeldDocument | null, held: HeldDocument): void {
    const key = keyOf(held.upstream, held.place.name, held.place.dev)
    this.failedAt.delete(key)
    // Names that nobody has are not written: anybody can ask for any number of them.
    const written = held.document !== null || before?.kept === true
    const kept = { ...held, kept: written }
    this.memory.set(key, kept)
    if (!written) return
    const retired = retiredBy(before, held, this.parts.now())
    const rewritten = before?.kept !== true || before.document?.digest !== held.document?.digest
    this.writer.write(key, { document: keptForm(kept), rewritten, retired })
  }

  private noteFailure(key: string, error: unknown): void {
    if (this.ending.signal.aborted) return
    if (this.failedAt.size >= MOST_FAILURES) this.failedAt.clear()
    this.failedAt.set(key, this.parts.now())
    this.parts.logger.warn('an upstream could not be asked', { document: key, error: messageOf(error) })
  }

  private hasJustFailed(key: string): boolean {
    return this.parts.now() - (this.failedAt.get(key) ?? Number.NEGATIVE_INFINITY) < FAILED_FOR
  }

  private isFresh(held: HeldDocument, upstream: Upstream): boolean {
    if (held.upstream !== upstream) return false
    const age = this.parts.now() - held.checkedAt
    return age < (held.document === null ? Math.max(ABSENT_FOR, upstream.freshFor) : upstream.freshFor)
  }

  private isUsable(held: HeldDocument, upstream: Upstream): boolean {
    return this.parts.now() - held.checkedAt < upstream.freshFor + upstream.staleIfError
  }
}

function keyOf(upstream: Upstream, name: string, dev: boolean): string {
  return `${upstream.id} ${name}${dev ? '~dev' : ''}`
}

/** What an upstream says of a package of which it has the other document only. */
function emptyDocument(
  upstream: Upstream,
  name: string,
  dev: boolean,
  other: MirroredDocument | null,
): MirroredDocument {
  return {
    ...{ upstream, name, dev, versions: [], minified: true, advisories: null, filter: null },
    ...{ digest: `without ${other?.digest}`, modifiedAt: other?.modifiedAt ?? 0, firstSeen: {} },
  }
}

/** What a promise gives, or another value when it takes longer than `ms` milliseconds. */
function within<T>(ms: number, promise: Promise<T>, otherwise: T): Promise<T> {
  const { promise: first, resolve } = Promise.withResolvers<T>()
  const timer = setTimeout(() => resolve(otherwise), ms)
  void promise.then(resolve).finally(() => clearTimeout(timer))
  return first
}

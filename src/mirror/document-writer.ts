import { messageOf } from '../errors.ts'
import type { Logger } from '../observability/logger.ts'
import type { DocumentChange, UpstreamDocumentTable } from '../store/upstream-documents.ts'

/** How long changes wait for others to be written with, in milliseconds. */
const GATHER_MS = 50
/** Between two attempts to write what could not be written, in milliseconds. */
const RETRY_MS = 5_000
/** Most documents that wait while the database refuses; those beyond are asked for again after a restart. */
const MOST_WAITING = 5_000

/**
 * Writes documents behind the answers that are made from them: an install asks for hundreds at once, and waits for none
 * to be on the disk.
 */
export class DocumentWriter {
  private waiting = new Map<string, DocumentChange>()
  private beingWritten: ReadonlyMap<string, DocumentChange> = new Map()
  private timer: ReturnType<typeof setTimeout> | null = null
  private writing: Promise<void> = Promise.resolve()
  private stopped = false

  constructor(
    private readonly table: UpstreamDocumentTable,
    private readonly logger: Logger,
  ) {}

  /** Writes a change soon; `key` names its document. */
  write(key: string, change: DocumentChange): void {
    const before = this.waiting.get(key)
    if (!before && this.waiting.size >= MOST_WAITING) return
    this.waiting.set(key, before ? followed(before, change) : change)
    this.later(GATHER_MS)
  }

  /** What is not written yet of a document. */
  pending(key: string): DocumentChange | undefined {
    return this.waiting.get(key) ?? this.beingWritten.get(key)
  }

  /** Writes everything that waits. What could not be written waits on, until the program ends. */
  async flush(): Promise<void> {
    this.writing = this.writing.then(() => this.writeAll())
    await this.writing
  }

  /** Writes what waits one last time. */
  async stop(): Promise<void> {
    this.stopped = true
    if (this.timer) clearTimeout(this.timer)
    await this.flush()
  }

  private later(ms: number): void {
    if (this.stopped) return
    this.timer ??= setTimeout(() => {
      this.timer = null
      void this.flush()
    }, ms)
  }

  private async writeAll(): Promise<void> {
    const taken = this.waiting
    if (taken.size === 0) return
    this.waiting = new Map()
    this.beingWritten = taken
    try {
      await this.table.save([...taken.values()])
    } catch (error) {
      this.logger.warn('documents of upstreams could not be written', { error: messageOf(error) })
      for (const [key, change] of taken) {
        const later = this.waiting.get(key)
        this.waiting.set(key, later ? followed(change, later) : change)
      }
      this.later(RETRY_MS)
    } finally {
      this.beingWritten = new Map()
    }
  }
}

function followed(before: DocumentChange, after: DocumentChange): DocumentChange {
  return {
    document: after.document,
    rewritten: before.rewritten || after.rewritten,
    retired: [...before.retired, ...after.retired],
  }
}

import type { RenderedDocument } from './rendered-document.ts'

/** Longest sum of rendered documents kept, in bytes. */
const MAX_BYTES = 48 * 1024 * 1024

interface Kept {
  readonly stamp: number | string
  readonly document: RenderedDocument
}

/** Rendered documents by key, the least recently asked leaving first. A document is valid for one stamp only. */
export class DocumentCache {
  private readonly kept = new Map<string, Kept>()
  private readonly pending = new Map<string, Promise<RenderedDocument>>()

  /** Documents asked for since the start: found here, rendered, and waited for because somebody else had them rendered. */
  readonly counts = { found: 0, rendered: 0, joined: 0 }

  constructor(private readonly maxBytes = MAX_BYTES) {}

  /** The document of this key and stamp; `render` makes it once however many ask at the same time. */
  get(
    key: string,
    stamp: number | string,
    render: () => Promise<RenderedDocument>,
  ): RenderedDocument | Promise<RenderedDocument> {
    const known = this.kept.get(key)
    if (known?.stamp === stamp) {
      this.kept.delete(key)
      this.kept.set(key, known)
      this.counts.found++
      return known.document
    }
    const running = `${stamp} ${key}`
    const existing = this.pending.get(running)
    if (existing) {
      this.counts.joined++
      return existing
    }
    this.counts.rendered++
    const made = render()
      .then((document) => {
        this.keep(key, { stamp, document })
        return document
      })
      .finally(() => this.pending.delete(running))
    this.pending.set(running, made)
    return made
  }

  private keep(key: string, entry: Kept): void {
    this.kept.delete(key)
    this.kept.set(key, entry)
    let bytes = 0
    for (const { document } of this.kept.values()) bytes += document.size
    for (const [oldest, { document }] of this.kept) {
      if (bytes <= this.maxBytes || this.kept.size === 1) return
      bytes -= document.size
      this.kept.delete(oldest)
    }
  }
}

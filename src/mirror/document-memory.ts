import type { HeldDocument } from './held-document.ts'

/** Longest sum of texts held, in bytes; what was made of them takes about as much again. */
const MAX_BYTES = 24 * 1_048_576
/** What an entry takes beside its text, in bytes. */
const ENTRY_BYTES = 400

/** Documents in memory, the least recently asked leaving first. */
export class DocumentMemory {
  private readonly held = new Map<string, HeldDocument>()
  private bytes = 0

  constructor(private readonly maxBytes = MAX_BYTES) {}

  get(key: string): HeldDocument | undefined {
    const found = this.held.get(key)
    if (found) {
      this.held.delete(key)
      this.held.set(key, found)
    }
    return found
  }

  set(key: string, document: HeldDocument): void {
    this.delete(key)
    this.held.set(key, document)
    this.bytes += sizeOf(document)
    for (const [oldest] of this.held) {
      if (this.bytes <= this.maxBytes || this.held.size === 1) return
      this.delete(oldest)
    }
  }

  delete(key: string): void {
    const found = this.held.get(key)
    if (!found) return
    this.held.delete(key)
    this.bytes -= sizeOf(found)
  }

  /** Deletes those that are meant. */
  forget(meant: (document: HeldDocument) => boolean): void {
    for (const [key, document] of this.held) if (meant(document)) this.delete(key)
  }
}

function sizeOf({ text }: HeldDocument): number {
  return ENTRY_BYTES + (text?.length ?? 0)
}

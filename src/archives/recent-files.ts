interface Entry {
  size: number
  /** Unix milliseconds; 0 when not used since the start. */
  usedAt: number
  /** When the use was last written to disk. */
  touchedAt: number
}

/** Which archives were used when, least recently used first, and how many bytes they are together. */
export class RecentFiles {
  readonly #entries = new Map<string, Entry>()
  #bytes = 0

  /** Bytes of all files. */
  get bytes(): number {
    return this.#bytes
  }

  /** Adds a file that was there at the start; call in order of use, oldest first. */
  restore(sha256: string, size: number, touchedAt: number): void {
    this.#put(sha256, { size, usedAt: 0, touchedAt })
  }

  /**
   * Notes a use of a file, also of a new one, whose time on disk is right already. True when the use should be written
   * to disk: at most once per `every` milliseconds.
   */
  use(sha256: string, size: number, now: number, every: number): boolean {
    const touchedAt = this.#entries.get(sha256)?.touchedAt ?? now
    const due = Math.abs(now - touchedAt) >= every
    this.#put(sha256, { size, usedAt: now, touchedAt: due ? now : touchedAt })
    return due
  }

  /** Drops a file from the account. Returns its size in bytes, 0 when it was not there. */
  forget(sha256: string): number {
    const size = this.#entries.get(sha256)?.size ?? 0
    this.#entries.delete(sha256)
    this.#bytes -= size
    return size
  }

  /**
   * Digests to evict, least recently used first, so that at most `maxBytes` remain. Files used less than `grace`
   * milliseconds ago and those `inUse` are never among them, so it may be too few.
   */
  surplus(maxBytes: number, now: number, grace: number, inUse: (sha256: string) => boolean): string[] {
    const chosen: string[] = []
    let bytes = this.#bytes
    for (const [sha256, entry] of this.#entries) {
      if (bytes <= maxBytes) break
      // A clock that was set back starts the grace anew instead of making it endless.
      if (entry.usedAt > now) entry.usedAt = now
      if (now - entry.usedAt < grace || inUse(sha256)) continue
      chosen.push(sha256)
      bytes -= entry.size
    }
    return chosen
  }

  #put(sha256: string, entry: Entry): void {
    this.forget(sha256)
    this.#entries.set(sha256, entry)
    this.#bytes += entry.size
  }
}

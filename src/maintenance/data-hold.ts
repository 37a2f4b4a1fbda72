import type { ArchiveUpkeep } from '../archives/archive-cache.ts'
import type { Database } from '../store/database.ts'

/** Longest time for which writes wait until the database file is copied, in milliseconds. */
const LONGEST_WRITE_HOLD_MS = 60_000

/**
 * The data standing still: until `copied` nothing is written to the database, and until `end` no archive is deleted.
 * Requests that read are answered all the while; those that write wait until `copied`.
 */
export class DataHold {
  private intact = true
  private readonly letWritesGo = Promise.withResolvers<void>()
  private readonly over = Promise.withResolvers<void>()
  private readonly releases: (() => void)[]

  private constructor(archives: readonly Pick<ArchiveUpkeep, 'hold'>[]) {
    this.releases = archives.map((folder) => folder.hold())
  }

  /** Begins when the writes before it are done. Archives are kept from now on, so that none is named and gone. */
  static async begin(
    db: Database,
    archives: readonly Pick<ArchiveUpkeep, 'hold'>[],
    longest = LONGEST_WRITE_HOLD_MS,
  ): Promise<DataHold> {
    const hold = new DataHold(archives)
    const begun = Promise.withResolvers<void>()
    const held = db.write(async () => {
      begun.resolve()
      await hold.letWritesGo.promise
    })
    // A failed transaction wrote nothing; what matters is that the hold was not over before it was given up.
    held.catch((error: unknown) => {
      hold.intact = false
      begun.reject(error)
    })
    try {
      await begun.promise
    } catch (error) {
      hold.end()
      throw error
    }
    const timer = setTimeout(() => hold.giveUp(), longest)
    void hold.letWritesGo.promise.then(() => clearTimeout(timer))
    return hold
  }

  /** Resolves at the end. */
  get ended(): Promise<void> {
    return this.over.promise
  }

  /** Lets writes go on. True when there was none since the beginning: what was copied is consistent. */
  copied(): boolean {
    const { intact } = this
    this.letWritesGo.resolve()
    return intact
  }

  /** Lets everything go on. May be called twice. */
  end(): void {
    this.giveUp()
    for (const release of this.releases.splice(0)) release()
    this.over.resolve()
  }

  private giveUp(): void {
    this.intact = false
    this.letWritesGo.resolve()
  }
}

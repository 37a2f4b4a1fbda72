import type { DownloadCount, DownloadTable } from '../store/downloads.ts'

/** Most different versions and days that wait to be written; past it new ones are not counted. */
const MOST_WAITING = 20_000

/** Downloads counted in memory and written in batches, so that telling about one costs no write. */
export class DownloadCounts {
  private waiting = new Map<string, DownloadCount>()
  private writing: Promise<void> | null = null

  /** `now` gives Unix seconds. */
  constructor(
    private readonly table: Pick<DownloadTable, 'add'>,
    private readonly now: () => number,
  ) {}

  /** Counts one download; `version` is normalised, and counts only if the package has it when it is written. */
  note(packageId: string, version: string): void {
    this.add({ packageId, version, day: dayOf(this.now()), count: 1 })
  }

  /** Writes what waits, and what waited to be written before. What could not be written waits on. */
  async flush(): Promise<void> {
    // One that was noted while another flush ran is written by the next one.
    while (this.writing) await this.writing.catch(() => {})
    if (this.waiting.size === 0) return
    this.writing = this.write().finally(() => {
      this.writing = null
    })
    await this.writing
  }

  /**
   * Writes what waits, before counts are read. That it fails does not hinder reading: the upkeep tries again and reports.
   */
  async settle(): Promise<void> {
    await this.flush().catch(() => {})
  }

  private async write(): Promise<void> {
    const taken = this.waiting
    this.waiting = new Map()
    try {
      await this.table.add([...taken.values()])
    } catch (error) {
      for (const entry of taken.values()) this.add(entry)
      throw error
    }
  }

  private add(entry: DownloadCount): void {
    const key = `${entry.day} ${entry.packageId} ${entry.version}`
    const known = this.waiting.get(key)
    if (!known && this.waiting.size >= MOST_WAITING) return
    this.waiting.set(key, { ...entry, count: entry.count + (known?.count ?? 0) })
  }
}

/** The day of a time in Unix seconds, `2026-11-22`, UTC. */
export function dayOf(seconds: number): string {
  return new Date(seconds * 1000).toISOString().slice(0, 10)
}

import { setTimeout as sleep } from 'node:timers/promises'
import type { ArchiveUpkeep } from '../archives/archive-cache.ts'
import { type ArchiveFolder, folderOfFormat } from '../archives/archive-index.ts'
import { messageOf } from '../errors.ts'
import type { Logger } from '../observability/logger.ts'
import type { ArchiveDigests, ArchiveTable } from '../store/archives.ts'
import type { SettingTable } from '../store/settings.ts'

/** What scrubbing has come to since the start. */
export interface ScrubCounts {
  /** Archives read. */
  readonly archives: number
  readonly bytes: number
  /** Of them, those with other bytes than recorded. */
  readonly corrupt: number
  /** Passes over all archives that were finished. */
  readonly passes: number
}

/** What a scrubber works with. */
export interface ScrubberParts {
  readonly index: Pick<ArchiveTable, 'page' | 'countFiles'>
  readonly settings: Pick<SettingTable, 'get' | 'set'>
  readonly filesOf: (folder: ArchiveFolder) => Pick<ArchiveUpkeep, 'scrub'>
  /** Seconds for one pass over all archives; 0 for none. */
  readonly interval: number
  /** Unix seconds. */
  readonly now: () => number
  readonly logger: Logger
  /** Waits that many milliseconds. */
  readonly wait?: (milliseconds: number, signal: AbortSignal) => Promise<unknown>
}

/** Where a pass is, kept so that a server that is restarted every day gets to its end too. */
interface Position {
  /** Unix seconds. */
  readonly startedAt: number
  /** Archives read in this pass. */
  readonly done: number
  readonly after: Pick<ArchiveDigests, 'sha256' | 'format'> | null
}

const SETTING = 'scrub_position'
const PAGE = 50
/** Pauses are four times as long as the work before them: with all that goes with it, a quarter of a core at most. */
const PAUSE_PER_WORK = 4
/** Part of the interval in which a pass is to be over. */
const SPREAD = 0.9
const TROUBLE_MS = 60_000

/**
 * Reads all archives again, spread over an interval and never with more than a quarter of a core: a disk may change
 * bytes without saying so, and the check before the first use does not see it afterwards. What is damaged is put aside
 * by the store, which tells it in the log; the next request has it built or fetched again.
 */
export class Scrubber {
  private readonly stopped = new AbortController()
  private running: Promise<void> = Promise.resolve()
  private counted = { archives: 0, bytes: 0, corrupt: 0, passes: 0 }

  constructor(private readonly parts: ScrubberParts) {}

  /** What it has come to since the start. */
  get counts(): ScrubCounts {
    return this.counted
  }

  /** Begins, where an earlier process ended. */
  start(): void {
    if (this.parts.interval > 0) this.running = this.run()
  }

  /** Ends after the piece of an archive that is being read. */
  async stop(): Promise<void> {
    this.stopped.abort()
    await this.running
  }

  private async run(): Promise<void> {
    while (!this.stopped.signal.aborted) {
      try {
        await this.pass()
      } catch (error) {
        if (this.stopped.signal.aborted) return
        this.parts.logger.warn('scrubbing failed', { error: messageOf(error) })
        await this.pause(TROUBLE_MS).catch(() => {})
      }
    }
  }

  /** One pass, or the rest of one, when it is due. */
  private async pass(): Promise<void> {
    const { index, settings, interval, now, logger } = this.parts
    const before = this.counted
    let position = readPosition(await settings.get(SETTING)) ?? { startedAt: now(), done: 0, after: null }
    // The next pass may be due later; not much later, if the interval was made shorter or the clock was set back.
    position = { ...position, startedAt: Math.min(position.startedAt, now() + interval) }
    await this.until(position.startedAt)
    const total = await index.countFiles()
    for (;;) {
      const page = await index.page(position.after, PAGE)
      for (const record of page) {
        await this.until(position.startedAt + (interval * SPREAD * position.done) / Math.max(1, total))
        await this.scrub(record)
        position = { ...position, done: position.done + 1, after: { sha256: record.sha256, format: record.format } }
      }
      if (page.length < PAGE) break
      await settings.set(SETTING, JSON.stringify(position))
    }
    this.counted = { ...this.counted, passes: this.counted.passes + 1 }
    const corrupt = this.counted.corrupt - before.corrupt
    logger.info('archives scrubbed', { archives: position.done, corrupt })
    const next = Math.max(now(), position.startedAt + interval)
    await settings.set(SETTING, JSON.stringify({ startedAt: next, done: 0, after: null } satisfies Position))
  }

  private async scrub(record: ArchiveDigests): Promise<void> {
    let working = performance.now()
    const pace = async () => {
      await this.pause((performance.now() - working) * PAUSE_PER_WORK)
      working = performance.now()
    }
    const condition = await this.parts.filesOf(folderOfFormat(record.format)).scrub(record, pace)
    if (condition === 'absent') return
    const { archives, bytes, corrupt, passes } = this.counted
    this.counted = {
      archives: archives + 1,
      bytes: bytes + record.size,
      corrupt: corrupt + (condition === 'corrupt' ? 1 : 0),
      passes,
    }
  }

  /** Waits until a time in Unix seconds; a little in any case, so that small archives are paced as well. */
  private async until(time: number): Promise<void> {
    await this.pause(1)
    for (;;) {
      const left = (time - this.parts.now()) * 1000
      if (left <= 0) return
      await this.pause(Math.min(left, TROUBLE_MS))
    }
  }

  private async pause(milliseconds: number): Promise<void> {
    const { signal } = this.stopped
    const wait = this.parts.wait ?? ((ms: number) => sleep(Math.ceil(ms), undefined, { signal, ref: false }))
    await wait(milliseconds, signal)
    signal.throwIfAborted()
  }
}

function readPosition(text: string | null): Position | null {
  return text === null ? null : (JSON.parse(text) as Position)
}

import { AppError } from '../errors.ts'
import type { RateWindowTable } from '../store/rate-windows.ts'
import type { Caller } from './scope.ts'

/** Length of a window in seconds; windows begin at multiples of it. */
const WINDOW = 3_600
/** Most windows remembered. Those whose counts are not written yet stay beyond it, until the next write. */
const REMEMBERED = 20_000

/** Requests per hour of tokens without a limit of their own; 0 for no limit. */
export interface DefaultLimits {
  readonly readonly: number
  readonly write: number
}

/** What a caller may still do in the current hour, written as the headers of an answer show it. */
export interface RateWindow {
  /** Requests per window; `0` for no limit. */
  readonly limitText: string
  readonly remaining: number
  /** Unix seconds of the window's end. */
  readonly resetText: string
  /** Takes one request back that turned out not to count. */
  giveBack(): void
}

/** Counts of one token in one hour. */
class CountedWindow implements RateWindow {
  /** Of the caller that came last. */
  limit = 0
  limitText = '0'
  readonly resetText: string
  /** Added since the last write, and perhaps negative. */
  unwritten = 0
  /** True while it is among the changed ones. */
  waiting = false

  /** `used` counts every instance, as far as is known. */
  constructor(
    readonly tokenId: string,
    readonly startsAt: number,
    public used: number,
    private readonly changed: Set<CountedWindow>,
  ) {
    this.resetText = String(this.reset)
  }

  get remaining(): number {
    return Math.max(0, this.limit - this.used)
  }

  get reset(): number {
    return this.startsAt + WINDOW
  }

  take(limit: number, now: () => number): void {
    if (limit !== this.limit) {
      this.limit = limit
      this.limitText = String(limit)
    }
    if (limit > 0 && this.used >= limit) throw usedUp(this, now())
    this.add(1)
  }

  giveBack(): void {
    this.add(-1)
  }

  private add(requests: number): void {
    this.used += requests
    this.unwritten += requests
    if (this.waiting) return
    this.waiting = true
    this.changed.add(this)
  }
}

/** The window of a caller that nothing counts. */
const UNCOUNTED: RateWindow = { limitText: '0', remaining: 0, resetText: '0', giveBack: () => {} }

/** Counts requests per token in fixed hours: in memory, written now and then, added up over instances. */
export class RateLimits {
  private readonly windows = new Map<string, CountedWindow>()
  private readonly loading = new Map<string, Promise<CountedWindow>>()
  private readonly changed = new Set<CountedWindow>()
  private writing: Promise<void> = Promise.resolve()
  private pruned = 0

  /** `now` gives Unix seconds. */
  constructor(
    private readonly table: RateWindowTable,
    private readonly defaults: DefaultLimits,
    private readonly now: () => number,
  ) {}

  /** The window of a caller in this hour; read from the database when its token was not seen in it before. */
  windowOf(caller: Caller): RateWindow | Promise<RateWindow> {
    const { tokenId } = caller
    if (tokenId === null) return UNCOUNTED
    const startsAt = this.startOfWindow()
    const known = this.windows.get(tokenId)
    return known?.startsAt === startsAt ? known : this.load(tokenId, startsAt)
  }

  /** Counts one request in a window. Throws AppError('rate_limited') when it has none left; that one is not counted. */
  take(caller: Caller, window: RateWindow): void {
    if (!(window instanceof CountedWindow)) return
    window.take(caller.rateLimit ?? this.defaults[caller.permissions], this.now)
  }

  /** Writes what was counted since the last time. What cannot be written is kept for the next time. */
  flush(): Promise<void> {
    const written = this.writing.then(() => this.write())
    this.writing = written.catch(() => {})
    return written
  }

  private startOfWindow(): number {
    const now = this.now()
    return now - (now % WINDOW)
  }

  private load(tokenId: string, startsAt: number): Promise<CountedWindow> {
    const key = `${tokenId} ${startsAt}`
    const running = this.loading.get(key)
    if (running) return running
    const loaded = this.table
      .count(tokenId, startsAt)
      .then((used) => this.remember(new CountedWindow(tokenId, startsAt, used, this.changed)))
      .finally(() => this.loading.delete(key))
    this.loading.set(key, loaded)
    return loaded
  }

  private remember(window: CountedWindow): CountedWindow {
    this.windows.delete(window.tokenId)
    this.windows.set(window.tokenId, window)
    if (this.windows.size > REMEMBERED) this.forgetOne()
    return window
  }

  private forgetOne(): void {
    for (const [tokenId, window] of this.windows) {
      if (window.waiting) continue
      this.windows.delete(tokenId)
      return
    }
  }

  private async write(): Promise<void> {
    const changes = [...this.changed]
      .filter(({ unwritten }) => unwritten !== 0)
      .map((window) => ({ window, requests: window.unwritten }))
    const rows = changes.map(({ window: { tokenId, startsAt }, requests }) => ({ tokenId, startsAt, requests }))
    for (const { window, requests } of changes) window.unwritten -= requests
    try {
      for (const { tokenId, startsAt, requests } of await this.table.add(rows)) {
        const window = this.windows.get(tokenId)
        if (window?.startsAt === startsAt) window.used = requests + window.unwritten
      }
    } catch (error) {
      for (const { window, requests } of changes) window.unwritten += requests
      throw error
    }
    for (const window of this.changed) {
      if (window.unwritten !== 0) continue
      window.waiting = false
      this.changed.delete(window)
    }
    await this.forgetPastHours()
  }

  private async forgetPastHours(): Promise<void> {
    const startsAt = this.startOfWindow()
    if (this.pruned === startsAt) return
    await this.table.prune(startsAt - WINDOW)
    for (const [tokenId, window] of this.windows) {
      if (window.startsAt < startsAt && !window.waiting) this.windows.delete(tokenId)
    }
    this.pruned = startsAt
  }
}

function usedUp({ limit, reset }: CountedWindow, now: number): AppError {
  const wait = Math.max(1, reset - now)
  const span = wait < 120 ? `${wait} seconds` : `${Math.ceil(wait / 60)} minutes`
  return new AppError('rate_limited', `This token has used its ${limit} requests of this hour; try again in ${span}.`, {
    details: { limit, reset, retry_after: wait },
  })
}

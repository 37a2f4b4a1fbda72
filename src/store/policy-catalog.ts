import type { FilterEntryRow, PolicyChangeTable, PolicyEntryTable } from './policy-entries.ts'

/**
 * What the answers to Composer need to know of advisories and filter lists without asking the database: when something
 * was last changed about a package, and its entries of filter lists. It follows the counter of all changes: after one in
 * this process at once, after one of another instance at the next `refresh`.
 */
export class PolicyCatalog {
  private readonly dates = new Map<string, number>()
  private readonly entries = new Map<string, readonly FilterEntryRow[]>()
  private readonly weak = new Set<string>()
  private seen = 0
  private refreshing: Promise<void> | null = null

  constructor(
    private readonly changes: PolicyChangeTable,
    private readonly advisories: PolicyEntryTable<'advisories'>,
    private readonly filters: PolicyEntryTable<'filters'>,
  ) {}

  /** Date in Unix seconds of the last change about a package; 0 when there was none. */
  modifiedAt(name: string): number {
    return this.dates.get(name) ?? 0
  }

  /** Packages about which something changed at or after this second. */
  changedSince(seconds: number): string[] {
    return [...this.dates].filter(([, at]) => at >= seconds).map(([name]) => name)
  }

  /** Packages that are on a filter list of this installation. */
  filteredNames(): Iterable<string> {
    return this.entries.keys()
  }

  /** Entries of the filter lists of this installation about a package. */
  filtersOf(name: string): readonly FilterEntryRow[] {
    return this.entries.get(name) ?? NONE
  }

  /** Names of the filter lists of this installation that have an entry about one of these packages, in order. */
  listsAmong(covers: (name: string) => boolean): string[] {
    const lists = new Set<string>()
    for (const [name, rows] of this.entries) {
      if (covers(name)) for (const row of rows) lists.add(row.list)
    }
    return [...lists].sort()
  }

  /** Packages that this installation has an advisory or a filter entry about. */
  names(): Set<string> {
    return new Set([...this.weak, ...this.entries.keys()])
  }

  /** Takes over what changed since the last time. */
  async refresh(): Promise<void> {
    // A change made while a refresh runs may have come too late for it, so that one is followed by another.
    const running = this.refreshing
    if (running) await running.catch(() => {})
    this.refreshing ??= this.load().finally(() => {
      this.refreshing = null
    })
    return this.refreshing
  }

  private async load(): Promise<void> {
    if ((await this.changes.revision()) === this.seen) return
    const changed = await this.changes.changedSince(this.seen)
    const names = changed.map(({ name }) => name)
    const [rows, advisories] = await Promise.all([this.filters.about(names), this.advisories.about(names)])
    const weak = new Set(advisories.map((row) => row.packageName))
    const byName = Map.groupBy(rows, (row) => row.packageName)
    for (const { name, modifiedAt, revision } of changed) {
      const entries = byName.get(name)
      if (entries) this.entries.set(name, entries)
      else this.entries.delete(name)
      if (weak.has(name)) this.weak.add(name)
      else this.weak.delete(name)
      this.dates.set(name, modifiedAt)
      this.seen = revision
    }
  }
}

const NONE: readonly FilterEntryRow[] = []

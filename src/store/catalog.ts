import type { PackageRow, PackageTable } from './packages.ts'

/** What the Composer API needs to know of a package without asking the database. */
export interface CatalogEntry {
  readonly id: string
  /** Lower-case full name. */
  readonly name: string
  readonly prettyName: string
  readonly modifiedAt: number
  readonly offered: boolean
}

/**
 * Every owned package in memory, so that an answer to Composer needs no query. It follows the change counter of the
 * packages: after a sync in this process at once, after one of another instance at the next `refresh`.
 */
export class PackageCatalog {
  private readonly entries = new Map<string, CatalogEntry>()
  private readonly vendors = new Map<string, number>()
  private seen = 0
  private refreshing: Promise<void> | null = null
  private names: readonly string[] | null = null

  constructor(private readonly table: PackageTable) {}

  /** Rises with every change of any package. */
  get revision(): number {
    return this.seen
  }

  /** The owned package of this lower-case name. */
  get(name: string): CatalogEntry | null {
    return this.entries.get(name) ?? null
  }

  /** True when a package of this vendor is owned here. */
  claimsVendor(vendor: string): boolean {
    return this.vendors.has(vendor)
  }

  /** Vendors of owned packages, in order. */
  claimedVendors(): string[] {
    return [...this.vendors.keys()].sort()
  }

  /** Names of the packages that offer something, in order. */
  offeredNames(): readonly string[] {
    this.names ??= [...this.entries.values()]
      .filter((entry) => entry.offered)
      .map((entry) => entry.name)
      .sort()
    return this.names
  }

  /** Those of them that start with this, which is not empty, in order. */
  offeredStartingWith(prefix: string): readonly string[] {
    const names = this.offeredNames()
    // `~` sorts behind every character of a package name.
    return names.slice(placeOf(names, prefix), placeOf(names, `${prefix}~`))
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
    if ((await this.table.revision()) === this.seen) return
    for (const row of await this.table.changedSince(this.seen)) {
      this.apply(row)
      this.seen = row.revision
    }
    this.names = null
  }

  private apply(row: PackageRow): void {
    const vendor = row.name.slice(0, row.name.indexOf('/'))
    const before = this.entries.has(row.name) ? 1 : 0
    const owned = row.repositoryId === null ? 0 : 1
    if (owned) this.entries.set(row.name, row)
    else this.entries.delete(row.name)
    const count = (this.vendors.get(vendor) ?? 0) + owned - before
    if (count > 0) this.vendors.set(vendor, count)
    else this.vendors.delete(vendor)
  }
}

/** Where a text stands or would stand in a sorted list. */
function placeOf(sorted: readonly string[], text: string): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((sorted[middle] ?? '') < text) low = middle + 1
    else high = middle
  }
  return low
}

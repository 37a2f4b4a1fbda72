import { PackageList } from './package-list.ts'
import type { PackageRow, PackageTable } from './packages.ts'

/** A package as the catalog keeps it, so that it can be shown and found without asking the database. */
export interface CatalogEntry extends PackageRow {
  /** Name and description, lower-case: what searching looks at. */
  readonly searchText: string
}

/** Names of packages, by their starts and one by one; every package when there are neither. */
export interface CoveredNames {
  readonly prefixes: readonly string[]
  readonly packages: ReadonlyMap<string, unknown>
}

/**
 * Every owned package in memory, so that an answer to Composer, a list and a search need no query. It follows the change
 * counter of the packages: after a sync in this process at once, after one of another instance at the next `refresh`.
 */
export class PackageCatalog {
  private readonly entries = new Map<string, CatalogEntry>()
  /** By id, those too that were owned once: a list may go on behind one that is gone. */
  private readonly places = new Map<string, CatalogEntry>()
  private readonly vendors = new Map<string, number>()
  private seen = 0
  private refreshing: Promise<void> | null = null
  private names: readonly string[] | null = null
  private lists: { all?: PackageList; offered?: PackageList } = {}

  private readonly reserved: ReadonlySet<string>
  private readonly alongside: () => Promise<void>

  /**
   * `reservedVendors` are claimed without a package. `alongside` takes over what else the change counter counts, before
   * a change of it is seen here.
   */
  constructor(
    private readonly table: PackageTable,
    options: { readonly reservedVendors?: readonly string[]; readonly alongside?: () => Promise<void> } = {},
  ) {
    this.reserved = new Set(options.reservedVendors)
    this.alongside = options.alongside ?? (async () => {})
  }

  /** Rises with every change of any package, and of what else is offered here. */
  get revision(): number {
    return this.seen
  }

  /** The owned package of this lower-case name. */
  get(name: string): CatalogEntry | null {
    return this.entries.get(name) ?? null
  }

  /** True when a package of this vendor is owned here, or the vendor is reserved: its names are answered here alone. */
  claimsVendor(vendor: string): boolean {
    return this.vendors.has(vendor) || this.reserved.has(vendor)
  }

  /** All such vendors, in order. */
  claimedVendors(): string[] {
    return [...new Set([...this.vendors.keys(), ...this.reserved])].sort()
  }

  /** Names of the packages that offer something, in order. */
  offeredNames(): readonly string[] {
    this.names ??= [...this.entries.values()]
      .filter((entry) => entry.offered)
      .map((entry) => entry.name)
      .sort()
    return this.names
  }

  /** Names of the packages that offer something, among these, in order. Costs what they are, not what there is. */
  offeredAmong({ prefixes, packages }: CoveredNames): readonly string[] {
    if (prefixes.length === 0 && packages.size === 0) return this.offeredNames()
    const single = [...packages.keys()].filter((name) => this.get(name)?.offered)
    return [...new Set([...prefixes.flatMap((prefix) => this.offeredStartingWith(prefix)), ...single])].sort()
  }

  /** Packages, oldest first: those that offer something, or all. */
  oldestFirst(withEmpty: boolean): PackageList {
    const which = withEmpty ? 'all' : 'offered'
    const made = this.lists[which] ?? new PackageList(this.inOrder(withEmpty))
    this.lists[which] = made
    return made
  }

  /** The package with this id, owned or owned once; null when there was none. */
  known(id: string): CatalogEntry | null {
    return this.places.get(id) ?? null
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

  private offeredStartingWith(prefix: string): readonly string[] {
    const names = this.offeredNames()
    // `~` sorts behind every character of a package name.
    return names.slice(placeOf(names, prefix), placeOf(names, `${prefix}~`))
  }

  private inOrder(withEmpty: boolean): CatalogEntry[] {
    return [...this.entries.values()].filter(({ offered }) => offered || withEmpty).sort(byAge)
  }

  private async load(): Promise<void> {
    const revision = await this.table.revision()
    if (revision === this.seen) return
    const rows = await this.table.changedSince(this.seen)
    await this.alongside()
    for (const row of rows) this.apply(row)
    this.seen = Math.max(revision, rows.at(-1)?.revision ?? 0)
    this.names = null
    this.lists = {}
  }

  private apply(row: PackageRow): void {
    const vendor = row.name.slice(0, row.name.indexOf('/'))
    const before = this.entries.has(row.name) ? 1 : 0
    const owned = row.repositoryId === null ? 0 : 1
    const entry = { ...row, searchText: `${row.name}\n${row.description ?? ''}`.toLowerCase() }
    this.places.set(row.id, entry)
    if (owned) this.entries.set(row.name, entry)
    else this.entries.delete(row.name)
    const count = (this.vendors.get(vendor) ?? 0) + owned - before
    if (count > 0) this.vendors.set(vendor, count)
    else this.vendors.delete(vendor)
  }
}

/** Order of lists: the oldest first, and of one second those with the lower id. */
export function byAge(left: PackageRow, right: PackageRow): number {
  return left.createdAt - right.createdAt || (left.id < right.id ? -1 : Number(left.id > right.id))
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

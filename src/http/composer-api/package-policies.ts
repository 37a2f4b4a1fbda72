import { type Advisory, servedAdvisory, writtenDate } from '../../composer/advisories.ts'
import { type FilterEntry, type FilterLists, servedFilterEntry } from '../../composer/filter-list.ts'
import type { AdvisoryRow, FilterEntryRow, PolicyEntryTable } from '../../store/policy-entries.ts'

/** What is said of a package: its advisories, null when nobody knows, and its entries of filter lists. */
export interface PackagePolicies {
  readonly advisories: readonly Advisory[] | null
  readonly filters: FilterLists
}

/** Name under which this server is a source of advisories and filter entries. */
const OWN_SOURCE = 'package-broker'

/** What this installation itself says of packages, in the form that Composer reads. */
export class OwnPolicies {
  constructor(
    private readonly advisories: Pick<PolicyEntryTable<'advisories'>, 'about'>,
    private readonly filters: Pick<PolicyEntryTable<'filters'>, 'about'>,
  ) {}

  /** What is said of one package. */
  async of(name: string): Promise<PackagePolicies & { readonly advisories: readonly Advisory[] }> {
    const [advisories, filters] = await Promise.all([this.advisories.about([name]), this.filters.about([name])])
    return { advisories: advisories.map(ownAdvisory), filters: ownFilters(filters) }
  }

  /** Advisories of these packages; of a package without any there is no entry. Only those changed at or after `since`. */
  async advisoriesOf(names: readonly string[], since = 0): Promise<Map<string, Advisory[]>> {
    const rows = (await this.advisories.about(names)).filter((row) => row.updatedAt >= since)
    const grouped = Map.groupBy(rows, (row) => row.packageName)
    return new Map([...grouped].map(([name, some]) => [name, some.map(ownAdvisory)]))
  }
}

function ownAdvisory(row: AdvisoryRow): Advisory {
  return {
    advisoryId: row.id,
    affectedVersions: row.affectedVersions,
    details: {
      title: row.title,
      sources: [{ name: OWN_SOURCE, remoteId: row.id }],
      reportedAt: writtenDate(row.reportedAt),
      cve: row.cve,
      link: row.link,
      severity: row.severity,
      composerRepository: null,
    },
  }
}

/** Rows of the filter lists of this installation about one package, by list. */
export function ownFilters(rows: readonly FilterEntryRow[]): FilterLists {
  const byList = Map.groupBy(rows, ({ list }) => list)
  return new Map([...byList].map(([list, some]) => [list, some.map(ownFilterEntry)]))
}

function ownFilterEntry({ id, constraint, reason, url }: FilterEntryRow): FilterEntry {
  return { id, constraint, reason, url, source: OWN_SOURCE }
}

/**
 * The members that a stable document of a package has about advisories and filter lists, as JSON text that begins with a
 * comma. An empty list of advisories says that there are none; without the list, clients ask the API.
 */
export function policyMembers(name: string, { advisories, filters }: PackagePolicies): string {
  const list = advisories?.map((advisory) => servedAdvisory(name, advisory))
  const lists = [...filters].map(([list, entries]) => [list, entries.map(servedFilterEntry)] as const)
  const known = list === undefined ? '' : `,"security-advisories":${JSON.stringify(list)}`
  return lists.length === 0 ? known : `${known},"filter":${JSON.stringify(Object.fromEntries(lists))}`
}

import { limitsVersions, refusalOf, type Scope } from '../../auth/scope.ts'
import { latestVersion, orderVersions } from '../../composer/version-order.ts'
import type { Stability } from '../../composer/version-parser.ts'
import type { DownloadTable } from '../../store/downloads.ts'
import type { HostRepositoryTable } from '../../store/host-repositories.ts'
import type { PackageRow, PackageTable, VersionOutline } from '../../store/packages.ts'
import type { VersionRow } from '../../store/sync-state.ts'
import { distOf } from '../dist-link.ts'

/** What showing packages takes. */
export interface ShownPackageParts {
  readonly packages: PackageTable
  readonly downloads: DownloadTable
  readonly hostRepositories: HostRepositoryTable
}

/**
 * Packages as a list shows them. For a scope that limits versions, the latest one, the downloads and the time of the last
 * change are those of the versions it covers.
 */
export async function shownPackages(parts: ShownPackageParts, scope: Scope, rows: readonly PackageRow[]) {
  const [limited, free] = [true, false].map((limits) =>
    rows.filter((row) => limitsVersions(scope, row.name) === limits).map((row) => row.id),
  ) as [string[], string[]]
  const totals = await parts.downloads.totals(free)
  const outlines = await parts.packages.outlines(limited)
  const counts = await parts.downloads.versionTotals(limited)
  const described = await withDescriptions(parts, rows)
  return described.map((row) => {
    if (!limitsVersions(scope, row.name)) return shownPackage(row, row.latestVersion, totals.get(row.id) ?? 0)
    const seen = covered(scope, row.name, outlines.get(row.id) ?? [])
    return { ...shownPackage(row, latestOf(seen), sumOf(seen, counts.get(row.id))), updated_at: updatedAt(row, seen) }
  })
}

/** A package with its versions, newest first, as this scope covers them. `baseUrl` begins the links to archives. */
export async function shownPackageWithVersions(
  parts: ShownPackageParts,
  scope: Scope,
  stored: PackageRow,
  baseUrl: string,
) {
  const [row = stored] = await withDescriptions(parts, [stored])
  const seen = covered(scope, row.name, await parts.packages.versions(row.id))
  const counts = (await parts.downloads.versionTotals([row.id])).get(row.id) ?? new Map<string, number>()
  const limited = limitsVersions(scope, row.name)
  const total = limited ? sumOf(seen, counts) : [...counts.values()].reduce((sum, count) => sum + count, 0)
  const versions = orderVersions(seen.map(ordered)).map((version) =>
    shownVersion(row.name, version, counts.get(version.versionNormalized) ?? 0, baseUrl),
  )
  if (!limited) return { ...shownPackage(row, row.latestVersion, total), versions }
  return { ...shownPackage(row, latestOf(seen), total), updated_at: updatedAt(row, seen), versions }
}

/** Packages whose composer.json has no description, with the one that their repository has at its host. */
async function withDescriptions(
  { hostRepositories }: ShownPackageParts,
  rows: readonly PackageRow[],
): Promise<PackageRow[]> {
  const silent = rows.filter((row) => row.description === null && row.repositoryId !== null)
  if (silent.length === 0) return [...rows]
  const hosts = await hostRepositories.of([...new Set(silent.map((row) => row.repositoryId ?? ''))])
  return rows.map((row) => ({
    ...row,
    description: row.description ?? hosts.get(row.repositoryId ?? '')?.facts?.description ?? null,
  }))
}

/** Those of the offered versions of a package that a scope covers. */
export function covered<Version extends Pick<VersionRow, 'versionNormalized' | 'alias' | 'releasedAt'>>(
  scope: Scope,
  name: string,
  versions: readonly Version[],
): Version[] {
  return versions.filter((version) => refusalOf(scope, name, version) === null)
}

/** Pretty form of the version that listings show of these; null of none. */
export function latestOf(versions: readonly (VersionOutline | VersionRow)[]): string | null {
  return latestVersion(versions.map(ordered))?.version ?? null
}

/** When what these versions show last changed, as far as they tell: the package changes with others too. Unix seconds. */
function updatedAt(row: PackageRow, seen: readonly Pick<VersionRow, 'releasedAt'>[]): number {
  return seen.reduce((latest, { releasedAt }) => Math.max(latest, releasedAt), row.createdAt)
}

function shownPackage(row: PackageRow, latest: string | null, downloads: number) {
  return {
    id: row.id,
    repository_id: row.repositoryId,
    name: row.prettyName,
    description: row.description,
    type: row.type,
    abandoned: row.abandoned,
    latest_version: latest,
    downloads,
    created_at: row.createdAt,
    updated_at: row.updatedAt,
  }
}

/** A version as the API shows it. */
export function shownVersion(name: string, row: VersionRow, downloads: number, baseUrl: string) {
  return {
    version: row.version,
    version_normalized: row.versionNormalized,
    reference: row.reference,
    stability: row.stability,
    released_at: row.releasedAt,
    dist: distOf(name, row, baseUrl),
    downloads,
  }
}

/** Stored stabilities are those that the parser wrote. */
function ordered<Row extends VersionOutline | VersionRow>(row: Row): Row & { readonly stability: Stability } {
  return row as Row & { readonly stability: Stability }
}

function sumOf(versions: readonly VersionOutline[], counts: ReadonlyMap<string, number> | undefined): number {
  return versions.reduce((sum, version) => sum + (counts?.get(version.versionNormalized) ?? 0), 0)
}

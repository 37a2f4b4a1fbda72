import { maySee, refusalOf, type Scope } from '../../auth/scope.ts'
import type { UpstreamDirectory } from '../../mirror/directory.ts'
import type { PackageCatalog } from '../../store/catalog.ts'
import type { ProviderTable } from '../../store/providers.ts'

/** A package that stands in for another, as Composer shows it. */
export interface ShownProvider {
  readonly name: string
  readonly description: string
  readonly type: string
}

/** What finding stand-ins takes. */
export interface ProviderParts {
  readonly catalog: PackageCatalog
  readonly providers: ProviderTable
  readonly directory: UpstreamDirectory
}

/**
 * Packages that provide or replace a name in a version that the scope covers, by name (Composer: ComposerRepository::
 * getProviders). The package itself is none of them. Upstreams are asked about names that may be theirs.
 */
export async function providersOf(
  { catalog, providers, directory }: ProviderParts,
  scope: Scope,
  name: string,
  signal: AbortSignal,
): Promise<ShownProvider[]> {
  const shown = new Map<string, ShownProvider>()
  for (const row of await providers.of(name)) {
    if (row.name === name || shown.has(row.name) || refusalOf(scope, row.name, row) !== null) continue
    shown.set(row.name, { name: row.prettyName, description: row.description ?? '', type: row.type })
  }
  const isOurs = (other: string) => catalog.claimsVendor(other.slice(0, other.indexOf('/')))
  const others = isOurs(name) || !maySee(scope, name) ? [] : await directory.providers(name, signal)
  for (const other of others) {
    if (other.name === name || shown.has(other.name) || isOurs(other.name) || !maySee(scope, other.name)) continue
    shown.set(other.name, other)
  }
  return [...shown.values()]
}

import { refusalOf, type Scope } from '../../auth/scope.ts'
import type { ProviderTable } from '../../store/providers.ts'

/** A package that stands in for another, as Composer shows it. */
export interface ShownProvider {
  readonly name: string
  readonly description: string
  readonly type: string
}

/**
 * Packages that provide or replace a name in a version that the scope covers, by name (Composer: ComposerRepository::
 * getProviders). The package itself is none of them.
 */
export async function providersOf(table: ProviderTable, scope: Scope, name: string): Promise<ShownProvider[]> {
  const shown = new Map<string, ShownProvider>()
  for (const row of await table.of(name)) {
    if (row.name === name || shown.has(row.name) || refusalOf(scope, row.name, row) !== null) continue
    shown.set(row.name, { name: row.prettyName, description: row.description ?? '', type: row.type })
  }
  return [...shown.values()]
}

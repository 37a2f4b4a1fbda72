import { type Caller, maySee, refusalOf } from '../../auth/scope.ts'
import { scopeOf } from '../../auth/token-scope.ts'
import { AppError } from '../../errors.ts'
import type { PackageCatalog } from '../../store/catalog.ts'
import type { PackageTable } from '../../store/packages.ts'
import type { TokenRow } from '../../store/tokens.ts'
import { wrongField } from './request-body.ts'
import { covered } from './shown-package.ts'

/** What explaining takes. `now` gives Unix seconds. */
export interface ExplainParts {
  readonly catalog: PackageCatalog
  readonly packages: PackageTable
  readonly now: () => number
}

/**
 * Why a token does or does not see each version of a package that the caller covers. Throws AppError('not_found') for a package that the
 * caller itself does not cover, existing or not.
 */
export async function explainPackage(parts: ExplainParts, caller: Caller, row: TokenRow, name: string | undefined) {
  if (name === undefined || name.length > 200) throw wrongField('package', 'needs a full package name')
  const full = name.toLowerCase()
  const entry = maySee(caller.scope, full) ? parts.catalog.get(full) : null
  if (!entry) throw new AppError('not_found', `There is no package ${full}.`)
  const expired = row.expiresAt !== null && row.expiresAt <= parts.now()
  const scope = scopeOf(row)
  const versions = covered(caller.scope, full, await parts.packages.versions(entry.id))
  return {
    package: full,
    token: row.id,
    expired,
    versions: versions.map((version) => {
      const reason = expired ? 'The token has expired.' : refusalOf(scope, full, version)
      return { version: version.version, visible: reason === null, reason: reason ?? 'Covered.' }
    }),
  }
}

import { Elysia, type Static, t } from 'elysia'
import { type Caller, isUnrestricted, maySee } from '../../auth/scope.ts'
import type { TokenVerifier } from '../../auth/tokens.ts'
import { AppError } from '../../errors.ts'
import type { PackageCatalog } from '../../store/catalog.ts'
import type { PackageRow, PackageTable } from '../../store/packages.ts'
import type { BaseUrlOf } from '../base-url.ts'
import type { DownloadCounts } from '../download-counts.ts'
import { pageOfPackages } from '../package-search.ts'
import { authenticate } from '../plugins/authenticate.ts'
import { packageDownloads } from './downloads.ts'
import { PACKAGE_OPERATIONS } from './package-operations.ts'
import { listResponse, pageOf } from './request-body.ts'
import { type ShownPackageParts, shownPackages, shownPackageWithVersions } from './shown-package.ts'

/** What the routes of packages work with. `now` gives Unix seconds. */
export interface PackageRoutesParts extends ShownPackageParts {
  readonly verifier: TokenVerifier
  readonly catalog: PackageCatalog
  readonly downloadCounts: DownloadCounts
  readonly baseUrlOf: BaseUrlOf
  readonly now: () => number
}

const ListQuery = t.Object({
  repo_id: t.Optional(t.String({ maxLength: 100, description: 'id of a repository' })),
  q: t.Optional(
    t.String({
      maxLength: 200,
      description: 'words that all occur in the name or description, at most 200 characters',
    }),
  ),
  type: t.Optional(t.String({ maxLength: 100, description: 'a package type, like library' })),
  limit: t.Optional(t.String()),
  cursor: t.Optional(t.String({ maxLength: 100 })),
})

const DownloadQuery = t.Object({ from: t.Optional(t.String()), to: t.Optional(t.String()) })

/** `/api/packages`: what repositories offer, as far as the token covers it. */
export function packageRoutes(parts: PackageRoutesParts) {
  return new Elysia({ prefix: '/api/packages' })
    .use(authenticate(parts.verifier, 'any token'))
    .get('/', ({ request, query, caller }) => listPackages(parts, request, caller, query), {
      query: ListQuery,
      detail: PACKAGE_OPERATIONS.list,
    })
    .get('/:id', ({ params, request, caller }) => getPackage(parts, request, caller, params.id), {
      detail: PACKAGE_OPERATIONS.show,
    })
    .get(
      '/:id/downloads',
      async ({ params, query, caller }) => {
        const row = await findPackage(parts.packages, caller, params.id)
        return packageDownloads(parts, caller.scope, row, query)
      },
      { query: DownloadQuery, detail: PACKAGE_OPERATIONS.downloads },
    )
}

async function listPackages(
  parts: PackageRoutesParts,
  request: Request,
  caller: Caller,
  query: Static<typeof ListQuery>,
): Promise<Response> {
  const { repo_id: repositoryId, q: text, type, ...page } = query
  const found = pageOfPackages(parts.catalog, pageOf(page), {
    scope: caller.scope,
    ...(repositoryId === undefined ? {} : { repositoryId }),
    ...(text === undefined ? {} : { text }),
    ...(type === undefined ? {} : { type: type.toLowerCase() }),
    withEmpty: isUnrestricted(caller),
  })
  await parts.downloadCounts.settle()
  const body = await shownPackages(parts, caller.scope, found.rows)
  return listResponse(request, parts.baseUrlOf(request), { ...found, body })
}

async function getPackage(parts: PackageRoutesParts, request: Request, caller: Caller, id: string) {
  const row = await findPackage(parts.packages, caller, id)
  await parts.downloadCounts.settle()
  const shown = await shownPackageWithVersions(parts, caller.scope, row, parts.baseUrlOf(request))
  if (!isUnrestricted(caller)) return shown
  const withdrawn = await parts.packages.withdrawnVersions(row.id)
  return {
    ...shown,
    withdrawn_versions: withdrawn.map(({ version, versionNormalized, reference, withdrawnAt }) => ({
      version,
      version_normalized: versionNormalized,
      reference,
      withdrawn_at: withdrawnAt,
    })),
  }
}

/** The package with this id. Throws AppError('not_found') for one that the caller does not cover, existing or not. */
export async function findPackage(packages: PackageTable, caller: Caller, id: string): Promise<PackageRow> {
  const row = await packages.find(id)
  if (!row || row.repositoryId === null || !maySee(caller.scope, row.name)) {
    throw new AppError('not_found', `There is no package ${id}.`)
  }
  return row
}

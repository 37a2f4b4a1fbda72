import { Elysia } from 'elysia'
import { type Caller, refusalOf } from '../../auth/scope.ts'
import { normalizeVersion } from '../../composer/version-parser.ts'
import { AppError } from '../../errors.ts'
import type { PackageCatalog } from '../../store/catalog.ts'
import type { PackageRow, PackageTable } from '../../store/packages.ts'
import type { VersionRow } from '../../store/sync-state.ts'
import type { WithdrawalTable } from '../../store/withdrawals.ts'
import { PRIORITY, type SyncQueue } from '../../sync/queue.ts'
import { authenticate } from '../plugins/authenticate.ts'
import type { AuditTrail } from './audit-trail.ts'
import { PACKAGE_OPERATIONS } from './package-operations.ts'
import { findPackage, type PackageRoutesParts } from './packages.ts'
import { type ReadmeParts, readmeResponse } from './readme.ts'
import { latestOf } from './shown-package.ts'

/** What the routes of single versions work with. */
export interface VersionRoutesParts extends PackageRoutesParts, ReadmeParts {
  readonly withdrawals: WithdrawalTable
  readonly catalog: PackageCatalog
  readonly queue: SyncQueue
  readonly audit: AuditTrail
}

/** Longest version in an address, in characters. */
const LONGEST_VERSION = 500

/** `GET /api/packages/{id}/versions/{version}/readme`. A version may contain slashes, so the route takes the rest. */
export function readmeRoutes(parts: VersionRoutesParts) {
  return new Elysia({ prefix: '/api/packages' }).use(authenticate(parts.verifier, 'any token')).get(
    '/:id/versions/*',
    async ({ params, request, caller }) => {
      const wanted = versionIn(request, '/readme')
      const row = await findPackage(parts.packages, caller, params.id)
      const version = await findVersion(parts.packages, row, wanted)
      if (version.hiddenAt !== null || refusalOf(caller.scope, row.name, version) !== null) throw noSuchVersion(wanted)
      return readmeResponse(parts, caller, row, version)
    },
    { detail: PACKAGE_OPERATIONS.readme },
  )
}

/** Taking a version back with `DELETE /api/packages/{id}/versions/{version}`, and `POST …/restore`, which undoes it. */
export function withdrawalRoutes(parts: VersionRoutesParts) {
  return new Elysia({ prefix: '/api/packages' })
    .use(authenticate(parts.verifier, 'unrestricted token'))
    .delete(
      '/:id/versions/*',
      ({ params, request, caller }) => {
        const wanted = versionIn(request, '')
        return changeVersion(parts, request, caller, { id: params.id, wanted, action: 'withdraw' })
      },
      { detail: PACKAGE_OPERATIONS.withdraw },
    )
    .post(
      '/:id/versions/*',
      ({ params, request, caller }) => {
        const wanted = versionIn(request, '/restore')
        return changeVersion(parts, request, caller, { id: params.id, wanted, action: 'restore' })
      },
      { detail: PACKAGE_OPERATIONS.restore },
    )
}

interface Change {
  readonly id: string
  readonly wanted: string
  readonly action: 'withdraw' | 'restore'
}

async function changeVersion(
  parts: VersionRoutesParts,
  request: Request,
  caller: Caller,
  { id, wanted, action }: Change,
) {
  const row = await findPackage(parts.packages, caller, id)
  const before = await findVersion(parts.packages, row, wanted)
  const { versionNormalized } = before
  const change = { packageId: row.id, versionNormalized, now: parts.now(), latestOf }
  const after = await parts.withdrawals[action](change, (tx, version) => {
    const [old, now] = [audited(row, before), audited(row, version)]
    return parts.audit.recording(request, caller, {
      action: `version.${action}`,
      subject: row.id,
      before: old,
      after: now,
    })(tx)
  })
  if (!after) {
    if (action === 'withdraw') throw noSuchVersion(wanted)
    throw new AppError('conflict', `Version ${before.version} is not withdrawn.`)
  }
  await parts.catalog.refresh()
  // What its tag or branch names by now is for a sync to find out, and which refs are refused for which reason.
  if (after.kind !== 'artifact' && row.repositoryId !== null)
    await parts.queue.request(row.repositoryId, PRIORITY.requested)
  return {
    version: after.version,
    version_normalized: versionNormalized,
    reference: after.reference,
    withdrawn_at: after.withdrawnAt,
    offered: after.hiddenAt === null,
  }
}

function audited(row: PackageRow, version: VersionRow) {
  return {
    package: row.name,
    version: version.version,
    reference: version.reference,
    withdrawn_at: version.withdrawnAt,
    offered: version.hiddenAt === null,
  }
}

/**
 * What stands between `/versions/` and this end of the path, decoded. Throws AppError('method_not_allowed') for another
 * end: the router cannot tell by it what an address is, since a version may contain slashes.
 */
function versionIn(request: Request, end: string): string {
  const { pathname } = new URL(request.url)
  const [, , , , , ...rest] = pathname.split('/')
  const text = rest.join('/')
  if (!text.endsWith(end)) throw wrongMethod(request.method, pathname)
  return decoded(text.slice(0, text.length - end.length))
}

/** Everything may be the name of a version, so DELETE is possible everywhere. */
function wrongMethod(method: string, pathname: string): AppError {
  const reading = pathname.endsWith('/readme') ? ['GET', 'HEAD'] : []
  const restoring = pathname.endsWith('/restore') ? ['POST'] : []
  const allow = ['DELETE', ...reading, 'OPTIONS', ...restoring].join(', ')
  return new AppError('method_not_allowed', `${method} is not possible at ${pathname}; use ${allow}.`, {
    details: { allow },
  })
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw noSuchVersion(text)
  }
}

async function findVersion(packages: PackageTable, row: PackageRow, wanted: string): Promise<VersionRow> {
  const version =
    wanted.length > LONGEST_VERSION ? null : await packages.version(row.id, wanted, normalizeVersion(wanted))
  if (!version) throw noSuchVersion(wanted)
  return version
}

function noSuchVersion(wanted: string): AppError {
  return new AppError('not_found', `This package has no version ${wanted.slice(0, LONGEST_VERSION)}.`)
}

import { Elysia, type Static, t } from 'elysia'
import type { ArchiveStore } from '../../archives/archive-store.ts'
import type { DownloadStore } from '../../archives/download-store.ts'
import type { UploadStore } from '../../archives/upload-store.ts'
import type { Caller } from '../../auth/scope.ts'
import type { TokenVerifier } from '../../auth/tokens.ts'
import { AppError } from '../../errors.ts'
import { COMPOSER } from '../../mirror/upstream-address.ts'
import type { PackageCatalog } from '../../store/catalog.ts'
import { nothingElse, type Queries } from '../../store/database.ts'
import { forgetHost, type HostRepositoryTable } from '../../store/host-repositories.ts'
import { newId } from '../../store/ids.ts'
import type { JobTable } from '../../store/jobs.ts'
import type { RepositoryRow, RepositoryTable } from '../../store/repositories.ts'
import { addUpstream, changeUpstream, countChange, type UpstreamTable } from '../../store/upstreams.ts'
import { PRIORITY, type SyncQueue } from '../../sync/queue.ts'
import type { BaseUrlOf } from '../base-url.ts'
import { authenticate } from '../plugins/authenticate.ts'
import { ARTIFACT, refuseSync } from './artifact-repository.ts'
import type { AuditTrail } from './audit-trail.ts'
import { plannedChange, type RepositoryChangeParts, refuseStale } from './change-repository.ts'
import type { HostWebhooks } from './host-webhooks.ts'
import { createOnce, type IdempotencyParts } from './idempotency.ts'
import { newRepository } from './new-repository.ts'
import { NewRepository, RepositoryPatch } from './repository-fields.ts'
import { REPOSITORY_OPERATIONS } from './repository-operations.ts'
import { listResponse, pageOf } from './request-body.ts'
import { repositorySettings, shownJob, shownNewRepository, shownRepositories, shownSync } from './shown-repository.ts'

/** What the routes of repositories work with. `now` gives Unix seconds. */
export interface RepositoryRoutesParts extends RepositoryChangeParts, IdempotencyParts {
  readonly verifier: TokenVerifier
  readonly repositories: RepositoryTable
  readonly upstreams: UpstreamTable
  readonly hostRepositories: HostRepositoryTable
  readonly jobs: JobTable
  readonly queue: SyncQueue
  readonly catalog: PackageCatalog
  readonly archives: ArchiveStore
  readonly uploads: UploadStore
  readonly archiveDownloads: DownloadStore
  readonly audit: AuditTrail
  readonly hostWebhooks: HostWebhooks
  readonly baseUrlOf: BaseUrlOf
  /** Throws AppError('invalid') when the host refuses the credential that is about to be stored. */
  readonly checkCredential: (row: RepositoryRow) => Promise<void>
}

/** A request and who sent it. */
interface Asked {
  readonly request: Request
  readonly caller: Caller
}

const SyncQuery = t.Object({
  accept_removals: t.Optional(t.Union([t.Literal('true'), t.Literal('false')], { description: 'true or false' })),
})

/** `/api/repositories`: where packages come from. */
export function repositoryRoutes(parts: RepositoryRoutesParts) {
  const { repositories } = parts
  return new Elysia({ prefix: '/api/repositories' })
    .use(authenticate(parts.verifier, 'unrestricted token'))
    .get(
      '/',
      async ({ request, query }) => {
        const page = await repositories.list(pageOf(query))
        const body = await shownRepositories(parts, page.rows, parts.baseUrlOf(request))
        return listResponse(request, parts.baseUrlOf(request), { ...page, body })
      },
      { detail: REPOSITORY_OPERATIONS.list },
    )
    .post('/', ({ body, ...asked }) => createRepository(parts, asked, body), {
      body: NewRepository,
      detail: REPOSITORY_OPERATIONS.create,
    })
    .get('/:id', async ({ params, request }) => shown(parts, request, await found(repositories, params.id)), {
      detail: REPOSITORY_OPERATIONS.show,
    })
    .patch('/:id', ({ params, body, ...asked }) => changeRepository(parts, asked, params.id, body), {
      body: RepositoryPatch,
      detail: REPOSITORY_OPERATIONS.change,
    })
    .delete('/:id', ({ params, ...asked }) => deleteRepository(parts, asked, params.id), {
      detail: REPOSITORY_OPERATIONS.remove,
    })
    .post(
      '/:id/sync',
      async ({ params, query, status, ...asked }) =>
        status(202, await requestSync(parts, asked, params.id, query.accept_removals === 'true')),
      { query: SyncQuery, detail: REPOSITORY_OPERATIONS.sync },
    )
    .get(
      '/:id/syncs',
      async ({ params, request, query }) => {
        const { id } = await found(repositories, params.id)
        const page = await parts.jobs.list(id, pageOf(query))
        return listResponse(request, parts.baseUrlOf(request), { ...page, body: page.rows.map(shownSync) })
      },
      { detail: REPOSITORY_OPERATIONS.history },
    )
}

async function createRepository(
  parts: RepositoryRoutesParts,
  { request, caller }: Asked,
  body: Static<typeof NewRepository>,
): Promise<Response> {
  const created: RepositoryRow[] = []
  const response = await createOnce(parts, { request, caller, route: 'POST /api/repositories', body }, async () => {
    const { row, upstream } = newRepository(parts, newId('repo'), body, parts.now())
    await parts.checkCredential(row)
    const change = { action: 'repository.create', subject: row.id, after: repositorySettings(row, upstream) }
    return {
      answer: shownNewRepository({ row, upstream }, parts.baseUrlOf(request)),
      async save(alongside) {
        const first = async (tx: Queries) => {
          await alongside(tx)
          await parts.audit.recording(request, caller, change)(tx)
        }
        await parts.repositories.insert(row, first, upstream === null ? nothingElse : addUpstream(row.id, upstream))
        created.push(row)
      },
    }
  })
  if (created.some(({ vcsType }) => vcsType === COMPOSER)) await parts.catalog.refresh()
  for (const { id, nextSyncAt } of created) if (nextSyncAt !== null) await parts.queue.request(id, PRIORITY.first)
  return response
}

async function changeRepository(
  parts: RepositoryRoutesParts,
  { request, caller }: Asked,
  id: string,
  body: Static<typeof RepositoryPatch>,
) {
  const row = await found(parts.repositories, id)
  const stored = (await parts.upstreams.settings([id])).get(id) ?? null
  const planned = plannedChange(parts, { row, upstream: stored }, body, parts.now())
  const { change, resync, republished, credential } = planned
  if (credential) await parts.checkCredential({ ...row, ...change })
  if (Object.keys({ ...change, ...planned.upstream }).length > 0) {
    const after = await parts.repositories.update(id, change, parts.now(), {
      republished,
      alongside: (before, changed) => async (tx) => {
        refuseStale(row, before)
        const upstream = await changeUpstream(tx, id, planned, parts.now())
        if (planned.moved) await forgetHost(id)(tx)
        const record = {
          action: 'repository.update',
          subject: id,
          before: repositorySettings(before, upstream.before),
          after: {
            ...repositorySettings(changed, upstream.after),
            ...(credential ? { auth_credentials: '(changed)' } : {}),
            ...(change.webhookSecret ? { webhook_secret: '(changed)' } : {}),
          },
        }
        await parts.audit.recording(request, caller, record)(tx)
      },
    })
    if (!after) throw unknown(id)
    if (republished || stored !== null) await parts.catalog.refresh()
    if (change.webhookId === null) parts.hostWebhooks.removeLater(row)
    if (resync) await parts.queue.request(id, PRIORITY.requested)
  }
  return shown(parts, request, await found(parts.repositories, id))
}

async function deleteRepository(parts: RepositoryRoutesParts, { request, caller }: Asked, id: string) {
  const row = await found(parts.repositories, id)
  const upstream = (await parts.upstreams.settings([id])).get(id) ?? null
  const change = { action: 'repository.delete', subject: id, before: repositorySettings(row, upstream) }
  const freed = await parts.repositories.delete(id, parts.now(), async (tx) => {
    if (upstream !== null) await countChange(tx)
    await parts.audit.recording(request, caller, change)(tx)
  })
  if (freed === null) throw unknown(id)
  parts.hostWebhooks.removeLater(row)
  await parts.catalog.refresh()
  if (row.vcsType === ARTIFACT) await parts.uploads.release(freed)
  else await (upstream === null ? parts.archives : parts.archiveDownloads).remove(freed)
  return { message: 'Repository deleted' }
}

async function requestSync(
  parts: RepositoryRoutesParts,
  { request, caller }: Asked,
  id: string,
  acceptRemovals: boolean,
) {
  const row = await found(parts.repositories, id)
  refuseSync(row)
  const job = await parts.queue.request(id, PRIORITY.requested, {
    acceptRemovals,
    alongside: (queued) => {
      const after = { job: queued.id, accept_removals: acceptRemovals }
      return parts.audit.recording(request, caller, { action: 'repository.sync', subject: id, after })
    },
  })
  return shownJob(job)
}

async function shown(parts: RepositoryRoutesParts, request: Request, row: RepositoryRow) {
  const [view] = await shownRepositories(parts, [row], parts.baseUrlOf(request))
  return view
}

async function found(repositories: RepositoryTable, id: string): Promise<RepositoryRow> {
  const row = await repositories.find(id)
  if (!row) throw unknown(id)
  return row
}

function unknown(id: string): AppError {
  return new AppError('not_found', `There is no repository ${id}.`)
}

import { Elysia, type Static, t } from 'elysia'
import type { Caller } from '../../auth/scope.ts'
import type { TokenVerifier } from '../../auth/tokens.ts'
import { AppError } from '../../errors.ts'
import type { DiscoveredRepositoryTable, DiscoveredState } from '../../store/discovered-repositories.ts'
import type { DiscoveryRow, DiscoveryTable } from '../../store/discoveries.ts'
import { newId } from '../../store/ids.ts'
import { PRIORITY, type SyncQueue } from '../../sync/queue.ts'
import type { BaseUrlOf } from '../base-url.ts'
import { authenticate } from '../plugins/authenticate.ts'
import type { AuditTrail } from './audit-trail.ts'
import { DiscoveryPatch, discoverySettings, NewDiscovery, shownDiscovered, shownDiscovery } from './discovery-fields.ts'
import { DISCOVERY_OPERATIONS } from './discovery-operations.ts'
import { newDiscovery, plannedDiscoveryChange, resealed } from './discovery-settings.ts'
import { createOnce, type IdempotencyParts } from './idempotency.ts'
import { listResponse, pageOf, wrongField } from './request-body.ts'

/** What the routes of discoveries work with. `now` gives Unix seconds. */
export interface OwnerDiscoveryRoutesParts extends IdempotencyParts {
  readonly verifier: TokenVerifier
  readonly discoveries: DiscoveryTable
  readonly discovered: DiscoveredRepositoryTable
  readonly queue: SyncQueue
  readonly audit: AuditTrail
  readonly baseUrlOf: BaseUrlOf
  /** Throws AppError('invalid') for a credential that the host of the owner refuses. */
  readonly checkOwnerCredential: (row: DiscoveryRow) => Promise<void>
  /** Called when a discovery is due. */
  readonly wakeLooks: () => void
}

interface Asked {
  readonly request: Request
  readonly caller: Caller
}

const LookQuery = t.Object({
  accept_removals: t.Optional(t.Union([t.Literal('true'), t.Literal('false')], { description: 'true or false' })),
})

const STATES: readonly DiscoveredState[] = ['added', 'skipped', 'gone', 'failed']

/** `/api/discoveries`: owners at git hosts whose repositories are added as they appear. */
export function ownerDiscoveryRoutes(parts: OwnerDiscoveryRoutesParts) {
  return new Elysia({ prefix: '/api/discoveries' })
    .use(authenticate(parts.verifier, 'unrestricted token'))
    .get(
      '/',
      async ({ request, query }) => {
        const page = await parts.discoveries.list(pageOf(query))
        const counts = await parts.discovered.counts(page.rows.map(({ id }) => id))
        const body = page.rows.map((row) => shownDiscovery(row, counts.get(row.id)))
        return listResponse(request, parts.baseUrlOf(request), { ...page, body })
      },
      { detail: DISCOVERY_OPERATIONS.list },
    )
    .post('/', ({ body, ...asked }) => createDiscovery(parts, asked, body), {
      body: NewDiscovery,
      detail: DISCOVERY_OPERATIONS.create,
    })
    .get('/:id', async ({ params }) => shown(parts, await found(parts, params.id)), {
      detail: DISCOVERY_OPERATIONS.show,
    })
    .patch('/:id', ({ params, body, ...asked }) => changeDiscovery(parts, asked, params.id, body), {
      body: DiscoveryPatch,
      detail: DISCOVERY_OPERATIONS.change,
    })
    .delete('/:id', ({ params, ...asked }) => deleteDiscovery(parts, asked, params.id), {
      detail: DISCOVERY_OPERATIONS.remove,
    })
    .post(
      '/:id/look',
      async ({ params, query, status, ...asked }) =>
        status(202, await requestLook(parts, asked, params.id, query.accept_removals === 'true')),
      { query: LookQuery, detail: DISCOVERY_OPERATIONS.look },
    )
    .get('/:id/repositories', ({ params, request, query }) => listFound(parts, request, params.id, query), {
      detail: DISCOVERY_OPERATIONS.repositories,
    })
}

async function createDiscovery(
  parts: OwnerDiscoveryRoutesParts,
  { request, caller }: Asked,
  body: Static<typeof NewDiscovery>,
): Promise<Response> {
  const response = await createOnce(parts, { request, caller, route: 'POST /api/discoveries', body }, async () => {
    const row = newDiscovery(parts.secretBox, newId('disc'), body, parts.now())
    await parts.checkOwnerCredential(row)
    const change = { action: 'discovery.create', subject: row.id, after: discoverySettings(row) }
    return {
      answer: shownDiscovery(row),
      save: (alongside) =>
        parts.discoveries.insert(row, async (tx) => {
          await alongside(tx)
          await parts.audit.recording(request, caller, change)(tx)
        }),
    }
  })
  parts.wakeLooks()
  return response
}

async function changeDiscovery(
  parts: OwnerDiscoveryRoutesParts,
  { request, caller }: Asked,
  id: string,
  body: Static<typeof DiscoveryPatch>,
) {
  const row = await found(parts, id)
  const { change, credential } = plannedDiscoveryChange(parts.secretBox, row, body)
  if (Object.keys(change).length === 0) return shown(parts, row)
  if (credential !== undefined) await parts.checkOwnerCredential({ ...row, ...change })
  const given = { type: change.credentialType ?? row.credentialType, text: credential ?? null }
  const repositories =
    credential === undefined
      ? []
      : resealed(parts.secretBox, row, await parts.discoveries.credentialsOfRepositories(id), given)
  const after = await parts.discoveries.update(id, change, parts.now(), {
    resealed: repositories,
    alongside: (before, changed) => (tx) => {
      if (before.credentials !== row.credentials) throw changedMeanwhile(id)
      const mark = credential === undefined ? {} : { auth_credentials: '(changed)', repositories: repositories.length }
      return parts.audit.recording(request, caller, {
        action: 'discovery.update',
        subject: id,
        before: discoverySettings(before),
        after: { ...discoverySettings(changed), ...mark },
      })(tx)
    },
  })
  if (!after) throw unknown(id)
  for (const { id: repositoryId } of repositories) await parts.queue.request(repositoryId, PRIORITY.first)
  parts.wakeLooks()
  return shown(parts, after)
}

async function deleteDiscovery(parts: OwnerDiscoveryRoutesParts, { request, caller }: Asked, id: string) {
  const row = await found(parts, id)
  const change = { action: 'discovery.delete', subject: id, before: discoverySettings(row) }
  if (!(await parts.discoveries.delete(id, parts.audit.recording(request, caller, change)))) throw unknown(id)
  return { message: 'Discovery deleted; its repositories stay' }
}

async function requestLook(
  parts: OwnerDiscoveryRoutesParts,
  { request, caller }: Asked,
  id: string,
  acceptRemovals: boolean,
) {
  const after = { accept_removals: acceptRemovals }
  const alongside = parts.audit.recording(request, caller, { action: 'discovery.look', subject: id, after })
  if (!(await parts.discoveries.requestLook(id, parts.now(), { acceptRemovals, alongside }))) throw unknown(id)
  parts.wakeLooks()
  return shown(parts, await found(parts, id))
}

async function listFound(
  parts: OwnerDiscoveryRoutesParts,
  request: Request,
  id: string,
  query: Record<string, string | undefined>,
): Promise<Response> {
  await found(parts, id)
  const state = STATES.find((each) => each === query.state) ?? null
  if (query.state !== undefined && state === null) throw wrongField('state', `needs one of ${STATES.join(', ')}`)
  const page = await parts.discovered.list(id, pageOf(query), state)
  return listResponse(request, parts.baseUrlOf(request), { ...page, body: page.rows.map(shownDiscovered) })
}

async function shown({ discovered }: OwnerDiscoveryRoutesParts, row: DiscoveryRow) {
  return shownDiscovery(row, (await discovered.counts([row.id])).get(row.id))
}

async function found({ discoveries }: OwnerDiscoveryRoutesParts, id: string): Promise<DiscoveryRow> {
  const row = await discoveries.find(id)
  if (!row) throw unknown(id)
  return row
}

function unknown(id: string): AppError {
  return new AppError('not_found', `There is no discovery ${id}.`)
}

function changedMeanwhile(id: string): AppError {
  return new AppError('conflict', `Discovery ${id} was changed by somebody else at the same time; try again.`)
}

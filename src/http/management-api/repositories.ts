import { Elysia, t } from 'elysia'
import type { ArchiveStore } from '../../archives/archive-store.ts'
import type { SecretBox } from '../../auth/secret-box.ts'
import type { TokenVerifier } from '../../auth/tokens.ts'
import { AppError } from '../../errors.ts'
import { CREDENTIAL_TYPES, parseCredentials, storedCredentials } from '../../sources/credentials.ts'
import { checkSourceUrl, VCS_TYPES } from '../../sources/open.ts'
import type { PackageCatalog } from '../../store/catalog.ts'
import { newId } from '../../store/ids.ts'
import type { JobTable } from '../../store/jobs.ts'
import { credentialsPlace, type RepositoryRow, type RepositoryTable } from '../../store/repositories.ts'
import { PRIORITY, type SyncQueue } from '../../sync/queue.ts'
import type { BaseUrlOf } from '../base-url.ts'
import { authenticate } from '../plugins/authenticate.ts'
import { jsonBody } from '../plugins/json-body.ts'
import { listResponse, pageOf } from './request-body.ts'
import { shownJob, shownRepositories } from './shown-repository.ts'

/** What the routes of repositories work with. `now` gives Unix seconds. */
export interface RepositoryRoutesParts {
  readonly verifier: TokenVerifier
  readonly repositories: RepositoryTable
  readonly jobs: JobTable
  readonly queue: SyncQueue
  readonly catalog: PackageCatalog
  readonly archives: ArchiveStore
  readonly secretBox: SecretBox
  readonly localRoots: readonly string[]
  readonly baseUrlOf: BaseUrlOf
  readonly now: () => number
}

const oneOf = <const Values extends readonly string[]>(values: Values) =>
  t.Union(
    values.map((value) => t.Literal(value as Values[number])),
    { description: `one of ${values.join(', ')}` },
  )

const NewRepository = t.Object(
  {
    url: t.String({
      minLength: 1,
      maxLength: 2_000,
      description: 'address of the repository, as `git clone` takes it',
    }),
    vcs_type: oneOf(VCS_TYPES),
    credential_type: t.Optional(oneOf(CREDENTIAL_TYPES)),
    auth_credentials: t.Optional(t.Any({ description: 'a string or an object, by credential_type' })),
    package_filter: t.Optional(
      t.Union([t.String({ maxLength: 2_000 }), t.Null()], {
        description: 'comma-separated globs of package names, or null',
      }),
    ),
    sync_interval: t.Optional(
      t.Union([t.Integer({ minimum: 10, maximum: 31_536_000 }), t.Null()], {
        description: 'seconds, at least 10, or null for the default',
      }),
    ),
    archives: t.Optional(oneOf(['lazy', 'tags', 'all'] as const)),
    expose_source: t.Optional(t.Boolean({ description: 'true or false' })),
  },
  { additionalProperties: false, description: 'a repository' },
)

const SyncQuery = t.Object({
  accept_removals: t.Optional(t.Union([t.Literal('true'), t.Literal('false')], { description: 'true or false' })),
})

/** `/api/repositories`: where packages come from. */
export function repositoryRoutes(parts: RepositoryRoutesParts) {
  const { repositories, queue } = parts
  return new Elysia({ prefix: '/api/repositories' })
    .use(authenticate(parts.verifier, 'unrestricted token'))
    .use(jsonBody())
    .get('/', async ({ request, query }) => {
      const page = await repositories.list(pageOf(query))
      const body = await shownRepositories(parts, page.rows)
      return listResponse(request, parts.baseUrlOf(request), { ...page, body })
    })
    .post('/', async ({ body, status }) => status(201, await createRepository(parts, body)), { body: NewRepository })
    .get('/:id', async ({ params }) => shown(parts, await found(repositories, params.id)))
    .delete('/:id', async ({ params }) => {
      const freed = await repositories.delete(params.id, parts.now())
      if (freed === null) throw unknown(params.id)
      await parts.catalog.refresh()
      await parts.archives.remove(freed)
      return { message: 'Repository deleted' }
    })
    .post(
      '/:id/sync',
      async ({ params, query, status }) => {
        const { id } = await found(repositories, params.id)
        const acceptRemovals = query.accept_removals === 'true'
        return status(202, shownJob(await queue.request(id, PRIORITY.requested, { acceptRemovals })))
      },
      { query: SyncQuery },
    )
}

async function createRepository(parts: RepositoryRoutesParts, body: typeof NewRepository.static) {
  const credentialType = body.credential_type ?? 'none'
  const { url, urlKey } = checkSourceUrl(body.url, credentialType, parts.localRoots)
  const credentials = parseCredentials(credentialType, body.auth_credentials)
  const id = newId('repo')
  const now = parts.now()
  const row: RepositoryRow = {
    id,
    url,
    urlKey,
    vcsType: body.vcs_type,
    credentialType,
    credentials:
      credentials.type === 'none' ? null : parts.secretBox.seal(storedCredentials(credentials), credentialsPlace(id)),
    hostKey: null,
    packageFilter: body.package_filter ?? null,
    syncInterval: body.sync_interval ?? null,
    archives: body.archives ?? 'lazy',
    exposeSource: body.expose_source ?? false,
    status: 'pending',
    errorCode: null,
    errorMessage: null,
    defaultBranch: null,
    refsDigest: null,
    failures: 0,
    lastSyncedAt: null,
    nextSyncAt: now,
    createdAt: now,
    updatedAt: now,
  }
  await parts.repositories.insert(row)
  await parts.queue.request(id, PRIORITY.first)
  return shown(parts, await found(parts.repositories, id))
}

async function shown(parts: RepositoryRoutesParts, row: RepositoryRow) {
  const [view] = await shownRepositories(parts, [row])
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

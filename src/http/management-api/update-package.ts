import { Elysia, type Static, t } from 'elysia'
import type { Caller } from '../../auth/scope.ts'
import type { TokenVerifier } from '../../auth/tokens.ts'
import { AppError, isAppError } from '../../errors.ts'
import { repositoryKey } from '../../sources/open.ts'
import type { WebhookTable } from '../../store/webhooks.ts'
import { PRIORITY, type SyncQueue } from '../../sync/queue.ts'
import { authenticate } from '../plugins/authenticate.ts'
import type { AuditTrail } from './audit-trail.ts'
import { wrongField } from './request-body.ts'
import { WEBHOOK_OPERATIONS } from './webhook-operations.ts'

/** What the route of Packagist's clients works with. */
export interface UpdatePackageParts {
  readonly verifier: TokenVerifier
  readonly webhooks: WebhookTable
  readonly queue: SyncQueue
  readonly audit: AuditTrail
}

/** Seconds before the sync, so that several pushes are one. */
const GATHERED_FOR = 3

const loose = { additionalProperties: true } as const
const address = (description: string) => t.Optional(t.Unknown({ description }))

const PackageUpdate = t.Object(
  {
    repository: t.Optional(
      t.Union(
        [
          t.String({ maxLength: 2_000 }),
          t.Object(
            {
              url: address('address'),
              clone_url: address('address for git over http'),
              git_http_url: address('the same of GitLab'),
              ssh_url: address('address for git over ssh'),
              html_url: address('its page'),
              links: address('with html.href, its page at Bitbucket'),
            },
            loose,
          ),
        ],
        { description: 'address of the repository, or an object with its url' },
      ),
    ),
    project: t.Optional(
      t.Object(
        { git_http_url: address('address'), git_ssh_url: address('address for ssh') },
        {
          ...loose,
          description: 'an object with git_http_url, as GitLab sends it',
        },
      ),
    ),
  },
  { ...loose, description: 'a repository' },
)

/**
 * `POST /api/update-package`, as Packagist has it (Packagist: API documentation, update a package; ApiController). Only the
 * token differs: it comes in the header.
 */
export function updatePackageRoute(parts: UpdatePackageParts) {
  return new Elysia({ prefix: '/api' })
    .use(authenticate(parts.verifier, 'unrestricted token'))
    .post(
      '/update-package',
      async ({ body, request, caller, status }) => status(202, await update(parts, { request, caller }, body)),
      { body: PackageUpdate, detail: WEBHOOK_OPERATIONS.update },
    )
}

async function update(
  { webhooks, queue, audit }: UpdatePackageParts,
  { request, caller }: { readonly request: Request; readonly caller: Caller },
  body: Static<typeof PackageUpdate>,
) {
  const addresses = addressesIn(body)
  if (addresses.length === 0)
    throw wrongField('repository', 'needs the address of a repository, or an object with its url')
  const ids = await webhooks.repositoriesAt(addresses.flatMap(keyOf))
  if (ids.length === 0) throw new AppError('not_found', 'No repository here has this address.')
  const jobs: string[] = []
  for (const id of ids) {
    const job = await queue.request(id, PRIORITY.webhook, {
      delay: GATHERED_FOR,
      alongside: (queued) =>
        audit.recording(request, caller, { action: 'repository.sync', subject: id, after: { job: queued.id } }),
    })
    jobs.push(job.id)
  }
  return { status: 'success' as const, jobs, type: 'manual' as const }
}

/** Every address that a body has for its repository, by the names that Packagist's clients and the hosts use. */
function addressesIn({ repository, project }: Static<typeof PackageUpdate>): string[] {
  if (typeof repository === 'string') return repository === '' ? [] : [repository]
  const { links, ...named } = repository ?? {}
  const { html } = (isObject(links) ? links : {}) as { html?: unknown }
  const candidates = [
    ...[named.url, named.clone_url, named.git_http_url, named.ssh_url, named.html_url],
    isObject(html) ? html.href : null,
    ...[project?.git_http_url, project?.git_ssh_url],
  ]
  return candidates.filter((value) => typeof value === 'string' && value !== '' && value.length <= 2_000) as string[]
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

/** Nothing for an address that cannot be that of a repository. */
function keyOf(url: string): string[] {
  try {
    return [repositoryKey(url)]
  } catch (error) {
    if (isAppError(error, 'invalid')) return []
    throw error
  }
}

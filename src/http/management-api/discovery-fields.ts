import { type Static, t } from 'elysia'
import { CREDENTIAL_TYPES } from '../../sources/credentials.ts'
import { HOST_TYPES } from '../../sources/hosts/host-credential.ts'
import type { DiscoveredCounts, DiscoveredRow } from '../../store/discovered-repositories.ts'
import type { DiscoveryRow } from '../../store/discoveries.ts'
import { integer } from '../openapi/fields.ts'
import { checkedManifestPaths } from './manifest-paths.ts'
import { oneOf, TEMPLATE_FIELDS } from './repository-fields.ts'

const globs = (description: string) =>
  t.Optional(t.Union([t.String({ maxLength: 2_000 }), t.Null()], { description: `${description}, or null` }))

const SETTINGS = {
  credential_type: t.Optional(oneOf(CREDENTIAL_TYPES)),
  auth_credentials: t.Optional(t.Any({ description: 'a string or an object, by credential_type' })),
  include: globs('comma-separated globs of paths to take, such as acme/php-*'),
  exclude: globs('comma-separated globs of paths to leave out'),
  include_archived: t.Optional(t.Boolean({ description: 'true or false' })),
  include_forks: t.Optional(t.Boolean({ description: 'true or false' })),
  interval: t.Optional(
    t.Union([integer({ minimum: 60, maximum: 31_536_000 }), t.Null()], {
      description: 'seconds, at least 60, or null for the default',
    }),
  ),
  ...TEMPLATE_FIELDS,
}

/** Body of `POST /api/discoveries`. */
export const NewDiscovery = t.Object(
  {
    url: t.String({
      minLength: 1,
      maxLength: 2_000,
      description: 'address of a user, organisation, group, workspace or project, as a browser shows it',
    }),
    vcs_type: oneOf(HOST_TYPES),
    ...SETTINGS,
  },
  { additionalProperties: false, description: 'a discovery' },
)

/** Body of `PATCH /api/discoveries/{id}`: what is named is changed. */
export const DiscoveryPatch = t.Object(SETTINGS, {
  additionalProperties: false,
  minProperties: 1,
  description: 'the fields to change',
})

/** Settings of the repositories that a discovery adds, out of its body: those that it names. Throws AppError('invalid'). */
export function templateOf(body: Static<typeof DiscoveryPatch>): Record<string, unknown> {
  checkedManifestPaths(body.composer_json_paths)
  const named = Object.keys(TEMPLATE_FIELDS).filter((field) => field in body)
  return Object.fromEntries(named.map((field) => [field, body[field as keyof typeof body]]))
}

/** What was set about a discovery: what the audit keeps of it. Whether there is a credential, never which. */
export function discoverySettings(row: DiscoveryRow) {
  return {
    url: row.url,
    vcs_type: row.vcsType,
    credential_type: row.credentialType,
    has_credentials: row.credentials !== null,
    include: row.include,
    exclude: row.exclude,
    include_archived: row.includeArchived,
    include_forks: row.includeForks,
    interval: row.interval,
    ...NO_TEMPLATE,
    ...row.template,
  }
}

const NO_TEMPLATE = {
  package_filter: null,
  composer_json_paths: null,
  sync_interval: null,
  archives: 'lazy',
  expose_source: false,
}

/** A discovery as the API shows it. */
export function shownDiscovery(row: DiscoveryRow, counts: DiscoveredCounts = NOTHING_FOUND) {
  return {
    id: row.id,
    ...discoverySettings(row),
    status: row.status,
    looking: row.claimedBy !== null,
    error_code: row.errorCode,
    error_message: row.errorMessage,
    found: counts.found,
    added: counts.added,
    skipped: counts.skipped,
    gone: counts.gone,
    failed: counts.failed,
    last_listed_at: row.lastListedAt,
    last_probed_at: row.lastProbedAt,
    next_look_at: row.nextLookAt,
    created_at: row.createdAt,
    updated_at: row.updatedAt,
  }
}

const NOTHING_FOUND: DiscoveredCounts = { found: 0, added: 0, skipped: 0, gone: 0, failed: 0 }

/** A repository that a discovery found, as the API shows it. */
export function shownDiscovered(row: DiscoveredRow) {
  return {
    host_id: row.hostId,
    path: row.path,
    state: row.state,
    reason: row.reason,
    repository_id: row.repositoryId,
    pushed_at: row.pushedAt,
    seen_at: row.seenAt,
  }
}

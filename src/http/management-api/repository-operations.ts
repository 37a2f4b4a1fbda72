import { t } from 'elysia'
import { COMPOSER } from '../../mirror/upstream-address.ts'
import { CREDENTIAL_TYPES } from '../../sources/credentials.ts'
import { VCS_TYPES } from '../../sources/open.ts'
import { count, idOf, integer, Message, orNull, PAGING, part, shape, time, words } from '../openapi/fields.ts'
import { operation } from '../openapi/operation.ts'
import { Host, HostError } from './host-shapes.ts'
import { IDEMPOTENCY_KEY } from './idempotency-key.ts'
import { REPOSITORY_EXAMPLE, UPSTREAM_EXAMPLE } from './repository-examples.ts'

const Progress = part({ done: count('refs read'), total: count('refs to read'), step: t.String() }, 'how far it is')

const seconds = (description: string) => orNull(count(`seconds ${description}; null unless vcs_type is composer`))

/** What only repositories of vcs_type composer have. */
const UpstreamSettings = {
  package_deny: orNull(
    t.String({ description: 'comma-separated globs of names that the upstream is never asked for' }),
  ),
  priority: orNull(integer({ description: 'the highest is asked first; null unless vcs_type is composer' })),
  fresh_for: seconds('that a document is served for without asking again'),
  stale_if_error: seconds('that a document is served for while the upstream cannot be asked'),
  minimum_release_age: seconds('that a version is withheld for since it was first seen'),
  release_age_exceptions: orNull(t.String({ description: 'comma-separated globs of names whose versions are not' })),
  release_age_passes_fixes: orNull(
    t.Boolean({ description: 'whether a version that mends a vulnerability is not; null unless vcs_type is composer' }),
  ),
}

const Repository = shape('Repository', {
  id: idOf('repo', 'names the repository'),
  url: t.String({ description: 'address without credentials' }),
  vcs_type: words([...VCS_TYPES, COMPOSER, 'artifact']),
  credential_type: words(CREDENTIAL_TYPES),
  has_credentials: t.Boolean(),
  host_key: orNull(t.String({ description: 'key of the ssh host, pinned on first use' })),
  package_filter: orNull(t.String({ description: 'comma-separated globs of package names' })),
  composer_json_paths: orNull(
    t.String({ description: 'comma-separated globs of the composer.json files that are packages' }),
  ),
  sync_interval: orNull(count('seconds between two looks, null for the default')),
  archives: words(['lazy', 'tags', 'all'], 'when archives are built'),
  expose_source: t.Boolean({ description: 'whether metadata names the source' }),
  has_webhook_secret: t.Boolean({ description: 'whether webhooks are taken' }),
  webhook_registered: t.Boolean({ description: 'whether its host was told of the webhook by this server' }),
  ...UpstreamSettings,
  status: words(['pending', 'syncing', 'active', 'error']),
  error_code: orNull(t.String()),
  error_message: orNull(t.String()),
  host: orNull(Host),
  host_error: orNull(HostError),
  packages: count('packages it has'),
  versions: count('versions of all its packages'),
  issues: t.Array(part({ ref: t.String(), reason: t.String() }), {
    description: 'tags and branches that are no versions, or what of an upstream is refused, and why',
  }),
  progress: orNull(Progress),
  last_synced_at: orNull(time('when it was last read')),
  next_sync_at: orNull(time('when it is read next')),
  webhook_url: orNull(t.String({ description: 'where its host may send notices of a push; null without a secret' })),
  last_webhook_at: orNull(time('when a webhook was taken last')),
  created_at: time('when it was added'),
  updated_at: time('when it was last changed'),
})

/** A job as it is shown. */
export const Job = shape('Job', {
  id: idOf('job', 'names the job'),
  repository_id: idOf('repo', 'the repository it reads'),
  state: words(['queued', 'running', 'done', 'failed']),
  progress: Progress,
  error: orNull(t.String()),
  created_at: time('when it was asked for'),
  started_at: orNull(time('when it began')),
  finished_at: orNull(time('when it ended')),
})

const versionList = (description: string) =>
  t.Array(t.String({ pattern: '^[^ ]+( .+)?$', examples: ['acme/lib 1.2.0'] }), { description })

const Sync = shape('Sync', {
  ...Job.properties,
  duration: orNull(count('seconds it took; null while it has not ended')),
  added: versionList('versions that are offered since then; of an upstream the names'),
  changed: versionList(
    'versions that were offered before and are another commit or text since then; of an upstream the documents known here',
  ),
  removed: versionList('versions that are not offered any more; of an upstream the names'),
  issues: t.Array(part({ ref: t.String(), reason: t.String() }), {
    description: 'tags and branches that were no versions, and why',
  }),
})

const JOB_EXAMPLE = {
  id: 'job_8sK2mQv7RtYhKpL9wZa',
  repository_id: 'repo_4XfJ2mQv7RtYhKpL9wZ',
  state: 'queued',
  progress: { done: 0, total: 0, step: '' },
  error: null,
  created_at: 1_767_225_600,
  started_at: null,
  finished_at: null,
}

const SYNC_EXAMPLE = {
  ...JOB_EXAMPLE,
  state: 'done',
  progress: { done: 2, total: 2, step: 'saving' },
  started_at: 1_767_225_600,
  finished_at: 1_767_225_602,
  duration: 2,
  added: ['acme/lib 1.2.0'],
  changed: ['acme/lib dev-main'],
  removed: [],
  issues: [{ ref: 'refs/tags/nightly', reason: 'The tag is no version.' }],
}

const id = {
  id: { description: 'Id of the repository.', schema: t.String(), example: 'repo_4XfJ2mQv7RtYhKpL9wZ' },
}

const common = { tag: 'Repositories', access: 'unrestricted token' } as const
const unknown = { not_found: 'There is no repository repo_4XfJ2mQv7RtYhKpL9wZ.' }

/** The operations of `/api/repositories`. */
export const REPOSITORY_OPERATIONS = {
  list: operation({
    ...common,
    id: 'listRepositories',
    summary: 'List repositories',
    query: PAGING,
    answers: {
      200: {
        description: 'A page of repositories.',
        schema: t.Array(Repository),
        headers: ['X-Total-Count', 'Link'],
        examples: { repositories: [REPOSITORY_EXAMPLE, UPSTREAM_EXAMPLE] },
      },
    },
  }),
  create: operation({
    ...common,
    id: 'createRepository',
    summary: 'Add a repository',
    description: 'Its first sync is queued at once. Credentials are stored encrypted and never shown.',
    requestHeaders: IDEMPOTENCY_KEY,
    bodyExamples: {
      github: {
        url: 'https://github.com/acme/lib.git',
        vcs_type: 'github',
        credential_type: 'token',
        auth_credentials: 'github_pat_…',
      },
      monorepo: {
        url: 'https://github.com/acme/all.git',
        vcs_type: 'github',
        composer_json_paths: 'packages/*/composer.json',
      },
      upstream: { url: 'https://repo.packagist.org', vcs_type: 'composer', minimum_release_age: 86_400 },
    },
    answers: {
      201: { description: 'The repository.', schema: Repository, examples: { added: REPOSITORY_EXAMPLE } },
    },
    errors: {
      conflict: 'This repository exists already as repo_4XfJ2mQv7RtYhKpL9wZ (https://github.com/acme/lib.git).',
      too_large: 'The body is larger than 1048576 bytes.',
    },
  }),
  show: operation({
    ...common,
    id: 'getRepository',
    summary: 'Look at a repository',
    pathParameters: id,
    answers: {
      200: { description: 'The repository.', schema: Repository, examples: { repository: REPOSITORY_EXAMPLE } },
    },
    errors: unknown,
  }),
  change: operation({
    ...common,
    id: 'changeRepository',
    summary: 'Change a repository',
    description:
      'What the body names is changed. Another address, credential, filter or `composer_json_paths` queues a sync; on another server the credential has to be given again.',
    pathParameters: id,
    bodyExamples: { interval: { sync_interval: 300, archives: 'tags' } },
    answers: {
      200: {
        description: 'The repository as it is now.',
        schema: Repository,
        examples: { changed: REPOSITORY_EXAMPLE },
      },
    },
    errors: {
      ...unknown,
      conflict: 'This repository exists already as repo_4XfJ2mQv7RtYhKpL9wZ (https://github.com/acme/lib.git).',
      too_large: 'The body is larger than 1048576 bytes.',
    },
  }),
  remove: operation({
    ...common,
    id: 'deleteRepository',
    summary: 'Remove a repository with its packages',
    pathParameters: id,
    answers: {
      200: { description: 'It is removed.', schema: Message, examples: { removed: { message: 'Repository deleted' } } },
    },
    errors: unknown,
  }),
  sync: operation({
    ...common,
    id: 'syncRepository',
    summary: 'Read a repository again now',
    pathParameters: id,
    query: {
      accept_removals: {
        description: 'Whether it is meant that most refs are gone.',
        schema: words(['true', 'false']),
        example: 'true',
      },
    },
    answers: { 202: { description: 'The job.', schema: Job, examples: { queued: JOB_EXAMPLE } } },
    errors: {
      ...unknown,
      conflict: 'Repository repo_4XfJ2mQv7RtYhKpL9wZ takes uploads and has no source to sync.',
    },
  }),
  history: operation({
    ...common,
    id: 'listSyncs',
    summary: 'What syncs of a repository changed',
    description: 'Newest first, also those that wait or run. Of those that ended the last 50 are kept.',
    pathParameters: id,
    query: PAGING,
    answers: {
      200: {
        description: 'A page of syncs.',
        schema: t.Array(Sync),
        headers: ['X-Total-Count', 'Link'],
        examples: { syncs: [SYNC_EXAMPLE] },
      },
    },
    errors: unknown,
  }),
}

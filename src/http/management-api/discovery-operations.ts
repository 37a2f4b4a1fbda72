import { t } from 'elysia'
import { CREDENTIAL_TYPES } from '../../sources/credentials.ts'
import { HOST_TYPES } from '../../sources/hosts/host-credential.ts'
import { count, idOf, integer, Message, orNull, PAGING, shape, time, words } from '../openapi/fields.ts'
import { operation } from '../openapi/operation.ts'
import { IDEMPOTENCY_KEY } from './idempotency-key.ts'

const globs = (description: string) =>
  orNull(t.String({ description: `comma-separated globs of paths ${description}` }))

const Discovery = shape('Discovery', {
  id: idOf('disc', 'names the discovery'),
  url: t.String({ description: 'address of the owner without credentials' }),
  vcs_type: words(HOST_TYPES),
  credential_type: words(CREDENTIAL_TYPES),
  has_credentials: t.Boolean(),
  include: globs('that are taken; null for all'),
  exclude: globs('that are left out'),
  include_archived: t.Boolean({ description: 'whether archived repositories are taken' }),
  include_forks: t.Boolean({ description: 'whether forks are taken' }),
  interval: orNull(count('seconds between two listings, null for six hours')),
  package_filter: orNull(t.String({ description: 'of the repositories that it adds' })),
  composer_json_paths: orNull(t.String({ description: 'of the repositories that it adds' })),
  sync_interval: orNull(count('of the repositories that it adds')),
  archives: words(['lazy', 'tags', 'all'], 'of the repositories that it adds'),
  expose_source: t.Boolean({ description: 'of the repositories that it adds' }),
  status: words(['pending', 'active', 'error']),
  looking: t.Boolean({ description: 'whether it is being looked at now' }),
  error_code: orNull(t.String()),
  error_message: orNull(t.String()),
  found: count('repositories known of the owner'),
  added: count('of them are repositories here'),
  skipped: count('of them are not, for a reason'),
  gone: count('of them are not in the listing any more, and stay here'),
  failed: count('of them could not be read, and are tried again'),
  last_listed_at: orNull(time('when everything was last listed')),
  last_probed_at: orNull(time('when the owner was last asked whether anything changed')),
  next_look_at: orNull(time('when it is looked at next; null waits for another credential')),
  created_at: time('when it was added'),
  updated_at: time('when it was last changed'),
})

const Found = shape('DiscoveredRepository', {
  host_id: t.String({ description: 'id of the host, which outlives renames' }),
  path: t.String({ description: 'owner and name' }),
  state: words(['added', 'skipped', 'gone', 'failed']),
  reason: orNull(t.String({ description: 'why it is not added, or what is wrong' })),
  repository_id: orNull(idOf('repo', 'the repository here')),
  pushed_at: orNull(
    integer({ description: 'when something was last pushed, in Unix seconds, as far as the host says it' }),
  ),
  seen_at: time('when it was last in the listing'),
})

const EXAMPLE = {
  id: 'disc_4XfJ2mQv7RtYhKpL9wZ',
  url: 'https://github.com/acme',
  vcs_type: 'github',
  credential_type: 'token',
  has_credentials: true,
  include: 'acme/php-*',
  exclude: null,
  include_archived: false,
  include_forks: false,
  interval: null,
  package_filter: null,
  composer_json_paths: null,
  sync_interval: null,
  archives: 'lazy',
  expose_source: false,
  status: 'active',
  looking: false,
  error_code: null,
  error_message: null,
  found: 62,
  added: 40,
  skipped: 21,
  gone: 1,
  failed: 0,
  last_listed_at: 1_767_225_600,
  last_probed_at: 1_767_226_500,
  next_look_at: 1_767_247_200,
  created_at: 1_767_139_200,
  updated_at: 1_767_139_200,
}

const FOUND_EXAMPLE = {
  host_id: '1296269',
  path: 'acme/php-lib',
  state: 'added',
  reason: null,
  repository_id: 'repo_4XfJ2mQv7RtYhKpL9wZ',
  pushed_at: 1_767_225_000,
  seen_at: 1_767_225_600,
}

const id = {
  id: { description: 'Id of the discovery.', schema: t.String(), example: 'disc_4XfJ2mQv7RtYhKpL9wZ' },
}

const common = { tag: 'Discoveries', access: 'unrestricted token' } as const
const unknown = { not_found: 'There is no discovery disc_4XfJ2mQv7RtYhKpL9wZ.' }
const tooLarge = { too_large: 'The body is larger than 1048576 bytes.' }
const one = { schema: Discovery, examples: { discovery: EXAMPLE } }

/** The operations of `/api/discoveries`. */
export const DISCOVERY_OPERATIONS = {
  list: operation({
    ...common,
    id: 'listDiscoveries',
    summary: 'List discoveries',
    query: PAGING,
    answers: {
      200: {
        description: 'A page of discoveries.',
        schema: t.Array(Discovery),
        headers: ['X-Total-Count', 'Link'],
        examples: { discoveries: [EXAMPLE] },
      },
    },
  }),
  create: operation({
    ...common,
    id: 'createDiscovery',
    summary: 'Add every repository of an owner',
    description:
      'An organisation, user, group with its sub-groups, workspace or project. Its repositories that have a composer.json in their default branch are added, now and as they appear, with the settings named here. Nothing is ever removed by itself. Credentials are stored encrypted and never shown.',
    requestHeaders: IDEMPOTENCY_KEY,
    bodyExamples: {
      organisation: {
        url: 'https://github.com/acme',
        vcs_type: 'github',
        credential_type: 'token',
        auth_credentials: 'github_pat_…',
        include: 'acme/php-*',
      },
      group: { url: 'https://gitlab.example.com/group/sub', vcs_type: 'gitlab' },
    },
    answers: { 201: { description: 'The discovery; its first look begins at once.', ...one } },
    errors: {
      ...tooLarge,
      conflict: 'This owner is looked at already by disc_4XfJ2mQv7RtYhKpL9wZ (https://github.com/acme).',
    },
  }),
  show: operation({
    ...common,
    id: 'getDiscovery',
    summary: 'Look at a discovery',
    pathParameters: id,
    answers: { 200: { description: 'The discovery.', ...one } },
    errors: unknown,
  }),
  change: operation({
    ...common,
    id: 'changeDiscovery',
    summary: 'Change a discovery',
    description:
      'What the body names is changed, and the owner is looked at again. Another credential becomes that of its repositories too, which are synced; other settings hold for repositories that are added from then on.',
    pathParameters: id,
    bodyExamples: { filter: { exclude: 'acme/*-demo', include_forks: true } },
    answers: { 200: { description: 'The discovery as it is now.', ...one } },
    errors: {
      ...unknown,
      ...tooLarge,
      conflict: 'Discovery disc_4XfJ2mQv7RtYhKpL9wZ was changed by somebody else at the same time; try again.',
    },
  }),
  remove: operation({
    ...common,
    id: 'deleteDiscovery',
    summary: 'Remove a discovery',
    description: 'Its repositories stay, as if they had been added one by one.',
    pathParameters: id,
    answers: {
      200: {
        description: 'It is removed.',
        schema: Message,
        examples: { removed: { message: 'Discovery deleted; its repositories stay' } },
      },
    },
    errors: unknown,
  }),
  look: operation({
    ...common,
    id: 'lookAtDiscovery',
    summary: 'Look at an owner again now',
    pathParameters: id,
    query: {
      accept_removals: {
        description: 'Whether it is meant that most repositories are gone from the listing.',
        schema: words(['true', 'false']),
        example: 'true',
      },
    },
    answers: { 202: { description: 'The discovery; the look begins at once.', ...one } },
    errors: unknown,
  }),
  repositories: operation({
    ...common,
    id: 'listDiscovered',
    summary: 'What a discovery found',
    description: 'By path, each with what became of it and why.',
    pathParameters: id,
    query: {
      ...PAGING,
      state: {
        description: 'Only those in this state.',
        schema: words(['added', 'skipped', 'gone', 'failed']),
        example: 'skipped',
      },
    },
    answers: {
      200: {
        description: 'A page of what was found.',
        schema: t.Array(Found),
        headers: ['X-Total-Count', 'Link'],
        examples: {
          repositories: [
            FOUND_EXAMPLE,
            {
              ...FOUND_EXAMPLE,
              host_id: '2',
              path: 'acme/site',
              state: 'skipped',
              reason: 'Its default branch has no composer.json.',
              repository_id: null,
            },
          ],
        },
      },
    },
    errors: unknown,
  }),
}

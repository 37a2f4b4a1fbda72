import { t } from 'elysia'
import { COMPOSER } from '../../mirror/upstream-address.ts'
import { CREDENTIAL_TYPES } from '../../sources/credentials.ts'
import { VCS_TYPES } from '../../sources/open.ts'
import { integer } from '../openapi/fields.ts'
import { ARTIFACT } from './artifact-repository.ts'
import { ManifestPaths } from './manifest-paths.ts'
import { UPSTREAM_FIELDS } from './upstream-settings.ts'

/** One of some words, all of which the refusal of another one names. */
export const oneOf = <const Values extends readonly string[]>(values: Values) =>
  t.Union(
    values.map((value) => t.Literal(value as Values[number])),
    { description: `one of ${values.join(', ')}` },
  )

const FIELDS = {
  url: t.Optional(
    t.String({
      minLength: 1,
      maxLength: 2_000,
      description:
        'address of the repository, as `git clone` takes it; of vcs_type composer as composer.json has it; of vcs_type artifact a label, or nothing',
    }),
  ),
  credential_type: t.Optional(oneOf(CREDENTIAL_TYPES)),
  auth_credentials: t.Optional(
    t.Any({
      description:
        'a string or an object, by credential_type; a git host with an API is asked at once whether it accepts it',
    }),
  ),
  package_filter: t.Optional(
    t.Union([t.String({ maxLength: 2_000 }), t.Null()], {
      description: 'comma-separated globs of package names, or null',
    }),
  ),
  composer_json_paths: ManifestPaths,
  sync_interval: t.Optional(
    t.Union([integer({ minimum: 10, maximum: 31_536_000 }), t.Null()], {
      description: 'seconds, at least 10, or null for the default',
    }),
  ),
  archives: t.Optional(oneOf(['lazy', 'tags', 'all'] as const)),
  expose_source: t.Optional(t.Boolean({ description: 'true or false' })),
  webhook_secret: t.Optional(
    t.Union([t.String({ pattern: '^[\\x21-\\x7e]{16,200}$' }), t.Null()], {
      description: '16 to 200 visible ASCII characters, or null for none',
    }),
  ),
  ...UPSTREAM_FIELDS,
}

/** What a discovery may set about the repositories that it adds. */
export const TEMPLATE_FIELDS = {
  package_filter: FIELDS.package_filter,
  composer_json_paths: FIELDS.composer_json_paths,
  sync_interval: FIELDS.sync_interval,
  archives: FIELDS.archives,
  expose_source: FIELDS.expose_source,
}

/** Body of `POST /api/repositories`. */
export const NewRepository = t.Object(
  { vcs_type: oneOf([...VCS_TYPES, COMPOSER, ARTIFACT]), ...FIELDS },
  { additionalProperties: false, description: 'a repository' },
)

/** Body of `PATCH /api/repositories/{id}`: what is named is changed. */
export const RepositoryPatch = t.Object(
  { ...FIELDS, host_key: t.Optional(t.Null({ description: 'null, which forgets the pinned key of the ssh host' })) },
  { additionalProperties: false, minProperties: 1, description: 'the fields to change' },
)

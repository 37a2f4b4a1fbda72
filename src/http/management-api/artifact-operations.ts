import { t } from 'elysia'
import { count, idOf, shape, time } from '../openapi/fields.ts'
import { operation } from '../openapi/operation.ts'

const sha1 = (description: string) => t.String({ pattern: '^[0-9a-f]{40}$', description })

const Artifact = shape('Artifact', {
  package_id: idOf('pkg', 'the package it is a version of'),
  repository_id: idOf('repo', 'the repository it was uploaded to'),
  name: t.String({ description: 'lower-case name of the package, from composer.json' }),
  version: t.String(),
  version_normalized: t.String({ description: 'the version as Composer compares it' }),
  stability: t.String(),
  reference: sha1('SHA-1 of the zip'),
  size: count('bytes of the zip'),
  released_at: time('when it was released'),
  dist: t.Object(
    { type: t.Literal('zip'), url: t.String(), reference: sha1('the same'), shasum: sha1('what Composer checks') },
    { additionalProperties: false, description: 'where Composer finds it' },
  ),
  warnings: t.Array(t.String(), { description: 'what its users may stumble over' }),
})

const SHA1 = '2b66fd261ee5c6cfc8de7fa466bab600bcfe4f69'

const EXAMPLE = {
  package_id: 'pkg_8sK2mQv7RtYhKpL9wZa',
  repository_id: 'repo_4XfJ2mQv7RtYhKpL9wZ',
  name: 'acme/lib',
  version: '1.2.0',
  version_normalized: '1.2.0.0',
  stability: 'stable',
  reference: SHA1,
  size: 48_213,
  released_at: 1_767_225_600,
  dist: { type: 'zip', url: 'https://packages.example.com/dist/acme/lib/1.2.0.zip', reference: SHA1, shasum: SHA1 },
  warnings: [],
}

/** `PUT /api/repositories/{id}/artifacts` in the document. */
export const PUT_ARTIFACT = {
  ...operation({
    id: 'putArtifact',
    tag: 'Repositories',
    access: 'unrestricted token',
    summary: 'Upload a version as a zip',
    description:
      'For a repository with vcs_type artifact. composer.json, at the root of the zip or in its only top-level directory, names the package and, unless `version` does, the version. The bytes are served as they were uploaded. A version can be uploaded once: the same bytes again change nothing, other bytes are refused.',
    pathParameters: { id: { description: 'Id of the repository.', schema: t.String({ pattern: '^repo_' }) } },
    query: {
      version: {
        description: 'The version; without it, the one in composer.json. If both are there they have to mean the same.',
        schema: t.String({ minLength: 1, maxLength: 255 }),
        example: '1.2.0',
      },
    },
    answers: {
      200: { description: 'The very same zip was there.', schema: Artifact, examples: { same: EXAMPLE } },
      201: { description: 'It is published.', schema: Artifact, examples: { published: EXAMPLE } },
    },
    errors: {
      invalid: 'The zip is refused: a name leads out of its directory (../evil.php).',
      not_found: 'There is no repository repo_4XfJ2mQv7RtYhKpL9wZ.',
      conflict:
        'Version 1.2.0 of acme/lib is there already with other content, and a published version never changes; upload another version.',
      too_large: 'The zip is larger than 268435456 bytes, which is what UPLOAD_MAX_BYTES allows on this server.',
      disk_full: 'The disk that holds the archives is full; free space on it and try again.',
    },
  }),
  requestBody: {
    required: true,
    description: 'The zip.',
    content: { 'application/zip': { schema: { type: 'string', format: 'binary' } } },
  },
} as const

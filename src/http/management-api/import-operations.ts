import { t } from 'elysia'
import { count, part, shape } from '../openapi/fields.ts'
import { operation } from '../openapi/operation.ts'

const id = { id: { description: 'Id of the repository.', schema: t.String({ pattern: '^repo_' }) } }
const DIST = '9e1c2a7f0b3d4e5f60718293a4b5c6d7e8f90123'

const DOCUMENT = {
  packages: {
    'acme/lib': [
      {
        ...{ name: 'acme/lib', version: '1.0.0', version_normalized: '1.0.0.0', type: 'library' },
        dist: { type: 'zip', url: 'https://packages.example.com/dist/acme/lib/1.0.0.zip', reference: DIST },
      },
    ],
  },
}

const Imported = shape('ImportedDocuments', {
  versions: count('versions that were given'),
  missing: t.Array(
    part({
      name: t.String({ description: 'name of the package' }),
      dist: t.String({ pattern: '^[0-9a-f]{40}$', description: 'what addresses here name the archive by' }),
      url: t.String({ description: 'where the upstream has it' }),
    }),
    { description: 'archives that these packages name and that are not stored' },
  ),
})

/** `PUT /api/repositories/{id}/documents` in the document. */
export const PUT_DOCUMENTS = operation({
  id: 'importDocuments',
  tag: 'Repositories',
  access: 'unrestricted token',
  summary: 'Import documents of packages',
  description:
    'For a repository with vcs_type composer: documents of its packages from an export, in place of the upstream itself. They are merged with what is known. Either all of them are taken over or none.',
  pathParameters: id,
  bodyExamples: { release: { documents: [{ name: 'acme/lib', dev: false, text: JSON.stringify(DOCUMENT) }] } },
  answers: {
    200: {
      description: 'They are taken over.',
      schema: Imported,
      examples: {
        imported: {
          versions: 1,
          missing: [{ name: 'acme/lib', dist: DIST, url: 'https://packages.example.com/dist/acme/lib/1.0.0.zip' }],
        },
      },
    },
  },
  errors: {
    invalid: 'A document is not about acme/lib, which it is given for.',
    not_found: 'There is no repository repo_4XfJ2mQv7RtYhKpL9wZ with vcs_type composer.',
    too_large: 'The body is larger than 1048576 bytes; send less at once.',
  },
})

const Archive = shape('ImportedArchive', {
  sha1: t.String({ pattern: '^[0-9a-f]{40}$' }),
  sha256: t.String({ pattern: '^[0-9a-f]{64}$' }),
  size: count('bytes of the archive'),
})

/** `PUT /api/repositories/{id}/archives/{dist}` in the document. */
export const PUT_ARCHIVE = {
  ...operation({
    id: 'importArchive',
    tag: 'Repositories',
    access: 'unrestricted token',
    summary: 'Import an archive',
    description:
      'For a repository with vcs_type composer: an archive that one of its documents names. It is checked as if it came from the upstream, and never changes afterwards.',
    pathParameters: {
      ...id,
      dist: { description: 'What addresses here name the archive by.', schema: t.String() },
    },
    query: {
      package: {
        description: 'Name of the package.',
        schema: t.String({ minLength: 3, maxLength: 200 }),
        example: 'acme/lib',
      },
    },
    answers: {
      200: {
        description: 'It is stored.',
        schema: Archive,
        examples: { stored: { sha1: DIST, sha256: 'a'.repeat(64), size: 48_213 } },
      },
    },
    errors: {
      invalid: 'package is missing.',
      not_found: `No document of acme/lib from this upstream names the archive ${DIST}.`,
      upstream: 'The archive of acme/lib 1.0.0 from an import is no zip archive; it is refused.',
      unavailable: 'The server is stopping.',
      too_large: 'The body is larger than 1048576 bytes; send less at once.',
      disk_full: 'The disk that holds the archives is full; free space on it and try again.',
    },
  }),
  requestBody: {
    required: true,
    description: 'The archive, a zip or what else its dist says.',
    content: { 'application/zip': { schema: { type: 'string', format: 'binary' } } },
  },
} as const

import { t } from 'elysia'
import { part, shape } from '../openapi/fields.ts'
import type { HeaderName } from '../openapi/headers.ts'
import { operation } from '../openapi/operation.ts'
import { ARCHIVE_TYPES } from './archive-response.ts'
import { ServedAdvisory, ServedFilterEntry } from './policy-shapes.ts'

const RootDocument = shape('RootDocument', {
  packages: t.Object({}, { additionalProperties: false, description: 'always empty: metadata is asked for by name' }),
  'metadata-url': t.String({ description: 'where metadata of a package is' }),
  'available-packages': t.Optional(t.Array(t.String(), { minItems: 1, maxItems: 5_000 })),
  'available-package-patterns': t.Array(t.String(), { minItems: 1 }),
  'notify-batch': t.String({ description: 'where Composer tells of what it installed' }),
  search: t.String({ description: 'where packages are searched' }),
  list: t.String({ description: 'where names of packages are' }),
  'providers-api': t.String({ description: 'where packages are that stand in for another' }),
  'metadata-changes-url': t.String({ description: 'where followers ask for changes' }),
  warning: t.Optional(t.String({ description: 'what Composer prints as a warning' })),
  info: t.Optional(t.String({ description: 'what Composer prints as an information' })),
  'security-advisories': part({ metadata: t.Literal(true), 'api-url': t.String() }, 'where advisories are'),
  filter: t.Optional(
    part(
      {
        metadata: t.Literal(true),
        lists: t.Record(t.String(), part({ enabled: t.Literal(true) })),
        'summary-url': t.String(),
        'api-url': t.String(),
      },
      'where filter lists are, when there are any',
    ),
  ),
})

const Dist = t.Object(
  {
    type: t.Literal('zip'),
    url: t.String({ pattern: '^https?://' }),
    reference: t.String({ description: 'the commit' }),
    shasum: t.Optional(t.String({ pattern: '^[0-9a-f]{40}$' })),
  },
  { additionalProperties: false },
)

/** What composer.json says stands beside these, so the object is open. */
const Version = t.Object(
  {
    name: t.String(),
    version: t.String(),
    version_normalized: t.String(),
    type: t.Optional(t.Any()),
    dist: Dist,
    time: t.String(),
  },
  { title: 'Version', description: 'a version: its composer.json with what the server knows' },
)

const VersionChanges = t.Object(
  { version: t.Optional(t.String()), version_normalized: t.Optional(t.String()), dist: t.Optional(Dist) },
  { title: 'VersionChanges', description: 'in the minified list: what differs from the version before' },
)

const PackageDocument = shape('PackageDocument', {
  packages: t.Record(t.String(), t.Union([t.Record(t.String(), Version), t.Array(VersionChanges)]), {
    minProperties: 1,
    maxProperties: 1,
    description: 'the package, with versions by name, or as a list in the minified form',
  }),
  minified: t.Optional(t.Literal('composer/2.0')),
  'security-advisories': t.Optional(t.Array(ServedAdvisory, { description: 'of the stable document alone' })),
  filter: t.Optional(t.Record(t.String(), t.Array(ServedFilterEntry), { description: 'entries by list' })),
})

/** Headers of a document that is kept with its validators. */
export const DOCUMENT_HEADERS = ['Cache-Control', 'Vary', 'ETag', 'Last-Modified'] as const satisfies HeaderName[]
const ARCHIVE_HEADERS = [
  'Cache-Control',
  'Vary',
  'Accept-Ranges',
  'Content-Disposition',
  'ETag',
] as const satisfies HeaderName[]

const VERSION_EXAMPLE = {
  name: 'acme/lib',
  version: '1.0.0',
  version_normalized: '1.0.0.0',
  type: 'library',
  require: { php: '^8.2' },
  dist: {
    type: 'zip',
    url: 'https://packages.example.com/dist/acme/lib/1.0.0.zip',
    reference: 'd34db33fd34db33fd34db33fd34db33fd34db33f',
  },
  time: '2025-07-01T10:00:00+00:00',
}

const conditions = {
  'If-None-Match': { description: '`ETag` of the copy that is there.', schema: t.String() },
  'If-Modified-Since': { description: '`Last-Modified` of the copy that is there.', schema: t.String() },
}

const vendor = { description: 'First part of the name.', schema: t.String(), example: 'acme' }
const common = { tag: 'Composer', access: 'any token', composer: true } as const
const unchanged = { description: 'The copy is still good.', headers: DOCUMENT_HEADERS }

const archive = {
  ...common,
  path: '/dist/{vendor}/{package}/{version}.zip',
  pathParameters: {
    vendor,
    package: { description: 'Second part of the name.', schema: t.String(), example: 'lib' },
    version: {
      description: 'The version; slashes of a branch stay as they are.',
      schema: t.String(),
      example: '1.0.0',
    },
  },
  query: {
    reference: {
      description: 'The commit, of a version that can move; every commit ever published is found.',
      schema: t.String({ pattern: '^[0-9a-f]{40}$' }),
      example: 'd34db33fd34db33fd34db33fd34db33fd34db33f',
    },
    dist: {
      description: 'Which archive of another Composer repository, as metadata names it; it may have another ending.',
      schema: t.String({ pattern: '^[0-9a-f]{40}$' }),
      example: '5f3c0a5d1c6e0f5b8e0b6f6d0c9a4b7e2d1f8a3c',
    },
  },
  errors: {
    forbidden: 'This token does not cover the package acme/lib.',
    not_found: 'There is no such archive here: the package, version or reference is unknown.',
    too_large: 'The files of this version are larger than an archive may be.',
    upstream: 'The source could not be reached.',
    unavailable: 'Too many archives are being prepared at the moment; try again in a minute.',
    disk_full: 'The disk that holds the archives is full; free space on it and try again.',
  },
}

const wholeArchive = { contentType: ARCHIVE_TYPES, headers: [...ARCHIVE_HEADERS, 'Content-Length'] } as const
const noArchive = { description: 'The copy is still good.', headers: ARCHIVE_HEADERS }

/** The operations that `composer` calls. */
export const COMPOSER_OPERATIONS = {
  root: operation({
    ...common,
    id: 'getRootDocument',
    summary: 'What the token may see, and where it is',
    requestHeaders: conditions,
    answers: {
      200: {
        description: 'The root document.',
        schema: RootDocument,
        headers: [...DOCUMENT_HEADERS, 'Content-Encoding'],
        examples: {
          root: {
            packages: {},
            'metadata-url': 'https://packages.example.com/p2/%package%.json?minified=1',
            'available-packages': ['acme/lib'],
            'available-package-patterns': ['acme/*'],
            'notify-batch': 'https://packages.example.com/downloads',
            search: 'https://packages.example.com/search.json?q=%query%&type=%type%',
            list: 'https://packages.example.com/packages/list.json',
            'providers-api': 'https://packages.example.com/providers/%package%.json',
            'metadata-changes-url': 'https://packages.example.com/metadata/changes.json',
            'security-advisories': {
              metadata: true,
              'api-url': 'https://packages.example.com/api/security-advisories',
            },
          },
        },
      },
      304: unchanged,
    },
  }),
  document: operation({
    ...common,
    id: 'getPackageDocument',
    summary: 'The versions of a package',
    description:
      'Tags at `{package}.json`, branches at `{package}~dev.json`. Every other name of a vendor that is owned here is answered with an empty entry.',
    pathParameters: {
      vendor,
      file: {
        description: 'Second part of the name with `.json` or `~dev.json`; a `$…` before `.json` is ignored.',
        schema: t.String(),
        example: 'lib.json',
      },
    },
    query: {
      minified: { description: 'Composer’s short form.', schema: t.String({ enum: ['1'] }), example: '1' },
    },
    requestHeaders: conditions,
    answers: {
      200: {
        description: 'The versions that the token covers.',
        schema: PackageDocument,
        headers: [...DOCUMENT_HEADERS, 'Content-Encoding'],
        examples: {
          keyed: { packages: { 'acme/lib': { '1.0.0': VERSION_EXAMPLE } } },
          minified: { packages: { 'acme/lib': [VERSION_EXAMPLE] }, minified: 'composer/2.0' },
          empty: { packages: { 'acme/other': {} } },
        },
      },
      304: unchanged,
    },
    errors: {
      not_found: 'There is no such package here, or this token does not cover it.',
      upstream: 'repo.example.org cannot be reached, and nothing is known of this package there.',
    },
  }),
  archive: operation({
    ...archive,
    id: 'getArchive',
    summary: 'The files of a version',
    description:
      'An archive of another Composer repository is fetched when it is first asked for. While it comes in it is sent without a length and an `ETag`, in chunks, and broken off when it is not the one that its metadata means.',
    requestHeaders: {
      Range: { description: 'The part that is wanted.', schema: t.String(), example: 'bytes=0-99' },
      'If-Range': { description: '`ETag` that the part must belong to.', schema: t.String() },
      'If-None-Match': conditions['If-None-Match'],
    },
    answers: {
      200: {
        description:
          'The archive. One that is still being fetched from an upstream has no length and no validator yet.',
        contentType: ARCHIVE_TYPES,
        headers: ['Cache-Control', 'Vary', 'Content-Disposition'],
        someHeaders: ['Content-Length', 'Accept-Ranges', 'ETag'],
      },
      206: {
        description: 'The part of the archive.',
        contentType: ARCHIVE_TYPES,
        headers: [...wholeArchive.headers, 'Content-Range'],
      },
      304: noArchive,
      416: { description: 'The archive has no such part.', headers: [...ARCHIVE_HEADERS, 'Content-Range'] },
    },
  }),
  archiveHead: operation({
    ...archive,
    id: 'headArchive',
    summary: 'The headers of an archive',
    requestHeaders: { 'If-None-Match': conditions['If-None-Match'] },
    answers: { 200: { description: 'It is there.', headers: [...ARCHIVE_HEADERS, 'Content-Length'] }, 304: noArchive },
  }),
  notify: operation({
    tag: 'Composer',
    access: 'open',
    id: 'countDownloads',
    summary: 'Tell of what was installed',
    description:
      'What Composer sends after an install or update, often without a token: `{"downloads":[{"name","version"}]}` with the normalised version. The answer is the same whatever came; what is no version of a package here is ignored.',
    body: { description: 'The downloads; anything else is ignored.', required: false, schema: t.Any() },
    bodyExamples: { installed: { downloads: [{ name: 'acme/lib', version: '1.0.0.0' }] } },
    answers: {
      200: {
        description: 'It was read.',
        schema: t.Object({ status: t.Literal('success') }, { additionalProperties: false }),
        examples: { read: { status: 'success' } },
      },
    },
  }),
}

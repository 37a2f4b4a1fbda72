import { t } from 'elysia'
import { count, idOf, orNull, PAGING, part, shape, time, words } from '../openapi/fields.ts'
import { operation } from '../openapi/operation.ts'

const DAY = '^\\d{4}-\\d{2}-\\d{2}$'

const FIELDS = {
  id: idOf('pkg', 'names the package'),
  repository_id: idOf('repo', 'the repository it comes from'),
  name: t.String({ description: 'full name' }),
  description: orNull(t.String()),
  type: t.String({ description: 'as in composer.json, like library' }),
  abandoned: t.Union([t.Boolean(), t.String()], { description: 'whether, or the name of the replacement' }),
  latest_version: orNull(t.String({ description: 'of the versions that the token covers' })),
  downloads: count('downloads since ever'),
  created_at: time('when it was first seen'),
  updated_at: time('when something of it last changed'),
}

const Package = shape('Package', FIELDS)

const Dist = part({
  type: t.Literal('zip'),
  url: t.String({ pattern: '^https?://' }),
  reference: t.String(),
  shasum: t.Optional(t.String({ pattern: '^[0-9a-f]{40}$' })),
})

const PackageWithVersions = shape('PackageWithVersions', {
  ...FIELDS,
  versions: t.Array(
    part({
      version: t.String(),
      version_normalized: t.String(),
      reference: t.String({ description: 'the commit' }),
      stability: words(['stable', 'RC', 'beta', 'alpha', 'dev']),
      released_at: time('when the commit was made'),
      dist: Dist,
      downloads: count('downloads since ever'),
    }),
    { description: 'newest first' },
  ),
  withdrawn_versions: t.Optional(
    t.Array(
      part({
        version: t.String(),
        version_normalized: t.String(),
        reference: t.String(),
        withdrawn_at: time('when it was taken back'),
      }),
      { description: 'only for write tokens without restriction' },
    ),
  ),
})

const Downloads = shape('PackageDownloads', {
  total: count('downloads in these days'),
  days: t.Array(part({ day: t.String({ pattern: DAY }), downloads: count('downloads of the day') }), {
    maxItems: 366,
    description: 'every day, also those without a download',
  }),
  versions: t.Array(part({ version: t.String(), downloads: count('downloads in these days') }), {
    description: 'most downloads first',
  }),
})

const ChangedVersion = shape('ChangedVersion', {
  version: t.String(),
  version_normalized: t.String(),
  reference: t.String(),
  withdrawn_at: orNull(time('when it was taken back')),
  offered: t.Boolean({ description: 'whether metadata has it' }),
})

const REFERENCE = 'd34db33fd34db33fd34db33fd34db33fd34db33f'

const PACKAGE_EXAMPLE = {
  id: 'pkg_9fQ2mQv7RtYhKpL9wZ1A',
  repository_id: 'repo_4XfJ2mQv7RtYhKpL9wZ',
  name: 'acme/lib',
  description: 'A library',
  type: 'library',
  abandoned: false,
  latest_version: '1.0.0',
  downloads: 42,
  created_at: 1_767_225_600,
  updated_at: 1_767_225_600,
}

const VERSION_EXAMPLE = {
  version: '1.0.0',
  version_normalized: '1.0.0.0',
  reference: REFERENCE,
  stability: 'stable',
  released_at: 1_767_225_600,
  dist: { type: 'zip', url: 'https://packages.example.com/dist/acme/lib/1.0.0.zip', reference: REFERENCE },
  downloads: 42,
}

const CHANGED = { version: '1.0.0', version_normalized: '1.0.0.0', reference: REFERENCE }

const id = { id: { description: 'Id of the package.', schema: t.String(), example: 'pkg_9fQ2mQv7RtYhKpL9wZ1A' } }
const version = {
  ...id,
  version: {
    description: 'The version; slashes of a branch stay as they are or are written as %2F.',
    schema: t.String(),
    example: '1.0.0',
  },
}
const day = (description: string) => ({ description, schema: t.String({ pattern: DAY }), example: '2026-11-22' })

const common = { tag: 'Packages', access: 'any token' } as const
const managed = { tag: 'Packages', access: 'unrestricted token' } as const
const noPackage = { not_found: 'There is no package pkg_9fQ2mQv7RtYhKpL9wZ1A.' }
const noVersion = { not_found: 'This package has no version 1.0.0.' }
const path = '/api/packages/{id}/versions/{version}'

/** The operations of `/api/packages`. */
export const PACKAGE_OPERATIONS = {
  list: operation({
    ...common,
    id: 'listPackages',
    summary: 'List packages',
    description: 'Those that the token covers; nothing of the answer depends on any other.',
    query: {
      ...PAGING,
      repo_id: { description: 'Only packages of this repository.', schema: t.String({ maxLength: 100 }) },
      q: {
        description: 'Words that all occur in the name or description.',
        schema: t.String({ maxLength: 200 }),
        example: 'lib',
      },
      type: { description: 'Only packages of this type.', schema: t.String({ maxLength: 100 }), example: 'library' },
    },
    answers: {
      200: {
        description: 'A page of packages.',
        schema: t.Array(Package),
        headers: ['X-Total-Count', 'Link'],
        examples: { packages: [PACKAGE_EXAMPLE] },
      },
    },
  }),
  show: operation({
    ...common,
    id: 'getPackage',
    summary: 'Look at a package and its versions',
    pathParameters: id,
    answers: {
      200: {
        description: 'The package with the versions that the token covers.',
        schema: PackageWithVersions,
        examples: { package: { ...PACKAGE_EXAMPLE, versions: [VERSION_EXAMPLE], withdrawn_versions: [] } },
      },
    },
    errors: noPackage,
  }),
  downloads: operation({
    ...common,
    id: 'getPackageDownloads',
    summary: 'Downloads of a package by day and by version',
    description: 'What Composer tells with notify-batch after an install or update. At most 366 days.',
    pathParameters: id,
    query: {
      from: day('First day, UTC; 29 days before the last one when it is left out.'),
      to: day('Last day, UTC; today when it is left out.'),
    },
    answers: {
      200: {
        description: 'The downloads.',
        schema: Downloads,
        examples: {
          day: {
            total: 3,
            days: [{ day: '2026-11-22', downloads: 3 }],
            versions: [{ version: '1.0.0', downloads: 3 }],
          },
        },
      },
    },
    errors: noPackage,
  }),
  readme: operation({
    ...common,
    id: 'getReadme',
    summary: 'The README of a version',
    description: 'As text out of its archive, never as HTML: `text/markdown` or `text/plain`.',
    path: `${path}/readme`,
    pathParameters: version,
    answers: {
      200: {
        description: 'The text.',
        schema: t.String(),
        contentType: 'text/markdown; charset=utf-8',
        headers: ['Cache-Control', 'Vary', 'Content-Security-Policy'],
      },
    },
    errors: {
      ...noVersion,
      upstream: 'The source could not be reached.',
      disk_full: 'The disk that holds the archives is full; free space on it and try again.',
    },
  }),
  withdraw: operation({
    ...managed,
    id: 'withdrawVersion',
    summary: 'Take a version back',
    description:
      'It leaves the metadata at once and does not come back with a sync. Lock files that name it keep installing: every reference ever published stays downloadable.',
    path,
    pathParameters: version,
    answers: {
      200: {
        description: 'It is withdrawn.',
        schema: ChangedVersion,
        examples: { withdrawn: { ...CHANGED, withdrawn_at: 1_767_225_600, offered: false } },
      },
    },
    errors: noVersion,
  }),
  restore: operation({
    ...managed,
    id: 'restoreVersion',
    summary: 'Undo the withdrawal of a version',
    description:
      'It is offered again at once when its tag or branch still names the same commit; else the next sync decides.',
    path: `${path}/restore`,
    pathParameters: version,
    answers: {
      200: {
        description: 'It is not withdrawn any more.',
        schema: ChangedVersion,
        examples: { restored: { ...CHANGED, withdrawn_at: null, offered: true } },
      },
    },
    errors: { ...noVersion, conflict: 'Version 1.0.0 is not withdrawn.' },
  }),
}

import { t } from 'elysia'
import { integer, part, shape, words } from '../openapi/fields.ts'
import type { HeaderName } from '../openapi/headers.ts'
import { operation } from '../openapi/operation.ts'
import { LIST_FIELDS } from './package-list.ts'

const Abandoned = t.Union([t.Boolean(), t.String()], { description: 'whether, or the name of the replacement' })

const PackageNames = shape('PackageNames', { packageNames: t.Array(t.String()) })

const PackageFacts = shape('PackageFacts', {
  packages: t.Record(
    t.String(),
    part({
      repository: t.Optional(t.Null({ description: 'addresses of repositories are not told' })),
      type: t.Optional(t.String()),
      abandoned: t.Optional(Abandoned),
    }),
  ),
})

const SearchResult = shape('SearchResult', {
  results: t.Array(
    part({
      name: t.String(),
      description: t.String(),
      url: t.String(),
      repository: t.String({ description: 'always empty: addresses of repositories are not told' }),
      downloads: integer({ minimum: 0 }),
      favers: integer({ minimum: 0 }),
      abandoned: t.Optional(Abandoned),
    }),
  ),
  total: integer({ minimum: 0, description: 'on all pages' }),
  next: t.Optional(t.String({ description: 'address of the next page' })),
})

const Providers = shape('Providers', {
  providers: t.Array(part({ name: t.String(), description: t.String(), type: t.String() })),
})

const Changes = shape('MetadataChanges', {
  actions: t.Array(
    part({
      type: words(['update', 'delete', 'resync']),
      package: t.String({ description: 'name, name with `~dev`, or `*` of a resync' }),
      time: integer({ minimum: 0, description: 'Unix seconds' }),
    }),
  ),
  timestamp: integer({ minimum: 0, description: '`since` of the next request' }),
})

/** The error of a missing `since`, which tells the stamp to begin with. */
const NoStamp = t.Object(
  {
    error: t.String(),
    code: t.String({ pattern: '^[A-Z_]+$' }),
    details: t.Object({}),
    warning: t.String(),
    timestamp: t.Optional(integer({ minimum: 0, description: '`since` to begin with' })),
  },
  { additionalProperties: false, title: 'NoStamp' },
)

const HEADERS = ['Cache-Control', 'Vary', 'ETag'] as const satisfies HeaderName[]
const document = { headers: [...HEADERS, 'Content-Encoding'] as const }
const unchanged = { description: 'The copy is still good.', headers: HEADERS }
const conditions = {
  'If-None-Match': { description: '`ETag` of the copy that is there.', schema: t.String() },
}
const common = { tag: 'Composer', access: 'any token', composer: true } as const
const NO_STAMP = 'since is missing or no stamp; begin with the timestamp given here.'

/** Operations by which packages are found, and their changes followed. */
export const DISCOVERY_OPERATIONS = {
  list: operation({
    ...common,
    id: 'listPackageNames',
    summary: 'Names of packages',
    description: 'With `fields[]` an object of packages with these facts instead of a list of names.',
    query: {
      filter: { description: 'A name with `*` for any text.', schema: t.String(), example: 'acme/*' },
      vendor: { description: 'First part of the names.', schema: t.String(), example: 'acme' },
      type: { description: 'Type of the packages.', schema: t.String(), example: 'library' },
      'fields[]': {
        description: `Facts beside the names: ${LIST_FIELDS.join(', ')}; may be repeated.`,
        schema: words(LIST_FIELDS),
        example: 'type',
      },
    },
    requestHeaders: conditions,
    answers: {
      200: {
        description: 'What the token covers.',
        schema: t.Union([PackageNames, PackageFacts]),
        ...document,
        examples: {
          names: { packageNames: ['acme/lib'] },
          facts: { packages: { 'acme/lib': { type: 'library', abandoned: false } } },
        },
      },
      304: unchanged,
    },
  }),
  search: operation({
    ...common,
    id: 'searchPackages',
    summary: 'Packages by words',
    description: 'Words of `q` all occur in the name or description. At least `q` or `type` is needed.',
    query: {
      q: { description: 'Words.', schema: t.String(), example: 'lib' },
      type: { description: 'Type of the packages.', schema: t.String(), example: 'library' },
      page: { description: 'From 1 to 300.', schema: t.String(), example: '1' },
      per_page: { description: 'From 1 to 100.', schema: t.String(), example: '15' },
    },
    requestHeaders: conditions,
    answers: {
      200: {
        description: 'What the token covers, most relevant first.',
        schema: SearchResult,
        ...document,
        examples: {
          one: {
            results: [
              {
                name: 'acme/lib',
                description: 'A library.',
                url: 'https://packages.example.com/p2/acme/lib.json',
                repository: '',
                downloads: 12,
                favers: 0,
              },
            ],
            total: 1,
          },
        },
      },
      304: unchanged,
    },
    errors: { invalid: 'Nothing to search for: give words as q, or a type.' },
  }),
  providers: operation({
    ...common,
    id: 'listProviders',
    summary: 'Packages that provide or replace another',
    path: '/providers/{vendor}/{file}',
    pathParameters: {
      vendor: { description: 'First part of the name.', schema: t.String(), example: 'psr' },
      file: {
        description: 'Second part of the name with `.json`.',
        schema: t.String(),
        example: 'log-implementation.json',
      },
    },
    requestHeaders: conditions,
    answers: {
      200: {
        description: 'Those that the token covers; an empty list when there are none.',
        schema: Providers,
        ...document,
        examples: { some: { providers: [{ name: 'acme/log', description: 'Logs.', type: 'library' }] } },
      },
      304: unchanged,
    },
    errors: { not_found: 'This is no name of a package.' },
  }),
  changes: operation({
    ...common,
    id: 'listMetadataChanges',
    summary: 'What changed since a stamp',
    description:
      'For mirrors. Stamps are 1/10,000 seconds and strictly rise; ask without one to be told where to begin. Of each document only the last change is told.',
    query: {
      since: { description: 'The `timestamp` of the answer before.', schema: t.String(), example: '17356896000000' },
    },
    answers: {
      200: {
        description: 'The changes that the token covers, oldest first.',
        schema: Changes,
        headers: ['Cache-Control', 'Vary'],
        examples: {
          some: {
            actions: [
              { type: 'update', package: 'acme/lib', time: 1_735_689_600 },
              { type: 'update', package: 'acme/lib~dev', time: 1_735_689_600 },
            ],
            timestamp: 17_356_896_000_001,
          },
        },
      },
      400: {
        description: NO_STAMP,
        schema: NoStamp,
        headers: ['Cache-Control'],
        examples: {
          begin: {
            error: NO_STAMP,
            code: 'INVALID_REQUEST',
            details: {},
            warning: NO_STAMP,
            timestamp: 17_356_896_000_001,
          },
        },
      },
    },
  }),
}

/** The sentence for a request without a stamp. */
export const NO_STAMP_SENTENCE = NO_STAMP

import { t } from 'elysia'
import { shape } from '../openapi/fields.ts'
import { operation } from '../openapi/operation.ts'
import { DOCUMENT_HEADERS } from './operations.ts'
import { NamedFilterEntry, ServedAdvisory } from './policy-shapes.ts'

const Advisories = shape('SecurityAdvisories', {
  advisories: t.Record(t.String(), t.Array(ServedAdvisory)),
  warning: t.Optional(t.String({ description: 'which upstreams could not be asked' })),
})
const Filters = shape('FilterLists', { filter: t.Record(t.String(), t.Array(NamedFilterEntry)) })
const Summary = shape('FilterSummary', { filter: t.Record(t.String(), t.Record(t.String(), t.String())) })

const ADVISORY = {
  advisoryId: 'PB-9f2c-x0k4-7t1m',
  packageName: 'acme/lib',
  remoteId: 'PB-9f2c-x0k4-7t1m',
  title: 'Session tokens can be guessed',
  link: null,
  cve: null,
  affectedVersions: '>=1.0,<1.2.3',
  source: 'package-broker',
  sources: [{ name: 'package-broker', remoteId: 'PB-9f2c-x0k4-7t1m' }],
  reportedAt: '2026-01-01 00:00:00',
  composerRepository: null,
  severity: 'high',
}

const common = { tag: 'Composer', access: 'any token', composer: true } as const
const tooLarge = { too_large: 'The body is larger than 1048576 bytes.' }

const advisories = {
  ...common,
  description:
    'What `composer audit` and blocked updates ask: `packages[]` with names or package URLs, or `updatedSince`. A package that is known and has none has an empty list; a package that is unknown or that the token does not cover is left out.',
  query: {
    'packages[]': { description: 'A name or package URL; may be repeated.', schema: t.String(), example: 'acme/lib' },
    updatedSince: { description: 'Instead of names: what changed since, in Unix seconds.', schema: t.String() },
  },
  answers: {
    200: {
      description: 'The advisories by package.',
      schema: Advisories,
      headers: ['Cache-Control'],
      examples: { advisories: { advisories: { 'acme/lib': [ADVISORY], 'acme/tool': [] } } },
    },
  },
} as const

/** The operations of advisories and filter lists that `composer` calls. */
export const POLICY_OPERATIONS = {
  advisories: operation({
    ...advisories,
    id: 'getSecurityAdvisories',
    summary: 'Security advisories of packages',
  }),
  askAdvisories: operation({
    ...advisories,
    id: 'askSecurityAdvisories',
    summary: 'Security advisories of many packages',
    body: {
      description: 'A form with `packages[]`, or with `updatedSince`.',
      contentType: 'application/x-www-form-urlencoded',
      required: false,
      schema: t.Object({ 'packages[]': t.Optional(t.Array(t.String())), updatedSince: t.Optional(t.String()) }),
    },
    bodyExamples: { packages: { 'packages[]': ['acme/lib', 'acme/tool'] } },
    errors: tooLarge,
  }),
  askFilters: operation({
    ...common,
    id: 'askFilterLists',
    summary: 'Which versions of these packages are on filter lists',
    description: 'What Composer 2.10 asks before it installs from a lock file.',
    bodyExamples: { malware: { packages: ['pkg://composer/acme/lib'], lists: ['malware'] } },
    answers: {
      200: {
        description: 'The entries by list.',
        schema: Filters,
        headers: ['Cache-Control'],
        examples: {
          malware: {
            filter: { malware: [{ package: 'acme/lib', constraint: '1.2.3', reason: 'Steals credentials' }] },
          },
        },
      },
    },
    errors: tooLarge,
  }),
  summary: operation({
    ...common,
    id: 'getFilterSummary',
    summary: 'All packages that are on filter lists',
    answers: {
      200: {
        description: 'By list and package the versions.',
        schema: Summary,
        headers: [...DOCUMENT_HEADERS, 'Content-Encoding'],
        examples: { summary: { filter: { malware: { 'acme/lib': '1.2.3' } } } },
      },
      304: { description: 'The copy is still good.', headers: DOCUMENT_HEADERS },
    },
  }),
}

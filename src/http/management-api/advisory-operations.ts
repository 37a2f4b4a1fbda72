import { t } from 'elysia'
import { SEVERITIES } from '../../composer/advisories.ts'
import { Message, orNull, PAGING, shape, time, words } from '../openapi/fields.ts'
import { operation } from '../openapi/operation.ts'
import { IDEMPOTENCY_KEY } from './idempotency-key.ts'

const Advisory = shape('Advisory', {
  id: t.String({ pattern: '^PB-', description: 'names the advisory, also for `ignore` in the audit of a project' }),
  package_name: t.String({ description: 'the package, which need not be one of this server' }),
  title: t.String({ description: 'what is weak' }),
  affected_versions: t.String({ description: 'Composer constraint' }),
  link: orNull(t.String({ description: 'where more is written about it' })),
  cve: orNull(t.String({ description: 'CVE number' })),
  severity: orNull(words(SEVERITIES)),
  reported_at: time('when it was reported'),
  created_at: time('when it was entered here'),
  updated_at: time('when it was last changed'),
})

const EXAMPLE = {
  id: 'PB-9f2c-x0k4-7t1m',
  package_name: 'acme/lib',
  title: 'Session tokens can be guessed',
  affected_versions: '>=1.0,<1.2.3',
  link: 'https://security.example.com/2026-01',
  cve: null,
  severity: 'high',
  reported_at: 1_767_225_600,
  created_at: 1_767_225_600,
  updated_at: 1_767_225_600,
} as const

const id = { id: { description: 'Id of the advisory.', schema: t.String(), example: EXAMPLE.id } }
const common = { tag: 'Policies', access: 'unrestricted token' } as const
const unknown = { not_found: `There is no advisory ${EXAMPLE.id}.` }
const tooLarge = { too_large: 'The body is larger than 1048576 bytes.' }

/** The operations of `/api/advisories`. */
export const ADVISORY_OPERATIONS = {
  list: operation({
    ...common,
    id: 'listAdvisories',
    summary: 'List security advisories of this server',
    query: {
      ...PAGING,
      package: { description: 'Only advisories of this package.', schema: t.String(), example: 'acme/lib' },
    },
    answers: {
      200: {
        description: 'A page of advisories.',
        schema: t.Array(Advisory),
        headers: ['X-Total-Count', 'Link'],
        examples: { advisories: [EXAMPLE] },
      },
    },
  }),
  create: operation({
    ...common,
    id: 'createAdvisory',
    summary: 'Enter a security advisory',
    description:
      'It is served at once, with those of upstreams: in the metadata of the package and at `/api/security-advisories`. An advisory of an upstream with the same CVE is merged into it, and then this one says which versions are affected.',
    requestHeaders: IDEMPOTENCY_KEY,
    bodyExamples: {
      advisory: {
        package_name: 'acme/lib',
        title: EXAMPLE.title,
        affected_versions: EXAMPLE.affected_versions,
        severity: 'high',
      },
    },
    answers: { 201: { description: 'The advisory.', schema: Advisory, examples: { created: EXAMPLE } } },
    errors: {
      ...tooLarge,
      conflict: 'This Idempotency-Key was used with another body; take a new key for a new request.',
    },
  }),
  show: operation({
    ...common,
    id: 'getAdvisory',
    summary: 'Look at a security advisory',
    pathParameters: id,
    answers: { 200: { description: 'The advisory.', schema: Advisory, examples: { advisory: EXAMPLE } } },
    errors: unknown,
  }),
  change: operation({
    ...common,
    id: 'changeAdvisory',
    summary: 'Change a security advisory',
    description: 'What the body names is changed. Its package stays: another package is another advisory.',
    pathParameters: id,
    bodyExamples: { fixed: { affected_versions: '>=1.0,<1.2.4' } },
    answers: { 200: { description: 'The advisory as it is now.', schema: Advisory, examples: { advisory: EXAMPLE } } },
    errors: { ...unknown, ...tooLarge },
  }),
  remove: operation({
    ...common,
    id: 'removeAdvisory',
    summary: 'Remove a security advisory',
    pathParameters: id,
    answers: {
      200: { description: 'It is removed.', schema: Message, examples: { removed: { message: 'Removed' } } },
    },
    errors: unknown,
  }),
}

import { t } from 'elysia'
import { idOf, Message, orNull, PAGING, shape, time } from '../openapi/fields.ts'
import { operation } from '../openapi/operation.ts'
import { IDEMPOTENCY_KEY } from './idempotency-key.ts'

const Filter = shape('FilterEntry', {
  id: idOf('flt', 'names the entry'),
  list: t.String({ description: '`malware`, which Composer heeds by itself, or a name that projects have to name' }),
  package_name: t.String({ description: 'the package, which need not be one of this server' }),
  constraint: t.String({ description: 'Composer constraint: the versions that nobody is to install' }),
  reason: orNull(t.String({ description: 'shown to whoever is kept from installing' })),
  url: orNull(t.String({ description: 'where more is written about it' })),
  blocks: t.Boolean({ description: 'whether archives of these versions are refused, to every client' }),
  created_at: time('when it was entered'),
  updated_at: time('when it was last changed'),
})

const EXAMPLE = {
  id: 'flt_V1StGXR8Z5jdHi6BmyT',
  list: 'malware',
  package_name: 'acme/lib',
  constraint: '1.2.3',
  reason: 'Steals credentials during installation',
  url: 'https://security.example.com/2026-02',
  blocks: true,
  created_at: 1_767_225_600,
  updated_at: 1_767_225_600,
}

const id = { id: { description: 'Id of the entry.', schema: t.String(), example: EXAMPLE.id } }
const common = { tag: 'Policies', access: 'unrestricted token' } as const
const unknown = { not_found: `There is no filter entry ${EXAMPLE.id}.` }
const tooLarge = { too_large: 'The body is larger than 1048576 bytes.' }

/** The operations of `/api/filters`. */
export const FILTER_OPERATIONS = {
  list: operation({
    ...common,
    id: 'listFilters',
    summary: 'List filter entries of this server',
    query: {
      ...PAGING,
      package: { description: 'Only entries about this package.', schema: t.String(), example: 'acme/lib' },
      list: { description: 'Only entries of this list.', schema: t.String(), example: 'malware' },
    },
    answers: {
      200: {
        description: 'A page of entries.',
        schema: t.Array(Filter),
        headers: ['X-Total-Count', 'Link'],
        examples: { filters: [EXAMPLE] },
      },
    },
  }),
  create: operation({
    ...common,
    id: 'createFilter',
    summary: 'Put versions of a package on a filter list',
    description:
      'Composer 2.10 heeds the list `malware` by itself, and other lists where a project names them. Archives of the versions are refused to every client, whatever its lock file says: always those on `malware`, those on other lists where `blocks` is true.',
    requestHeaders: IDEMPOTENCY_KEY,
    bodyExamples: {
      malware: { list: 'malware', package_name: 'acme/lib', constraint: '1.2.3', reason: EXAMPLE.reason },
      own: { list: 'company-policy', package_name: 'acme/old', constraint: '*' },
    },
    answers: { 201: { description: 'The entry.', schema: Filter, examples: { created: EXAMPLE } } },
    errors: {
      ...tooLarge,
      conflict: 'This Idempotency-Key was used with another body; take a new key for a new request.',
    },
  }),
  show: operation({
    ...common,
    id: 'getFilter',
    summary: 'Look at a filter entry',
    pathParameters: id,
    answers: { 200: { description: 'The entry.', schema: Filter, examples: { filter: EXAMPLE } } },
    errors: unknown,
  }),
  change: operation({
    ...common,
    id: 'changeFilter',
    summary: 'Change a filter entry',
    description: 'What the body names is changed. List and package stay: others are another entry.',
    pathParameters: id,
    bodyExamples: { wider: { constraint: '>=1.2.3,<1.2.6' } },
    answers: { 200: { description: 'The entry as it is now.', schema: Filter, examples: { filter: EXAMPLE } } },
    errors: { ...unknown, ...tooLarge },
  }),
  remove: operation({
    ...common,
    id: 'removeFilter',
    summary: 'Remove a filter entry',
    pathParameters: id,
    answers: {
      200: { description: 'It is removed.', schema: Message, examples: { removed: { message: 'Removed' } } },
    },
    errors: unknown,
  }),
}

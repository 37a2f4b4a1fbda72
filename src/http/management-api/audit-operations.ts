import { t } from 'elysia'
import { idOf, orNull, PAGING, shape, time, words } from '../openapi/fields.ts'
import { operation } from '../openapi/operation.ts'

const settings = (description: string) => orNull(t.Record(t.String(), t.Unknown(), { description }))

const Entry = shape('AuditEntry', {
  id: idOf('aud', 'names the entry'),
  at: time('when it was changed'),
  actor: t.String({ description: 'id of the token, `environment` or `local`' }),
  action: t.String({ pattern: '^[a-z]+\\.[a-z]+$' }),
  subject: t.String({ description: 'id of what was changed' }),
  before: settings('as it was, without secrets; null for something new'),
  after: settings('as it is since then, without secrets; null for something removed'),
  request_id: t.String({ description: '`X-Request-Id` of the request that changed it' }),
  address: orNull(t.String({ description: 'where it came from; null over the local socket' })),
})

const EXAMPLE = {
  id: 'aud_1042',
  at: 1_767_225_600,
  actor: 'tok_V1StGXR8Z5jdHi6BmyT',
  action: 'repository.sync',
  subject: 'repo_4XfJ2mQv7RtYhKpL9wZ',
  before: null,
  after: { job: 'job_8sK2mQv7RtYhKpL9wZa', accept_removals: false },
  request_id: '0d5cbb5e-6a0b-4b58-9a57-4d0a9e6b8d3e',
  address: '192.0.2.7',
}

const exactly = (description: string, example: string) => ({ description, schema: t.String(), example })

const seconds = (description: string) => ({
  description,
  schema: t.String({ pattern: '^\\d{1,12}$' }),
  example: '1767225600',
})

/** The operations of `/api/audit`. */
export const AUDIT_OPERATIONS = {
  list: operation({
    id: 'listAuditEntries',
    tag: 'Audit',
    access: 'unrestricted token',
    summary: 'List changes',
    description: 'Every change through the API or the command line. Entries are only ever added.',
    query: {
      ...PAGING,
      actor: exactly('Only by this token, `environment` or `local`.', 'tok_V1StGXR8Z5jdHi6BmyT'),
      action: exactly('Only this action.', 'repository.sync'),
      subject: exactly('Only of this thing.', 'repo_4XfJ2mQv7RtYhKpL9wZ'),
      since: seconds('Only at this time or later.'),
      until: seconds('Only at this time or earlier.'),
      order: { description: 'Which come first; newest unless said.', schema: words(['newest', 'oldest']) },
    },
    answers: {
      200: {
        description: 'A page of changes.',
        schema: t.Array(Entry),
        headers: ['X-Total-Count', 'Link'],
        examples: { changes: [EXAMPLE] },
      },
    },
  }),
}

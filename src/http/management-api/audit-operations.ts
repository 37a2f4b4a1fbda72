import { t } from 'elysia'
import { idOf, integer, orNull, PAGING, shape, time, words } from '../openapi/fields.ts'
import { operation } from '../openapi/operation.ts'

const settings = (description: string) => orNull(t.Record(t.String(), t.Unknown(), { description }))

const Entry = shape('AuditEntry', {
  id: idOf('aud', 'names the entry'),
  at: time('when it was changed'),
  actor: t.String({ description: 'id of the token, `environment`, `local`, or `sync` for what a sync found' }),
  action: t.String({ pattern: '^[a-z]+\\.[a-z]+$' }),
  subject: t.String({ description: 'id of what was changed' }),
  before: settings('as it was, without secrets; null for something new'),
  after: settings('as it is since then, without secrets; null for something removed'),
  request_id: t.String({ description: '`X-Request-Id` of the request that changed it; empty when none did' }),
  address: orNull(t.String({ description: 'where it came from; null over the local socket' })),
  hash: orNull(t.String({ description: 'SHA-256 of the entry and of the hash before it; null in entries of old' })),
})

const Head = shape('AuditHead', {
  id: idOf('aud', 'names the newest entry'),
  hash: t.String({ description: 'its hash, to be noted elsewhere' }),
})

const Broken = shape('AuditFault', {
  id: idOf('aud', 'names the first entry that does not fit'),
  reason: t.String(),
})

const Verification = shape('AuditVerification', {
  ok: t.Boolean({ description: 'whether every entry is what it was when it was written' }),
  entries: integer({ minimum: 0, description: 'how many fit' }),
  head: orNull(Head),
  broken: orNull(Broken),
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
  hash: 'a3f5'.repeat(16),
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
    description:
      'Every change through the API or the command line, and every tag that was moved and refused. Entries are only ever added.',
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
  verify: operation({
    id: 'verifyAudit',
    tag: 'Audit',
    access: 'unrestricted token',
    summary: 'Verify the audit',
    description:
      'Follows the hashes from the first entry to the newest. With an entry and the hash that was noted of it elsewhere, also whether that one is still there.',
    query: {
      entry: exactly('An entry that was noted.', 'aud_1042'),
      hash: exactly('The hash that was noted with it.', 'a3f5'.repeat(16)),
    },
    answers: {
      200: {
        description: 'What was found.',
        schema: Verification,
        examples: {
          whole: { ok: true, entries: 1042, head: { id: 'aud_1042', hash: 'a3f5'.repeat(16) }, broken: null },
        },
      },
    },
  }),
}

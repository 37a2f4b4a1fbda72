import { Elysia, type Static, t } from 'elysia'
import type { TokenVerifier } from '../../auth/tokens.ts'
import type { AuditFilter, AuditRow } from '../../store/audit.ts'
import type { BaseUrlOf } from '../base-url.ts'
import { authenticate } from '../plugins/authenticate.ts'
import { AUDIT_OPERATIONS } from './audit-operations.ts'
import type { AuditTrail } from './audit-trail.ts'
import { listResponse, pageOf, wrongField } from './request-body.ts'

/** What the routes of the audit work with. */
export interface AuditRoutesParts {
  readonly verifier: TokenVerifier
  readonly audit: AuditTrail
  readonly baseUrlOf: BaseUrlOf
}

const VerifyQuery = t.Object({
  entry: t.Optional(t.String({ pattern: '^aud_\\d{1,15}$', description: 'id of an entry, as in aud_1042' })),
  hash: t.Optional(t.String({ pattern: '^[0-9a-f]{64}$', description: '64 lower-case hexadecimal digits' })),
})

const text = (description: string) => t.Optional(t.String({ maxLength: 200, description }))

const AuditQuery = t.Object({
  actor: text('id of a token, `environment` or `local`'),
  action: text('an action, like repository.update'),
  subject: text('id of what was changed'),
  since: text('Unix seconds'),
  until: text('Unix seconds'),
  order: t.Optional(t.Union([t.Literal('newest'), t.Literal('oldest')], { description: 'newest or oldest' })),
  limit: t.Optional(t.String()),
  cursor: t.Optional(t.String()),
})

/** `/api/audit`: who changed what. It can be read and, through no route, be changed. */
export function auditRoutes(parts: AuditRoutesParts) {
  return new Elysia({ prefix: '/api/audit' })
    .use(authenticate(parts.verifier, 'unrestricted token'))
    .get(
      '/',
      async ({ request, query }) => {
        const { limit, cursor } = pageOf({ limit: query.limit, cursor: query.cursor })
        if (cursor !== null && !/^\d{1,15}$/.test(cursor)) throw wrongField('cursor', 'needs to come from Link')
        const page = await parts.audit.list({ limit, cursor, order: query.order ?? 'newest' }, filterOf(query))
        return listResponse(request, parts.baseUrlOf(request), { ...page, body: page.rows.map(shownEntry) })
      },
      { query: AuditQuery, detail: AUDIT_OPERATIONS.list },
    )
    .get('/verification', ({ query }) => verification(parts.audit, query), {
      query: VerifyQuery,
      detail: AUDIT_OPERATIONS.verify,
    })
}

/** Whether every entry is what it was when it was written, and the one that was noted elsewhere is still there. */
async function verification(audit: AuditTrail, { entry, hash }: Static<typeof VerifyQuery>) {
  if ((entry === undefined) !== (hash === undefined)) {
    throw wrongField(entry === undefined ? 'entry' : 'hash', 'needs to be named beside the other one')
  }
  const witness = entry === undefined ? undefined : Number(entry.slice('aud_'.length))
  const { entries, head, broken, witnessed } = await audit.verify(witness)
  const lost = broken === null && witness !== undefined && witnessed !== hash
  const found = lost ? { id: witness, reason: witnessed === null ? REMOVED : OTHER } : broken
  return {
    ok: found === null,
    entries,
    head: head.id === 0 ? null : { id: `aud_${head.id}`, hash: head.hash },
    broken: found && { id: `aud_${found.id}`, reason: found.reason },
  }
}

const REMOVED = 'It was noted elsewhere and is not there: the newest entries were removed.'
const OTHER = 'Its hash is another one than was noted: the entries up to it were written anew.'

function filterOf({ actor, action, subject, since, until }: Static<typeof AuditQuery>): AuditFilter {
  return {
    ...(actor === undefined ? {} : { actor }),
    ...(action === undefined ? {} : { action }),
    ...(subject === undefined ? {} : { subject }),
    ...(since === undefined ? {} : { since: secondsOf('since', since) }),
    ...(until === undefined ? {} : { until: secondsOf('until', until) }),
  }
}

function secondsOf(field: string, value: string): number {
  if (!/^\d{1,12}$/.test(value)) throw wrongField(field, 'needs a time in Unix seconds')
  return Number(value)
}

function shownEntry(row: AuditRow) {
  return {
    id: `aud_${row.id}`,
    at: row.at,
    actor: row.actor,
    action: row.action,
    subject: row.subject,
    before: row.before,
    after: row.after,
    request_id: row.requestId,
    address: row.address,
    hash: row.hash,
  }
}

import { Elysia, type Static, t } from 'elysia'
import { type Caller, contains } from '../../auth/scope.ts'
import { scopeOf } from '../../auth/token-scope.ts'
import { hashToken, makeToken, type TokenVerifier } from '../../auth/tokens.ts'
import { AppError } from '../../errors.ts'
import { newId } from '../../store/ids.ts'
import type { TokenRow, TokenTable } from '../../store/tokens.ts'
import type { BaseUrlOf } from '../base-url.ts'
import { integer } from '../openapi/fields.ts'
import { authenticate } from '../plugins/authenticate.ts'
import type { AuditTrail } from './audit-trail.ts'
import { type ExplainParts, explainPackage } from './explain-token.ts'
import { createOnce, type IdempotencyParts } from './idempotency.ts'
import { listResponse, pageOf, wrongField } from './request-body.ts'
import { NewToken, shownToken, TokenPatch, tokenSettings } from './token-fields.ts'
import { TOKEN_OPERATIONS } from './token-operations.ts'

/** What the routes of tokens work with. `now` gives Unix seconds. */
export interface TokenRoutesParts extends ExplainParts, IdempotencyParts {
  readonly verifier: TokenVerifier
  readonly tokens: TokenTable
  readonly audit: AuditTrail
  readonly baseUrlOf: BaseUrlOf
  readonly now: () => number
}

/** Longest time that a rotated value keeps working, in seconds. */
const LONGEST_GRACE = 30 * 86_400

const Rotation = t.Object(
  {
    grace: t.Optional(
      integer({
        minimum: 0,
        maximum: LONGEST_GRACE,
        description: `seconds the old value keeps working, from 0 to ${LONGEST_GRACE}`,
      }),
    ),
  },
  { additionalProperties: false, description: 'a rotation' },
)

/** `/api/tokens`: a shop mints, lists, changes and revokes the tokens of its customers. */
export function tokenRoutes(parts: TokenRoutesParts) {
  const { tokens, verifier, audit } = parts
  return new Elysia({ prefix: '/api/tokens' })
    .use(authenticate(verifier, 'write token'))
    .get('/', ({ request, query, caller }) => listTokens(parts, request, query, caller), {
      detail: TOKEN_OPERATIONS.list,
    })
    .post('/', ({ body, request, caller }) => createToken(parts, request, caller, body), {
      body: NewToken,
      detail: TOKEN_OPERATIONS.create,
    })
    .get('/:id', async ({ params, caller }) => shownToken(await findToken(tokens, caller, params.id)), {
      detail: TOKEN_OPERATIONS.show,
    })
    .patch('/:id', ({ params, body, request, caller }) => changeToken(parts, request, caller, params.id, body), {
      body: TokenPatch,
      detail: TOKEN_OPERATIONS.change,
    })
    .delete(
      '/:id',
      async ({ params, request, caller }) => {
        const row = await findToken(tokens, caller, params.id)
        const change = { action: 'token.delete', subject: row.id, before: shownToken(row) }
        await tokens.delete(row.id, audit.recording(request, caller, change))
        verifier.forget()
        return { message: 'Token revoked' }
      },
      { detail: TOKEN_OPERATIONS.revoke },
    )
    .post(
      '/:id/rotate',
      ({ params, body, request, caller }) => rotateToken(parts, request, caller, params.id, body?.grace ?? 0),
      {
        body: t.Optional(Rotation),
        detail: TOKEN_OPERATIONS.rotate,
      },
    )
    .get(
      '/:id/explain',
      async ({ params, query, caller }) => {
        const row = await findToken(tokens, caller, params.id)
        return explainPackage(parts, caller, row, query.package)
      },
      { detail: TOKEN_OPERATIONS.explain },
    )
}

async function listTokens(
  parts: TokenRoutesParts,
  request: Request,
  query: Record<string, string>,
  caller: Caller,
): Promise<Response> {
  const { limit, cursor, permissions, ...metadata } = query
  if (permissions !== undefined && permissions !== 'readonly' && permissions !== 'write') {
    throw wrongField('permissions', 'needs to be readonly or write')
  }
  const within = caller.scope
  const limited = [...within.packages.values()].some((constraint) => constraint !== null)
  const fits = limited ? (row: TokenRow) => contains(within, scopeOf(row)) : null
  const page = await parts.tokens.list(pageOf({ limit, cursor }), { permissions, metadata, within, fits })
  return listResponse(request, parts.baseUrlOf(request), { ...page, body: page.rows.map(shownToken) })
}

function createToken(
  parts: TokenRoutesParts,
  request: Request,
  caller: Caller,
  body: Static<typeof NewToken>,
): Promise<Response> {
  return createOnce(parts, { request, caller, route: 'POST /api/tokens', body }, () => {
    const token = makeToken()
    const row = newToken(token, body, parts.now())
    refuseWider(caller, row)
    const change = { action: 'token.create', subject: row.id, after: shownToken(row) }
    return {
      answer: { ...shownToken(row), token },
      save: (alongside) =>
        parts.tokens.insert(row, async (tx) => {
          await alongside(tx)
          await parts.audit.recording(request, caller, change)(tx)
        }),
    }
  })
}

function newToken(token: string, body: Static<typeof NewToken>, now: number): TokenRow {
  return {
    id: newId('tok'),
    hash: hashToken(token),
    ...NO_SETTINGS,
    permissions: body.permissions,
    ...tokenSettings(body, now),
    previousHash: null,
    previousUntil: null,
    createdAt: now,
    updatedAt: now,
    lastUsedAt: null,
    lastClient: null,
  }
}

const NO_SETTINGS = {
  description: '',
  expiresAt: null,
  allowedPackagePrefixes: [],
  allowedPackages: [],
  updatesUntil: null,
  rateLimitMax: null,
  metadata: {},
}

async function changeToken(
  parts: TokenRoutesParts,
  request: Request,
  caller: Caller,
  id: string,
  body: Static<typeof TokenPatch>,
) {
  const row = await findToken(parts.tokens, caller, id)
  const settings = tokenSettings(body, parts.now())
  refuseWider(caller, { ...row, ...settings })
  const after = await parts.tokens.update(id, settings, parts.now(), (before, changed) => {
    // Once more: somebody else may have changed it since.
    refuseUnknown(caller, before)
    refuseWider(caller, changed)
    const change = { action: 'token.update', subject: id, before: shownToken(before), after: shownToken(changed) }
    return parts.audit.recording(request, caller, change)
  })
  if (!after) throw unknownToken(id)
  parts.verifier.forget()
  return shownToken(after)
}

async function rotateToken(parts: TokenRoutesParts, request: Request, caller: Caller, id: string, grace: number) {
  await findToken(parts.tokens, caller, id)
  const token = makeToken()
  const now = parts.now()
  const value = { hash: hashToken(token), previousUntil: grace === 0 ? null : now + grace }
  const after = await parts.tokens.rotate(id, value, now, (before, changed) => {
    refuseUnknown(caller, before)
    const change = { action: 'token.rotate', subject: id, before: shownToken(before), after: shownToken(changed) }
    return parts.audit.recording(request, caller, change)
  })
  if (!after) throw unknownToken(id)
  parts.verifier.forget()
  return { ...shownToken(after), token }
}

/** A restricted write token knows only of tokens whose scope lies inside its own. */
async function findToken(tokens: TokenTable, caller: Caller, id: string): Promise<TokenRow> {
  const row = await tokens.find(id)
  if (!row) throw unknownToken(id)
  refuseUnknown(caller, row)
  return row
}

function refuseUnknown(caller: Caller, row: TokenRow): void {
  if (!contains(caller.scope, scopeOf(row))) throw unknownToken(row.id)
}

function refuseWider(caller: Caller, row: TokenRow): void {
  if (contains(caller.scope, scopeOf(row))) return
  throw new AppError(
    'forbidden',
    'This token may hand on only what it covers itself: name prefixes or packages inside its own, and no later updates_until.',
  )
}

function unknownToken(id: string): AppError {
  return new AppError('not_found', `There is no token ${id}.`)
}

import { Elysia, t } from 'elysia'
import { type Caller, covers } from '../../auth/scope.ts'
import { hashToken, makeToken, type TokenVerifier } from '../../auth/tokens.ts'
import { AppError } from '../../errors.ts'
import { newId } from '../../store/ids.ts'
import type { TokenRow, TokenTable } from '../../store/tokens.ts'
import type { BaseUrlOf } from '../base-url.ts'
import { authenticate } from '../plugins/authenticate.ts'
import { jsonBody } from '../plugins/json-body.ts'
import { listResponse, pageOf, wrongField } from './request-body.ts'

/** What the routes of tokens work with. `now` gives Unix seconds. */
export interface TokenRoutesParts {
  readonly verifier: TokenVerifier
  readonly tokens: TokenTable
  readonly baseUrlOf: BaseUrlOf
  readonly now: () => number
}

const PREFIX = '^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,99}/[a-zA-Z0-9_.-]{0,150}$'

const NewToken = t.Object(
  {
    description: t.Optional(t.String({ maxLength: 500, description: 'text of at most 500 characters' })),
    permissions: t.Union([t.Literal('readonly'), t.Literal('write')], { description: 'readonly or write' }),
    expires_at: t.Optional(
      t.Union([t.Integer({ minimum: 1 }), t.Null()], { description: 'Unix seconds, or null for never' }),
    ),
    allowed_package_prefixes: t.Optional(
      t.Array(
        t.String({ pattern: PREFIX, description: 'a start of full package names with its slash, like "acme/"' }),
        {
          maxItems: 1_000,
          description: 'a list of starts of package names, like ["acme/"]',
        },
      ),
    ),
    rate_limit_max: t.Optional(
      t.Union([t.Integer({ minimum: 0 }), t.Null()], {
        description: 'requests per hour, 0 for no limit, null for the default',
      }),
    ),
    metadata: t.Optional(
      t.Record(t.String({ maxLength: 100 }), t.String({ maxLength: 1_000 }), {
        description: 'an object whose values are strings',
      }),
    ),
  },
  { additionalProperties: false, description: 'a token' },
)

/** `/api/tokens`: a shop mints, lists and revokes the tokens of its customers. */
export function tokenRoutes(parts: TokenRoutesParts) {
  const { tokens, verifier } = parts
  return new Elysia({ prefix: '/api/tokens' })
    .use(authenticate(verifier, 'write token'))
    .use(jsonBody())
    .get('/', async ({ request, query, caller }) => {
      const { limit, cursor, ...metadata } = query
      const page = await tokens.list(pageOf({ limit, cursor }), metadata, caller.prefixes)
      return listResponse(request, parts.baseUrlOf(request), { ...page, body: page.rows.map(shown) })
    })
    .post('/', async ({ body, caller, status }) => status(201, await createToken(parts, caller, body)), {
      body: NewToken,
    })
    .get('/:id', async ({ params, caller }) => shown(await findToken(tokens, caller, params.id)))
    .delete('/:id', async ({ params, caller }) => {
      const row = await findToken(tokens, caller, params.id)
      await tokens.delete(row.id)
      verifier.forget()
      return { message: 'Token revoked' }
    })
}

async function createToken(parts: TokenRoutesParts, caller: Caller, body: typeof NewToken.static) {
  const now = parts.now()
  const prefixes = (body.allowed_package_prefixes ?? []).map((prefix) => prefix.toLowerCase())
  if (!covers(caller, prefixes)) {
    throw new AppError(
      'forbidden',
      'This token may create tokens only for prefixes inside its own; name them in allowed_package_prefixes.',
    )
  }
  const expiresAt = body.expires_at ?? null
  if (expiresAt !== null && expiresAt <= now)
    throw wrongField('expires_at', 'needs a time in the future, in Unix seconds')
  const token = makeToken()
  const row: TokenRow = {
    id: newId('tok'),
    hash: hashToken(token),
    description: body.description ?? '',
    permissions: body.permissions,
    expiresAt,
    allowedPackagePrefixes: prefixes,
    rateLimitMax: body.rate_limit_max ?? null,
    metadata: body.metadata ?? {},
    createdAt: now,
    updatedAt: now,
    lastUsedAt: null,
  }
  await parts.tokens.insert(row)
  return { ...shown(row), token }
}

async function findToken(tokens: TokenTable, caller: Caller, id: string): Promise<TokenRow> {
  const row = await tokens.find(id)
  // A restricted write token knows only of tokens whose prefixes lie inside its own.
  if (!row || !covers(caller, row.allowedPackagePrefixes)) throw new AppError('not_found', `There is no token ${id}.`)
  return row
}

/** A token as the API shows it. */
function shown(row: TokenRow) {
  return {
    id: row.id,
    description: row.description,
    permissions: row.permissions,
    expires_at: row.expiresAt,
    allowed_package_prefixes: row.allowedPackagePrefixes,
    rate_limit_max: row.rateLimitMax,
    metadata: row.metadata,
    created_at: row.createdAt,
    last_used_at: row.lastUsedAt,
  }
}

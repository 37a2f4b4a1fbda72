import { t } from 'elysia'
import { count, idOf, Message, orNull, PAGING, part, shape, time, words } from '../openapi/fields.ts'
import { operation } from '../openapi/operation.ts'
import { IDEMPOTENCY_KEY } from './idempotency-key.ts'

const FIELDS = {
  id: idOf('tok', 'names the token'),
  description: t.String({ description: 'what the token is for' }),
  permissions: words(['readonly', 'write']),
  expires_at: orNull(time('end of the token')),
  allowed_package_prefixes: t.Array(t.String(), { description: 'starts of the package names it covers' }),
  allowed_packages: t.Array(part({ name: t.String(), constraint: orNull(t.String()) }), {
    description: 'single packages that it covers, with the versions',
  }),
  updates_until: orNull(time('versions released later are not served')),
  rate_limit_max: orNull(count('requests per hour, 0 for no limit, null for the default')),
  metadata: t.Record(t.String(), t.String(), { description: 'what the shop notes about it' }),
  created_at: time('when it was created'),
  updated_at: time('when it was last changed'),
  last_used_at: orNull(time('when it was last used')),
  last_client: orNull(t.String({ description: 'User-Agent of the last use' })),
  previous_value_until: orNull(time('until when the value before the last rotation works')),
}

const Token = shape('Token', FIELDS)

const TokenWithValue = shape('TokenWithValue', {
  ...FIELDS,
  token: t.String({ pattern: '^pb_[A-Za-z0-9_-]{43}$', description: 'the value, which is never shown again' }),
})

const Explanation = shape('TokenExplanation', {
  package: t.String(),
  token: idOf('tok', 'names the token'),
  expired: t.Boolean(),
  versions: t.Array(part({ version: t.String(), visible: t.Boolean(), reason: t.String() })),
})

const TOKEN_EXAMPLE = {
  id: 'tok_V1StGXR8Z5jdHi6BmyT',
  description: 'Customer 1042',
  permissions: 'readonly',
  expires_at: 4_102_444_800,
  allowed_package_prefixes: ['acme/pro-'],
  allowed_packages: [{ name: 'acme/addon', constraint: '^2.0' }],
  updates_until: null,
  rate_limit_max: null,
  metadata: { customer_id: '1042' },
  created_at: 1_767_225_600,
  updated_at: 1_767_225_600,
  last_used_at: null,
  last_client: null,
  previous_value_until: null,
}

const VALUE = { ...TOKEN_EXAMPLE, token: 'pb_3q2-7wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA' }

const id = {
  id: { description: 'Id of the token.', schema: t.String(), example: 'tok_V1StGXR8Z5jdHi6BmyT' },
}

const common = { tag: 'Tokens', access: 'write token' } as const
const unknown = { not_found: 'There is no token tok_V1StGXR8Z5jdHi6BmyT.' }
const tooLarge = { too_large: 'The body is larger than 1048576 bytes.' }

/** The operations of `/api/tokens`. */
export const TOKEN_OPERATIONS = {
  list: operation({
    ...common,
    id: 'listTokens',
    summary: 'List tokens',
    description:
      'Tokens whose scope lies inside that of the asking one. Every further query parameter is a key of `metadata` with the value it must have.',
    query: {
      ...PAGING,
      permissions: { description: 'Only tokens with these permissions.', schema: words(['readonly', 'write']) },
      customer_id: { description: 'For example: only tokens with this in `metadata`.', schema: t.String() },
    },
    answers: {
      200: {
        description: 'A page of tokens.',
        schema: t.Array(Token),
        headers: ['X-Total-Count', 'Link'],
        examples: { tokens: [TOKEN_EXAMPLE] },
      },
    },
  }),
  create: operation({
    ...common,
    id: 'createToken',
    summary: 'Create a token',
    description: 'A restricted token may only hand on what it covers itself.',
    requestHeaders: IDEMPOTENCY_KEY,
    bodyExamples: {
      customer: {
        permissions: 'readonly',
        allowed_package_prefixes: ['acme/pro-'],
        expires_at: 4_102_444_800,
        metadata: { customer_id: '1042' },
      },
    },
    answers: {
      201: { description: 'The token with its value.', schema: TokenWithValue, examples: { created: VALUE } },
    },
    errors: {
      ...tooLarge,
      conflict: 'This Idempotency-Key was used with another body; take a new key for a new request.',
    },
  }),
  show: operation({
    ...common,
    id: 'getToken',
    summary: 'Look at a token',
    pathParameters: id,
    answers: { 200: { description: 'The token.', schema: Token, examples: { token: TOKEN_EXAMPLE } } },
    errors: unknown,
  }),
  change: operation({
    ...common,
    id: 'changeToken',
    summary: 'Change a token',
    description: 'What the body names is changed, with effect on the next request.',
    pathParameters: id,
    bodyExamples: { extended: { expires_at: 4_133_980_800 } },
    answers: { 200: { description: 'The token as it is now.', schema: Token, examples: { token: TOKEN_EXAMPLE } } },
    errors: { ...unknown, ...tooLarge },
  }),
  revoke: operation({
    ...common,
    id: 'revokeToken',
    summary: 'Revoke a token',
    pathParameters: id,
    answers: {
      200: {
        description: 'It is revoked, with effect on the next request.',
        schema: Message,
        examples: { revoked: { message: 'Token revoked' } },
      },
    },
    errors: unknown,
  }),
  rotate: operation({
    ...common,
    id: 'rotateToken',
    summary: 'Give a token another value',
    description: 'The old value keeps working for `grace` seconds, at once not any more without it.',
    pathParameters: id,
    bodyExamples: { hour: { grace: 3_600 } },
    answers: {
      200: { description: 'The token with its new value.', schema: TokenWithValue, examples: { rotated: VALUE } },
    },
    errors: { ...unknown, ...tooLarge },
  }),
  explain: operation({
    ...common,
    id: 'explainToken',
    summary: 'Why a token does or does not see the versions of a package',
    pathParameters: id,
    query: {
      package: { description: 'Full name of the package. Required.', schema: t.String(), example: 'acme/lib' },
    },
    answers: {
      200: {
        description: 'Each version with the reason.',
        schema: Explanation,
        examples: {
          covered: {
            package: 'acme/lib',
            token: 'tok_V1StGXR8Z5jdHi6BmyT',
            expired: false,
            versions: [{ version: '1.0.0', visible: true, reason: 'Covered.' }],
          },
        },
      },
    },
    errors: { not_found: 'There is no package acme/lib.' },
  }),
}

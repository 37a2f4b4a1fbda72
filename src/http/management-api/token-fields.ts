import { type Static, t } from 'elysia'
import { scopeOf } from '../../auth/token-scope.ts'
import { packageNameProblem } from '../../composer/package-name.ts'
import { isAppError } from '../../errors.ts'
import type { TokenChange, TokenRow } from '../../store/tokens.ts'
import { integer } from '../openapi/fields.ts'
import { wrongField } from './request-body.ts'

const PREFIX = '^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,99}/[a-zA-Z0-9_.-]{0,150}$'

const FIELDS = {
  description: t.Optional(t.String({ maxLength: 500, description: 'text of at most 500 characters' })),
  expires_at: t.Optional(
    t.Union([integer({ minimum: 1, maximum: 253_402_300_799 }), t.Null()], {
      description: 'Unix seconds in the future, or null for never',
    }),
  ),
  allowed_package_prefixes: t.Optional(
    t.Array(t.String({ pattern: PREFIX, description: 'a start of full package names with its slash, like "acme/"' }), {
      maxItems: 1_000,
      description: 'a list of starts of package names, like ["acme/"]',
    }),
  ),
  allowed_packages: t.Optional(
    t.Array(
      t.Object(
        {
          name: t.String({ maxLength: 200, description: 'a full package name, like "acme/lib"' }),
          constraint: t.Optional(
            t.Union([t.String({ minLength: 1, maxLength: 1_000 }), t.Null()], {
              description: 'a Composer constraint, like "^2.0", or null',
            }),
          ),
        },
        { additionalProperties: false, description: 'an object with “name” and, optionally, “constraint”' },
      ),
      { maxItems: 1_000, description: 'a list of packages, like [{"name": "acme/lib", "constraint": "^2.0"}]' },
    ),
  ),
  updates_until: t.Optional(
    t.Union([integer({ minimum: 0, maximum: 253_402_300_799 }), t.Null()], {
      description: 'Unix seconds: versions released later are not served; null for no end',
    }),
  ),
  rate_limit_max: t.Optional(
    t.Union([integer({ minimum: 0, maximum: 1_000_000_000 }), t.Null()], {
      description: 'requests per hour, 0 for no limit, null for the default',
    }),
  ),
  metadata: t.Optional(
    t.Record(t.String({ maxLength: 100 }), t.String({ maxLength: 1_000 }), {
      maxProperties: 100,
      description: 'an object whose values are strings',
    }),
  ),
}

const permissions = t.Union([t.Literal('readonly'), t.Literal('write')], { description: 'readonly or write' })

/** Body of `POST /api/tokens`. */
export const NewToken = t.Object({ permissions, ...FIELDS }, { additionalProperties: false, description: 'a token' })

/** Body of `PATCH /api/tokens/{id}`: what is named is changed. */
export const TokenPatch = t.Object(
  { permissions: t.Optional(permissions), ...FIELDS },
  { additionalProperties: false, minProperties: 1, description: 'the fields to change' },
)

/**
 * The settings that a body names, checked as far as its schema cannot. `now` in Unix seconds.
 * Throws AppError('invalid') with `details.fields`.
 */
export function tokenSettings(body: Static<typeof TokenPatch>, now: number): TokenChange {
  const expiresAt = body.expires_at
  if (typeof expiresAt === 'number' && expiresAt <= now) {
    throw wrongField('expires_at', 'needs a time in the future, in Unix seconds')
  }
  return {
    ...(body.description === undefined ? {} : { description: body.description }),
    ...(body.permissions === undefined ? {} : { permissions: body.permissions }),
    ...(expiresAt === undefined ? {} : { expiresAt }),
    ...(body.allowed_package_prefixes === undefined
      ? {}
      : { allowedPackagePrefixes: body.allowed_package_prefixes.map((prefix) => prefix.toLowerCase()) }),
    ...(body.allowed_packages === undefined ? {} : { allowedPackages: allowedPackages(body.allowed_packages) }),
    ...(body.updates_until === undefined ? {} : { updatesUntil: body.updates_until }),
    ...(body.rate_limit_max === undefined ? {} : { rateLimitMax: body.rate_limit_max }),
    ...(body.metadata === undefined ? {} : { metadata: body.metadata }),
  }
}

function allowedPackages(
  entries: readonly { name: string; constraint?: string | null }[],
): TokenRow['allowedPackages'] {
  const packages = entries.map(({ name, constraint = null }) => ({ name: name.toLowerCase(), constraint }))
  for (const { name } of packages) {
    if (packageNameProblem(name) !== null)
      throw wrongField('allowed_packages', `needs full package names; “${name}” is none`)
  }
  if (new Set(packages.map(({ name }) => name)).size < packages.length) {
    throw wrongField('allowed_packages', 'needs each package name once')
  }
  try {
    scopeOf({ allowedPackagePrefixes: [], allowedPackages: packages, updatesUntil: null })
  } catch (error) {
    if (isAppError(error, 'invalid'))
      throw wrongField('allowed_packages', `needs Composer constraints: ${error.message}`)
    throw error
  }
  return packages
}

/** A token as the API shows it; its value is not known any more. */
export function shownToken(row: TokenRow) {
  return {
    id: row.id,
    description: row.description,
    permissions: row.permissions,
    expires_at: row.expiresAt,
    allowed_package_prefixes: row.allowedPackagePrefixes,
    allowed_packages: row.allowedPackages,
    updates_until: row.updatesUntil,
    rate_limit_max: row.rateLimitMax,
    metadata: row.metadata,
    created_at: row.createdAt,
    updated_at: row.updatedAt,
    last_used_at: row.lastUsedAt,
    last_client: row.lastClient,
    previous_value_until: row.previousUntil,
  }
}

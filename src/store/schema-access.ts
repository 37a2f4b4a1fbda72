import { index, integer, primaryKey, sqliteTable, text } from 'drizzle-orm/sqlite-core'

/* Tables about who may do what, and who did. The rest, and how tables are changed, is in schema.ts. */

/** Access tokens. Only the SHA-256 of a token is kept. */
export const tokens = sqliteTable(
  'tokens',
  {
    id: text('id').primaryKey(),
    hash: text('hash').notNull().unique(),
    description: text('description').notNull().default(''),
    permissions: text('permissions', { enum: ['readonly', 'write'] }).notNull(),
    expiresAt: integer('expires_at'),
    allowedPackagePrefixes: text('allowed_package_prefixes', { mode: 'json' }).$type<string[]>().notNull(),
    /** Single packages beside the prefixes; a constraint limits which versions of one are seen. */
    allowedPackages: text('allowed_packages', { mode: 'json' }).$type<AllowedPackage[]>().notNull().default([]),
    /** Versions released after this are not seen; null for no end. */
    updatesUntil: integer('updates_until'),
    rateLimitMax: integer('rate_limit_max'),
    /** Hash of the value before the last rotation, which is accepted until `previousUntil`. */
    previousHash: text('previous_hash').unique(),
    previousUntil: integer('previous_until'),
    metadata: text('metadata', { mode: 'json' }).$type<Record<string, string>>().notNull(),
    createdAt: integer('created_at').notNull(),
    updatedAt: integer('updated_at').notNull(),
    lastUsedAt: integer('last_used_at'),
    /** Program of the last request, as its User-Agent said. */
    lastClient: text('last_client'),
  },
  (table) => [
    index('tokens_created_at').on(table.createdAt, table.id),
    index('tokens_permissions').on(table.permissions, table.createdAt, table.id),
  ],
)

/** `metadata` of the tokens once more, to find tokens by it. Triggers on `tokens` write it, nothing else. */
export const tokenMetadata = sqliteTable(
  'token_metadata',
  {
    tokenId: text('token_id')
      .notNull()
      .references(() => tokens.id, { onDelete: 'cascade' }),
    key: text('key').notNull(),
    value: text('value').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.tokenId, table.key] }),
    index('token_metadata_value').on(table.key, table.value, table.tokenId),
  ],
)

/** What the tokens name as their scope once more, to find those inside another one. Triggers on `tokens` write it, nothing else. */
export const tokenScopeNames = sqliteTable(
  'token_scope_names',
  {
    tokenId: text('token_id')
      .notNull()
      .references(() => tokens.id, { onDelete: 'cascade' }),
    kind: text('kind', { enum: ['prefix', 'package'] }).notNull(),
    name: text('name').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.tokenId, table.kind, table.name] }),
    index('token_scope_names_name').on(table.name, table.kind, table.tokenId),
  ],
)

/** A package a token may see, with a Composer constraint on its versions or null for all. */
export interface AllowedPackage {
  readonly name: string
  readonly constraint: string | null
}

/** Requests of a token in an hourly window, written now and then. */
export const rateWindows = sqliteTable(
  'rate_windows',
  {
    tokenId: text('token_id')
      .notNull()
      .references(() => tokens.id, { onDelete: 'cascade' }),
    /** Unix seconds of the window's start. */
    startsAt: integer('starts_at').notNull(),
    requests: integer('requests').notNull(),
  },
  (table) => [primaryKey({ columns: [table.tokenId, table.startsAt] })],
)

/** First answers to requests with an Idempotency-Key, sealed, for a day. */
export const idempotentAnswers = sqliteTable(
  'idempotent_answers',
  {
    /** Who asked and where: the same key of another token or route is another key. */
    scope: text('scope').notNull(),
    key: text('key').notNull(),
    bodyHash: text('body_hash').notNull(),
    /** Null while the first request is being answered. */
    status: integer('status'),
    answer: text('answer'),
    createdAt: integer('created_at').notNull(),
  },
  (table) => [primaryKey({ columns: [table.scope, table.key] }), index('idempotent_answers_age').on(table.createdAt)],
)

/** Every change through API or command line; rows are only ever added. */
export const auditEntries = sqliteTable(
  'audit_entries',
  {
    id: integer('id').primaryKey({ autoIncrement: true }),
    at: integer('at').notNull(),
    /** Id of the token, `environment`, `local`, or `sync`. */
    actor: text('actor').notNull(),
    /** `repository.create`, `token.rotate`, `version.delete` … */
    action: text('action').notNull(),
    subject: text('subject').notNull(),
    before: text('before', { mode: 'json' }).$type<Record<string, unknown> | null>(),
    after: text('after', { mode: 'json' }).$type<Record<string, unknown> | null>(),
    requestId: text('request_id').notNull(),
    address: text('address'),
    /** Hash of the entry before this one, and of this one with it (audit-chain.ts); null in entries from before there were any. */
    previousHash: text('previous_hash'),
    hash: text('hash'),
  },
  (table) => [index('audit_entries_subject').on(table.subject), index('audit_entries_actor').on(table.actor)],
)

import { index, integer, primaryKey, sqliteTable, text } from 'drizzle-orm/sqlite-core'
import { repositories } from './schema.ts'

/* Tables of what the hosts of git repositories say by their APIs. Times are Unix seconds. */

/** What a host says of a repository beside its refs and files. */
export const hostRepositories = sqliteTable('host_repositories', {
  repositoryId: text('repository_id')
    .primaryKey()
    .references(() => repositories.id, { onDelete: 'cascade' }),
  /** The id that outlives renames and moves. */
  hostId: text('host_id').notNull(),
  /** Owner and name, with every group between them, as they are now. */
  path: text('path').notNull(),
  cloneUrl: text('clone_url').notNull(),
  defaultBranch: text('default_branch'),
  archived: integer('archived', { mode: 'boolean' }).notNull(),
  visibility: text('visibility', { enum: ['public', 'internal', 'private'] }).notNull(),
  description: text('description'),
  webUrl: text('web_url').notNull(),
  issuesUrl: text('issues_url'),
  checkedAt: integer('checked_at').notNull(),
})

/** When the host of a repository was asked about it, also when it gave no answer. */
export const hostChecks = sqliteTable('host_checks', {
  repositoryId: text('repository_id')
    .primaryKey()
    .references(() => repositories.id, { onDelete: 'cascade' }),
  askedAt: integer('asked_at').notNull(),
  /** From when on it is asked again. */
  nextAskAt: integer('next_ask_at').notNull(),
  /** Why there was no answer, in one word and in a sentence; null when there was one. */
  problemCode: text('problem_code'),
  problemMessage: text('problem_message'),
})

/** Organisations, groups and workspaces whose repositories are added as they appear. */
export const discoveries = sqliteTable(
  'discoveries',
  {
    id: text('id').primaryKey(),
    vcsType: text('vcs_type', { enum: ['github', 'gitlab', 'bitbucket', 'gitea'] }).notNull(),
    /** Address of the owner at its host: `https://github.com/acme`. */
    url: text('url').notNull(),
    urlKey: text('url_key').notNull().unique(),
    credentialType: text('credential_type').notNull(),
    /** Sealed by auth/secret-box under this row's id. */
    credentials: text('credentials'),
    /** Comma-separated globs of paths that are taken and left out; null for all and none. */
    include: text('include'),
    exclude: text('exclude'),
    includeArchived: integer('include_archived', { mode: 'boolean' }).notNull(),
    includeForks: integer('include_forks', { mode: 'boolean' }).notNull(),
    /** Settings of the repositories it adds, as the management API takes them. */
    template: text('template', { mode: 'json' }).$type<Record<string, unknown>>().notNull(),
    /** Seconds between two listings of everything; null for the default. */
    interval: integer('interval'),
    status: text('status', { enum: ['pending', 'active', 'error'] }).notNull(),
    errorCode: text('error_code'),
    errorMessage: text('error_message'),
    failures: integer('failures').notNull().default(0),
    /** Of the answer to the last probe, which makes the next one cost little. */
    validator: text('validator'),
    lastListedAt: integer('last_listed_at'),
    lastProbedAt: integer('last_probed_at'),
    /** When it is looked at next; moved on when a worker takes it, so that no two do. Null waits for a change of it. */
    nextLookAt: integer('next_look_at'),
    /** The worker that looks at it until then; null when none does. */
    claimedBy: text('claimed_by'),
    /** Asked for while it was looked at. */
    lookAgain: integer('look_again', { mode: 'boolean' }).notNull().default(false),
    /** The person who asked has seen that most repositories are gone from the listing, and means it. */
    acceptRemovals: integer('accept_removals', { mode: 'boolean' }).notNull().default(false),
    /** When its owner is asked next whether anything changed; null for at once. */
    nextProbeAt: integer('next_probe_at'),
    createdAt: integer('created_at').notNull(),
    updatedAt: integer('updated_at').notNull(),
  },
  (table) => [index('discoveries_next_look_at').on(table.nextLookAt)],
)

/** What a discovery found. */
export const discoveredRepositories = sqliteTable(
  'discovered_repositories',
  {
    discoveryId: text('discovery_id')
      .notNull()
      .references(() => discoveries.id, { onDelete: 'cascade' }),
    /** The host's id of it. */
    hostId: text('host_id').notNull(),
    path: text('path').notNull(),
    cloneUrl: text('clone_url').notNull(),
    state: text('state', { enum: ['added', 'skipped', 'gone', 'failed'] }).notNull(),
    /** Why it is not added, or what is wrong with it; null when it is added. */
    reason: text('reason'),
    repositoryId: text('repository_id').references(() => repositories.id, { onDelete: 'set null' }),
    /** When something was last pushed, as the host says it; null where it does not. */
    pushedAt: integer('pushed_at'),
    seenAt: integer('seen_at').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.discoveryId, table.hostId] }),
    index('discovered_repositories_repository').on(table.repositoryId),
  ],
)

/** Deliveries of webhooks that were accepted lately, so that a repeated one is dropped. */
export const webhookDeliveries = sqliteTable(
  'webhook_deliveries',
  {
    repositoryId: text('repository_id')
      .notNull()
      .references(() => repositories.id, { onDelete: 'cascade' }),
    deliveryId: text('delivery_id').notNull(),
    receivedAt: integer('received_at').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.repositoryId, table.deliveryId] }),
    index('webhook_deliveries_received_at').on(table.receivedAt),
  ],
)

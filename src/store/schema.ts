import { index, integer, primaryKey, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core'
import { discoveries } from './schema-hosts.ts'

/*
 * Tables of packages and their sources; those about access are in schema-access.ts, those about
 * git hosts in schema-hosts.ts. Times are Unix seconds unless a name says otherwise. A change here is followed by
 * `make migration`, which writes the next file under drizzle/; released files are never edited.
 */

/** Small facts about the whole installation, by name. */
export const settings = sqliteTable('settings', {
  name: text('name').primaryKey(),
  value: text('value').notNull(),
})

/** Downloads of a version per day, written now and then. */
export const downloads = sqliteTable(
  'downloads',
  {
    packageId: text('package_id')
      .notNull()
      .references(() => packages.id, { onDelete: 'cascade' }),
    version: text('version').notNull(),
    /** `2026-11-22`, UTC. */
    day: text('day').notNull(),
    count: integer('count').notNull(),
  },
  (table) => [primaryKey({ columns: [table.packageId, table.version, table.day] })],
)

/** Places packages come from. */
export const repositories = sqliteTable(
  'repositories',
  {
    id: text('id').primaryKey(),
    url: text('url').notNull(),
    /** Host and path without scheme, user and `.git`: two spellings of one address are one repository. */
    urlKey: text('url_key').notNull().unique(),
    vcsType: text('vcs_type').notNull(),
    credentialType: text('credential_type').notNull(),
    /** Sealed by auth/secret-box under this row's id. */
    credentials: text('credentials'),
    /** ssh host key seen on first use. */
    hostKey: text('host_key'),
    packageFilter: text('package_filter'),
    /** Comma-separated globs of the composer.json files that are packages; null for the one at the root. */
    composerJsonPaths: text('composer_json_paths'),
    /** Sealed by auth/secret-box; what deliveries of its webhook are signed with. */
    webhookSecret: text('webhook_secret'),
    /** The webhook that was registered at its host, as the host names it; null when none was. */
    webhookId: text('webhook_id'),
    /** When a delivery of its webhook was accepted last. */
    lastWebhookAt: integer('last_webhook_at'),
    /** The discovery that added it; null when a person did. */
    discoveryId: text('discovery_id').references(() => discoveries.id, { onDelete: 'set null' }),
    syncInterval: integer('sync_interval'),
    archives: text('archives', { enum: ['lazy', 'tags', 'all'] }).notNull(),
    exposeSource: integer('expose_source', { mode: 'boolean' }).notNull(),
    status: text('status', { enum: ['pending', 'syncing', 'active', 'error'] }).notNull(),
    errorCode: text('error_code'),
    errorMessage: text('error_message'),
    defaultBranch: text('default_branch'),
    /** Digest of the last ref listing that was stored; equal means nothing to do. */
    refsDigest: text('refs_digest'),
    failures: integer('failures').notNull().default(0),
    lastSyncedAt: integer('last_synced_at'),
    nextSyncAt: integer('next_sync_at'),
    createdAt: integer('created_at').notNull(),
    updatedAt: integer('updated_at').notNull(),
  },
  (table) => [
    index('repositories_next_sync_at').on(table.nextSyncAt),
    index('repositories_discovery').on(table.discoveryId),
  ],
)

/** Tags and branches as last offered. */
export const refs = sqliteTable(
  'refs',
  {
    repositoryId: text('repository_id')
      .notNull()
      .references(() => repositories.id, { onDelete: 'cascade' }),
    name: text('name').notNull(),
    commit: text('commit_id').notNull(),
    /** Why this ref is not offered as a version; null when it is. */
    issue: text('issue'),
  },
  (table) => [primaryKey({ columns: [table.repositoryId, table.name] })],
)

/** What is known of a composer.json in a commit: read once, never again. */
export const commits = sqliteTable(
  'commits',
  {
    repositoryId: text('repository_id')
      .notNull()
      .references(() => repositories.id, { onDelete: 'cascade' }),
    commit: text('commit_id').notNull(),
    /** Directory of the composer.json, without slashes at the ends; empty for the root. */
    path: text('path').notNull().default(''),
    committedAt: integer('committed_at').notNull(),
    /** Blob of composer.json; null when the commit has none or it cannot be used. */
    blob: text('blob_id'),
    problem: text('problem'),
  },
  (table) => [primaryKey({ columns: [table.repositoryId, table.commit, table.path] })],
)

/** composer.json texts as they came, by blob: hundreds of tags share a few dozen. */
export const manifests = sqliteTable(
  'manifests',
  {
    repositoryId: text('repository_id')
      .notNull()
      .references(() => repositories.id, { onDelete: 'cascade' }),
    blob: text('blob_id').notNull(),
    content: text('content').notNull(),
  },
  (table) => [primaryKey({ columns: [table.repositoryId, table.blob] })],
)

/** Names that composer.json texts provide or replace. A trigger on `manifests` writes it, nothing else. */
export const manifestProvides = sqliteTable(
  'manifest_provides',
  {
    /** Lower-case. */
    name: text('name').notNull(),
    repositoryId: text('repository_id')
      .notNull()
      .references(() => repositories.id, { onDelete: 'cascade' }),
    blob: text('blob_id').notNull(),
  },
  (table) => [primaryKey({ columns: [table.name, table.repositoryId, table.blob] })],
)

/** Package names owned here. A row outlives its repository, so that a freed name is known to have been ours. */
export const packages = sqliteTable(
  'packages',
  {
    id: text('id').primaryKey(),
    /** Lower-case full name. */
    name: text('name').notNull().unique(),
    prettyName: text('pretty_name').notNull(),
    repositoryId: text('repository_id').references(() => repositories.id, { onDelete: 'set null' }),
    description: text('description'),
    type: text('type').notNull().default('library'),
    /** JSON: false, true or the name of a replacement. */
    abandoned: text('abandoned', { mode: 'json' }).$type<boolean | string>().notNull(),
    latestVersion: text('latest_version'),
    /** Rises with every change of any package; orders changes for readers that follow them. */
    revision: integer('revision').notNull(),
    /** Strictly rising per document; what `Last-Modified` says. */
    modifiedAt: integer('modified_at').notNull(),
    /** False when nothing of it is offered any more. */
    offered: integer('offered', { mode: 'boolean' }).notNull(),
    createdAt: integer('created_at').notNull(),
    updatedAt: integer('updated_at').notNull(),
  },
  (table) => [index('packages_repository').on(table.repositoryId), uniqueIndex('packages_revision').on(table.revision)],
)

/** Versions offered or once offered. */
export const versions = sqliteTable(
  'versions',
  {
    packageId: text('package_id')
      .notNull()
      .references(() => packages.id, { onDelete: 'cascade' }),
    versionNormalized: text('version_normalized').notNull(),
    version: text('version').notNull(),
    stability: text('stability').notNull(),
    kind: text('kind', { enum: ['tag', 'branch', 'artifact'] }).notNull(),
    refName: text('ref_name').notNull(),
    reference: text('reference').notNull(),
    /** Directory in the repository that its archive has, without slashes at the ends; empty for all of it. */
    path: text('path').notNull().default(''),
    blob: text('blob_id').notNull(),
    defaultBranch: integer('default_branch', { mode: 'boolean' }).notNull(),
    /** Normalised version that a branch also counts as (`extra.branch-alias`), for constraints; null without one. */
    alias: text('alias'),
    /** RFC 3339, as served. */
    time: text('time').notNull(),
    releasedAt: integer('released_at').notNull(),
    /** SHA-1 of the archive when it was known at first publication; empty for ever otherwise. */
    shasum: text('shasum').notNull(),
    /** When its tag or branch went away; null while it is offered. */
    hiddenAt: integer('hidden_at'),
    /** When a person took it back; it stays hidden whatever the source offers. */
    withdrawnAt: integer('withdrawn_at'),
    firstPublishedAt: integer('first_published_at').notNull(),
  },
  (table) => [primaryKey({ columns: [table.packageId, table.versionNormalized] })],
)

/** Every reference ever published for a package: what a lock file may name. */
export const publishedReferences = sqliteTable(
  'published_references',
  {
    packageId: text('package_id')
      .notNull()
      .references(() => packages.id, { onDelete: 'cascade' }),
    reference: text('reference').notNull(),
    /** Directory in the repository that its archive has. */
    path: text('path').notNull().default(''),
    repositoryId: text('repository_id')
      .notNull()
      .references(() => repositories.id, { onDelete: 'cascade' }),
    version: text('version').notNull(),
    versionNormalized: text('version_normalized').notNull().default(''),
    alias: text('alias'),
    /** When the commit was made, Unix seconds: what `updates_until` of a token is compared with. */
    releasedAt: integer('released_at').notNull().default(0),
    publishedAt: integer('published_at').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.packageId, table.reference] }),
    index('published_references_repository').on(table.repositoryId),
  ],
)

/** Digests of archives once built. Kept when the file is evicted: a rebuilt archive must have the same bytes. */
export const archives = sqliteTable(
  'archives',
  {
    repositoryId: text('repository_id')
      .notNull()
      .references(() => repositories.id, { onDelete: 'cascade' }),
    reference: text('reference').notNull(),
    path: text('path').notNull(),
    sha1: text('sha1').notNull(),
    sha256: text('sha256').notNull(),
    size: integer('size').notNull(),
    format: integer('format').notNull(),
    createdAt: integer('created_at').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.repositoryId, table.reference, table.path] }),
    index('archives_sha256').on(table.sha256),
  ],
)

/** Work to do on a repository: at most one unfinished job each, leased by a worker. */
export const jobs = sqliteTable(
  'jobs',
  {
    id: text('id').primaryKey(),
    repositoryId: text('repository_id')
      .notNull()
      .references(() => repositories.id, { onDelete: 'cascade' }),
    state: text('state', { enum: ['queued', 'running', 'done', 'failed'] }).notNull(),
    /** Equals the repository while unfinished and null afterwards, so that the unique index allows one. */
    dedupeKey: text('dedupe_key').unique(),
    priority: integer('priority').notNull(),
    acceptRemovals: integer('accept_removals', { mode: 'boolean' }).notNull(),
    /** What it speaks to, for bounds on jobs at once: the host, and a digest of the credential; empty for neither. */
    host: text('host').notNull().default(''),
    credential: text('credential').notNull().default(''),
    /** Set when it was asked for again while running: one more run follows. */
    rerun: integer('rerun', { mode: 'boolean' }).notNull(),
    runAt: integer('run_at').notNull(),
    owner: text('owner'),
    leaseUntil: integer('lease_until'),
    attempt: integer('attempt').notNull(),
    progressDone: integer('progress_done').notNull(),
    progressTotal: integer('progress_total').notNull(),
    progressStep: text('progress_step').notNull(),
    error: text('error'),
    /** What it changed; null while unfinished or failed. */
    result: text('result', { mode: 'json' }).$type<JobResult>(),
    createdAt: integer('created_at').notNull(),
    startedAt: integer('started_at'),
    finishedAt: integer('finished_at'),
  },
  (table) => [
    index('jobs_claim').on(table.state, table.runAt),
    index('jobs_repository').on(table.repositoryId, table.createdAt),
  ],
)

/** What a sync changed: versions added, changed and hidden, and refs that are refused now. */
export interface JobResult {
  readonly added: readonly string[]
  readonly changed: readonly string[]
  readonly removed: readonly string[]
  readonly issues: readonly { readonly ref: string; readonly reason: string }[]
}

import { blob, index, integer, primaryKey, sqliteTable, text } from 'drizzle-orm/sqlite-core'
import { repositories } from './schema.ts'

/* Tables about other Composer repositories and what was read from them. How tables are changed is in schema.ts. */

/** Column that names the upstream a row came from, and goes with it. */
const upstream = () =>
  text('repository_id')
    .notNull()
    .references(() => repositories.id, { onDelete: 'cascade' })

/** How an upstream Composer repository is asked, beside its row in `repositories`. Durations in seconds. */
export const upstreams = sqliteTable('upstreams', {
  repositoryId: text('repository_id')
    .primaryKey()
    .references(() => repositories.id, { onDelete: 'cascade' }),
  /** The highest is asked first; of equals, the one that was added first. */
  priority: integer('priority').notNull(),
  /** Comma-separated globs of names it is never asked for; `package_filter` says what it may be asked for. */
  packageDeny: text('package_deny'),
  /** How long a document is served without asking again. */
  freshFor: integer('fresh_for').notNull(),
  /** How long a document is served while the upstream cannot be asked. */
  staleIfError: integer('stale_if_error').notNull(),
  /** Versions seen for a shorter time than this are withheld; 0 for none. */
  minimumReleaseAge: integer('minimum_release_age').notNull(),
  /** Comma-separated globs of names whose versions are never withheld. */
  releaseAgeExceptions: text('release_age_exceptions'),
  /** A version that leaves the range of an advisory is not withheld. */
  releaseAgePassesFixes: integer('release_age_passes_fixes', { mode: 'boolean' }).notNull(),
  /** Where the upstream's log of changes was read up to, in 1/10,000 seconds; null before the first reading. */
  changesRead: integer('changes_read'),
  /** Patterns of the names it has besides those in `upstream_names`, JSON; null unless it says which names it has. */
  patterns: text('patterns', { mode: 'json' }).$type<readonly string[]>(),
  /** Another one whenever the names or patterns are others; '' before they were read. */
  namesDigest: text('names_digest').notNull().default(''),
  /** Rises with every change of settings, so that what was rendered by other settings is rendered again. */
  revision: integer('revision').notNull(),
})

/** Names that an upstream has: all of them if it says so, else those of vendors that are claimed here. */
export const upstreamNames = sqliteTable(
  'upstream_names',
  {
    repositoryId: upstream(),
    /** Lower-case full name. */
    name: text('name').notNull(),
  },
  (table) => [primaryKey({ columns: [table.repositoryId, table.name] }), index('upstream_names_name').on(table.name)],
)

/** Files of an upstream that are not documents of one package: root, includes, provider listings. */
export const upstreamFiles = sqliteTable(
  'upstream_files',
  {
    repositoryId: upstream(),
    /** Address the file was asked at. */
    url: text('url').notNull(),
    /** gzip of the bytes. */
    body: blob('body', { mode: 'buffer' }).notNull(),
    etag: text('etag'),
    lastModified: text('last_modified'),
    fetchedAt: integer('fetched_at').notNull(),
    /** When the upstream last said that this is what it has. */
    checkedAt: integer('checked_at').notNull(),
  },
  (table) => [primaryKey({ columns: [table.repositoryId, table.url] })],
)

/** Documents of single packages as an upstream gave them, and the knowledge that it has none. */
export const upstreamDocuments = sqliteTable(
  'upstream_documents',
  {
    repositoryId: upstream(),
    /** Lower-case full name. */
    name: text('name').notNull(),
    /** True for the document of branches. */
    dev: integer('dev', { mode: 'boolean' }).notNull(),
    /** gzip of the JSON text; null when the upstream has no such package. */
    body: blob('body', { mode: 'buffer' }),
    /** SHA-256 of the JSON text; '' without one. */
    digest: text('digest').notNull(),
    etag: text('etag'),
    lastModified: text('last_modified'),
    /** Identity of each version to the second it was first seen, Unix seconds. */
    firstSeen: text('first_seen', { mode: 'json' }).$type<Record<string, number>>().notNull(),
    fetchedAt: integer('fetched_at').notNull(),
    /** When the upstream last said that this is what it has. */
    checkedAt: integer('checked_at').notNull(),
    /** When the upstream first denied a package it had offered; null while it offers it. */
    missingSince: integer('missing_since'),
    /** Strictly rising per document; what `Last-Modified` begins with. */
    modifiedAt: integer('modified_at').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.repositoryId, table.name, table.dev] }),
    index('upstream_documents_name').on(table.name),
  ],
)

/**
 * What addresses of archives mean that lock files may hold: of those that were fetched, and of those that documents
 * named once and no longer do.
 */
export const retiredDists = sqliteTable(
  'retired_dists',
  {
    repositoryId: upstream(),
    name: text('name').notNull(),
    /** What the address here names it by, 40 hexadecimal digits. */
    dist: text('dist_id').notNull(),
    /** `dist` of the version as the upstream wrote it, JSON. */
    content: text('content').notNull(),
    version: text('version').notNull(),
    versionNormalized: text('version_normalized').notNull(),
    releasedAt: integer('released_at').notNull(),
    retiredAt: integer('retired_at').notNull(),
  },
  (table) => [primaryKey({ columns: [table.repositoryId, table.name, table.dist] })],
)

/** What an upstream offers that is refused: shown as `issues` of its repository. */
export const upstreamIssues = sqliteTable(
  'upstream_issues',
  {
    repositoryId: upstream(),
    /** Package, with the version where it is about one. */
    subject: text('subject').notNull(),
    reason: text('reason').notNull(),
    at: integer('at').notNull(),
  },
  (table) => [primaryKey({ columns: [table.repositoryId, table.subject] })],
)

/** Complete advisories of an upstream by package, as its API gave them; an empty list says that there are none. */
export const upstreamAdvisories = sqliteTable(
  'upstream_advisories',
  {
    repositoryId: upstream(),
    name: text('name').notNull(),
    /** JSON list. */
    content: text('content').notNull(),
    checkedAt: integer('checked_at').notNull(),
  },
  (table) => [primaryKey({ columns: [table.repositoryId, table.name] })],
)
